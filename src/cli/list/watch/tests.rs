//! Claims about the watch over a batch.

use std::sync::Arc;

use futures_util::stream;
use parking_lot::Mutex;

use super::*;
use crate::proto::{BatchProgress, Preflight, ReasonCount};
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
    assert_eq!(line, "about 19s left  1,230 of 2,000  40/s  1,200 deliverable  30 undeliverable");
}

#[test]
fn the_end_that_the_service_expects_is_told_with_its_reason() {
    let now = SystemTime::UNIX_EPOCH;
    let basis =
        ForecastBasis::Provider { name: "example.com".to_owned(), rows: 130_000, per_minute: 3000 };
    let end = now + Duration::from_secs(44 * 60 + 1);
    for (at_least, about) in [(false, "about"), (true, "at least")] {
        let forecast = Some(Forecast { end, at_least, basis: basis.clone() });
        let progress = Progress { forecast, ..progress() };
        let line = message(&progress, &rate(&[0, 40, 80, 120]), now);
        let rest = "44m left  1,230 of 2,000  130,000 rows at example.com, 3,000 a minute  ";
        assert!(line.starts_with(&format!("{about} {rest}")), "{line}");
    }
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
    assert!(line.contains("12 wait for their server, next in 5m  "), "{line}");
    progress.waiting.insert(Reason::MailboxAccepted, 7);
    let line = message(&progress, &Rate::default(), now);
    let words = "12 wait for their server, 7 wait for their registry, next in 5m  ";
    assert!(line.contains(words), "{line}");
}

fn state(finished: i64) -> Result<WatchBatchResponse, Status> {
    let verdict = crate::proto::Verdict::Deliverable.into();
    let reason = crate::proto::Reason::MailboxAccepted.into();
    let finished = vec![ReasonCount { reason, verdict, rows: finished }];
    let progress = BatchProgress { rows: 100, finished, ..BatchProgress::default() };
    let batch = Batch { progress: Some(progress), ..Batch::default() };
    Ok(WatchBatchResponse { batch: Some(batch) })
}

#[tokio::test(start_paused = true)]
async fn without_a_terminal_a_line_comes_every_thirty_seconds_whether_there_is_news_or_not() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let clock = Clock::start();
    let (begun, kept) = (clock.now(), Arc::clone(&lines));
    let log = move |line: &str| {
        kept.lock().push((clock.now().duration_since(begun).unwrap(), line.to_owned()));
    };
    let bar = ProgressBar::hidden();
    let mut display = Display::from_parts(bar, Some(Box::new(log)), 80, clock);
    // News every 20 seconds, then none for two minutes.
    let states = stream::iter([(0, 0), (20, 10), (20, 20), (20, 30), (125, 100)]);
    let states = states.then(|(after, finished)| async move {
        tokio::time::sleep(Duration::from_secs(after)).await;
        state(finished)
    });
    follow(Box::pin(states), &mut display).await.unwrap().unwrap();
    let at: Vec<u64> = lines.lock().iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(at, [30, 60, 90, 120, 150, 180]);
    assert!(lines.lock()[0].1.starts_with("10 %  about "), "{:?}", lines.lock());
}

#[tokio::test(start_paused = true)]
async fn what_keeps_this_host_from_everybody_is_told_once_while_the_rows_wait() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (clock, kept) = (Clock::start(), Arc::clone(&lines));
    let log = move |line: &str| kept.lock().push(line.to_owned());
    let bar = ProgressBar::hidden();
    let mut display = Display::from_parts(bar, Some(Box::new(log)), 80, clock);
    let faulty = || {
        let mut state = state(0)?;
        let text = "None of 100 addresses was reached.".to_owned();
        let host_fault = Some(PreflightHostFault { text, ..PreflightHostFault::default() });
        let batch = state.batch.get_or_insert_default();
        batch.set_state(crate::proto::BatchState::Running);
        batch.preflight = Some(Preflight { host_fault, ..Preflight::default() });
        Ok(state)
    };
    let states = stream::iter([state(0), faulty(), faulty()]);
    follow(states, &mut display).await.unwrap().unwrap();
    assert_eq!(*lines.lock(), ["None of 100 addresses was reached."]);
}
