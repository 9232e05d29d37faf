//! Counts what came of verdicts, mailbox by mailbox.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{EvidenceAge, MailFate, OutcomeTallies, VerdictKind, WINDOW};
use crate::campaign::calibration::SendTally;
use crate::verdict::{Reason, Verdict};

/// A verdict that was given, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedVerdict {
    /// The time at which it was given.
    pub at: SystemTime,
    /// The time at which its evidence was gathered.
    pub gathered_at: SystemTime,
    /// The send that it was given for.
    pub send: String,
    /// The reason.
    pub reason: Reason,
    /// The provider; empty if none answered.
    pub provider: String,
}

/// Counts while they are made.
#[derive(Debug, Default)]
pub struct TallyBuilder {
    kinds: BTreeMap<VerdictKind, super::FateCounts>,
    sends: BTreeMap<String, SendTally>,
    delivered_against: u64,
}

impl TallyBuilder {
    /// Counts the verdicts on one mailbox, oldest first, and what came of mail to it.
    pub fn add_mailbox(
        &mut self,
        verdicts: Vec<FollowedVerdict>,
        outcomes: &[(SystemTime, MailFate)],
    ) {
        let next: Vec<Option<SystemTime>> =
            verdicts.iter().skip(1).map(|next| Some(whole_second(next.at))).chain([None]).collect();
        for (verdict, next) in verdicts.into_iter().zip(next) {
            let end = verdict.at.checked_add(WINDOW).unwrap_or(verdict.at);
            let within = outcomes.iter().filter(|(at, _)| {
                *at >= whole_second(verdict.at) && *at <= end && next.is_none_or(|next| *at < next)
            });
            let told =
                within.copied().reduce(|first, other| (first.0.min(other.0), first.1.max(other.1)));
            self.add(verdict, told);
        }
    }

    fn add(&mut self, verdict: FollowedVerdict, told: Option<(SystemTime, MailFate)>) {
        let FollowedVerdict { at, gathered_at, send, reason, provider } = verdict;
        let fate = told.map(|(_, fate)| fate);
        let counts = MailFate::counts(fate);
        let used_at = told.map_or(at, |(at, _)| at);
        let age = EvidenceAge::of(used_at.duration_since(gathered_at).unwrap_or_default());
        self.kinds.entry(VerdictKind { reason, provider, age }).or_default().add(counts);
        let new = || SendTally { at, reasons: BTreeMap::new() };
        let send = self.sends.entry(send).or_insert_with(new);
        send.at = send.at.max(at);
        send.reasons.entry(reason).or_default().add(counts);
        let is_against = reason.verdict() == Verdict::Undeliverable;
        self.delivered_against += u64::from(is_against && fate == Some(MailFate::Arrived));
    }

    /// The counts.
    #[must_use]
    pub fn into_tallies(self) -> OutcomeTallies {
        let mut sends: Vec<SendTally> = self.sends.into_values().collect();
        sends.sort_by_key(|send| send.at);
        OutcomeTallies { kinds: self.kinds, sends, delivered_against: self.delivered_against }
    }
}

/// The second in which a time is. Mails and logs know no parts of it: a bounce within the second of
/// a verdict comes after it.
fn whole_second(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
