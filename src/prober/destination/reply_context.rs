//! Origin of an answer: session, exchanger, address, time. Pure.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::DomainName;
use crate::prober::lane::SessionId;
use crate::smtp::{Meaning, NoReply, Observation, RecipientAnswer, Stage, TranscriptLine};

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
    /// The observation about a recipient. Another host may have an expired address by now: that it
    /// knows no such recipient is no answer of the exchanger's.
    pub(super) fn recipient_observation(&self, answer: RecipientAnswer) -> Observation {
        if !self.stale || !is_condemning(&answer) {
            return self.observation(answer);
        }
        let reason = NoReply::DnsFailure;
        self.observation(RecipientAnswer::NoReply { stage: Stage::Rcpt, reason })
    }

    pub(super) fn observation(&self, answer: RecipientAnswer) -> Observation {
        let transcript = self.transcript.clone();
        Observation { answer, address: self.address, at: self.at, transcript }
    }

    /// The same for recipients of any transaction: the dialogue is that of one.
    pub(super) fn observation_for_all(&self, answer: RecipientAnswer) -> Observation {
        Observation::new(answer, self.address, self.at)
    }
}

/// `true` for a refusal for good that says that the exchanger has no such mailbox or domain.
fn is_condemning(answer: &RecipientAnswer) -> bool {
    matches!(
        answer,
        RecipientAnswer::Replied { stage: Stage::Rcpt, reply, explanation }
            if reply.is_permanent()
                && matches!(
                    explanation.meaning,
                    Meaning::MailboxNotFound
                        | Meaning::MailboxDisabled
                        | Meaning::RelayDenied
                        | Meaning::DomainNotFound
                )
    )
}
