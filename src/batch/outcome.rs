//! A verification as it is stored: its verdict and its evidence, in a form that outlives this
//! version of mailvet.
//!
//! What the address itself tells (its canonical form, its syntax error) is not kept: it is told
//! again when the result is read, for the row's own spelling.

mod registration;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod split;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::address::{Address, DomainName};
use crate::registration::{Registration, RegistrationGap, RegistrationReport};
use crate::smtp::{self, EnhancedStatus, Reply};
use crate::verdict::{Action, CatchAll, DecisionStage, Judgement, Reason, Traits, Verdict};
use crate::verifier::{DeliveredMail, DomainMail, Evidence, Subject, Verification};

use registration::StoredRegistration;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) use split::OutcomeTimes;

/// The flag of a domain that was registered after the recipient's consent.
const REGISTERED_AFTER_CONSENT: &str = "registered_after_consent";

/// A verification to be kept. As JSON its keys are stable: one that is there keeps its meaning, and
/// a reader ignores those it does not know. `Debug` shows no words of a server and no suggestion.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// All reasons, the deciding one first; never empty.
    #[serde(deserialize_with = "super::stored_reasons::of_outcome")]
    reasons: Vec<Reason>,
    action: Action,
    stage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catch_all: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchanger: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enhanced: Option<(u8, u16, u16)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reply: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gathered_at: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_cache: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    exchangers_asked: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<Box<StoredRegistration>>,
    /// There is a consent, and no registry told when the domain was registered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unchecked_consent: bool,
    /// Messages sent to the domain, those that bounced, those that were gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_mail: Option<(u64, u64, u64)>,
    /// The time, in milliseconds since 1970, and the source of mail that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<(u64, String)>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_at: Option<u64>,
    /// Milliseconds.
    #[serde(default)]
    elapsed: u64,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Outcome {
    /// The part of `verification` that is stored.
    #[must_use]
    pub fn of(verification: &Verification) -> Self {
        let Verification { judgement, evidence, .. } = verification;
        let reply = evidence.reply.as_ref();
        Self {
            reasons: judgement.reasons.clone(),
            action: judgement.action,
            stage: judgement.stage.name().to_owned(),
            catch_all: match judgement.catch_all {
                CatchAll::Unknown => None,
                CatchAll::Yes => Some(true),
                CatchAll::No => Some(false),
            },
            flags: verification.traits.names().into_iter().map(str::to_owned).collect(),
            suggestion: verification.suggestion.clone(),
            exchanger: evidence.exchanger.as_ref().map(ToString::to_string),
            ip: evidence.exchanger_ip,
            code: reply.map(|reply| reply.code),
            enhanced: reply
                .and_then(|reply| reply.enhanced)
                .map(|status| (status.class, status.subject, status.detail)),
            reply: reply.map(|reply| reply.lines.clone()).unwrap_or_default(),
            failure: evidence.failure.clone(),
            rule: evidence.rule.as_deref().map(str::to_owned),
            gathered_at: evidence.gathered_at.map(milliseconds),
            from_cache: evidence.from_cache,
            exchangers_asked: evidence.exchangers_asked,
            registration: evidence
                .registration
                .as_deref()
                .map(|report| Box::new(StoredRegistration::of(report))),
            unchecked_consent: false,
            own_mail: evidence.own_mail.map(|mail| (mail.sent, mail.bounced, mail.gone)),
            delivered: evidence
                .delivered
                .as_ref()
                .map(|mail| (milliseconds(mail.at), mail.source.clone())),
            retry_at: verification.retry_at.map(milliseconds),
            elapsed: verification.elapsed.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }

    /// The same of a row whose recipient consented to mail at this time, if it is known.
    #[must_use]
    pub fn of_row(verification: &Verification, consented_at: Option<SystemTime>) -> Self {
        let registration = verification.evidence.registration.as_deref();
        let gap = registration.and_then(|report| report.registration.gap());
        // Of a name that nobody registers there is nothing to be told.
        let is_untold = gap.is_some_and(|gap| gap != RegistrationGap::NoDomain);
        let matters = verification.judgement.verdict != Verdict::Undeliverable
            && !verification.traits.registered_after_consent;
        let unchecked_consent = consented_at.is_some() && is_untold && matters;
        Self { unchecked_consent, ..Self::of(verification) }
    }

    /// An outcome for an address whose turn never came. No server was silent: a timeout would look
    /// like a closed port.
    #[must_use]
    pub fn out_of_time(now: SystemTime) -> Self {
        Self::unasked("the batch's deadline came before its turn", now)
    }

    /// An outcome for an address at which the verification itself broke.
    #[must_use]
    pub fn broken(now: SystemTime) -> Self {
        let failure = "the verification broke; the service's log says where";
        Self::unasked(failure, now)
    }

    fn unasked(failure: &str, now: SystemTime) -> Self {
        Self {
            reasons: vec![Reason::NotProbed],
            action: Action::RetryLater,
            stage: DecisionStage::Syntax.name().to_owned(),
            catch_all: None,
            flags: Vec::new(),
            suggestion: None,
            exchanger: None,
            ip: None,
            code: None,
            enhanced: None,
            reply: Vec::new(),
            failure: Some(failure.to_owned()),
            rule: None,
            gathered_at: Some(milliseconds(now)),
            from_cache: false,
            exchangers_asked: 0,
            registration: None,
            unchecked_consent: false,
            own_mail: None,
            delivered: None,
            retry_at: Some(milliseconds(now)),
            elapsed: 0,
        }
    }

    /// The time at which its evidence was gathered.
    #[must_use]
    pub fn gathered_at(&self) -> Option<SystemTime> {
        self.gathered_at.map(time)
    }

    /// `true` if the domain was registered after the recipient consented to mail.
    #[must_use]
    pub fn is_registered_after_consent(&self) -> bool {
        self.flags.iter().any(|flag| flag == REGISTERED_AFTER_CONSENT)
    }

    /// `true` if the recipient consented to mail, and no registry told when the domain was
    /// registered.
    #[must_use]
    pub fn is_consent_unchecked(&self) -> bool {
        self.unchecked_consent
    }

    /// `true` if nothing is missing but the word of a registry that may still come, about a row
    /// that may be written to.
    #[must_use]
    pub fn awaits_registry(&self) -> bool {
        use RegistrationGap::{NotInTime, RateLimited, RegistryBusy, RegistryUnavailable};
        let gap = self.registration.as_deref().and_then(StoredRegistration::gap);
        self.unchecked_consent
            && matches!(gap, Some(NotInTime | RegistryBusy | RateLimited | RegistryUnavailable))
            && matches!(self.verdict(), Verdict::Deliverable | Verdict::Risky)
    }

    /// The same, with what the registry says by now of `name`, whose exchangers have answered; the
    /// recipient consented to mail at `consented_at`.
    #[must_use]
    pub(super) fn with_registration(
        mut self,
        registration: Registration,
        name: &DomainName,
        consented_at: Option<SystemTime>,
        now: SystemTime,
    ) -> Self {
        if consented_at.is_some_and(|at| registration.is_after_consent(at)) {
            self.flags.push(REGISTERED_AFTER_CONSENT.to_owned());
            // As the judge does: for a person to look at, and no more than that.
            self.action = self.action.max(Action::Review);
        }
        self.unchecked_consent = registration.gap().is_some();
        let report = RegistrationReport::new(registration, name, Some(true), now);
        self.registration = Some(Box::new(StoredRegistration::of(&report)));
        self
    }

    /// The reason that decided.
    #[must_use]
    pub fn reason(&self) -> Reason {
        // Never empty; what a damaged store holds was not understood.
        self.reasons.first().copied().unwrap_or(Reason::ProtocolError)
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.reason().verdict()
    }

    /// The destination that pacing was counted against, if an exchanger answered: its registrable
    /// domain.
    #[must_use]
    pub fn destination(&self) -> Option<DomainName> {
        self.exchanger.as_deref().map(|host| DomainName::from_ascii(host).registrable())
    }

    /// The verification again, of a row that spells the address as `address`.
    #[must_use]
    pub fn into_verification(self, address: &str) -> Verification {
        let subject = Subject::parse(address);
        let parsed = subject.address();
        let reason = self.reason();
        let retry_at = self.retry_at.map(time);
        let gathered_at = self.gathered_at.map(time);
        let retry_after = match (retry_at, gathered_at) {
            (Some(retry_at), Some(gathered_at)) => retry_at.duration_since(gathered_at).ok(),
            _ => None,
        };
        let traits = subject.mark(traits(&self.flags));
        let reply = self.code.map(|code| Reply {
            code,
            enhanced: self.enhanced.map(|(class, subject, detail)| EnhancedStatus {
                class,
                subject,
                detail,
            }),
            lines: self.reply,
        });
        Verification {
            judgement: Judgement {
                verdict: reason.verdict(),
                action: self.action,
                reason,
                reasons: self.reasons,
                catch_all: match self.catch_all {
                    None => CatchAll::Unknown,
                    Some(true) => CatchAll::Yes,
                    Some(false) => CatchAll::No,
                },
                stage: stage(&self.stage),
                decided_by: None,
                retry_after,
            },
            traits,
            canonical: subject.identity().map(|identity| identity.person().to_owned()),
            suggestion: match subject.likely().filter(|_| parsed.is_some()) {
                Some(likely) => Some(likely.wire_utf8()),
                None => self.suggestion.and_then(|meant| respelled(meant, parsed)),
            },
            evidence: Evidence {
                exchanger: self.exchanger.as_deref().map(DomainName::from_ascii),
                exchanger_ip: self.ip,
                reply: reply.map(Arc::new),
                failure: self.failure,
                rule: self.rule.map(Arc::from),
                gathered_at,
                from_cache: self.from_cache,
                exchangers_asked: self.exchangers_asked,
                registration: self.registration.map(|stored| Box::new(stored.into_report())),
                own_mail: self.own_mail.map(|(sent, bounced, gone)| DomainMail {
                    sent,
                    bounced,
                    gone,
                }),
                delivered: self
                    .delivered
                    .map(|(at, source)| DeliveredMail { at: time(at), source }),
                postponed: false,
            },
            retry_at,
            syntax_error: subject.syntax_error().copied(),
            transcript: Vec::new(),
            elapsed: Duration::from_millis(self.elapsed),
            input: address.to_owned(),
            address: subject.asked().to_owned(),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("reasons", &self.reasons)
            .field("code", &self.code)
            .field("exchanger", &self.exchanger)
            .finish_non_exhaustive()
    }
}

/// The suggestion for a row whose local part is spelled in its own way; `None` if it is the row's
/// own address.
fn respelled(meant: String, address: Option<&Address>) -> Option<String> {
    match (address, meant.rsplit_once('@')) {
        (Some(address), Some((_, domain))) => {
            let meant = format!("{}@{domain}", address.local());
            (meant != address.wire_utf8()).then_some(meant)
        }
        _ => Some(meant),
    }
}

fn traits(flags: &[String]) -> Traits {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    Traits {
        disposable: has("disposable"),
        role: has("role"),
        free_provider: has("free_provider"),
        tagged: has("tagged"),
        relay: has("relay"),
        mixed_script: has("mixed_script"),
        dotless: has("dotless"),
        address_literal: has("address_literal"),
        special_use: has("special_use"),
        unusual_at_provider: has("unusual_at_provider"),
        registered_after_consent: has(REGISTERED_AFTER_CONSENT),
        // Not a flag that is shown: it has become the reason.
        impossible_at_provider: false,
        // These follow from the row's own text.
        cleaned: false,
        several: false,
        irregular: false,
    }
}

fn stage(name: &str) -> DecisionStage {
    if name == DecisionStage::Syntax.name() {
        return DecisionStage::Syntax;
    }
    smtp::Stage::from_name(name).map_or(DecisionStage::Dns, DecisionStage::Smtp)
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests;
