//! Puts a verification together from its parts. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::subject::Subject;
use super::verification::{DialogueLine, Evidence, Verification};
use crate::address::SyntaxError;
use crate::registration::RegistrationReport;
use crate::smtp::{NoReply, ProbeOutcome, RecipientAnswer};
use crate::verdict::{Judgement, Reason, Traits};

/// The parts of a verification of an address that is one.
pub(super) struct VerificationParts<'a> {
    pub(super) subject: &'a Subject,
    pub(super) canonical: String,
    pub(super) suggestion: Option<String>,
    pub(super) traits: Traits,
    pub(super) judgement: Judgement,
    /// The exchangers' answers, if they were asked.
    pub(super) outcome: Option<&'a ProbeOutcome>,
    /// Time of the DNS answers, if DNS was asked.
    pub(super) looked_up_at: Option<SystemTime>,
    /// The DNS failure, if there was one; it counts where the judgement rests on it.
    pub(super) dns_failure: Option<String>,
    pub(super) from_cache: bool,
    pub(super) transcript: bool,
    pub(super) registration: Option<RegistrationReport>,
}

pub(super) fn invalid_syntax(
    subject: &Subject,
    error: SyntaxError,
    judgement: Judgement,
    suggestion: Option<String>,
) -> Verification {
    Verification {
        input: subject.text().to_owned(),
        address: subject.asked().to_owned(),
        judgement,
        traits: subject.mark(Traits::default()),
        canonical: None,
        suggestion,
        evidence: Evidence::default(),
        retry_at: None,
        syntax_error: Some(error),
        transcript: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

/// The verification of an address that is not asked about, for what became of earlier mail.
pub(super) fn not_asked(
    subject: &Subject,
    canonical: String,
    traits: Traits,
    judgement: Judgement,
    words: String,
    now: SystemTime,
) -> Verification {
    let retry_at = judgement.retry_after.map(|wait| now + wait);
    Verification {
        input: subject.text().to_owned(),
        address: subject.asked().to_owned(),
        judgement,
        traits,
        canonical: Some(canonical),
        suggestion: None,
        evidence: Evidence { failure: Some(words), ..Evidence::default() },
        retry_at,
        syntax_error: subject.syntax_error().copied(),
        transcript: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

pub(super) fn assemble(parts: VerificationParts<'_>, now: SystemTime) -> Verification {
    let mut evidence = evidence(&parts);
    evidence.registration = parts.registration.map(Box::new);
    let retry_at =
        parts.judgement.retry_after.map(|wait| evidence.gathered_at.unwrap_or(now) + wait);
    let transcript = match parts.outcome {
        Some(outcome) if parts.transcript => dialogue(outcome),
        _ => Vec::new(),
    };
    Verification {
        input: parts.subject.text().to_owned(),
        address: parts.subject.asked().to_owned(),
        judgement: parts.judgement,
        traits: parts.traits,
        canonical: Some(parts.canonical),
        suggestion: parts.suggestion,
        evidence,
        retry_at,
        syntax_error: parts.subject.syntax_error().copied(),
        transcript,
        elapsed: Duration::ZERO,
    }
}

/// The DNS failure where a reply did not count, and DNS told how the domain receives mail.
const STALE_ADDRESS: &str =
    "the exchanger could not be looked up for now, and its last address has expired";

fn evidence(parts: &VerificationParts<'_>) -> Evidence {
    let attempts = parts.outcome.map_or(&[][..], |outcome| &outcome.attempts);
    let rests_on_dns = parts.judgement.reason == Reason::DnsFailure;
    let dns_failure = parts.dns_failure.clone().filter(|_| rests_on_dns);
    let Some(attempt) = parts.judgement.decided_by.and_then(|index| attempts.get(index)) else {
        return Evidence {
            gathered_at: parts.looked_up_at,
            failure: Some(dns_failure.unwrap_or_else(|| explanation(parts))),
            from_cache: parts.from_cache,
            ..Evidence::default()
        };
    };
    let (reply, rule, failure) = match &attempt.observation.answer {
        RecipientAnswer::Replied { reply, explanation, .. } => {
            let failure =
                rests_on_dns.then(|| dns_failure.unwrap_or_else(|| STALE_ADDRESS.to_owned()));
            (Some(Arc::clone(reply)), Some(Arc::clone(&explanation.rule)), failure)
        }
        RecipientAnswer::NoReply { reason, .. } => {
            (None, None, Some(dns_failure.unwrap_or_else(|| describe(reason))))
        }
    };
    Evidence {
        exchanger: Some(attempt.exchanger.clone()),
        exchanger_ip: attempt.observation.address,
        reply,
        failure,
        rule,
        gathered_at: Some(attempt.observation.at),
        from_cache: parts.from_cache,
        exchangers_asked: attempts.len(),
        registration: None,
        own_mail: None,
        delivered: None,
        postponed: parts.outcome.is_some_and(ProbeOutcome::is_postponed),
    }
}

/// The deciding reason in words, with the registry's explanation of a domain that is not in DNS.
fn explanation(parts: &VerificationParts<'_>) -> String {
    let sentence = parts.judgement.reason.sentence();
    let note = parts.registration.as_ref().and_then(|report| report.note.as_deref());
    match note.filter(|_| parts.judgement.reason == Reason::DomainNotFound) {
        Some(note) => format!("{sentence}: {note}"),
        None => sentence.to_owned(),
    }
}

/// The event that took the place of a reply, in one sentence.
fn describe(reason: &NoReply) -> String {
    match reason {
        NoReply::NoAddress => "the exchanger has no address".to_owned(),
        NoReply::HostNotFound => "the exchanger does not exist in DNS".to_owned(),
        NoReply::DnsFailure => "the exchanger could not be looked up for now".to_owned(),
        NoReply::TargetRefused => {
            "the exchanger's address is not a public one; it was not dialled".to_owned()
        }
        NoReply::ConnectFailed(why) => format!("the connection failed: {why}"),
        NoReply::ProxyFailed(why) => format!("the proxy failed: {why}"),
        NoReply::SourceFailed(why) => format!("the source address failed: {why}"),
        NoReply::SocketFailed(why) => format!("this machine could not connect: {why}"),
        NoReply::Timeout => "no answer in time".to_owned(),
        NoReply::Closed => "the server closed the connection".to_owned(),
        NoReply::Protocol(what) => format!("not SMTP: {what}"),
        NoReply::TlsFailed(why) => format!("TLS failed: {why}"),
        NoReply::Smtputf8Unsupported => "the server does not offer SMTPUTF8".to_owned(),
        NoReply::Postponed => {
            "the replica that paces the exchanger could not be asked for now".to_owned()
        }
    }
}

fn dialogue(outcome: &ProbeOutcome) -> Vec<DialogueLine> {
    let mut said = Vec::new();
    for attempt in &outcome.attempts {
        said.extend(
            attempt.observation.dialogue().iter().map(|line| DialogueLine {
                exchanger: attempt.exchanger.clone(),
                line: line.clone(),
            }),
        );
    }
    said
}
