//! Progress as a page shows it: by verdict, by provider, and how long it still takes.

use std::time::SystemTime;

use askama::Template;

use crate::campaign::Progress;
use crate::campaign::duration::time_left;
use crate::campaign::preflight::{Share, grouped};
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
            rows: grouped(progress.rows),
            waiting: (waiting > 0).then(|| grouped(waiting)),
            time: time(&progress, now),
            bar: spans(&counts, progress.rows),
            verdicts: Verdict::ALL.into_iter().zip(counts).map(verdict).collect(),
            places: places.iter().filter(|place| place.rows > 0).map(place).collect(),
        }
    }
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
