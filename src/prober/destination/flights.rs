//! Reads what a flight brought back: who was answered, who goes back in the lane, and whether the
//! destination has had enough.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::reply_context::ReplyContext;
use super::session_progress::disposition;
use super::{Destination, JobState, TRIES};
use crate::address::DomainName;
use crate::pacing::Delay;
use crate::prober::disposition::{Disposition, is_rate_limit, read, retry_hint};
use crate::prober::lane::{JobId, PlannedTransaction, SessionId};
use crate::prober::memory::Memory;
use crate::smtp::{NoReply, Observation, RecipientAnswer, Stage, TranscriptLine};

/// Result of a flight.
#[derive(Clone, Debug, Default)]
pub(in crate::prober) struct FlightResult {
    /// Result of each transaction.
    pub(in crate::prober) transactions: Vec<TransactionResult>,
    /// Why the session is over, if it is.
    pub(in crate::prober) ended: Option<RecipientAnswer>,
    /// It ran into a habit of the server that is remembered now: the next session goes around it.
    pub(in crate::prober) learned: bool,
    /// From the first byte sent to the last one read.
    pub(in crate::prober) took: Duration,
}

/// Result of one transaction of a flight.
#[derive(Clone, Debug, Default)]
pub(in crate::prober) struct TransactionResult {
    /// For each recipient in the order they were named, the answer that was given, if one was. A
    /// refusal of `MAIL` is the answer to all of them.
    pub(in crate::prober) answers: Vec<Option<RecipientAnswer>>,
    /// The server said that it takes no more recipients in this one.
    pub(in crate::prober) full: bool,
    /// Dialogue of the transaction, if a caller wants it.
    pub(in crate::prober) transcript: Option<Arc<[TranscriptLine]>>,
}

/// Observations of one flight about the exchanger.
#[derive(Default)]
struct FlightFindings {
    /// The session is over.
    over: bool,
    /// The next session goes around what this one ran into.
    learned: bool,
    /// Recipients of the flight, control recipients included.
    named: u32,
    /// Refusals of the session before this flight.
    refused_before: u32,
    answered: u32,
    /// It takes fewer recipients in a transaction than was known.
    smaller_transactions: bool,
    /// It takes fewer recipients, or transactions, in a session than was known.
    smaller_sessions: bool,
    unanswered: Vec<(DomainName, Vec<JobId>)>,
    /// Answered, and asked once more before that is believed.
    doubted: Vec<(DomainName, Vec<JobId>)>,
    rate_limit: Option<Observation>,
    blocked: Option<Observation>,
}

/// Returns whether replies and commands did not fit together when a recipient was named.
fn is_out_of_step(ended: &RecipientAnswer) -> bool {
    matches!(ended, RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Protocol(_) })
}

impl<T> Destination<T> {
    /// A flight is back. The session is to ask [`Destination::next_action`] what to do, unless the
    /// flight ended it: then its connection is already gone, or of no more use.
    pub(in crate::prober) fn landed(
        &mut self,
        id: SessionId,
        landed: FlightResult,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        self.last_used = now;
        let Some(session) = self.pool.get_mut(id) else { return };
        let flight = std::mem::take(&mut session.flight);
        let (address, stale) = (session.address, session.stale);
        let exchanger = session.exchanger.clone();
        let mut findings = FlightFindings {
            over: landed.ended.is_some(),
            learned: landed.learned,
            refused_before: session.budget.unknown_users(),
            ..FlightFindings::default()
        };
        let mut transactions = landed.transactions.into_iter();
        let mut is_cut_off = false;
        for planned in &flight {
            let mut brought = transactions.next().unwrap_or_default();
            let context = ReplyContext {
                session: Some(id),
                exchanger: &exchanger,
                address,
                stale,
                at: now,
                transcript: brought.transcript.take(),
            };
            let answered = brought.answers.iter().flatten().count();
            let reached = !is_cut_off;
            is_cut_off |= findings.over && answered < planned.jobs.len().max(1);
            if planned.is_control() {
                let answer = brought.answers.into_iter().next().flatten();
                self.control_landed(planned, answer, reached, &context, memory);
            } else {
                self.transaction_landed(planned, brought, &context, memory, &mut findings);
            }
        }
        findings.named = flight.iter().map(PlannedTransaction::recipients).sum();
        let held_back = self.is_held_back(id, findings.named, landed.took);
        let tarpit = self.pace(id, landed.took, &findings, now);
        let punished = held_back || tarpit || findings.over;
        let before = findings.refused_before;
        findings.smaller_sessions |= self.learn_refusals(id, before, punished, now);
        if let Some(ended) = landed.ended {
            self.session_ended(id, ended, &mut findings, memory, now);
        }
        self.put_back(&exchanger, findings.unanswered);
        self.put_back(&exchanger, findings.doubted);
        if let Some(why) = findings.blocked {
            self.spend(id);
            self.obstructed(&exchanger, why, memory, now);
        } else if findings.answered > 0 {
            memory.exchanger_mut(&exchanger).welcome(self.identity);
        }
        if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.spared &= findings.answered == 0;
            memory.exchanger_mut(&exchanger).limits = lane.limits;
        }
        if tarpit {
            self.spend(id);
        }
        for planned in &flight {
            self.tidy(&exchanger, Some(&planned.domain), now);
        }
        self.stir_unless_resting(&exchanger, memory, now);
        self.open_sessions(now);
    }

    /// One transaction's answers.
    fn transaction_landed(
        &mut self,
        planned: &PlannedTransaction,
        brought: TransactionResult,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
        findings: &mut FlightFindings,
    ) {
        let TransactionResult { answers, full, .. } = brought;
        if let Some(lane) = self.lanes.get_mut(context.exchanger) {
            lane.landed(planned);
        }
        self.learn(planned, &answers, context, memory);
        let before = self.progress(context.session);
        let mut accepted = 0;
        let mut full_session = false;
        let mut doubted = Vec::new();
        let mut unanswered = Vec::new();
        let answers = answers.into_iter().chain(std::iter::repeat(None));
        for (job, answer) in planned.jobs.iter().copied().zip(answers) {
            let Some(answer) = answer else {
                unanswered.push(job);
                continue;
            };
            match disposition(&answer, accepted, before) {
                Disposition::Final if self.is_doubtful(job, &answer, context, memory) => {
                    findings.answered += 1;
                    self.count(context.session, &answer);
                    doubted.push(job);
                }
                Disposition::Final => {
                    findings.answered += 1;
                    accepted += u32::from(answer.is_accepted());
                    self.count(context.session, &answer);
                    self.rate_limited(&answer, context, findings);
                    self.settle(job, answer, context, memory);
                }
                Disposition::RetryLater(delay) => {
                    findings.answered += 1;
                    self.count(context.session, &answer);
                    if read(&answer) == Disposition::TransactionFull {
                        self.forget_session_limits(context.exchanger);
                    }
                    if delay == Delay::RateLimited {
                        self.rate_limited(&answer, context, findings);
                    }
                    self.again(job, delay, answer, context, memory);
                }
                Disposition::TransactionFull | Disposition::SessionOver => unanswered.push(job),
                Disposition::SessionFull => {
                    full_session = true;
                    unanswered.push(job);
                    self.session_full(&answer, context);
                }
                Disposition::Blocked => {
                    unanswered.push(job);
                    if let Some(job) = self.jobs.get_mut(&job) {
                        job.dialogue.clone_from(&context.transcript);
                    }
                    findings.blocked.get_or_insert_with(|| context.observation_for_all(answer));
                }
            }
        }
        if !doubted.is_empty() {
            findings.doubted.push((planned.domain.clone(), doubted));
        }
        self.transaction_carried(context.session, before);
        if full_session {
            findings.smaller_sessions = true;
            findings.unanswered.push((planned.domain.clone(), unanswered));
        } else if !unanswered.is_empty() {
            let named = u32::try_from(planned.jobs.len() - unanswered.len()).unwrap_or(u32::MAX);
            // Servers count whom they accepted; of one that does not say why it stops, all count.
            let taken = if full && accepted > 0 { accepted } else { named };
            if taken > 0 && (full || !findings.over) {
                findings.smaller_transactions |= self.transaction_full(taken, context);
            } else if !findings.over && findings.blocked.is_none() {
                self.silence(&mut unanswered, context, memory);
            }
            findings.unanswered.push((planned.domain.clone(), unanswered));
        }
    }

    /// Remembers a rate limit that was named in this flight.
    fn rate_limited(
        &self,
        answer: &RecipientAnswer,
        context: &ReplyContext<'_>,
        findings: &mut FlightFindings,
    ) {
        if is_rate_limit(answer) {
            findings.rate_limit.get_or_insert_with(|| context.observation_for_all(answer.clone()));
        }
    }

    /// Speeds up, or slows down. Says whether the server is tarpitting this session.
    fn pace(
        &mut self,
        id: SessionId,
        took: Duration,
        findings: &FlightFindings,
        now: SystemTime,
    ) -> bool {
        let Some(session) = self.pool.get_mut(id) else { return false };
        session.answered += findings.answered;
        let taken = session.taken;
        let Some(lane) = self.lanes.get_mut(&session.exchanger) else { return false };
        lane.limits.pass(taken);
        let named = usize::try_from(findings.named).unwrap_or(usize::MAX);
        let tarpit = lane.reply_time.observe(named, took);
        if let Some(limit) = &findings.rate_limit {
            lane.rate_limit = Some(limit.clone());
            // What was named before the pause began says nothing new.
            if !lane.rcpt_backoff.is_active(now) {
                let (first, longest) = (self.config.rate_wait, self.config.connect_backoff_longest);
                lane.rcpt_backoff.start(first, longest, now);
            }
            if let Some(hint) = retry_hint(&limit.answer) {
                lane.rcpt_backoff.at_least_until(now + hint);
            }
        }
        if tarpit || findings.rate_limit.is_some() {
            self.pool.too_much(now);
        } else if findings.unanswered.is_empty() && findings.blocked.is_none() {
            // Only who knocked after the pause shows that the door is open again, in whichever
            // flight it goes well.
            if lane.half_open == Some(id) {
                lane.connect_backoff.reset();
                lane.half_open = None;
            }
            self.pool.smooth(now);
        }
        tarpit
    }

    /// The session ended in this flight.
    fn session_ended(
        &mut self,
        id: SessionId,
        ended: RecipientAnswer,
        findings: &mut FlightFindings,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(session) = self.pool.get_mut(id) else { return };
        session.budget.spend();
        let (answered, address) = (session.answered, session.address);
        let (taken, began) = (session.taken, session.budget.opened_at());
        let exchanger = session.exchanger.clone();
        let closed = matches!(&ended, RecipientAnswer::NoReply { reason: NoReply::Closed, .. });
        let why = Observation::new(ended, address, now);
        if closed && answered > 0 && findings.answered == 0 {
            // It was closed while it was idle, and we noticed only now: no fault of the server.
            return;
        }
        if findings.learned || findings.smaller_sessions || findings.smaller_transactions {
            // The next session, or transaction, brings less: servers hang up over recipients too
            // many (Postfix, `smtpd_recipient_overshoot_limit`, `smtpd_hard_error_limit`).
            return;
        }
        let is_lone = answered == 0 && findings.named == 1 && is_out_of_step(&why.answer);
        self.blame_first(findings, &why, is_lone, memory);
        self.pool.trouble(now);
        if answered == 0 {
            // Its connection may linger: the server counts it until it is gone.
            self.retire(id);
            let is_spared = self.spares_the_others(&exchanger, &why, findings);
            // Back first, so that those who cannot wait are told.
            self.put_back(&exchanger, std::mem::take(&mut findings.unanswered));
            if !is_spared {
                self.obstructed(&exchanger, why, memory, now);
            }
        } else if let Some(lane) = self.lanes.get_mut(&exchanger) {
            lane.limits.suspect_recipients(taken, began, now);
        }
    }

    /// The server hung up on a new session without a word when it was at its first recipient, or
    /// lost step. That may be about the recipient alone: the others are asked at once, and it goes
    /// to the end. Returns whether that is so: not a second time until the exchanger has answered
    /// somebody.
    fn spares_the_others(
        &mut self,
        exchanger: &DomainName,
        why: &Observation,
        findings: &mut FlightFindings,
    ) -> bool {
        let RecipientAnswer::NoReply { stage, reason } = &why.answer else { return false };
        let is_mute = matches!(reason, NoReply::Closed | NoReply::Timeout);
        let is_at_recipient = *stage == Stage::Rcpt && is_mute;
        let count: usize = findings.unanswered.iter().map(|(_, jobs)| jobs.len()).sum();
        let may_spare = is_out_of_step(&why.answer) || (is_at_recipient && count > 1);
        let Some(lane) = self.lanes.get_mut(exchanger).filter(|_| may_spare) else { return false };
        if std::mem::replace(&mut lane.spared, true) {
            return false;
        }
        // However little time its caller has.
        lane.passed_over = true;
        if let Some((domain, jobs)) = findings.unanswered.first_mut()
            && !jobs.is_empty()
        {
            let suspect = (domain.clone(), vec![jobs.remove(0)]);
            findings.unanswered.push(suspect);
        }
        true
    }

    /// The first recipient without an answer may be why the server hung up: it is asked again, but
    /// not for ever. One that was alone is the reason.
    fn blame_first(
        &mut self,
        findings: &mut FlightFindings,
        why: &Observation,
        is_lone: bool,
        memory: &mut Memory,
    ) {
        let Some((_, jobs)) = findings.unanswered.first_mut() else { return };
        let Some(first) = jobs.first().copied() else { return };
        let job = self.jobs.get_mut(&first).filter(|job| matches!(job.state, JobState::InFlight));
        let Some(job) = job else { return };
        job.tries += 1;
        if job.tries < TRIES && !is_lone {
            return;
        }
        jobs.remove(0);
        let answer = match why.answer.clone() {
            RecipientAnswer::NoReply { reason: NoReply::Timeout, .. } => {
                RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Timeout }
            }
            answer => answer,
        };
        let exchanger = job.asked.exchanger.clone();
        let context = ReplyContext {
            session: None,
            exchanger: &exchanger,
            address: why.address,
            stale: false,
            at: why.at,
            transcript: None,
        };
        self.settle(first, answer, &context, memory);
    }

    fn spend(&mut self, id: SessionId) {
        if let Some(session) = self.pool.get_mut(id) {
            session.budget.spend();
        }
    }
}
