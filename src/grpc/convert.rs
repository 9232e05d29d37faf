//! Converts results to messages: one function a message, nothing decided.

use std::time::{Duration, SystemTime};

use super::{enums, posture};
use crate::address::DomainName;
use crate::cache::Cached;
use crate::dns::{Note, Route};
use crate::lists::MailOperator;
use crate::proto;
use crate::registration::RegistrationReport;
use crate::smtp::outcome::Speaker;
use crate::verdict::{CatchAll, DecisionStage, Judgement, Traits};
use crate::verifier::{
    DialogueLine, DomainMail, DomainReport, Evidence, ExchangerFailure, OWN_MAIL_DAYS, Verification,
};

/// The message of a verification.
#[must_use]
pub fn verification(verification: Verification) -> proto::Verification {
    let judgement = &verification.judgement;
    proto::Verification {
        verdict: enums::verdict(judgement.verdict).into(),
        action: enums::action(judgement.action).into(),
        reason: enums::reason(judgement.reason).into(),
        reasons: judgement.reasons.iter().map(|r| enums::reason(*r).into()).collect(),
        flags: Some(flags(verification.traits, judgement)),
        evidence: Some(evidence(&verification.evidence, judgement.stage)),
        retry_time: verification.retry_at.map(Into::into),
        syntax_error: verification.syntax_error.map(|error| proto::SyntaxError {
            kind: enums::syntax_error_kind(error.kind).into(),
            offset: small_count(error.offset),
            text: error.to_string(),
        }),
        transcript: verification.transcript.iter().map(transcript_line).collect(),
        elapsed_duration: duration(verification.elapsed),
        address: verification.address,
        input: verification.input,
        canonical: verification.canonical,
        suggestion: verification.suggestion,
    }
}

fn evidence(evidence: &Evidence, stage_reached: DecisionStage) -> proto::Evidence {
    let reply = evidence.reply.as_ref();
    proto::Evidence {
        stage: enums::stage(stage_reached).into(),
        exchanger: evidence.exchanger.as_ref().map(|host| host.as_str().to_owned()),
        exchanger_ip: evidence.exchanger_ip.map(|ip| ip.to_string()),
        code: reply.map(|r| i32::from(r.code)),
        enhanced_status: reply.and_then(|r| r.enhanced).map(|status| status.to_string()),
        reply: reply.map(|r| r.text()),
        failure: evidence.failure.clone(),
        rule: evidence.rule.as_deref().map(str::to_owned),
        gather_time: evidence.gathered_at.map(Into::into),
        from_cache: evidence.from_cache,
        exchangers_asked: small_count(evidence.exchangers_asked),
        operator: evidence.exchanger.as_ref().and_then(operator),
        registration: evidence.registration.as_deref().map(registration).map(Box::new),
        own_mail: evidence.own_mail.map(domain_mail),
        delivered: evidence.delivered.as_ref().map(|mail| proto::DeliveredMail {
            delivery_time: Some(mail.at.into()),
            source: mail.source.clone(),
        }),
    }
}

fn domain_mail(mail: DomainMail) -> proto::DomainMail {
    proto::DomainMail {
        sent: count(mail.sent),
        bounced: count(mail.bounced),
        gone: count(mail.gone),
        days: OWN_MAIL_DAYS.try_into().unwrap_or(i32::MAX),
    }
}

fn registration(report: &RegistrationReport) -> proto::Registration {
    let RegistrationReport { registration, note } = report;
    let facts = registration.facts();
    let at = |time: Option<SystemTime>| time.map(Into::into);
    let gap = registration.gap();
    proto::Registration {
        domain: registration.domain.to_string(),
        state: enums::registration_state(&registration.state).into(),
        gap: gap.map(enums::registration_gap).unwrap_or_default().into(),
        register_time: at(facts.and_then(|facts| facts.registered_at)),
        change_time: at(facts.and_then(|facts| facts.changed_at)),
        expire_time: at(facts.and_then(|facts| facts.expires_at)),
        statuses: facts
            .map(|facts| facts.statuses.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        registrar: facts.and_then(|facts| facts.registrar.as_deref()).map(str::to_owned),
        source: registration.source.as_deref().map(str::to_owned),
        ask_time: at(registration.asked_at),
        text: note.clone().or_else(|| gap.map(|gap| gap.sentence().to_owned())),
    }
}

fn transcript_line(said: &DialogueLine) -> proto::TranscriptLine {
    let speaker = match said.line.speaker {
        Speaker::Client => proto::Speaker::Client,
        Speaker::Server => proto::Speaker::Server,
        Speaker::Event => proto::Speaker::Event,
    };
    proto::TranscriptLine {
        session_offset: duration(said.line.after),
        speaker: speaker.into(),
        text: said.line.text.clone(),
        exchanger: said.exchanger.to_string(),
    }
}

fn flags(traits: Traits, judgement: &Judgement) -> proto::Flags {
    let catch_all = match judgement.catch_all {
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
        cleaned: traits.cleaned,
        several: traits.several,
        irregular: traits.irregular,
        catch_all_untested: judgement.is_catch_all_untested(),
        registered_after_consent: traits.registered_after_consent,
    }
}

pub(super) fn domain(report: &DomainReport) -> proto::DomainReport {
    let Cached { value: facts, from_cache, .. } = &report.facts;
    proto::DomainReport {
        domain: facts.domain.to_string(),
        route: route(&facts.route).into(),
        exchangers: report
            .exchangers
            .iter()
            .map(|exchanger| proto::Exchanger {
                host: exchanger.exchanger.host.to_string(),
                preference: i32::from(exchanger.exchanger.preference),
                addresses: exchanger.addresses.iter().map(ToString::to_string).collect(),
                failure: exchanger
                    .failure
                    .as_ref()
                    .map(exchanger_failure)
                    .unwrap_or_default()
                    .into(),
                failure_text: exchanger.failure.as_ref().map(ToString::to_string),
                operator: operator(&exchanger.exchanger.host),
            })
            .collect(),
        notes: facts.notes.iter().map(note).collect(),
        lookup_time: Some(time(facts.looked_up_at)),
        expire_time: Some(time(facts.valid_until)),
        from_cache: *from_cache,
        disposable: report.traits.disposable,
        free_provider: report.traits.free_provider,
        registration: report.registration.as_ref().map(registration),
        posture: report.posture.as_ref().map(posture::posture),
        parking_service: report.parking.map(|service| service.name.to_owned()),
    }
}

/// The service that operates an exchanger.
pub(super) fn operator(host: &DomainName) -> Option<proto::MailOperator> {
    let operator = MailOperator::of_exchanger(host)?;
    let kind = enums::operator_kind(operator.kind);
    Some(proto::MailOperator { name: operator.name.to_owned(), kind: kind.into() })
}

fn exchanger_failure(failure: &ExchangerFailure) -> proto::ExchangerFailure {
    match failure {
        ExchangerFailure::HostNotFound => proto::ExchangerFailure::HostNotFound,
        ExchangerFailure::NoAddress => proto::ExchangerFailure::NoAddress,
        ExchangerFailure::Dns(_) => proto::ExchangerFailure::DnsFailure,
        ExchangerFailure::NotLookedUp => proto::ExchangerFailure::NotLookedUp,
    }
}

fn note(note: &Note) -> proto::DomainNote {
    use proto::DomainNoteKind as Kind;
    let (kind, name) = match note {
        Note::ExchangerIsAlias(host) => (Kind::ExchangerIsAlias, Some(host)),
        Note::ExchangerIsLiteral(host) => (Kind::ExchangerIsLiteral, Some(host)),
        Note::ExchangerIsNotAHost(host) => (Kind::ExchangerIsNotAHost, Some(host)),
        Note::NullMxBesideOthers => (Kind::NullMxBesideOthers, None),
        Note::DomainIsAlias(target) => (Kind::DomainIsAlias, Some(target)),
    };
    let (name, text) = (name.map(ToString::to_string), note.to_string());
    proto::DomainNote { kind: kind.into(), name, text }
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

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

fn time(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

/// A count as the wire has it.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn small_count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
