//! The progress of a batch, on standard error: a bar for a terminal, now and then a line for a log.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::backend::Client;
use super::from_proto;
use super::retries::Retries;
use crate::campaign::Progress;
use crate::campaign::preflight::grouped;
use crate::clock::Clock;
use crate::proto::{Batch, WatchBatchRequest};
use crate::verdict::Verdict;

/// The time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The time over which the rate is measured: what was true a minute ago says little of what is
/// left when one provider's rows are all that is.
const WINDOW: Duration = Duration::from_secs(30);

/// Shows the progress.
pub(super) struct Display {
    bar: ProgressBar,
    clock: Clock,
    lines: bool,
    last_line: SystemTime,
    rate: Rate,
}

impl Display {
    pub(super) fn new(is_quiet: bool, clock: Clock) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if is_terminal && !is_quiet {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let lines = !is_terminal && !is_quiet;
        Self { bar, clock, lines, last_line: clock.now(), rate: Rate::default() }
    }

    /// A bar that can be told from elsewhere that rows are read.
    pub(super) fn reading(&self) -> ProgressBar {
        self.bar.set_style(style("{spinner} reading the list: {pos} rows"));
        self.bar.clone()
    }

    fn verifying(&self, rows: u64) {
        // The message is cut to what the window holds.
        self.bar.set_style(style("{bar:8} {percent:>3} % {wide_msg}"));
        self.bar.set_length(rows);
    }

    fn show(&mut self, progress: &Progress) {
        let now = self.clock.now();
        self.bar.set_position(progress.finished_rows());
        self.rate.observe(now, progress.finished_rows());
        let (done, rows) = (grouped(progress.finished_rows()), grouped(progress.rows));
        let message = format!("{done} of {rows}  {}", message(progress, &self.rate, now));
        if self.lines && now.duration_since(self.last_line).unwrap_or_default() >= LINE_EVERY {
            self.last_line = now;
            anstream::eprintln!("{message}");
        }
        self.bar.set_message(message);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Rows a second, over the last [`WINDOW`].
#[derive(Debug, Default)]
struct Rate(VecDeque<(SystemTime, u64)>);

impl Rate {
    fn observe(&mut self, now: SystemTime, rows: u64) {
        let age = |at: SystemTime| now.duration_since(at).unwrap_or_default();
        while self.0.get(1).is_some_and(|(at, _)| age(*at) >= WINDOW) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| age(*at) >= Duration::from_secs(1)) {
            self.0.push_back((now, rows));
        }
    }

    /// `None` until two seconds are known, and while nothing comes.
    fn per_second(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.0.front()?, self.0.back()?);
        let seconds = to.duration_since(*from).unwrap_or_default().as_secs_f64();
        let rows = after.saturating_sub(*before) as f64;
        (seconds >= 2.0 && rows > 0.0).then(|| rows / seconds)
    }
}

/// A rate with two digits: `69,000/s`, `8.3/s`.
fn two_digits(rate: f64) -> String {
    if rate < 10.0 {
        let digits = if rate < 1.0 { 2 } else { 1 };
        return format!("{rate:.digits$}/s");
    }
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    format!("{}/s", grouped(((rate / unit).round() * unit) as u64))
}

/// The progress in one line: time and rate first, for narrow windows.
fn message(progress: &Progress, rate: &Rate, now: SystemTime) -> String {
    let mut message = String::new();
    let waiting = progress.waiting_rows();
    let others = progress.open_rows() - waiting.min(progress.open_rows());
    let rate = rate.per_second();
    if let Some(rate) = rate.filter(|_| others > 0) {
        let left = Duration::try_from_secs_f64(others as f64 / rate).unwrap_or(Duration::MAX);
        let _ = write!(message, "about {} left at {}  ", whole_seconds(left), two_digits(rate));
    }
    if waiting > 0 {
        let _ = write!(message, "{} wait for their server", grouped(waiting));
        if let Some(at) = progress.next_retry_at {
            let wait = at.duration_since(now).unwrap_or_default();
            let _ = write!(message, ", next in {}", whole_seconds(wait));
        }
        message.push_str("  ");
    }
    for verdict in Verdict::ALL {
        let rows = progress.with_verdict(verdict);
        if rows > 0 {
            let _ = write!(message, "{} {}  ", grouped(rows), verdict.name());
        }
    }
    message.trim_end().to_owned()
}

fn whole_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs().max(1)))
}

/// Watches the batch to its end. A service that went away for a while is asked again.
pub(super) async fn watch(
    client: &mut Client,
    batch_id: &str,
    display: &mut Display,
) -> anyhow::Result<Batch> {
    let mut retries = Retries::default();
    let mut is_shown = false;
    loop {
        let request = WatchBatchRequest { batch_id: batch_id.to_owned() };
        let ended = match client.watch_batch(request).await {
            Ok(states) => {
                let mut states = states.into_inner();
                let mut last = None;
                loop {
                    let news = tokio::time::timeout(LINE_EVERY, states.message()).await;
                    // Without news the line says that there are none.
                    let Ok(news) = news else {
                        if let Some(batch) = &last {
                            display.show(&from_proto::progress(batch)?);
                        }
                        continue;
                    };
                    match news {
                        Ok(Some(state)) => {
                            retries.reset();
                            let batch = state.batch.context("the service named no batch")?;
                            let progress = from_proto::progress(&batch)?;
                            if !is_shown {
                                display.verifying(progress.rows);
                                is_shown = true;
                            }
                            display.show(&progress);
                            last = Some(batch);
                        }
                        Ok(None) => break Ok(last),
                        Err(status) => break Err(status),
                    }
                }
            }
            Err(status) => Err(status),
        };
        match ended {
            Ok(Some(batch)) if from_proto::state(&batch).is_over() => return Ok(batch),
            Ok(_) => retries.wait().await?,
            Err(status) => retries.wait_after(status).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    fn progress() -> Progress {
        let mut progress = Progress { rows: 2_000, ..Progress::default() };
        progress.finished.insert(Reason::MailboxAccepted, 1_200);
        progress.finished.insert(Reason::MailboxNotFound, 30);
        progress
    }

    fn rate(rows: &[u64]) -> Rate {
        let mut rate = Rate::default();
        for (second, rows) in rows.iter().enumerate() {
            rate.observe(SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64), *rows);
        }
        rate
    }

    #[test]
    fn the_line_says_what_was_found_and_how_long_it_may_take() {
        let line = message(&progress(), &rate(&[0, 40, 80, 120]), SystemTime::UNIX_EPOCH);
        assert_eq!(line, "about 19s left at 40/s  1,200 deliverable  30 undeliverable");
    }

    #[test]
    fn a_burst_at_the_beginning_is_forgotten() {
        let mut rows = vec![70_000];
        rows.extend((1..60).map(|second| 70_000 + second * 50));
        assert_eq!(rate(&rows).per_second(), Some(50.0));
        assert_eq!(rate(&[5, 5, 5]).per_second(), None, "nothing comes");
        assert_eq!(rate(&[0]).per_second(), None);
    }

    #[test]
    fn rates_have_two_digits() {
        for (rate, text) in
            [(68_685.71, "69,000/s"), (50.0, "50/s"), (8.26, "8.3/s"), (0.834, "0.83/s")]
        {
            assert_eq!(two_digits(rate), text);
        }
    }

    #[test]
    fn rows_that_wait_for_their_server_are_named_with_the_time_of_the_next() {
        let now = SystemTime::UNIX_EPOCH;
        let mut progress = progress();
        progress.waiting.insert(Reason::Greylisted, 12);
        progress.next_retry_at = Some(now + Duration::from_secs(312));
        let line = message(&progress, &Rate::default(), now);
        assert!(line.starts_with("12 wait for their server, next in 5m 12s  "), "{line}");
    }
}
