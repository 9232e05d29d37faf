//! Origin of an answer: session, exchanger, address, time. Pure.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::DomainName;
use crate::prober::lane::SessionId;
use crate::prober::memory::{CatchAllState, Memory, catch_all_name};
use crate::smtp::{Observation, RecipientAnswer, TranscriptLine};

/// See the module.
pub(super) struct ReplyContext<'a> {
    /// The session it came over; `None` where a closed connection stands for an answer.
    pub(super) session: Option<SessionId>,
    pub(super) exchanger: &'a DomainName,
    pub(super) address: Option<IpAddr>,
    /// The address is from a DNS answer that has expired.
    pub(super) stale: bool,
    pub(super) at: SystemTime,
    pub(super) transcript: Option<Arc<[TranscriptLine]>>,
}

impl ReplyContext<'_> {
    /// Name under which it is remembered whether `domain` accepts everything here. A host at an
    /// expired address may be a stranger: what it shows is its own.
    pub(super) fn catch_all_name(&self, domain: &DomainName, is_backup: bool) -> DomainName {
        let name = catch_all_name(domain, self.exchanger, is_backup);
        match self.address {
            Some(address) if self.stale => DomainName::from_ascii(&format!("{name}/{address}")),
            _ => name,
        }
    }

    /// What is known of `domain` here, or else that it accepts everything: a stranger at an expired
    /// address must not hide that. Where it tells recipients apart, that proves nothing of a
    /// stranger.
    pub(super) fn catch_all(
        &self,
        domain: &DomainName,
        is_backup: bool,
        memory: &mut Memory,
    ) -> Option<CatchAllState> {
        let here = memory.catch_all(&self.catch_all_name(domain, is_backup), self.at);
        if here.is_some() || !self.stale {
            return here;
        }
        let name = catch_all_name(domain, self.exchanger, is_backup);
        memory.catch_all(&name, self.at).filter(|known| *known == CatchAllState::Yes)
    }

    /// The last thing that `domain` showed for certain, here or else where its address was known to
    /// be its own.
    pub(super) fn was_catch_all(
        &self,
        domain: &DomainName,
        is_backup: bool,
        memory: &mut Memory,
    ) -> Option<bool> {
        let here = memory.was_catch_all(&self.catch_all_name(domain, is_backup));
        if here.is_some() || !self.stale {
            return here;
        }
        memory.was_catch_all(&catch_all_name(domain, self.exchanger, is_backup))
    }

    pub(super) fn observation(&self, answer: RecipientAnswer) -> Observation {
        let transcript = self.transcript.clone();
        Observation { transcript, ..self.observation_for_all(answer) }
    }

    /// The same for recipients of any transaction: the dialogue is that of one.
    pub(super) fn observation_for_all(&self, answer: RecipientAnswer) -> Observation {
        let observation = Observation::new(answer, self.address, self.at);
        Observation { stale: self.stale, ..observation }
    }
}
