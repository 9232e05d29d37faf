//! The progress of a batch, on standard error: a bar for a terminal, now and then a line for a log.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;

use super::backend::Client;
use super::retries::Retries;
use crate::campaign::Progress;
use crate::campaign::duration::time_left;
use crate::campaign::eta::{Forecast, ForecastBasis};
use crate::campaign::preflight::{Share, grouped};
use crate::cli::render;
use crate::clock::Clock;
use crate::proto::{
    Batch, PreflightHostFault, WatchBatchRequest, WatchBatchResponse, from_message,
};
use crate::verdict::Verdict;

/// The time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The time over which the rate is measured: what was true a minute ago says little of what is
/// left when one provider's rows are all that is.
const WINDOW: Duration = Duration::from_secs(30);

/// The columns of a window that has room for a bar.
const WIDE: usize = 60;

/// Takes lines for a log.
type LineLog = Box<dyn Fn(&str) + Send>;

/// Shows the progress.
pub(super) struct Display {
    bar: ProgressBar,
    clock: Clock,
    /// Takes a line now and then where there is no terminal.
    log: Option<LineLog>,
    ticks: Interval,
    rate: Rate,
    shown: Option<Progress>,
    /// `true` once it was said that nobody is reached from here.
    is_fault_told: bool,
    width: usize,
}

impl Display {
    pub(super) fn new(is_quiet: bool, clock: Clock) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if is_terminal && !is_quiet {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let mut log: Option<LineLog> = None;
        if !is_terminal && !is_quiet {
            log = Some(Box::new(|line| anstream::eprintln!("{line}")));
        }
        Self::from_parts(bar, log, render::terminal_width(std::io::stderr()), clock)
    }

    fn from_parts(bar: ProgressBar, log: Option<LineLog>, width: usize, clock: Clock) -> Self {
        let first = clock.instant(clock.now() + LINE_EVERY);
        let mut ticks = tokio::time::interval_at(first, LINE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (rate, shown, is_fault_told) = (Rate::default(), None, false);
        Self { bar, clock, log, ticks, rate, shown, is_fault_told, width }
    }

    /// A bar that can be told from elsewhere that rows are read.
    pub(super) fn reading(&self) -> ProgressBar {
        self.bar.set_style(style("{spinner} reading the list: {pos} rows"));
        self.bar.clone()
    }

    fn show(&mut self, progress: Progress) {
        if self.shown.is_none() {
            // The message is cut to what the window holds; a narrow one has no room for a bar.
            let is_wide = self.width >= WIDE;
            let template = "{percent:>3} % {wide_msg}";
            self.bar
                .set_style(style(&format!("{}{template}", if is_wide { "{bar:8} " } else { "" })));
            self.bar.set_length(progress.rows);
        }
        let now = self.clock.now();
        self.rate.observe(now, progress.finished_rows());
        self.bar.set_position(progress.finished_rows());
        self.bar.set_message(message(&progress, &self.rate, now));
        self.shown = Some(progress);
    }

    /// Writes a line where there is no terminal.
    fn write_line(&self) {
        if let (Some(log), Some(progress)) = (&self.log, &self.shown) {
            let share = Share { count: progress.finished_rows(), of: progress.rows };
            let message = message(progress, &self.rate, self.clock.now());
            log(&format!("{:.0} %  {message}", share.fraction() * 100.0));
        }
    }

    /// Says once what keeps this host from reaching anybody: the rows wait a long time for nothing.
    fn tell_fault(&mut self, fault: &PreflightHostFault) {
        if std::mem::replace(&mut self.is_fault_told, true) {
            return;
        }
        let text = render::printable(&fault.text);
        match &self.log {
            Some(log) => log(&text),
            None => self.bar.println(text),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
        (self.rate, self.shown) = (Rate::default(), None);
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

/// The progress in one line: the time left and the count first, for narrow windows.
fn message(progress: &Progress, rate: &Rate, now: SystemTime) -> String {
    let mut message = String::new();
    let waiting = progress.waiting_rows();
    let others = progress.open_rows() - waiting.min(progress.open_rows());
    let rate = rate.per_second();
    // What waits, and the rate, are told below.
    let mut reason = None;
    if let Some(forecast) = &progress.forecast {
        let Forecast { end, basis, .. } = forecast;
        let left = end.duration_since(now).unwrap_or_default();
        let _ = write!(message, "{} {} left  ", forecast.about(), time_left(left));
        if matches!(basis, ForecastBasis::Provider { .. } | ForecastBasis::Deadline) {
            reason = Some(basis.words());
        }
    } else if let Some(rate) = rate.filter(|_| others > 0) {
        let left = Duration::try_from_secs_f64(others as f64 / rate).unwrap_or(Duration::MAX);
        let _ = write!(message, "about {} left  ", time_left(left));
    }
    let (done, rows) = (grouped(progress.finished_rows()), grouped(progress.rows));
    let _ = write!(message, "{done} of {rows}  ");
    if let Some(told) = reason.or_else(|| rate.map(two_digits)) {
        let _ = write!(message, "{told}  ");
    }
    if waiting > 0 {
        let at_registries = progress.rows_at_registries();
        let words = [(waiting - at_registries, "server"), (at_registries, "registry")]
            .into_iter()
            .filter(|(rows, _)| *rows > 0)
            .map(|(rows, whom)| format!("{} wait for their {whom}", grouped(rows)));
        message.push_str(&words.collect::<Vec<_>>().join(", "));
        if let Some(at) = progress.next_retry_at {
            let wait = at.duration_since(now).unwrap_or_default();
            let _ = write!(message, ", next in {}", time_left(wait));
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

/// Watches the batch to its end. A service that went away for a while is asked again.
pub(super) async fn watch(
    client: &mut Client,
    batch_id: &str,
    display: &mut Display,
) -> anyhow::Result<Batch> {
    let mut retries = Retries::default();
    loop {
        let request = WatchBatchRequest { batch_id: batch_id.to_owned() };
        let before = display.shown.as_ref().map(Progress::finished_rows);
        let ended = match client.watch_batch(request).await {
            Ok(states) => follow(states.into_inner(), display).await?,
            Err(status) => Err(status),
        };
        if display.shown.as_ref().map(Progress::finished_rows) != before {
            retries.reset();
        }
        match ended {
            Ok(Some(batch)) if from_message::state(&batch).is_over() => return Ok(batch),
            Ok(_) => retries.wait().await?,
            Err(status) => retries.wait_after(status).await?,
        }
    }
}

/// Shows the states as they come, and a line every [`LINE_EVERY`] whether any come or not; returns
/// the last.
async fn follow(
    mut states: impl Stream<Item = Result<WatchBatchResponse, Status>> + Unpin,
    display: &mut Display,
) -> anyhow::Result<Result<Option<Batch>, Status>> {
    let mut last = None;
    loop {
        let state = tokio::select! {
            state = states.next() => state,
            _ = display.ticks.tick() => {
                display.write_line();
                continue;
            }
        };
        match state {
            Some(Ok(state)) => {
                let batch = state.batch.context("the service named no batch")?;
                display.show(from_message::progress(&batch)?);
                let preflight = batch.preflight.as_ref();
                if let Some(fault) = preflight.and_then(|preflight| preflight.host_fault.as_ref())
                    && !from_message::state(&batch).is_over()
                {
                    display.tell_fault(fault);
                }
                last = Some(batch);
            }
            None => return Ok(Ok(last)),
            Some(Err(status)) => return Ok(Err(status)),
        }
    }
}

#[cfg(test)]
mod tests;
