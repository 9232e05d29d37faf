//! The life of a session: opened, or not; obstructed; closed.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::pool::SessionPool;
use super::{Destination, Effect, JobState, KNOCKS, SessionState};
use crate::address::DomainName;
use crate::pacing::SessionBudget;
use crate::prober::disposition::{Obstacle, obstacle};
use crate::prober::evidence::LaneAnswer;
use crate::prober::lane::{JobId, Lane, SessionId};
use crate::prober::memory::Memory;
use crate::smtp::{NoReply, Observation, RecipientAnswer, Stage};

/// Properties that the server announced when a session opened.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::prober) struct SessionTerms {
    pub(in crate::prober) address: Option<IpAddr>,
    /// The address is from a DNS answer that has expired.
    pub(in crate::prober) stale: bool,
    pub(in crate::prober) pipelining: bool,
    /// `MAIL` may have to be said again: under TLS, or with another sender.
    pub(in crate::prober) may_want_mail_again: bool,
    /// The most recipients in a transaction, and transactions in a session (RFC 9422).
    pub(in crate::prober) recipients_max: Option<u32>,
    pub(in crate::prober) transactions_max: Option<u32>,
}

/// Time until which a caller who has other exchangers to ask waits for this one to let us in: half
/// of its time. One that is slow is not to be taken for gone, since a backup may accept recipients
/// that it refuses.
pub(in crate::prober) fn first_wait_end(deadline: SystemTime, now: SystemTime) -> SystemTime {
    now + deadline.duration_since(now).unwrap_or_default() / 2
}

impl Lane {
    /// `true` if no session is open here.
    pub(super) fn is_shut(&self, pool: &SessionPool) -> bool {
        self.sessions.len() == self.opening(pool)
    }

    /// Number of its sessions that are still opening.
    pub(super) fn opening(&self, pool: &SessionPool) -> usize {
        let opening = |id: &&SessionId| {
            pool.get(**id).is_some_and(|session| session.state == SessionState::Opening)
        };
        self.sessions.iter().filter(opening).count()
    }

    /// Why it last did not let us in, unless that was overcome or is long ago.
    pub(super) fn present_obstacle(
        &self,
        longest: Duration,
        now: SystemTime,
    ) -> Option<&Observation> {
        self.obstacle.as_ref().filter(|_| self.connect_backoff.is_counting(longest, now))
    }
}

impl<T> Destination<T> {
    /// A session was opened.
    pub(in crate::prober) fn opened(
        &mut self,
        id: SessionId,
        opened: SessionTerms,
        now: SystemTime,
    ) {
        let Some(session) = self.pool.get_mut(id) else { return };
        (session.address, session.stale) = (opened.address, opened.stale);
        session.budget = SessionBudget::new(now);
        session.transactions_max = opened.transactions_max;
        session.careful = opened.may_want_mail_again;
        session.state = SessionState::Flying;
        if let Some(lane) = self.lanes.get_mut(&session.exchanger) {
            lane.reached = true;
            lane.pipelining = opened.pipelining;
            lane.transaction_limit = match (lane.transaction_limit, opened.recipients_max) {
                (Some(learned), Some(said)) => Some(learned.min(said)),
                (learned, said) => learned.or(said),
            };
        }
    }

    /// A session could not be opened. Its place stays taken until [`Self::closed`]: a server that
    /// refused us may count the connection until it is gone.
    pub(in crate::prober) fn open_failed(
        &mut self,
        id: SessionId,
        why: Observation,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(exchanger) = self.retire(id) else { return };
        self.obstructed(&exchanger, why, memory, now);
        self.stir(&exchanger, now);
        self.open_sessions(now);
    }

    /// A session could not be opened because TLS failed that was not required: another one goes
    /// without.
    pub(in crate::prober) fn tls_failed(
        &mut self,
        id: SessionId,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(exchanger) = self.retire(id) else { return };
        memory.exchanger_mut(&exchanger).avoid_tls(now);
        self.stir(&exchanger, now);
        self.open_sessions(now);
    }

    /// The server hung up on `EHLO`: another session says `HELO`.
    pub(in crate::prober) fn ehlo_failed(
        &mut self,
        id: SessionId,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(exchanger) = self.retire(id) else { return };
        memory.exchanger_mut(&exchanger).say_helo(now);
        self.stir(&exchanger, now);
        self.open_sessions(now);
    }

    /// No caller waits any more for a session that was being opened.
    pub(in crate::prober) fn given_up(&mut self, id: SessionId, now: SystemTime) {
        let Some(exchanger) = self.retire(id) else { return };
        self.stir(&exchanger, now);
        self.open_sessions(now);
    }

    /// The exchanger has let nobody in for so long that the caller asks another one in the time it
    /// has left, and this one again if that helps nobody. The session is opened all the same.
    pub(super) fn pass_on(&mut self, id: JobId, now: SystemTime) {
        let job = self.jobs.get(&id).filter(|job| matches!(job.state, JobState::Queued));
        let lane = job.and_then(|job| self.lanes.get(&job.asked.exchanger));
        if lane.is_none_or(|lane| !lane.is_shut(&self.pool)) {
            return;
        }
        let Some((token, withdrawn)) = self.take_back(id, now) else { return };
        let evidence = withdrawn.evidence.unwrap_or_else(|| {
            let (stage, reason) = (Stage::Connect, NoReply::Timeout);
            Observation::new(RecipientAnswer::NoReply { stage, reason }, None, now)
        });
        let mut answered = LaneAnswer::new(evidence, withdrawn.control);
        answered.may_answer_later = true;
        self.effects.push_back(Effect::Answer(token, answered));
    }

    /// The exchanger did not let us in, or hung up before its first answer.
    pub(in crate::prober) fn obstructed(
        &mut self,
        exchanger: &DomainName,
        why: Observation,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let mut obstacle = obstacle(&why.answer, lane.reached);
        if is_our_way(&why.answer) && !lane.sessions.is_empty() {
            // What waits rides with the sessions there are; no more are opened for a moment.
            obstacle = Obstacle::Busy;
        }
        if obstacle == Obstacle::Busy {
            // Refused while the pause lasts: it knocked before the pause began, and several
            // refused at once are one message.
            if !lane.connect_backoff.is_active(now) {
                lane.connect_backoff.start(
                    self.config.connect_backoff,
                    self.config.connect_backoff_longest,
                    now,
                );
            }
            if let RecipientAnswer::Replied { explanation, .. } = &why.answer
                && let Some(hint) = explanation.retry_after
            {
                lane.connect_backoff.at_least_until(now + hint);
            }
            if lane.connect_backoff.times() > KNOCKS && lane.sessions.is_empty() {
                obstacle = Obstacle::Unreachable;
            }
        }
        let config = &self.config;
        let rest = match obstacle {
            Obstacle::NotDialled => None,
            Obstacle::Blocked => Some((config.block_backoff, config.block_backoff_longest)),
            Obstacle::Unreachable | Obstacle::NoWayOut => {
                Some((config.unreachable_backoff, config.unreachable_backoff_longest))
            }
            Obstacle::Busy => {
                self.pool.trouble(now);
                lane.obstacle = Some(why.to_remembered());
                if lane.sessions.is_empty() {
                    self.give_up_the_hasty(exchanger, &why);
                }
                return;
            }
        };
        if let Some(lengths) = rest {
            self.pool.trouble(now);
            memory.exchanger_mut(exchanger).rest(self.identity, &why, lengths, now);
        }
        self.answer_all(exchanger, &why, obstacle.is_about_the_identity(), now);
    }

    /// The server takes no more transactions in a session than this one has carried.
    pub(in crate::prober) fn learn_transactions(
        &mut self,
        id: SessionId,
        carried: u32,
        now: SystemTime,
    ) {
        let Some(session) = self.pool.get(id) else { return };
        if let Some(lane) = self.lanes.get_mut(&session.exchanger) {
            lane.limits.learn_transactions(carried, now);
        }
    }

    /// The session's connection is gone, and the server knows.
    pub(in crate::prober) fn closed(&mut self, id: SessionId, now: SystemTime) {
        let flight = self.pool.get_mut(id).map(|session| std::mem::take(&mut session.flight));
        let Some(exchanger) = self.remove_session(id) else { return };
        for planned in flight.unwrap_or_default() {
            self.return_unflown(&exchanger, &planned);
        }
        self.stir(&exchanger, now);
        self.open_sessions(now);
        self.tidy(&exchanger, None, now);
    }

    /// The session takes no more work. Its place stays taken.
    pub(super) fn retire(&mut self, id: SessionId) -> Option<DomainName> {
        let session = self.pool.get_mut(id)?;
        let before = std::mem::replace(&mut session.state, SessionState::Closing);
        if let Some(lane) = self.lanes.get_mut(&session.exchanger)
            && before != SessionState::Closing
        {
            lane.leave(id, matches!(before, SessionState::Woken { .. }));
            lane.closing += 1;
        }
        Some(session.exchanger.clone())
    }

    fn remove_session(&mut self, id: SessionId) -> Option<DomainName> {
        let session = self.pool.remove(id)?;
        if let Some(lane) = self.lanes.get_mut(&session.exchanger) {
            lane.leave(id, matches!(session.state, SessionState::Woken { .. }));
            let closing = usize::from(session.state == SessionState::Closing);
            lane.closing = lane.closing.saturating_sub(closing);
            lane.inspecting = lane.inspecting.saturating_sub(session.is_inspection().into());
        }
        Some(session.exchanger)
    }
}

/// `true` if a connection failed on our side of it, for this time perhaps: no socket was to be had,
/// or the proxy was mute.
fn is_our_way(answer: &RecipientAnswer) -> bool {
    let RecipientAnswer::NoReply { reason, .. } = answer else { return false };
    matches!(reason, NoReply::SocketFailed(_) | NoReply::ProxyFailed(_))
}
