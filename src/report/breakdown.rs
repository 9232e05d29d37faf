//! The domains and providers that matter, as rows of a table.

use super::bars::{BarSpan, stacked};
use super::data::{GroupCounts, ReportData};
use super::text::domain;
use super::tone::Tone;
use crate::campaign::preflight::{Share, grouped};
use crate::verdict::{Reason, Verdict};

/// The number of places that are shown one by one.
pub(super) const SHOWN: usize = 12;

/// One table.
pub(super) struct BreakdownTable {
    pub(super) id: &'static str,
    pub(super) caption: &'static str,
    pub(super) what: &'static str,
    pub(super) places: Vec<BreakdownRow>,
}

/// The tables that have rows.
pub(super) fn tables(data: &ReportData) -> Vec<BreakdownTable> {
    let domains = BreakdownTable {
        id: "domains",
        caption: match counts_some_twice(data, &data.domains) {
            true => {
                "Domains with the most rows; a row with several addresses counts for each of them"
            }
            false => "Domains with the most rows",
        },
        what: "Domain",
        places: rows(data, &data.domains, "all other domains"),
    };
    let providers = BreakdownTable {
        id: "providers",
        caption: match counts_some_twice(data, &data.providers) {
            true => {
                "Providers with the most rows: whose mail servers answered; a row with several \
                 addresses counts for each of them"
            }
            false => "Providers with the most rows: whose mail servers answered",
        },
        what: "Provider",
        places: rows(data, &data.providers, "others, and those with no answer"),
    };
    [domains, providers].into_iter().filter(|table| !table.places.is_empty()).collect()
}

/// `true` if the places have more rows together than the list has or, once it is finished, more
/// with some reason: each address of a row counts there, and the row once elsewhere on the page.
fn counts_some_twice(data: &ReportData, places: &[GroupCounts]) -> bool {
    let finished = |reason: &Reason| data.progress.finished.get(reason).copied().unwrap_or(0);
    let among = |reason: &Reason| places.iter().map(|place| count(place, *reason)).sum::<u64>();
    places.iter().map(|place| place.rows).sum::<u64>() > data.progress.rows
        || data.ended_at.is_some()
            && Reason::ALL.iter().any(|reason| among(reason) > finished(reason))
}

/// One row.
pub(super) struct BreakdownRow {
    pub(super) name: String,
    /// `true` if the name is a place's own, and not our words for several.
    pub(super) named: bool,
    pub(super) rows: String,
    /// Rows by verdict, in the order of [`Verdict::ALL`].
    pub(super) verdicts: Vec<String>,
    pub(super) bar: Vec<(Tone, BarSpan)>,
    /// The deliverable ones in per cent.
    pub(super) share: String,
    /// The most frequent obstacle.
    pub(super) trouble: String,
}

/// The first places and the sum of the others, so that the columns add up to the list.
fn rows(data: &ReportData, places: &[GroupCounts], others: &str) -> Vec<BreakdownRow> {
    let mut rows: Vec<BreakdownRow> =
        places.iter().take(SHOWN).map(|place| row(place, true)).collect();
    let left = |all: u64, of: &dyn Fn(&GroupCounts) -> u64| {
        all.saturating_sub(places.iter().take(SHOWN).map(of).sum())
    };
    let finished: Vec<(Reason, u64)> = Reason::ALL
        .iter()
        .map(|reason| {
            let all = data.progress.finished.get(reason).copied().unwrap_or(0);
            (*reason, left(all, &|place| count(place, *reason)))
        })
        .filter(|(_, rows)| *rows > 0)
        .collect();
    // A row with several addresses is counted at the domain of each.
    let at_least = finished.iter().map(|(_, rows)| rows).sum();
    let rest = GroupCounts {
        name: others.to_owned(),
        rows: left(data.progress.rows, &|place| place.rows).max(at_least),
        finished,
        operator: None,
    };
    if !places.is_empty() && rest.rows > 0 {
        rows.push(row(&rest, false));
    }
    rows
}

fn count(place: &GroupCounts, reason: Reason) -> u64 {
    place.finished.iter().filter(|(found, _)| *found == reason).map(|(_, rows)| rows).sum()
}

fn row(place: &GroupCounts, named: bool) -> BreakdownRow {
    let counts = Verdict::ALL.map(|verdict| place.with_verdict(verdict));
    let tones = Verdict::ALL.map(Tone::from_verdict);
    let trouble = place
        .finished
        .iter()
        .filter(|(reason, rows)| *rows > 0 && reason.verdict() != Verdict::Deliverable)
        .max_by_key(|(_, rows)| *rows)
        .map(|(reason, rows)| format!("{} ({})", reason.sentence(), grouped(*rows)));
    BreakdownRow {
        name: name(place),
        named: named && !place.name.is_empty(),
        rows: grouped(place.rows),
        verdicts: counts.map(grouped).to_vec(),
        bar: tones.into_iter().zip(stacked(&counts, place.rows)).collect(),
        share: Share { count: counts[0], of: place.rows }.percent(),
        trouble: trouble.unwrap_or_default(),
    }
}

/// The name of a place, with the service behind it: `Mimecast, a gateway (mimecast.com)`.
fn name(place: &GroupCounts) -> String {
    let own = domain(&place.name);
    match &place.operator {
        _ if place.name.is_empty() => "not an address".to_owned(),
        Some(operator) if operator.is_gateway => format!("{}, a gateway ({own})", operator.name),
        Some(operator) => format!("{} ({own})", operator.name),
        None => own,
    }
}
