//! Recommendations for the next steps. Pure.

use super::data::{GroupCounts, ReportData, ReportFileKind};
use super::text::redacted;
use super::timestamp::Timestamp;
use crate::campaign::State;
use crate::campaign::preflight::grouped;
use crate::verdict::{Reason, Verdict};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// In a few words.
    pub title: &'static str,
    /// The number of rows it that is about; 0: about the list.
    pub rows: u64,
    /// The way and the reason.
    pub text: String,
}

/// The recommended steps, the most urgent first; never empty.
#[must_use]
pub fn recommendations(data: &ReportData) -> Vec<Recommendation> {
    if data.progress.rows == 0 && data.excluded > 0 && data.state.is_over() {
        return vec![Recommendation {
            title: "Send to nobody on it",
            rows: data.excluded,
            text: "Every address on it is on your own suppression lists.".to_owned(),
        }];
    }
    if data.progress.rows == 0 && data.state.is_over() {
        return vec![Recommendation {
            title: "Look at the file",
            rows: 0,
            text:
                "No row of it held anything to verify. Is it the right file, and the right column \
                   of it?"
                    .to_owned(),
        }];
    }
    let (mut first, mut second) = (cleaning(data), unanswered(data));
    // What weighs more comes first.
    if data.progress.with_verdict(Verdict::Unknown)
        > data.progress.with_verdict(Verdict::Undeliverable)
    {
        std::mem::swap(&mut first, &mut second);
    }
    [unfinished(data), first, second, deciding(data), vec![stale()]].concat()
}

/// The rows that a server's answer put aside for these reasons.
fn rows(data: &ReportData, reasons: &[Reason]) -> u64 {
    reasons.iter().filter_map(|reason| data.progress.finished.get(reason)).sum()
}

fn recommend(rows: u64, title: &'static str, text: impl Into<String>) -> Option<Recommendation> {
    (rows > 0).then(|| Recommendation { title, rows, text: text.into() })
}

/// Rows without a result.
fn unfinished(data: &ReportData) -> Vec<Recommendation> {
    let (open, waiting) = (data.progress.open_rows(), data.progress.waiting_rows());
    if data.state == State::Cancelled {
        let text = "The batch was cancelled before their turn. Until they are verified, nothing is \
                    known of them: run the list again.";
        return recommend(open, "Verify the rest", text).into_iter().collect();
    }
    let mut text =
        "They are being verified. A run that was interrupted can be gone on with.".to_owned();
    let at_registries = data.progress.rows_at_registries();
    if at_registries > 0 {
        text += &format!(
            " {} of them wait for the registries of their domains, which are asked slowly.",
            grouped(at_registries)
        );
    }
    let waiting = waiting.saturating_sub(at_registries);
    if waiting > 0 {
        text += &format!(
            " {} of them wait because a server asked newcomers to come back later, which is how \
             some keep junk away: they are asked again by themselves",
            grouped(waiting)
        );
        text += &match data.progress.next_retry_at {
            Some(at) => format!(", the first at {}.", Timestamp::from_time(at).text),
            None => ".".to_owned(),
        };
    }
    recommend(open, "Let the rest finish", text).into_iter().collect()
}

/// Rows that nobody could tell about.
fn unanswered(data: &ReportData) -> Vec<Recommendation> {
    use Reason as R;
    let blocked = rows(data, &[R::SenderBlocked]);
    let fault = data.preflight.host_fault;
    // One network without port 25 looks like a world of servers that are down.
    let mut closed = vec![R::NoConnection, R::Timeout];
    let mut again = vec![R::Greylisted, R::RateLimited, R::TemporaryFailure, R::MailboxBusy];
    let mut rest = vec![R::TlsRequired, R::Smtputf8Unsupported, R::PolicyRefusal, R::ProtocolError];
    if fault.is_some() {
        closed.extend([R::DnsFailure, R::TargetRefused]);
    } else {
        again.push(R::DnsFailure);
        rest.push(R::TargetRefused);
        if rows(data, &closed) * 2 <= data.progress.finished_rows() {
            again.append(&mut closed);
        }
    }
    let way_out = fault.map_or_else(
        || "Most mail servers could not be reached at all.".to_owned(),
        |fault| fault.sentence(),
    );
    [
        recommend(blocked, "Get this sender unblocked", unblock(data)),
        recommend(
            rows(data, &closed),
            "Check the way out",
            format!(
                "{way_out} Many networks, home and cloud ones above all, close port 25 to the \
                 outside: verify from a host that may use it; mailvet doctor shows whether one may."
            ),
        ),
        recommend(
            rows(data, &again),
            "Ask again later",
            "Their servers had trouble, had enough for now, or ask newcomers to come back later. \
             That passes: run the list again in an hour or more, from the same machine and under \
             the same name.",
        ),
        recommend(
            rows(data, &[R::NotProbed]),
            "Ask the mail servers",
            "Their spelling and their domains were looked at, if that: the run went no deeper, or \
             its time limit came before their turn. Verify them down to the mailbox, and give it \
             the time, to learn whether they exist.",
        ),
        recommend(
            rows(data, &rest),
            "Decide about servers that will not say",
            "Their servers refused to answer, or could not be understood, and waiting will not \
             change that. Leave these out of a first send; keep those who have lately opened, \
             clicked or bought.",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn unblock(data: &ReportData) -> String {
    let name = data.asked_as.as_deref().map(redacted);
    let name = name.map_or_else(String::new, |name| format!(" (it gave the name {name})"));
    format!(
        "These servers refuse the machine that asked{name}, so they said nothing about the \
         addresses. Three things help: a host name that resolves to the machine's address and \
         back, an address that is on no blocklist, and port 25 from a network that \
         may send mail. mailvet verify on one of these addresses shows the server's own words, \
         which mostly name the blocklist. Then run the list again."
    )
}

/// The first file of this kind, if there is one.
fn file(data: &ReportData, kind: ReportFileKind) -> Option<String> {
    let file = data.files.iter().find(|file| file.kind == kind)?;
    Some(format!("the file {}", redacted(&file.name)))
}

/// Rows that should not stay as they are.
fn cleaning(data: &ReportData) -> Vec<Recommendation> {
    [
        recommend(
            data.progress.with_verdict(Verdict::Undeliverable),
            "Leave out the undeliverable",
            format!(
                "There is evidence against each of these mailboxes or their domains. Send to {}, \
                 and put {} on your suppression list, so that the next import does not bring them \
                 back.",
                file(data, ReportFileKind::Part(Verdict::Deliverable))
                    .unwrap_or_else(|| "the rows whose verdict is deliverable".to_owned()),
                file(data, ReportFileKind::Suppress)
                    .unwrap_or_else(|| "the undeliverable ones".to_owned()),
            ),
        ),
        recommend(
            data.suggestions,
            "Correct what looks mistyped",
            "The column suggestion says what was probably meant, such as gmail.com for gmial.com. \
             It is a guess about spelling: correct it where you can check it, and verify again.",
        ),
        recommend(
            data.to_send.duplicates,
            "Write to each mailbox once",
            "These rows reach a mailbox that an earlier row already reaches, in the same or \
             another spelling: the column duplicate_of names it. Merge them before you send.",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Rows that a person or a policy decides about.
fn deciding(data: &ReportData) -> Vec<Recommendation> {
    [
        recommend(
            rows(data, &[Reason::CatchAll]),
            "Decide about domains that accept everybody",
            format!(
                "Their servers say yes to made-up recipients too, so nobody can tell by asking. \
                 {}Keep those who have lately opened, clicked or bought; send to the others in \
                 small portions, and stop if they bounce.",
                gateways(data)
            ),
        ),
        recommend(
            rows(data, &[Reason::MailboxFull]),
            "Try the full mailboxes another day",
            "They exist, and take no mail until somebody makes room. Verify them again in a few \
             days; one that stays full is abandoned.",
        ),
        recommend(
            rows(data, &[Reason::DisposableDomain]),
            "Leave out throw-away addresses",
            "They were made to be used once. Mail to them arrives, and nobody reads it.",
        ),
        recommend(
            rows(data, &[Reason::OptedOut]),
            "Leave out who wants no mail",
            "They complained about earlier mail, unsubscribed, or are on your suppression list. \
             Nobody was asked about them; writing to them all the same costs your reputation, and \
             in many places a fine.",
        ),
        recommend(
            data.to_send.role,
            "Look at role addresses",
            "Addresses such as info@ or sales@ reach several people, few of whom asked for your \
             mail; complaints come from there. Keep those that signed up themselves (flag role).",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The number of gateways that are named.
const GATEWAYS: usize = 3;

/// The gateways that answered for recipients they do not know, those with the most rows first.
fn gateways(data: &ReportData) -> String {
    let catch_all = |place: &GroupCounts| -> u64 {
        let rows = place.finished.iter().filter(|(reason, _)| *reason == Reason::CatchAll);
        rows.map(|(_, rows)| rows).sum()
    };
    let mut named: Vec<(&str, u64)> = Vec::new();
    for place in &data.providers {
        let Some(operator) = place.operator.as_ref().filter(|it| it.is_gateway) else { continue };
        match named.iter_mut().find(|(name, _)| *name == operator.name) {
            Some((_, rows)) => *rows += catch_all(place),
            None => named.push((&operator.name, catch_all(place))),
        }
    }
    named.retain(|(_, rows)| *rows > 0);
    named.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    let listed: Vec<String> = named
        .iter()
        .take(GATEWAYS)
        .map(|(name, rows)| format!("{} are behind {name}", grouped(*rows)))
        .collect();
    if listed.is_empty() {
        return String::new();
    }
    format!(
        "Of them {}: a gateway that filters mail and answers for mailboxes it does not know. ",
        listed.join(", ")
    )
}

fn stale() -> Recommendation {
    Recommendation {
        title: "Send soon",
        rows: 0,
        text: "Mailboxes come and go: what is true today is less so every week. Verify again \
               before a later campaign."
            .to_owned(),
    }
}
