//! Reads a probe's outcome: reduces the exchangers' answers to the one conclusion that stands.

use std::time::Duration;

use super::conclusion::{Conclusion, DecisionStage};
use super::reason::{CatchAll, Reason};
use crate::dns::Exchanger;
use crate::smtp::{
    self, Attempt, Control, Explanation, Meaning, NoReply, ProbeOutcome, RecipientAnswer, Reply,
};

/// Reads a probe's outcome. `exchangers` are all of the domain's, best first; empty for an address
/// literal.
pub(super) fn read(outcome: &ProbeOutcome, exchangers: &[Exchanger]) -> Conclusion {
    let Some(most) = deciding(&outcome.attempts) else {
        return Conclusion::new(Reason::NotProbed, DecisionStage::Dns);
    };
    let (index, attempt) = match reason(&most.1.observation.answer) {
        Reason::RelayDenied => equal_to_wait_for(&outcome.attempts, exchangers).unwrap_or(most),
        _ => most,
    };
    let mut conclusion =
        Conclusion::new(reason(&attempt.observation.answer), stage(&attempt.observation.answer));
    conclusion.decided_by = Some(index);
    conclusion.catch_all = catch_all(outcome, conclusion.reason);
    conclusion.control_wait = control_wait(&outcome.control);
    if let RecipientAnswer::Replied { explanation, .. } = &attempt.observation.answer {
        conclusion.asked_to_wait = explanation.retry_after;
    }
    if attempt.observation.answer.is_postponed() {
        conclusion.asked_to_wait = Some(NoReply::POSTPONED_FOR);
    }
    match conclusion.reason {
        Reason::RelayDenied if !all_best_deny(&outcome.attempts, exchangers) => {
            conclusion.reason = Reason::PolicyRefusal;
        }
        Reason::NoMailHost if !all_missing(&outcome.attempts, exchangers) => {
            conclusion.reason = Reason::NoConnection;
        }
        Reason::MailboxNotFound if refuses_everybody(attempt, &outcome.control) => {
            conclusion.reason = Reason::PolicyRefusal;
        }
        _ => {}
    }
    conclusion
}

/// The attempt that says most: one that settles the matter, else a reply before no reply, a later
/// stage before an earlier one, and among equals the first (the better exchanger).
fn deciding(attempts: &[Attempt]) -> Option<(usize, &Attempt)> {
    attempts.iter().enumerate().rev().max_by_key(|(_, attempt)| weight(&attempt.observation.answer))
}

fn weight(answer: &RecipientAnswer) -> (bool, u8, Option<smtp::Stage>) {
    let reason = reason(answer);
    let settles = matches!(answer, RecipientAnswer::Replied { .. })
        && (!matches!(reason, Reason::RelayDenied) && is_definitive(reason));
    let kind = match answer {
        RecipientAnswer::Replied { .. } => 3,
        // Nobody was asked after it.
        RecipientAnswer::NoReply { reason: NoReply::Postponed, .. } => 4,
        // A name that could not be looked up may be a working host: it outweighs a missing one.
        RecipientAnswer::NoReply { reason: NoReply::HostNotFound | NoReply::NoAddress, .. } => 0,
        RecipientAnswer::NoReply { reason: NoReply::TargetRefused, .. } => 1,
        RecipientAnswer::NoReply { .. } => 2,
    };
    let stage = match answer {
        RecipientAnswer::Replied { stage, .. } | RecipientAnswer::NoReply { stage, .. } => *stage,
    };
    (settles, kind, Some(stage))
}

/// `true` if this reason, from one exchanger's reply, needs no second opinion.
fn is_definitive(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::MailboxAccepted
            | Reason::MailboxFull
            | Reason::MailboxNotFound
            | Reason::MailboxDisabled
    )
}

fn stage(answer: &RecipientAnswer) -> DecisionStage {
    match answer {
        RecipientAnswer::NoReply {
            reason: NoReply::HostNotFound | NoReply::NoAddress | NoReply::DnsFailure,
            ..
        } => DecisionStage::Dns,
        RecipientAnswer::Replied { stage, .. } | RecipientAnswer::NoReply { stage, .. } => {
            DecisionStage::Smtp(*stage)
        }
    }
}

/// The reason that one exchanger's answer gives by itself.
pub(super) fn reason(answer: &RecipientAnswer) -> Reason {
    match answer {
        RecipientAnswer::Replied { stage: smtp::Stage::Rcpt, reply, explanation } => {
            about_the_recipient(reply, explanation)
        }
        RecipientAnswer::Replied { reply, explanation, .. } => about_us(reply, explanation.meaning),
        RecipientAnswer::NoReply { reason, .. } => match reason {
            NoReply::HostNotFound | NoReply::NoAddress => Reason::NoMailHost,
            NoReply::DnsFailure => Reason::DnsFailure,
            NoReply::TargetRefused => Reason::TargetRefused,
            NoReply::ConnectFailed(_)
            | NoReply::ProxyFailed(_)
            | NoReply::SourceFailed(_)
            | NoReply::SocketFailed(_) => Reason::NoConnection,
            NoReply::Timeout => Reason::Timeout,
            NoReply::Closed | NoReply::Protocol(_) => Reason::ProtocolError,
            NoReply::TlsFailed(_) => Reason::TlsRequired,
            NoReply::Smtputf8Unsupported => Reason::Smtputf8Unsupported,
            NoReply::Postponed => Reason::TemporaryFailure,
        },
    }
}

/// A reply to `RCPT TO`: the only place where a mailbox can be found dead, and only by a 5yz.
fn about_the_recipient(reply: &Reply, explanation: &Explanation) -> Reason {
    if reply.accepts_recipient() {
        return Reason::MailboxAccepted;
    }
    if reply.tells_of_another_owner() {
        // Somebody has the mailbox: a person is to look at it, and it is no dead one.
        return Reason::PolicyRefusal;
    }
    let dead = |reason| if reply.is_permanent() { reason } else { Reason::TemporaryFailure };
    match explanation.meaning {
        Meaning::MailboxNotFound => dead(Reason::MailboxNotFound),
        Meaning::MailboxDisabled => dead(Reason::MailboxDisabled),
        // DNS says that the domain exists, so the server says that it is none of *its* domains.
        Meaning::RelayDenied | Meaning::DomainNotFound => dead(Reason::RelayDenied),
        Meaning::MailboxFull => Reason::MailboxFull,
        Meaning::Greylisted => Reason::Greylisted,
        Meaning::SenderBlocked => Reason::SenderBlocked,
        Meaning::RateLimited => Reason::RateLimited,
        Meaning::AuthOrTlsRequired => Reason::TlsRequired,
        Meaning::TemporaryFailure if is_mailbox_status(reply) => Reason::MailboxBusy,
        Meaning::TemporaryFailure | Meaning::NetworkOrServerError => Reason::TemporaryFailure,
        Meaning::AmbiguousPolicy | Meaning::MessageContent => Reason::PolicyRefusal,
        Meaning::Unknown if reply.is_transient() => Reason::TemporaryFailure,
        Meaning::SyntaxError if reply.refuses_internationalized() => Reason::Smtputf8Unsupported,
        Meaning::SyntaxError | Meaning::Unknown | Meaning::Accepted => Reason::ProtocolError,
    }
}

/// A temporary reply about the mailbox itself (RFC 3463 section 3.3), or in RFC 5321's own word.
fn is_mailbox_status(reply: &Reply) -> bool {
    reply.is_transient()
        && (reply.enhanced.is_some_and(|status| status.subject == 2)
            || reply.text().to_ascii_lowercase().contains("mailbox busy"))
}

/// A reply before `RCPT TO`: the recipient was not even named, so it is about us, or temporary.
fn about_us(reply: &Reply, meaning: Meaning) -> Reason {
    match meaning {
        Meaning::Greylisted => Reason::Greylisted,
        Meaning::SenderBlocked => Reason::SenderBlocked,
        Meaning::RateLimited => Reason::RateLimited,
        Meaning::AuthOrTlsRequired => Reason::TlsRequired,
        Meaning::TemporaryFailure | Meaning::NetworkOrServerError => Reason::TemporaryFailure,
        Meaning::SyntaxError => Reason::ProtocolError,
        _ if reply.is_transient() => Reason::TemporaryFailure,
        _ if reply.is_permanent() => Reason::SenderBlocked,
        _ => Reason::ProtocolError,
    }
}

/// `true` if every exchanger of the best preference denies relaying.
fn all_best_deny(attempts: &[Attempt], exchangers: &[Exchanger]) -> bool {
    let best = exchangers.iter().map(|e| e.preference).min();
    exchangers.iter().filter(|e| Some(e.preference) == best).all(|exchanger| {
        attempts.iter().any(|a| {
            a.exchanger == exchanger.host && reason(&a.observation.answer) == Reason::RelayDenied
        })
    })
}

/// The attempt at an exchanger of the best preference that may answer another time, and has not
/// denied relaying as others have: mail finds its way through it.
fn equal_to_wait_for<'a>(
    attempts: &'a [Attempt],
    exchangers: &[Exchanger],
) -> Option<(usize, &'a Attempt)> {
    let best = exchangers.iter().map(|e| e.preference).min();
    let denies = |asked: &Attempt| {
        attempts.iter().any(|a| {
            a.exchanger == asked.exchanger && reason(&a.observation.answer) == Reason::RelayDenied
        })
    };
    let may_answer = |attempt: &Attempt| {
        Some(attempt.preference) == best
            && passes(reason(&attempt.observation.answer))
            && !denies(attempt)
    };
    let waiting = attempts.iter().enumerate().rev().filter(|(_, attempt)| may_answer(attempt));
    waiting.max_by_key(|(_, attempt)| weight(&attempt.observation.answer))
}

/// `true` if an exchanger that gave this reason may give another one in time.
fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Greylisted
            | Reason::RateLimited
            | Reason::TemporaryFailure
            | Reason::MailboxBusy
            | Reason::NoConnection
            | Reason::Timeout
            | Reason::DnsFailure
    )
}

/// `true` if every exchanger was looked for, and none has an address.
fn all_missing(attempts: &[Attempt], exchangers: &[Exchanger]) -> bool {
    exchangers.iter().all(|exchanger| {
        attempts.iter().any(|a| {
            a.exchanger == exchanger.host && reason(&a.observation.answer) == Reason::NoMailHost
        })
    })
}

/// `true` if a refusal says little about the mailbox: it rests on nothing but the code, and the
/// made-up recipient got the very same one.
fn refuses_everybody(attempt: &Attempt, control: &Control) -> bool {
    let RecipientAnswer::Replied { reply, explanation, .. } = &attempt.observation.answer else {
        return false;
    };
    let Control::Answered(control) = control else { return false };
    let RecipientAnswer::Replied { reply: other, .. } = &**control else { return false };
    explanation.is_by_code_alone() && reply.code == other.code && reply.enhanced == other.enhanced
}

/// The domain's catch-all state, from the control recipient or from the refusal itself.
fn catch_all(outcome: &ProbeOutcome, reason: Reason) -> CatchAll {
    let shown = match &outcome.control {
        Control::KnownYes => CatchAll::Yes,
        Control::KnownNo => CatchAll::No,
        Control::Answered(answer) => answered(answer),
        Control::NotAsked => CatchAll::Unknown,
    };
    if shown == CatchAll::Unknown && reason == Reason::MailboxNotFound {
        return CatchAll::No;
    }
    shown
}

/// The waiting time the server named, if any, where the control recipient was greylisted.
fn control_wait(control: &Control) -> Option<Option<Duration>> {
    let Control::Answered(answer) = control else { return None };
    let RecipientAnswer::Replied { explanation, .. } = &**answer else { return None };
    (reason(answer) == Reason::Greylisted).then_some(explanation.retry_after)
}

/// The domain's catch-all state that the control recipient's answer shows.
fn answered(answer: &RecipientAnswer) -> CatchAll {
    match answer {
        answer if answer.is_accepted() => CatchAll::Yes,
        answer if reason(answer) == Reason::MailboxNotFound => CatchAll::No,
        _ => CatchAll::Unknown,
    }
}
