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
    /// The exchangers' answers.
    pub(super) outcome: ProbeOutcome,
    /// True if the dialogue was recorded.
    pub(super) transcript: bool,
    /// True if the control recipient was asked for, where that mattered.
    pub(super) tested_catch_all: bool,
}

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
            Self::Unprobed(DomainEvidence::Facts(facts)) => DomainAnswer::Facts(&facts.value),
            Self::Unprobed(DomainEvidence::Failed(failure)) => DomainAnswer::Failed(failure),
            Self::Probed(probed) | Self::Remembered(probed) => {
                probed.facts.as_deref().map_or(DomainAnswer::Literal, DomainAnswer::Facts)
            }
        }
    }

    /// The domain's facts, if there are any.
    pub(super) fn facts(&self) -> Option<&DomainFacts> {
        match self.answer() {
            DomainAnswer::Facts(facts) => Some(facts),
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
