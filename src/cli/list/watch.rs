//! The way of a batch, on standard error: a bar for a terminal, now and then a line for a log.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tonic::Code;

use super::backend::Client;
use super::from_proto;
use crate::campaign::Progress;
use crate::campaign::preflight::grouped;
use crate::clock::Clock;
use crate::proto::{Batch, WatchBatchRequest};
use crate::verdict::Verdict;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How long a service that went away is waited for between two tries, and how often it is tried.
const AGAIN: (Duration, u32) = (Duration::from_secs(2), 30);

/// Shows how far things have come.
pub(super) struct Display {
    bar: ProgressBar,
    clock: Clock,
    lines: bool,
    last_line: SystemTime,
}

impl Display {
    pub(super) fn new(is_quiet: bool, clock: Clock) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if is_terminal && !is_quiet {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let lines = !is_terminal && !is_quiet;
        Self { bar, clock, lines, last_line: clock.now() }
    }

    /// A bar that can be told from elsewhere that rows are read.
    pub(super) fn reading(&self) -> ProgressBar {
        self.bar.set_style(style("{spinner} reading the list: {pos} rows"));
        self.bar.clone()
    }

    fn verifying(&self, rows: u64) {
        self.bar.set_style(style(
            "{bar:30} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {msg}",
        ));
        self.bar.set_length(rows);
        self.bar.reset_eta();
    }

    fn show(&mut self, progress: &Progress) {
        let now = self.clock.now();
        self.bar.set_position(progress.finished_rows());
        let left = self.bar.eta();
        let message = message(progress, left, now);
        if self.lines && now.duration_since(self.last_line).unwrap_or_default() >= LINE_EVERY {
            self.last_line = now;
            let (done, rows) = (grouped(progress.finished_rows()), grouped(progress.rows));
            anstream::eprintln!("{done} of {rows}  {message}");
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

/// What is known so far, in one line.
fn message(progress: &Progress, left: Duration, now: SystemTime) -> String {
    let mut message = String::new();
    for verdict in Verdict::ALL {
        let rows = progress.with_verdict(verdict);
        if rows > 0 {
            let _ = write!(message, "{} {}  ", grouped(rows), verdict.name());
        }
    }
    let waiting = progress.waiting_rows();
    let others = progress.open_rows() - waiting.min(progress.open_rows());
    if waiting > 0 {
        let _ = write!(message, "{} wait for their server", grouped(waiting));
        if let Some(at) = progress.next_retry_at {
            let wait = at.duration_since(now).unwrap_or_default();
            let _ = write!(message, ", next in {}", whole_seconds(wait));
        }
    } else if others > 0 && left > Duration::ZERO {
        let _ = write!(message, "about {} left", whole_seconds(left));
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
    let mut failures = 0;
    let mut is_shown = false;
    loop {
        let request = WatchBatchRequest { batch_id: batch_id.to_owned() };
        let ended = match client.watch_batch(request).await {
            Ok(states) => {
                let mut states = states.into_inner();
                let mut last = None;
                loop {
                    match states.message().await {
                        Ok(Some(state)) => {
                            failures = 0;
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
            Err(status) if status.code() != Code::Unavailable => return Err(status.into()),
            _ if failures == AGAIN.1 => anyhow::bail!("the service does not come back"),
            _ => {
                failures += 1;
                tokio::time::sleep(AGAIN.0).await;
            }
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

    #[test]
    fn the_line_says_what_was_found_and_how_long_it_may_take() {
        let line = message(&progress(), Duration::from_millis(12_300), SystemTime::UNIX_EPOCH);
        assert_eq!(line, "1,200 deliverable  30 undeliverable  about 12s left");
    }

    #[test]
    fn rows_that_wait_for_their_server_are_named_with_the_time_of_the_next() {
        let now = SystemTime::UNIX_EPOCH;
        let mut progress = progress();
        progress.waiting.insert(Reason::Greylisted, 12);
        progress.next_retry_at = Some(now + Duration::from_secs(312));
        let line = message(&progress, Duration::from_secs(9), now);
        assert!(line.ends_with("12 wait for their server, next in 5m 12s"), "{line}");
    }
}
