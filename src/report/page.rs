//! The page as the template takes it: everything counted, named and written out.

use askama::Template;

use super::accuracy::AccuracySection;
use super::bars::{self, BarSpan};
use super::breakdown::{self, BreakdownTable};
use super::data::{ReportData, ReportFile};
use super::recommendations::{self, Recommendation};
use super::text::redacted;
use super::timestamp::Timestamp;
use super::tone::Tone;
use crate::address::redact;
use crate::campaign::State;
use crate::campaign::preflight::words::{NOT_IN_THE_BOUNDS, audience};
use crate::campaign::preflight::{
    Band, Estimate, Percent, PreflightStep, Share, Thresholds, grouped,
};
use crate::verdict::{Depth, Reason, Verdict};

#[derive(Template)]
#[template(
    path = "page.html",
    config = "src/report/askama.toml",
    blocks = ["answer", "details"]
)]
pub(super) struct ReportPage {
    list: String,
    rows: String,
    written: Timestamp,
    started: Timestamp,
    ended: Option<Timestamp>,
    snapshot: Option<String>,
    tone: Tone,
    question: String,
    headline: String,
    sentence: String,
    steps: Vec<String>,
    bands: Vec<(Band, String)>,
    review: Percent,
    pause: Percent,
    chosen: PolicyRow,
    sendings: Vec<PolicyRow>,
    recommendations: Vec<(Recommendation, String)>,
    verdicts: Vec<VerdictRow>,
    whole: Vec<(Tone, BarSpan)>,
    groups: Vec<ReasonGroup>,
    facts: Vec<(&'static str, String, &'static str)>,
    tables: Vec<BreakdownTable>,
    files: Vec<FileRow>,
    evidence: Option<(Timestamp, Timestamp)>,
    from_cache: Option<String>,
    accuracy: Option<AccuracySection>,
    asked_as: Option<String>,
    /// Words on the depth: those before the word "unknown", and those behind it.
    depth_words: (&'static str, &'static str),
    version: String,
    not_in_the_bounds: &'static str,
}

/// A file to click.
struct FileRow {
    name: String,
    what: &'static str,
    rows: String,
    href: String,
}

impl FileRow {
    fn of(file: &ReportFile) -> Self {
        Self {
            name: redacted(&file.name),
            what: file.kind.words(),
            rows: count(file.rows, "row"),
            href: redact::text(&file.href),
        }
    }
}

/// One send policy.
struct PolicyRow {
    audience: &'static str,
    chosen: bool,
    /// `true` if there is anybody to send to.
    reaches: bool,
    sent: String,
    /// The number of more that may come to be sent to.
    may_join: Option<String>,
    at_least: String,
    at_most: String,
    bounces: String,
    range: BarSpan,
    band: String,
    tone: Tone,
    label: &'static str,
}

/// One verdict, or what has none.
struct VerdictRow {
    name: &'static str,
    tone: Tone,
    rows: String,
    share: String,
    bar: BarSpan,
    meaning: &'static str,
}

/// The reasons of one verdict.
struct ReasonGroup {
    title: String,
    tone: Tone,
    reasons: Vec<ReasonRow>,
}

struct ReasonRow {
    name: &'static str,
    sentence: &'static str,
    rows: String,
    share: String,
    bar: BarSpan,
}

impl ReportPage {
    pub(super) fn from_data(data: &ReportData) -> Self {
        let ReportData { progress, preflight, .. } = data;
        let thresholds = &preflight.thresholds;
        let sending = |estimate: &Estimate| {
            PolicyRow::of(estimate, estimate.policy == preflight.policy, thresholds)
        };
        let recommendations =
            recommendations::recommendations(data).into_iter().map(|recommendation| {
                let rows = if recommendation.rows > 0 {
                    count(recommendation.rows, "row")
                } else {
                    String::new()
                };
                (recommendation, rows)
            });
        let counts = Verdict::ALL.map(|verdict| progress.with_verdict(verdict));
        let tones = Verdict::ALL.map(Tone::from_verdict).into_iter();
        let asked_as = data.asked_as.as_deref().filter(|_| data.depth == Depth::Mailbox);
        Self {
            list: redacted(&data.list),
            rows: count(progress.rows, "row"),
            written: Timestamp::from_time(data.written_at),
            started: Timestamp::from_time(data.started_at),
            ended: data.ended_at.map(Timestamp::from_time),
            snapshot: snapshot(data),
            tone: Tone::from_decision(preflight.decision()),
            question: format!("May this campaign be sent to {}?", audience(preflight.policy)),
            headline: preflight.headline(),
            sentence: preflight.sentence(),
            steps: preflight.steps.iter().map(PreflightStep::sentence).collect(),
            bands: bands(thresholds),
            review: thresholds.review(),
            pause: thresholds.pause(),
            chosen: sending(preflight.chosen()),
            sendings: preflight.estimates.iter().map(sending).collect(),
            recommendations: recommendations.collect(),
            verdicts: verdicts(data),
            whole: tones.zip(bars::stacked(&counts, progress.rows)).collect(),
            groups: groups(data),
            facts: facts(data),
            tables: breakdown::tables(data),
            files: data.files.iter().map(FileRow::of).collect(),
            evidence: data
                .evidence
                .map(|(from, to)| (Timestamp::from_time(from), Timestamp::from_time(to))),
            accuracy: data.accuracy.as_ref().and_then(AccuracySection::from_summary),
            from_cache: (data.from_cache > 0).then(|| count(data.from_cache, "row")),
            asked_as: asked_as.map(redacted),
            depth_words: depth_words(data.depth),
            version: redacted(&data.version),
            not_in_the_bounds: NOT_IN_THE_BOUNDS,
        }
    }
}

impl PolicyRow {
    fn of(estimate: &Estimate, chosen: bool, thresholds: &Thresholds) -> Self {
        let (least, most) = (estimate.at_least.share, estimate.at_most.share);
        let more = estimate.sent_at_most - estimate.sent_now;
        let of = |share: Share| match share.count {
            0 => "0".to_owned(),
            count => format!("{} ({})", grouped(count), share.percent()),
        };
        let (low, high) = (estimate.at_least.band, estimate.at_most.band);
        Self {
            audience: audience(estimate.policy),
            chosen,
            reaches: estimate.sent_now > 0,
            sent: grouped(estimate.sent_now),
            may_join: (more > 0).then(|| grouped(more)),
            at_least: of(least),
            at_most: of(most),
            bounces: match least == most {
                true if least.count == 0 => "none that is known".to_owned(),
                true => of(least),
                false => format!("{} to {}", of(least), of(most)),
            },
            range: bars::range(estimate, thresholds),
            band: match low == high {
                true => low.label().to_owned(),
                false => format!("from “{}” to “{}”", low.label(), high.label()),
            },
            tone: Tone::from_decision(estimate.decision),
            label: estimate.decision.label(),
        }
    }
}

/// Words on who was asked at this depth, up to the word "unknown", and on its meaning.
fn depth_words(depth: Depth) -> (&'static str, &'static str) {
    match depth {
        Depth::Mailbox => (
            "mailvet asked the recipients' own mail servers and sent no message. Where a server \
             would not say, the verdict is",
            "that is no mark against the address, only the lack of an answer.",
        ),
        Depth::Domain => (
            "mailvet looked at the spelling of the addresses and at the DNS of their domains. It \
             asked no mail server and sent no message: where neither decides, the verdict is",
            "whether the mailbox exists was not asked.",
        ),
        Depth::Syntax => (
            "mailvet looked at the spelling of the addresses alone. It asked neither DNS nor a \
             mail server and sent no message: where the spelling does not decide, the verdict is",
            "whether the domain or the mailbox exists was not asked.",
        ),
    }
}

/// `1 row`, `1,234 rows`.
fn count(rows: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(rows), if rows == 1 { "" } else { "s" })
}

/// A notice that the batch is still running.
fn snapshot(data: &ReportData) -> Option<String> {
    let open = data.progress.open_rows();
    match data.state {
        State::Receiving => Some("The list is still coming in: this page is a first look.".into()),
        State::Cancelled if open > 0 => Some(format!(
            "The batch was cancelled: {} never got an answer, open in the table below and counted \
             as unknown in what may be sent.",
            count(open, "row")
        )),
        State::Running if open > 0 => Some(format!(
            "This is a look at a list that is still being verified: {} of {} have an answer.",
            grouped(data.progress.finished_rows()),
            count(data.progress.rows, "row"),
        )),
        _ => None,
    }
}

fn bands(thresholds: &Thresholds) -> Vec<(Band, String)> {
    let (healthy, review, pause) = (thresholds.healthy(), thresholds.review(), thresholds.pause());
    let range = |band| match band {
        Band::Healthy => format!("up to {healthy}"),
        Band::Elevated => format!("over {healthy}"),
        Band::Review => format!("from {review}"),
        Band::Pause => format!("from {pause}"),
    };
    Band::ALL.into_iter().map(|band| (band, range(band))).collect()
}

fn verdicts(data: &ReportData) -> Vec<VerdictRow> {
    let whole = data.progress.rows;
    let row = |name, tone, rows, meaning| {
        let share = Share { count: rows, of: whole };
        let bar = bars::stacked(&[rows], whole)[0];
        VerdictRow { name, tone, rows: grouped(rows), share: share.percent(), bar, meaning }
    };
    let mut all: Vec<VerdictRow> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let rows = data.progress.with_verdict(verdict);
            row(verdict.name(), Tone::from_verdict(verdict), rows, meaning(verdict))
        })
        .collect();
    let open = data.progress.open_rows();
    if open > 0 {
        all.push(row("open", Tone::Waiting, open, "No answer yet."));
    }
    all
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deliverable => "The recipient's own mail server accepted the address.",
        Verdict::Risky => {
            "It may arrive, at a cost: the domain accepts everybody, the mailbox is full, or it is \
             a throw-away address."
        }
        Verdict::Undeliverable => "There is evidence that the mailbox or its domain takes no mail.",
        Verdict::Unknown => {
            "Nobody can tell now: the server refused whoever asked, or gave no usable answer. \
             Nothing speaks against the address."
        }
    }
}

fn groups(data: &ReportData) -> Vec<ReasonGroup> {
    let whole = data.progress.rows;
    let row = |(reason, rows): (&Reason, &u64)| ReasonRow {
        name: reason.name(),
        sentence: reason.sentence(),
        rows: grouped(*rows),
        share: Share { count: *rows, of: whole }.percent(),
        bar: bars::stacked(&[*rows], whole)[0],
    };
    let sorted = |mut found: Vec<(&Reason, &u64)>| -> Vec<ReasonRow> {
        found.retain(|(_, rows)| **rows > 0);
        found.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
        found.into_iter().map(row).collect()
    };
    let mut groups: Vec<ReasonGroup> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let found = data.progress.finished.iter();
            let found = found.filter(|(reason, _)| reason.verdict() == verdict).collect();
            ReasonGroup {
                title: verdict.name().to_owned(),
                tone: Tone::from_verdict(verdict),
                reasons: sorted(found),
            }
        })
        .collect();
    groups.push(ReasonGroup {
        title: match data.progress.next_retry_at {
            Some(at) => {
                format!("waiting; the first are asked again at {}", Timestamp::from_time(at).text)
            }
            None => "waiting to be asked again".to_owned(),
        },
        tone: Tone::Waiting,
        reasons: sorted(data.progress.waiting.iter().collect()),
    });
    groups.retain(|group| !group.reasons.is_empty());
    groups
}

/// Further facts about the list: name, number, and meaning in words that are right behind a single
/// one too.
fn facts(data: &ReportData) -> Vec<(&'static str, String, &'static str)> {
    let progress = &data.progress;
    let facts = [
        ("different mailboxes", progress.mailboxes, "what was really asked about"),
        (
            "duplicates",
            progress.rows.saturating_sub(progress.mailboxes),
            "beside an earlier row that reaches the same mailbox",
        ),
        ("without an address", data.no_address, "with nothing to verify, counted nowhere else"),
        (
            "excluded",
            data.excluded,
            "on your own suppression lists: not asked, counted nowhere else",
        ),
        (
            "written to before",
            data.delivered,
            "own mail arrived there in the last 180 days; no verdict rests on it",
        ),
        ("mistyped", data.suggestions, "with a suggestion what was meant"),
        ("role addresses", data.flags.role, "such as info@, not a person"),
        (
            "free providers",
            data.flags.free_provider,
            "such as gmail.com, where anybody may sign up",
        ),
        ("catch-all", data.flags.catch_all, "at domains that accept everybody"),
        ("throw-away", data.flags.disposable, "at domains made for that"),
    ];
    let there = facts.into_iter().filter(|(_, rows, _)| *rows > 0);
    there.map(|(name, rows, means)| (name, grouped(rows), means)).collect()
}
