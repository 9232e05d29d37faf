//! Origin of an answer: session, exchanger, address, time. Pure.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::DomainName;
use crate::prober::lane::SessionId;
use crate::smtp::{Observation, RecipientAnswer, TranscriptLine};

/// See the module.
pub(super) struct ReplyContext<'a> {
    /// The session it came over; `None` where a closed connection stands for an answer.
    pub(super) session: Option<SessionId>,
    pub(super) exchanger: &'a DomainName,
    pub(super) address: Option<IpAddr>,
    pub(super) at: SystemTime,
    pub(super) transcript: Option<Arc<[TranscriptLine]>>,
}

impl ReplyContext<'_> {
    pub(super) fn observation(&self, answer: RecipientAnswer) -> Observation {
        let transcript = self.transcript.clone();
        Observation { answer, address: self.address, at: self.at, transcript }
    }
}
