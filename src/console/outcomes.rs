//! The page of outcomes: what became of mail, and how right verdicts were.

use askama::Template;
use http::StatusCode;
use tonic::Code;

use super::answer;
use super::pages::PageFrame;
use super::visit::{Answered, Visit, explained};
use crate::campaign::preflight::{Percent, PercentRange, Share, grouped};
use crate::proto::{
    self, Accuracy, AccuracyRow, EvidenceAge, GetAccuracyRequest, GetAccuracyResponse, PastSend,
    from_message,
};
use crate::report::{Timestamp, printable};

/// Rows of a table.
const SHOWN: usize = 50;

/// Shows what became of mail.
pub(super) async fn show(visit: &Visit) -> Answered {
    let request = GetAccuracyRequest {};
    let answer = visit.outcomes("GetAccuracy", &request).await;
    let answer: GetAccuracyResponse = match answer {
        // The front page leads here whatever the service keeps: nothing went wrong.
        Err(status) if status.code() == Code::FailedPrecondition => {
            let title = "No outcomes are kept";
            return Ok(explained(visit.frame(), title, status.message(), StatusCode::OK));
        }
        answer => answer?,
    };
    let page = OutcomesPage::new(visit.frame(), &answer.accuracy.unwrap_or_default());
    Ok(answer::page(StatusCode::OK, &page))
}

/// The figures, the tables and the last sends.
#[derive(Template)]
#[template(path = "outcomes.html", config = "src/console/askama.toml")]
struct OutcomesPage {
    frame: PageFrame,
    right: String,
    decided: String,
    apart: String,
    definitions: String,
    reasons: Vec<OutcomeRow>,
    kinds: Vec<OutcomeRow>,
    sends: Vec<SendRow>,
}

/// One reason, or one kind of verdict.
struct OutcomeRow {
    reason: String,
    provider: String,
    age: &'static str,
    mails: String,
    gone: String,
    apart: String,
    interval: String,
}

/// One earlier send.
struct SendRow {
    at: Option<Timestamp>,
    seen: String,
    expected: String,
}

impl OutcomesPage {
    fn new(frame: PageFrame, accuracy: &Accuracy) -> Self {
        Self {
            frame,
            right: share(accuracy.right),
            decided: share(accuracy.decided),
            apart: count(accuracy.apart),
            definitions: accuracy.definitions.clone(),
            reasons: accuracy.reasons.iter().map(OutcomeRow::from_message).collect(),
            kinds: accuracy.kinds.iter().take(SHOWN).map(OutcomeRow::from_message).collect(),
            sends: accuracy.sends.iter().take(SHOWN).map(SendRow::from_message).collect(),
        }
    }
}

impl OutcomeRow {
    fn from_message(row: &AccuracyRow) -> Self {
        Self {
            reason: from_message::reason_name(row.reason).replace('_', " "),
            provider: printable(&row.provider),
            age: match row.evidence_age() {
                EvidenceAge::Unspecified => "",
                EvidenceAge::UnderOneDay => "under 1 day",
                EvidenceAge::OneToThreeDays => "1 to 3 days",
                EvidenceAge::ThreeToSevenDays => "3 to 7 days",
                EvidenceAge::OverSevenDays => "over 7 days",
            },
            mails: count(row.mails),
            gone: count(row.gone),
            apart: count(row.apart),
            interval: interval(row.gone_percent.as_ref()),
        }
    }
}

impl SendRow {
    fn from_message(send: &PastSend) -> Self {
        let seen = Share { count: unsigned(send.gone), of: unsigned(send.mails) };
        Self {
            at: send.verdict_time.and_then(from_message::time).map(Timestamp::from_time),
            seen: seen.to_string(),
            expected: interval(send.expected_percent.as_ref()),
        }
    }
}

fn share(share: Option<proto::AccuracyShare>) -> String {
    let share = share.unwrap_or_default();
    match unsigned(share.of) {
        0 => "not known yet".to_owned(),
        of => Share { count: unsigned(share.count), of }.to_string(),
    }
}

fn interval(range: Option<&proto::PercentRange>) -> String {
    range.map_or_else(String::new, |range| {
        let end = |percent: f64| Percent::from_fraction(percent / 100.0);
        PercentRange { low: end(range.low), high: end(range.high) }.to_string()
    })
}

fn count(number: i64) -> String {
    grouped(unsigned(number))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
