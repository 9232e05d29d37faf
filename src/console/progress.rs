//! Progress as a page shows it: by verdict, by provider, and how long it still takes.

use std::time::SystemTime;

use askama::Template;

use crate::campaign::Progress;
use crate::campaign::duration::time_left;
use crate::campaign::preflight::{Share, grouped, rows};
use crate::proto::{Batch, from_message};
use crate::report::bars::{BarSpan, stacked};
use crate::report::{GroupCounts, Tone, printable};
use crate::verdict::Verdict;

/// The progress of a list.
#[derive(Template)]
#[template(path = "progress.html", config = "src/console/askama.toml")]
pub(super) struct ProgressView {
    percent: u64,
    finished: String,
    rows: String,
    have: &'static str,
    waiting: Option<String>,
    time: String,
    bar: Vec<(Tone, BarSpan)>,
    verdicts: Vec<VerdictCount>,
    places: Vec<PlaceProgress>,
}

/// The rows of one verdict.
struct VerdictCount {
    tone: Tone,
    name: &'static str,
    rows: String,
    share: String,
}

/// The rows of one provider.
struct PlaceProgress {
    name: String,
    rows: String,
    bar: Vec<(Tone, BarSpan)>,
    words: String,
}

impl ProgressView {
    pub(super) fn new(batch: &Batch, places: &[GroupCounts], now: SystemTime) -> Self {
        let progress = from_message::progress(batch).unwrap_or_default();
        let counts = Verdict::ALL.map(|verdict| progress.with_verdict(verdict));
        let finished = progress.finished_rows();
        let verdict = |(verdict, rows): (Verdict, u64)| VerdictCount {
            tone: Tone::from_verdict(verdict),
            name: verdict.name(),
            rows: grouped(rows),
            share: Share { count: rows, of: finished }.percent(),
        };
        let waiting = progress.waiting_rows();
        Self {
            percent: finished * 100 / progress.rows.max(1),
            finished: grouped(finished),
            rows: rows(progress.rows),
            have: if progress.rows == 1 { "has" } else { "have" },
            waiting: (waiting > 0).then(|| waiting_words(waiting)),
            time: time(&progress, now),
            bar: spans(&counts, progress.rows),
            verdicts: Verdict::ALL.into_iter().zip(counts).map(verdict).collect(),
            places: places.iter().filter(|place| place.rows > 0).map(place).collect(),
        }
    }
}

/// The rows that wait, and for whom.
fn waiting_words(waiting: u64) -> String {
    if waiting == 1 {
        return "1 waits until its server, or its domain's registry, is asked again".to_owned();
    }
    let waiting = grouped(waiting);
    format!("{waiting} wait until their server, or their domain's registry, is asked again")
}

fn spans(counts: &[u64; 4], of: u64) -> Vec<(Tone, BarSpan)> {
    let tones = Verdict::ALL.map(Tone::from_verdict);
    tones.into_iter().zip(stacked(counts, of)).filter(|(_, span)| span.width > 0.0).collect()
}

fn place(place: &GroupCounts) -> PlaceProgress {
    let counts = Verdict::ALL.map(|verdict| place.with_verdict(verdict));
    let words = Verdict::ALL.into_iter().zip(counts).filter(|(_, rows)| *rows > 0);
    let words: Vec<String> =
        words.map(|(verdict, rows)| format!("{} {}", grouped(rows), verdict.name())).collect();
    let name = match &place.operator {
        Some(operator) => format!("{} ({})", operator.name, place.name),
        None if place.name.is_empty() => "no mail server answered".to_owned(),
        None => place.name.clone(),
    };
    PlaceProgress {
        name: printable(&name),
        rows: grouped(place.rows),
        bar: spans(&counts, place.rows),
        words: words.join(", "),
    }
}

/// The time left, with its reason.
fn time(progress: &Progress, now: SystemTime) -> String {
    match &progress.forecast {
        Some(forecast) => {
            let left = forecast.end.duration_since(now).unwrap_or_default();
            let about = forecast.about();
            format!("{about} {} left: {}", time_left(left), forecast.basis.words())
        }
        None if progress.open_rows() == 0 => "nearly done".to_owned(),
        None => "the time left is told once some servers have answered".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{BatchProgress, Reason, ReasonCount};

    /// The progress of a list whose rows all wait.
    fn html(rows: i64) -> String {
        let waiting = ReasonCount { reason: Reason::Greylisted.into(), rows, ..Default::default() };
        let progress = BatchProgress { rows, waiting: vec![waiting], ..Default::default() };
        let batch = Batch { progress: Some(progress), ..Batch::default() };
        ProgressView::new(&batch, &[], SystemTime::UNIX_EPOCH).render().unwrap()
    }

    #[test]
    fn a_single_row_is_not_spoken_of_as_several() {
        let one = html(1);
        assert!(one.contains("0 of 1 row has an answer; 1 waits until its server,"), "{one}");
        let two = html(2);
        assert!(two.contains("0 of 2 rows have an answer; 2 wait until their server,"), "{two}");
    }
}
