//! Evidence about an address when it is judged: gathered just now, or remembered.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cache::Cached;
use crate::dns::{DnsFailure, DomainFacts, Route};
use crate::prober::ProbeTarget;
use crate::smtp::ProbeOutcome;
use crate::verdict::DomainAnswer;

/// Facts about the domain.
#[derive(Clone, Debug)]
pub(super) enum DomainEvidence {
    /// Not asked.
    NotAsked,
    /// The address names its host directly.
    Literal(IpAddr),
    /// These facts.
    Facts(Cached<DomainFacts>),
    /// Unknown: no answer told.
    Failed(DnsFailure),
}

impl DomainEvidence {
    /// The facts, if there are any.
    pub(super) fn facts(&self) -> Option<&Arc<DomainFacts>> {
        match self {
            Self::Facts(facts) => Some(&facts.value),
            _ => None,
        }
    }

    /// `true` if the facts have expired, and serve because DNS failed.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Facts(facts) if facts.stale)
    }

    /// Exchangers to ask about a recipient, if there are any.
    pub(super) fn target(&self) -> Option<ProbeTarget> {
        match self {
            Self::Literal(ip) => Some(ProbeTarget::Literal(*ip)),
            Self::Facts(facts) => match &facts.value.route {
                Route::Exchangers(hosts) => Some(ProbeTarget::Exchangers(Arc::clone(hosts))),
                Route::ImplicitMx(host) => Some(ProbeTarget::Exchangers([host.clone()].into())),
                Route::NullMx | Route::NoSuchDomain | Route::NoMail => None,
            },
            Self::NotAsked | Self::Failed(_) => None,
        }
    }
}

/// Remembered evidence about a mailbox. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct CachedProbe {
    /// The evidence.
    pub(super) evidence: Arc<ProbeEvidence>,
    /// True if it settled the matter: asking again would bring nothing new.
    pub(super) is_settled: bool,
    /// The domain that was probably meant.
    pub(super) suggested_domain: Option<Arc<str>>,
}

/// Evidence from a probe: enough to judge again, with the lists and the policy of that day.
#[derive(Debug)]
pub(super) struct ProbeEvidence {
    /// The domain's facts at the time; `None` for an address literal.
    pub(super) facts: Option<Arc<DomainFacts>>,
    /// True if they had expired: the exchangers may not be the domain's any more.
    pub(super) is_domain_stale: bool,
    /// The exchangers' answers.
    pub(super) outcome: ProbeOutcome,
    /// True if the dialogue was recorded.
    pub(super) transcript: bool,
    /// True if the control recipient was asked for, where that mattered.
    pub(super) tested_catch_all: bool,
}

impl ProbeEvidence {
    /// `true` if it rests on expired facts, about the domain or about an exchanger's addresses.
    pub(super) fn is_stale(&self) -> bool {
        let attempts = &self.outcome.attempts;
        self.is_domain_stale || attempts.iter().any(|attempt| attempt.observation.stale)
    }
}

/// The DNS failure where expired facts served.
const STALE: &str = "the domain could not be looked up for now, and its last answer has expired";

/// Everything known.
#[derive(Clone, Debug)]
pub(super) enum AddressEvidence {
    /// Found out just now; the exchangers were not asked.
    Unprobed(DomainEvidence),
    /// Found out just now, from the exchangers.
    Probed(Arc<ProbeEvidence>),
    /// Found out earlier, from the exchangers.
    Remembered(Arc<ProbeEvidence>),
}

impl AddressEvidence {
    /// DNS facts for the judge.
    pub(super) fn answer(&self) -> DomainAnswer<'_> {
        match self {
            Self::Unprobed(DomainEvidence::NotAsked) => DomainAnswer::NotAsked,
            Self::Unprobed(DomainEvidence::Literal(_)) => DomainAnswer::Literal,
            Self::Unprobed(DomainEvidence::Facts(facts)) => {
                domain_answer(&facts.value, facts.stale)
            }
            Self::Unprobed(DomainEvidence::Failed(failure)) => DomainAnswer::Failed(failure),
            Self::Probed(probed) | Self::Remembered(probed) => {
                let facts = probed.facts.as_deref();
                let is_stale = probed.is_domain_stale;
                facts.map_or(DomainAnswer::Literal, |facts| domain_answer(facts, is_stale))
            }
        }
    }

    /// The domain's facts, if there are any.
    pub(super) fn facts(&self) -> Option<&DomainFacts> {
        match self.answer() {
            DomainAnswer::Facts(facts) | DomainAnswer::Stale(facts) => Some(facts),
            _ => None,
        }
    }

    /// The exchangers' answers, if they were asked.
    pub(super) fn outcome(&self) -> Option<&ProbeOutcome> {
        match self {
            Self::Unprobed(_) => None,
            Self::Probed(probed) | Self::Remembered(probed) => Some(&probed.outcome),
        }
    }

    /// The DNS failure, if there was one.
    pub(super) fn dns_failure(&self) -> Option<String> {
        match self.answer() {
            DomainAnswer::Failed(failure) => Some(failure.to_string()),
            DomainAnswer::Stale(_) => Some(STALE.to_owned()),
            _ => None,
        }
    }

    /// Returns whether the answer was remembered: the probe's, or where there was none, the
    /// domain's.
    pub(super) fn is_remembered(&self) -> bool {
        match self {
            Self::Unprobed(DomainEvidence::Facts(facts)) => facts.from_cache,
            Self::Unprobed(_) | Self::Probed(_) => false,
            Self::Remembered(_) => true,
        }
    }
}

fn domain_answer(facts: &DomainFacts, stale: bool) -> DomainAnswer<'_> {
    if stale { DomainAnswer::Stale(facts) } else { DomainAnswer::Facts(facts) }
}
