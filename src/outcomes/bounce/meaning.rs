//! Words to kinds: what a server said, read by the rules for replies.

use super::super::kind::OutcomeKind;
use super::replies::{self, RefusingReply};
use crate::smtp::{Classifier, EnhancedStatus, Meaning, ReplyView, RuleBasis, Stage};

/// Number of bytes of words that are kept as evidence.
pub(super) const MAX_WORDS: usize = 512;

/// Number of bytes of a vendor's words that are read.
const MAX_TEXT: usize = 8 * 1024;

/// Number of bytes of one paragraph that are read.
const MAX_PARAGRAPH: usize = 400;

/// Number of paragraphs of one text that are read.
const MAX_PARAGRAPHS: usize = 60;

/// The words of a queue that gave up, or did not yet.
const GIVING_UP: [&str; 16] = [
    "queue too long",
    "envelope expired",
    "message expired",
    "mail expired",
    "retry timeout exceeded",
    "retry time not reached",
    "delivery time expired",
    "will be retried",
    "being retried",
    "will keep trying",
    "will try again",
    "warning message only",
    "warning only",
    "has been delayed",
    "not responding",
    "could not be delivered for",
];

/// The words of a service that did not send: the address stands on a list of its own, after a
/// bounce, a complaint, or by hand.
const NOT_SENT: [&str; 2] = ["suppression list", "suppressed sending to"];

/// The words of Exim and Postfix for a server that refused before any command.
const BANNER: [&str; 3] =
    ["initial connection", "initial server greeting", "refused to talk to me"];

/// The evidence for one recipient's fate.
#[derive(Debug, Default)]
pub(super) struct FailureEvidence<'a> {
    /// The server's words, the nearest to the server first.
    pub(super) words: Vec<&'a str>,
    /// The status field.
    pub(super) status: Option<EnhancedStatus>,
    /// The action field.
    pub(super) action: Option<DeliveryAction>,
    /// The server that spoke.
    pub(super) exchanger: Option<&'a str>,
    /// Words that may tell which command was answered.
    pub(super) context: &'a str,
}

/// The value of `Action` (RFC 3464 section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryAction {
    Failed,
    Delayed,
    Arrived,
}

impl DeliveryAction {
    pub(super) fn from_value(value: &str) -> Option<Self> {
        let word = value.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        match word.to_ascii_lowercase().as_str() {
            "failed" | "failure" => Some(Self::Failed),
            "delayed" => Some(Self::Delayed),
            "delivered" | "relayed" | "expanded" | "deliverable" => Some(Self::Arrived),
            _ => None,
        }
    }
}

/// The kind that a server's words speak for, about mail that failed for good or for now.
pub(in crate::outcomes) fn judge_words(
    classifier: &Classifier,
    words: &str,
    status: Option<EnhancedStatus>,
    is_for_now: bool,
) -> OutcomeKind {
    let action = if is_for_now { DeliveryAction::Delayed } else { DeliveryAction::Failed };
    let words = &words[..words.floor_char_boundary(MAX_TEXT)];
    let evidence = FailureEvidence {
        words: vec![words],
        status,
        action: Some(action),
        exchanger: None,
        context: words,
    };
    judge(classifier, &evidence)
}

/// The kind that the evidence speaks for.
pub(super) fn judge(classifier: &Classifier, evidence: &FailureEvidence<'_>) -> OutcomeKind {
    if evidence.action == Some(DeliveryAction::Arrived) {
        return OutcomeKind::Delivered;
    }
    let kind = match by_words(classifier, evidence) {
        OutcomeKind::Gone if is_disputed(classifier, evidence) || is_unsent(evidence) => {
            OutcomeKind::Unknown
        }
        kind => kind,
    };
    let is_for_now = evidence.action == Some(DeliveryAction::Delayed)
        || evidence.status.is_some_and(|status| status.class == 4);
    match kind {
        // Nothing temporary is proof that a mailbox is gone.
        OutcomeKind::Gone | OutcomeKind::Unknown if is_for_now => OutcomeKind::Temporary,
        kind => kind,
    }
}

/// A kind, and the part of the evidence that it rests on.
struct Finding {
    kind: OutcomeKind,
    basis: RuleBasis,
}

fn by_words(classifier: &Classifier, evidence: &FailureEvidence<'_>) -> OutcomeKind {
    let mut by_reply: Option<Finding> = None;
    let mut by_prose = None;
    for words in &evidence.words {
        let (refusals, prose) = replies::split(words);
        for reply in &refusals {
            let found = find_in_reply(classifier, reply, evidence);
            // Words say more than a status or a code; but trouble with another host, further down
            // in a transcript, takes nothing from a status.
            let is_better = by_reply.as_ref().is_none_or(|known| match known.basis {
                RuleBasis::Words => false,
                RuleBasis::EnhancedStatus => {
                    found.basis == RuleBasis::Words && found.kind != OutcomeKind::Temporary
                }
                RuleBasis::Code => found.basis == RuleBasis::Words,
            });
            if found.kind != OutcomeKind::Unknown && is_better {
                by_reply = Some(found);
            }
        }
        for prose in prose {
            by_prose = by_prose.or_else(|| find_in_prose(classifier, prose, evidence));
        }
    }
    let found = match (by_reply, by_prose) {
        // Full mailboxes are often refused as unknown ones.
        (Some(Finding { kind: OutcomeKind::Gone, .. }), Some(OutcomeKind::Full)) => by_prose,
        // A code for "not now" counts more than prose that speaks of a dead mailbox.
        (Some(Finding { kind: OutcomeKind::Temporary, .. }), Some(OutcomeKind::Gone)) => {
            Some(OutcomeKind::Temporary)
        }
        // A bare code says little; words and a status are the server's own.
        (Some(Finding { basis: RuleBasis::Code, kind }), prose) => prose.or(Some(kind)),
        (Some(Finding { kind, .. }), _) => Some(kind),
        (None, prose) => prose,
    };
    found.or_else(|| by_status(classifier, evidence.status?)).unwrap_or(OutcomeKind::Unknown)
}

/// The kind that words without a code speak for, paragraph by paragraph. Prose is no reply, so that
/// anything that speaks against a dead mailbox counts more than what speaks for it.
fn find_in_prose(
    classifier: &Classifier,
    prose: &str,
    evidence: &FailureEvidence<'_>,
) -> Option<OutcomeKind> {
    let class = evidence.status.map_or(5, |status| status.class);
    let is_for_now = class == 4 || evidence.action == Some(DeliveryAction::Delayed);
    let mut found = None;
    for paragraph in paragraphs(prose).take(MAX_PARAGRAPHS) {
        if gives_up(paragraph) {
            return Some(OutcomeKind::Temporary);
        }
        let view = ReplyView {
            code: Some(if is_for_now { 450 } else { 550 }),
            exchanger: evidence.exchanger,
            ..ReplyView::from_text(paragraph)
        };
        let explanation = classifier.explain(&view);
        match kind_of(explanation.meaning) {
            OutcomeKind::Unknown => {}
            _ if explanation.basis == RuleBasis::Code => {}
            OutcomeKind::Gone => {
                found.get_or_insert(OutcomeKind::Gone);
            }
            kind => return Some(kind),
        }
    }
    found
}

/// `true` if a queue says that it tried for too long, or that it still tries. Replies do not speak
/// like this.
fn gives_up(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    GIVING_UP.iter().any(|phrase| lower.contains(phrase))
}

/// The lines of a text that say something, cut.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    // A line that ends with a colon introduces a list, and says nothing itself.
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.ends_with(':'));
    lines.map(|line| &line[..line.floor_char_boundary(MAX_PARAGRAPH)])
}

/// The kind that a status speaks for, without words.
fn by_status(classifier: &Classifier, status: EnhancedStatus) -> Option<OutcomeKind> {
    let code = if status.class == 4 { 450 } else { 550 };
    let view = ReplyView { code: Some(code), enhanced: Some(status), ..ReplyView::from_text("") };
    let explanation = classifier.explain(&view);
    let is_told = explanation.basis == RuleBasis::EnhancedStatus;
    Some(kind_of(explanation.meaning)).filter(|kind| is_told && *kind != OutcomeKind::Unknown)
}

fn find_in_reply(
    classifier: &Classifier,
    reply: &RefusingReply<'_>,
    evidence: &FailureEvidence<'_>,
) -> Finding {
    let mut view = ReplyView::from_text(reply.text);
    let stage =
        stage(reply.text).or_else(|| stage(reply.before)).or_else(|| stage(evidence.context));
    let is_after_message =
        [reply.text, reply.before, evidence.context].into_iter().any(is_after_message);
    let has_status = view.enhanced.is_some();
    view.code = reply.text.get(..3).and_then(|code| code.parse().ok());
    // Behind `DATA` itself a server with PIPELINING still refuses recipients.
    view.stage = stage.filter(|stage| *stage != Stage::Data || is_after_message);
    view.exchanger = evidence.exchanger;
    view.enhanced = view.enhanced.or(evidence.status);
    let explanation = classifier.explain(&view);
    let told = match (kind_of(explanation.meaning), view.enhanced.and_then(contradicting)) {
        (OutcomeKind::Gone, Some(kind)) => kind,
        (kind, _) => kind,
    };
    let kind = match told {
        OutcomeKind::Gone if view.code.is_some_and(|code| code < 500) => OutcomeKind::Temporary,
        // Before a recipient was named, the fault is with the sender.
        OutcomeKind::Gone if stage.is_some_and(is_before_recipients) => OutcomeKind::Blocked,
        // A server that took the recipient and then the message knows the mailbox, unless its
        // status says otherwise: filters speak like this.
        OutcomeKind::Gone if is_after_message && !has_status => OutcomeKind::Unknown,
        kind => kind,
    };
    Finding { kind, basis: explanation.basis }
}

/// `true` if a reply calls the user unknown, and its status says that the mailbox exists and takes
/// no mail (RFC 3463 X.2.1): filters of recipients speak like this, and one of the two is wrong.
fn is_disputed(classifier: &Classifier, evidence: &FailureEvidence<'_>) -> bool {
    evidence.words.iter().flat_map(|words| replies::split(words).0).any(|reply| {
        // Its own words and status: the lines that follow, and a report's field, may be about
        // another step of the session.
        let mut view = ReplyView::from_text(reply.text.lines().next().unwrap_or_default());
        let status = view.enhanced.take();
        view.code = Some(550);
        status.is_some_and(|status| (status.subject, status.detail) == (2, 1))
            && classifier.explain(&view).meaning == Meaning::MailboxNotFound
    })
}

/// `true` if a service says that it sent nothing, whatever status it gives for that.
fn is_unsent(evidence: &FailureEvidence<'_>) -> bool {
    evidence.words.iter().any(|words| {
        let line = words.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let lower = line.to_ascii_lowercase();
        NOT_SENT.iter().any(|phrase| lower.contains(phrase))
    })
}

/// The kind of a status that speaks against a dead mailbox, whatever the words (RFC 3463): full,
/// too large, a system's or a network's trouble, a time that is over.
const fn contradicting(status: EnhancedStatus) -> Option<OutcomeKind> {
    match (status.subject, status.detail) {
        (2, 2) => Some(OutcomeKind::Full),
        (2, 3) | (3, 4) => Some(OutcomeKind::Content),
        (3, 1) | (4, 5..=7) => Some(OutcomeKind::Temporary),
        _ => None,
    }
}

const fn kind_of(meaning: Meaning) -> OutcomeKind {
    match meaning {
        Meaning::MailboxNotFound | Meaning::MailboxDisabled | Meaning::DomainNotFound => {
            OutcomeKind::Gone
        }
        Meaning::MailboxFull => OutcomeKind::Full,
        Meaning::Greylisted
        | Meaning::RateLimited
        | Meaning::TemporaryFailure
        | Meaning::NetworkOrServerError => OutcomeKind::Temporary,
        Meaning::SenderBlocked
        | Meaning::RelayDenied
        | Meaning::AuthOrTlsRequired
        | Meaning::AmbiguousPolicy => OutcomeKind::Blocked,
        Meaning::MessageContent => OutcomeKind::Content,
        _ => OutcomeKind::Unknown,
    }
}

/// `true` if the words say that a reply came after the message, not only after `DATA`: a server
/// with PIPELINING refuses recipients there too.
fn is_after_message(words: &str) -> bool {
    let lower = words.to_ascii_lowercase();
    ["end of data", "final data", "sent the message", ">>> .", "[eod]", "data send"]
        .iter()
        .any(|said| lower.contains(said))
}

/// `true` for the steps of a session before its first recipient.
const fn is_before_recipients(stage: Stage) -> bool {
    !matches!(stage, Stage::Rcpt | Stage::Data)
}

/// The command that was answered, as servers name it before or behind the reply: the latest of a
/// session where the words name several.
fn stage(words: &str) -> Option<Stage> {
    let line = words.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let lower = line.to_ascii_lowercase();
    let said = |before: &str, command: &str| lower.contains(&[before, command].concat());
    let any = |command: &str| {
        ["in reply to ", "in response to ", "after ", "pipelined ", "response to ", "[", ">>> "]
            .iter()
            .any(|before| said(before, command))
    };
    if any("rcpt") || lower.contains("rcpt to:<") {
        Some(Stage::Rcpt)
    } else if any("end of data") || any("data") || any("dot") {
        Some(Stage::Data)
    } else if any("mail from") {
        Some(Stage::Mail)
    } else if any("starttls") {
        Some(Stage::StartTls)
    } else if any("ehlo") || any("helo") {
        Some(Stage::Ehlo)
    } else if BANNER.iter().any(|phrase| lower.contains(phrase)) {
        Some(Stage::Banner)
    } else {
        None
    }
}
