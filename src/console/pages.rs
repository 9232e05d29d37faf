//! The pages, as their templates take them. Templates escape what they print.

use std::time::SystemTime;

use askama::Template;

use super::drafts::ListDraft;
use super::progress::ProgressView;
use super::words;
use crate::campaign::State;
use crate::campaign::preflight::grouped;
use crate::http::RowSelection;
use crate::proto::names::flag_names;
use crate::proto::{
    Batch, ListBatchesResponse, Speaker, TranscriptLine, Verdict, Verification, from_message,
};
use crate::report::{ReportSections, Timestamp, Tone, printable};

/// What every page needs of its session.
#[derive(Clone, Debug, Default)]
pub(super) struct PageFrame {
    /// The token of its forms; empty without a session.
    pub(super) token: String,
    pub(super) is_signed_in: bool,
}

/// Asks for a key.
#[derive(Template)]
#[template(path = "sign_in.html", config = "src/console/askama.toml")]
pub(super) struct SignInPage {
    pub(super) frame: PageFrame,
    pub(super) trouble: &'static str,
    /// The page that it leads to.
    pub(super) next: String,
}

/// Asks for itself.
#[derive(Template)]
#[template(path = "reload.html", config = "src/console/askama.toml")]
pub(super) struct ReloadPage {}

/// Tells why there is no other page.
#[derive(Template)]
#[template(path = "trouble.html", config = "src/console/askama.toml")]
pub(super) struct TroublePage {
    pub(super) frame: PageFrame,
    pub(super) title: &'static str,
    pub(super) sentence: String,
    pub(super) next: Option<NextLink>,
}

/// A page to go on with.
pub(super) struct NextLink {
    pub(super) path: String,
    pub(super) words: &'static str,
}

/// Where to begin, and the lists that were started.
#[derive(Template)]
#[template(path = "home.html", config = "src/console/askama.toml")]
pub(super) struct HomePage {
    frame: PageFrame,
    takes_lists: bool,
    /// The lists that wait to be started: their ids and names.
    waiting: Vec<(String, String)>,
    batches: Vec<BatchRow>,
    next: String,
}

/// A list in the table.
struct BatchRow {
    id: String,
    name: String,
    rows: String,
    created: Option<Timestamp>,
    tone: Tone,
    state: String,
}

impl HomePage {
    pub(super) fn new(
        frame: PageFrame,
        listed: &ListBatchesResponse,
        waiting: &[(String, ListDraft)],
        takes_lists: bool,
    ) -> Self {
        let named = |(id, draft): &(String, ListDraft)| {
            (id.clone(), list_name(&draft.list.request().filename))
        };
        Self {
            frame,
            takes_lists,
            waiting: waiting.iter().map(named).collect(),
            batches: listed.batches.iter().map(BatchRow::from_message).collect(),
            next: listed.next_page_token.clone(),
        }
    }
}

impl BatchRow {
    fn from_message(batch: &Batch) -> Self {
        let progress = batch.progress.clone().unwrap_or_default();
        let (rows, finished) = (count(progress.rows), count(progress.finished_rows));
        let (tone, state) = match from_message::state(batch) {
            State::Receiving => (Tone::Waiting, "coming in".to_owned()),
            State::Running => {
                (Tone::Waiting, format!("{} % verified", finished * 100 / rows.max(1)))
            }
            state @ (State::Finished | State::Cancelled) => match from_message::preflight(batch) {
                Ok(preflight) => {
                    let decision = preflight.decision();
                    let stopped = if state == State::Cancelled { " (stopped)" } else { "" };
                    (Tone::from_decision(decision), format!("{}{stopped}", decision.label()))
                }
                Err(_) => (Tone::Open, "over".to_owned()),
            },
        };
        Self {
            id: batch.batch_id.clone(),
            name: list_name(&batch.display_name),
            rows: grouped(rows),
            created: batch.create_time.and_then(from_message::time).map(Timestamp::from_time),
            tone,
            state,
        }
    }
}

pub(super) fn list_name(name: &str) -> String {
    if name.is_empty() { "a list without a name".to_owned() } else { own_words(name) }
}

/// A name that a person gave, as [`printable`], but for the joiners that words of Persian and of
/// Indian languages are spelled with, and emoji are made of (Unicode section 23.2).
pub(super) fn own_words(name: &str) -> String {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
    name.split_inclusive(JOINERS)
        .flat_map(|part| {
            let word = part.trim_end_matches(JOINERS);
            let joiner = part.get(word.len()..).unwrap_or_default();
            [printable(word), joiner.to_owned()]
        })
        .collect()
}

pub(super) fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

/// One address.
#[derive(Template)]
#[template(path = "address.html", config = "src/console/askama.toml")]
pub(super) struct AddressPage {
    frame: PageFrame,
    address: String,
    tone: Tone,
    verdict: String,
    sentence: &'static str,
    action: &'static str,
    retry_at: Option<Timestamp>,
    reasons: Vec<String>,
    evidence: Option<String>,
    suggestion: Option<String>,
    flags: Vec<String>,
    transcript: Vec<SpokenLine>,
}

/// A line of a transcript.
struct SpokenLine {
    speaker: &'static str,
    text: String,
}

impl AddressPage {
    pub(super) fn new(frame: PageFrame, verification: &Verification) -> Self {
        let verdict = verification.verdict();
        let (tone, name) = match verdict {
            Verdict::Deliverable => (Tone::Good, "Deliverable"),
            Verdict::Risky => (Tone::Careful, "Risky"),
            Verdict::Undeliverable => (Tone::Bad, "Undeliverable"),
            Verdict::Unknown | Verdict::Unspecified => (Tone::Open, "Unknown"),
        };
        let flags = flag_names(&verification.flags.unwrap_or_default());
        let reasons = verification.reasons.iter().map(|number| {
            let sentence = from_message::reason(*number, verdict).sentence();
            sentence.to_owned()
        });
        Self {
            frame,
            address: printable(&verification.address),
            tone,
            verdict: name.to_owned(),
            sentence: words::verdict(verdict),
            action: words::action(verification.action()),
            retry_at: verification
                .retry_time
                .and_then(from_message::time)
                .map(Timestamp::from_time),
            reasons: reasons.collect(),
            evidence: words::evidence(verification),
            suggestion: verification.suggestion.as_deref().map(printable),
            flags: flags.into_iter().map(|flag| words::flag(flag).to_owned()).collect(),
            transcript: verification.transcript.iter().map(SpokenLine::from_message).collect(),
        }
    }
}

impl SpokenLine {
    fn from_message(line: &TranscriptLine) -> Self {
        let speaker = match line.speaker() {
            Speaker::Client => "mailvet",
            Speaker::Server => "server",
            Speaker::Event | Speaker::Unspecified => "event",
        };
        Self { speaker, text: printable(&line.text) }
    }
}

/// What the pages of a list that was started begin with.
pub(super) struct BatchHead {
    id: String,
    name: String,
    rows: String,
    written: Timestamp,
    is_receiving: bool,
}

impl BatchHead {
    pub(super) fn new(batch: &Batch, now: SystemTime) -> Self {
        let rows = batch.progress.as_ref().map(|progress| progress.rows).unwrap_or_default();
        Self {
            id: batch.batch_id.clone(),
            name: list_name(&batch.display_name),
            rows: crate::campaign::preflight::rows(count(rows)),
            written: Timestamp::from_time(now),
            is_receiving: from_message::state(batch) == State::Receiving,
        }
    }
}

/// The progress of a list.
#[derive(Template)]
#[template(path = "running.html", config = "src/console/askama.toml")]
pub(super) struct ProgressPage {
    pub(super) frame: PageFrame,
    pub(super) head: BatchHead,
    pub(super) progress: ProgressView,
}

/// The report of a list that is over.
#[derive(Template)]
#[template(path = "report.html", config = "src/console/askama.toml")]
pub(super) struct ConsoleReport {
    frame: PageFrame,
    head: BatchHead,
    sections: ReportSections,
    downloads: Vec<DownloadLink>,
}

/// Rows to have as a file.
struct DownloadLink {
    part: &'static str,
    title: &'static str,
    words: &'static str,
}

impl ConsoleReport {
    /// The report; `is_file`: the list came as a file, whose rows can be given back.
    pub(super) fn new(
        frame: PageFrame,
        head: BatchHead,
        sections: ReportSections,
        is_file: bool,
    ) -> Self {
        let shown: &[RowSelection] = if is_file { &RowSelection::ALL } else { &[] };
        let link = |selection: &RowSelection| {
            let (title, words) = match selection {
                RowSelection::Clean => ("Clean list", "the rows to send to"),
                RowSelection::Review => ("Review", "the rows to decide about, or to ask again"),
                RowSelection::Suppress => ("Suppress", "the rows not to send to"),
                RowSelection::All => ("Everything", "every row of your file, with its verdict"),
            };
            DownloadLink { part: selection.name(), title, words }
        };
        Self { frame, head, sections, downloads: shown.iter().map(link).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_its_language_spells_it_and_hides_nothing_else() {
        for name in ["خبر\u{200c}نامه\u{200c}ها.csv", "👩\u{200d}👧 list.csv", "\u{200d}", ""]
        {
            assert_eq!(own_words(name), name);
        }
        assert_eq!(own_words("a\u{200c}\u{202e}gnp.csv"), "a\u{200c}\\u{202e}gnp.csv");
    }
}
