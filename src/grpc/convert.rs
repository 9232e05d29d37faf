//! From our words to the wire's: one function a message, nothing decided.

use std::time::{Duration, SystemTime};

use crate::cache::Cached;
use crate::dns::{DomainFacts, Note, Route};
use crate::proto;
use crate::smtp;
use crate::smtp::outcome::Speaker;
use crate::verdict::{Action, CatchAll, DecisionStage, Reason, Traits, Verdict};
use crate::verifier::{DialogueLine, DomainReport, Evidence, Verification};

pub(super) fn verification(verification: Verification) -> proto::Verification {
    let judgement = &verification.judgement;
    proto::Verification {
        verdict: verdict(judgement.verdict).into(),
        action: action(judgement.action).into(),
        reason: reason(judgement.reason).into(),
        reasons: judgement.reasons.iter().map(|r| reason(*r).into()).collect(),
        flags: Some(flags(verification.traits, judgement.catch_all)),
        evidence: Some(evidence(&verification.evidence, judgement.stage)),
        retry_at: verification.retry_at.map(Into::into),
        syntax_error: verification.syntax_error.map(|error| proto::SyntaxError {
            reason: error.kind.name().to_owned(),
            offset: u32::try_from(error.offset).unwrap_or(u32::MAX),
            message: error.to_string(),
        }),
        transcript: verification.transcript.iter().map(transcript_line).collect(),
        elapsed: duration(verification.elapsed),
        address: verification.address,
        canonical: verification.canonical.unwrap_or_default(),
        suggestion: verification.suggestion.unwrap_or_default(),
    }
}

fn evidence(evidence: &Evidence, stage_reached: DecisionStage) -> proto::Evidence {
    let reply = evidence.reply.as_ref();
    proto::Evidence {
        stage: stage(stage_reached).into(),
        exchanger: evidence.exchanger.as_ref().map(ToString::to_string).unwrap_or_default(),
        exchanger_ip: evidence.exchanger_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        code: reply.map(|r| u32::from(r.code)).unwrap_or_default(),
        enhanced: reply
            .and_then(|r| r.enhanced)
            .map(|status| status.to_string())
            .unwrap_or_default(),
        reply: reply.map(|r| r.text()).unwrap_or_default(),
        failure: evidence.failure.clone().unwrap_or_default(),
        rule: evidence.rule.as_deref().unwrap_or_default().to_owned(),
        gathered_at: evidence.gathered_at.map(Into::into),
        from_cache: evidence.from_cache,
        exchangers_asked: count(evidence.exchangers_asked),
    }
}

fn transcript_line(said: &DialogueLine) -> proto::TranscriptLine {
    let speaker = match said.line.speaker {
        Speaker::Client => proto::Speaker::Client,
        Speaker::Server => proto::Speaker::Server,
        Speaker::Event => proto::Speaker::Event,
    };
    proto::TranscriptLine {
        after: duration(said.line.after),
        speaker: speaker.into(),
        text: said.line.text.clone(),
        exchanger: said.exchanger.to_string(),
    }
}

fn flags(traits: Traits, catch_all: CatchAll) -> proto::Flags {
    let catch_all = match catch_all {
        CatchAll::Unknown => proto::CatchAll::Unknown,
        CatchAll::Yes => proto::CatchAll::Yes,
        CatchAll::No => proto::CatchAll::No,
    };
    proto::Flags {
        catch_all: catch_all.into(),
        disposable: traits.disposable,
        role: traits.role,
        free_provider: traits.free_provider,
        tagged: traits.tagged,
        relay: traits.relay,
        mixed_script: traits.mixed_script,
        dotless: traits.dotless,
        address_literal: traits.address_literal,
        special_use: traits.special_use,
        unusual_at_provider: traits.unusual_at_provider,
    }
}

pub(super) fn domain(report: &DomainReport) -> proto::VerifyDomainResponse {
    let Cached { value: facts, from_cache, .. } = &report.facts;
    proto::VerifyDomainResponse {
        domain: facts.domain.to_string(),
        route: route(&facts.route).into(),
        exchangers: report
            .exchangers
            .iter()
            .map(|exchanger| proto::Exchanger {
                host: exchanger.exchanger.host.to_string(),
                preference: u32::from(exchanger.exchanger.preference),
                addresses: exchanger.addresses.iter().map(ToString::to_string).collect(),
                failure: exchanger.failure.clone().unwrap_or_default(),
            })
            .collect(),
        notes: notes(facts),
        looked_up_at: Some(time(facts.looked_up_at)),
        valid_until: Some(time(facts.valid_until)),
        from_cache: *from_cache,
        disposable: report.traits.disposable,
        free_provider: report.traits.free_provider,
    }
}

fn notes(facts: &DomainFacts) -> Vec<String> {
    facts.notes.iter().map(Note::to_string).collect()
}

fn route(route: &Route) -> proto::Route {
    match route {
        Route::Exchangers(_) => proto::Route::Exchangers,
        Route::ImplicitMx(_) => proto::Route::ImplicitMx,
        Route::NullMx => proto::Route::NullMx,
        Route::NoSuchDomain => proto::Route::NoSuchDomain,
        Route::NoMail => proto::Route::NoMail,
    }
}

fn verdict(verdict: Verdict) -> proto::Verdict {
    match verdict {
        Verdict::Deliverable => proto::Verdict::Deliverable,
        Verdict::Risky => proto::Verdict::Risky,
        Verdict::Undeliverable => proto::Verdict::Undeliverable,
        Verdict::Unknown => proto::Verdict::Unknown,
    }
}

fn action(action: Action) -> proto::Action {
    match action {
        Action::Send => proto::Action::Send,
        Action::Review => proto::Action::Review,
        Action::RetryLater => proto::Action::RetryLater,
        Action::Suppress => proto::Action::Suppress,
    }
}

fn stage(stage: DecisionStage) -> proto::Stage {
    match stage {
        DecisionStage::Syntax => proto::Stage::Syntax,
        DecisionStage::Dns => proto::Stage::Dns,
        DecisionStage::Smtp(stage) => match stage {
            smtp::Stage::Connect => proto::Stage::Connect,
            smtp::Stage::Banner => proto::Stage::Banner,
            smtp::Stage::Ehlo => proto::Stage::Ehlo,
            smtp::Stage::StartTls => proto::Stage::Starttls,
            smtp::Stage::Mail => proto::Stage::Mail,
            smtp::Stage::Rcpt | smtp::Stage::Data => proto::Stage::Rcpt,
        },
    }
}

pub(super) fn reason(reason: Reason) -> proto::Reason {
    match reason {
        Reason::MailboxAccepted => proto::Reason::MailboxAccepted,
        Reason::RoleAccount => proto::Reason::RoleAccount,
        Reason::CatchAll => proto::Reason::CatchAll,
        Reason::MailboxFull => proto::Reason::MailboxFull,
        Reason::DisposableDomain => proto::Reason::DisposableDomain,
        Reason::InvalidSyntax => proto::Reason::InvalidSyntax,
        Reason::DomainNotFound => proto::Reason::DomainNotFound,
        Reason::NoMailHost => proto::Reason::NoMailHost,
        Reason::NullMx => proto::Reason::NullMx,
        Reason::MailboxNotFound => proto::Reason::MailboxNotFound,
        Reason::MailboxDisabled => proto::Reason::MailboxDisabled,
        Reason::RelayDenied => proto::Reason::RelayDenied,
        Reason::ProviderRule => proto::Reason::ProviderRule,
        Reason::Greylisted => proto::Reason::Greylisted,
        Reason::RateLimited => proto::Reason::RateLimited,
        Reason::SenderBlocked => proto::Reason::SenderBlocked,
        Reason::TemporaryFailure => proto::Reason::TemporaryFailure,
        Reason::MailboxBusy => proto::Reason::MailboxBusy,
        Reason::NoConnection => proto::Reason::NoConnection,
        Reason::Timeout => proto::Reason::Timeout,
        Reason::DnsFailure => proto::Reason::DnsFailure,
        Reason::TlsRequired => proto::Reason::TlsRequired,
        Reason::Smtputf8Unsupported => proto::Reason::Smtputf8Unsupported,
        Reason::PolicyRefusal => proto::Reason::PolicyRefusal,
        Reason::ProtocolError => proto::Reason::ProtocolError,
        Reason::TargetRefused => proto::Reason::TargetRefused,
        Reason::NotProbed => proto::Reason::NotProbed,
    }
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

fn time(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_keeps_its_name_on_the_wire() {
        for r in Reason::ALL {
            let wire = reason(*r).as_str_name();
            assert_eq!(wire, format!("REASON_{}", r.name().to_ascii_uppercase()));
        }
    }

    #[test]
    fn every_stage_keeps_its_name_on_the_wire() {
        let smtp_stages = [
            smtp::Stage::Connect,
            smtp::Stage::Banner,
            smtp::Stage::Ehlo,
            smtp::Stage::StartTls,
            smtp::Stage::Mail,
            smtp::Stage::Rcpt,
        ];
        let stages = smtp_stages
            .map(DecisionStage::Smtp)
            .into_iter()
            .chain([DecisionStage::Syntax, DecisionStage::Dns]);
        for s in stages {
            let wire = stage(s).as_str_name();
            assert_eq!(wire, format!("STAGE_{}", s.name().to_ascii_uppercase()));
        }
    }
}
