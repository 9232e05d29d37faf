//! The looks at one domain: whose turn it is, and what the one under way has found so far.
//!
//! A look goes on when the time of its caller is over. Whoever waits for it, the first caller and
//! those behind, is told by then what is known without the exchangers that have not answered yet.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::facts::{ExchangerPosture, MtaStsState, Posture};
use crate::address::DomainName;

/// A domain that may be looked at.
#[derive(Default)]
pub(super) struct LookPlace {
    /// By which one looks while others wait for the result.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    findings: Mutex<Option<LookFindings>>,
}

/// The findings of a look that goes on.
pub(super) struct LookFindings {
    pub(super) mta_sts: MtaStsState,
    /// All exchangers of the domain.
    pub(super) hosts: Vec<DomainName>,
    /// Those that are looked at; one that is still being asked counts as not reached.
    pub(super) exchangers: Vec<ExchangerPosture>,
}

impl LookPlace {
    /// From here on exchangers are asked.
    pub(super) fn begin(&self, findings: LookFindings) {
        *self.findings.lock() = Some(findings);
    }

    /// Notes the answer of the exchanger with this number among those that are looked at.
    pub(super) fn note(&self, number: usize, found: &ExchangerPosture) {
        let mut findings = self.findings.lock();
        let exchangers = findings.as_mut().map(|findings| &mut findings.exchangers);
        if let Some(noted) = exchangers.and_then(|exchangers| exchangers.get_mut(number)) {
            noted.clone_from(found);
        }
    }

    /// The look is over, and its result is remembered.
    pub(super) fn end(&self) {
        *self.findings.lock() = None;
    }

    /// The posture by what is known at `now`; `None` before exchangers are asked, and when no look
    /// is under way.
    pub(super) fn posture_so_far(&self, now: SystemTime) -> Option<Arc<Posture>> {
        let findings = self.findings.lock();
        let LookFindings { mta_sts, hosts, exchangers } = findings.as_ref()?;
        Some(Arc::new(Posture::new(mta_sts.clone(), hosts, exchangers.clone(), now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::{TlsState, TlsaState};

    #[test]
    fn what_is_known_while_exchangers_are_asked_has_those_that_answered() {
        let place = LookPlace::default();
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(place.posture_so_far(now), None, "nothing is known yet");
        let hosts = ["a.example", "b.example"].map(DomainName::from_ascii);
        let of = |host: &DomainName, tls| ExchangerPosture {
            host: host.clone(),
            tlsa: TlsaState::Published,
            tls: Some(tls),
        };
        let waits = |host| of(host, TlsState::NotReached("no answer in time".to_owned()));
        place.begin(LookFindings {
            mta_sts: MtaStsState::NotPublished,
            hosts: hosts.to_vec(),
            exchangers: hosts.iter().map(waits).collect(),
        });
        place.note(1, &of(&hosts[1], TlsState::NotOffered));
        let known = place.posture_so_far(now).unwrap();
        let states: Vec<_> = known.exchangers.iter().filter_map(|it| it.tls.as_ref()).collect();
        assert!(matches!(states.as_slice(), [TlsState::NotReached(_), TlsState::NotOffered]));
        assert!(!known.is_complete());
        place.end();
        assert_eq!(place.posture_so_far(now), None, "the result is remembered elsewhere");
    }
}
