//! Settles single recipients: answered, asked again later, or waiting for the control recipient of
//! their domain, which is asked only where nothing else tells.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::flights::disposition;
use super::{Destination, Effect, JobState, Timer};
use crate::address::DomainName;
use crate::pacing::Delay;
use crate::prober::disposition::{
    Disposition, is_accepted, is_by_code_alone, is_reply_to_rcpt, is_unknown_user, read,
};
use crate::prober::evidence::{LaneAnswer, Observation};
use crate::prober::lane::{ControlState, JobId, PlannedTransaction, SessionId};
use crate::prober::memory::{CatchAll, Memory};
use crate::smtp::{Control, NoReply, RecipientAnswer, Stage, TranscriptLine};

/// How often a control recipient is asked whose session ended before it was answered.
const CONTROL_TRIES: u32 = 3;

/// Where an answer comes from.
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

impl<T> Destination<T> {
    /// Learns from a transaction's answers what spares a control recipient.
    pub(super) fn learn(
        &mut self,
        planned: &PlannedTransaction,
        answers: &[Option<RecipientAnswer>],
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let Some(queue) = lane.domain(&planned.domain) else { return };
        queue.accepted |= answers.iter().flatten().any(is_accepted);
        let is_certain = memory.catch_all(&planned.domain, context.at) != Some(CatchAll::Yes);
        let refused = planned.jobs.iter().zip(answers).any(|(job, answer)| {
            let believed = is_certain || self.jobs.get(job).is_some_and(|job| job.doubted);
            let is_refused =
                |answer: &RecipientAnswer| is_unknown_user(answer) && !is_by_code_alone(answer);
            believed && answer.as_ref().is_some_and(is_refused)
        });
        if refused {
            self.learn_catch_all(&planned.domain, CatchAll::No, context, memory);
        }
    }

    /// `true` if a refusal contradicts what the domain showed before, that it accepts every
    /// recipient: a server that answers at random, or by its load, must not condemn a mailbox. It
    /// is asked once more, and the second answer stands.
    pub(super) fn is_doubtful(
        &mut self,
        id: JobId,
        answer: &RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) -> bool {
        if !is_unknown_user(answer) || is_by_code_alone(answer) || self.draining {
            return false;
        }
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.doubted) else { return false };
        job.doubted = memory.catch_all(&job.asked.domain, context.at) == Some(CatchAll::Yes);
        job.doubted
    }

    /// A recipient has its answer; it may still lack the control recipient's.
    pub(super) fn settle(
        &mut self,
        id: JobId,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let bare = is_unknown_user(&answer) && is_by_code_alone(&answer);
        let wanted = (is_accepted(&answer) && job.asked.test_catch_all) || bare;
        let known = if job.asked.test_catch_all || bare {
            memory.catch_all(&job.asked.domain, context.at)
        } else {
            None
        };
        let evidence = context.observation(answer);
        let domain = job.asked.domain.clone();
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        if known.is_none() && wanted && lane.await_control(&domain, id) {
            job.state = JobState::AwaitingControl(Box::new(evidence));
            return;
        }
        let control = match known {
            Some(CatchAll::Unclear(_)) if !wanted => Control::NotAsked,
            Some(known) => known.to_control(),
            None => Control::NotAsked,
        };
        self.done(id, evidence, control, context.at);
    }

    /// A recipient is to be asked again, if its caller has the time; else that is its answer.
    pub(super) fn again(
        &mut self,
        id: JobId,
        delay: Delay,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let at = (!self.draining)
            .then(|| {
                let until = job.asked.retry_until;
                job.retries.next_try(delay, hint(&answer), until, &self.config, context.at)
            })
            .flatten();
        let Some(at) = at else { return self.settle(id, answer, context, memory) };
        job.state = JobState::Delayed;
        job.last = Some(Box::new(context.observation(answer)));
        self.delayed.push(Reverse((at, Timer::Job(id))));
    }

    /// The control recipient of a domain was answered, or not.
    pub(super) fn control_landed(
        &mut self,
        planned: &PlannedTransaction,
        answer: Option<RecipientAnswer>,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let domain = &planned.domain;
        let before = self.progress(context.session);
        let full = answer
            .as_ref()
            .filter(|answer| disposition(answer, 0, before) == Disposition::SessionFull);
        if let Some(answer) = full {
            self.session_full(answer, context);
            let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
            return lane.set_control(domain, ControlState::Due);
        }
        let unknown = answer.as_ref().is_some_and(is_unknown_user);
        if let Some(session) = context.session.and_then(|id| self.sessions.get_mut(&id)) {
            session.budget.control_answered(unknown);
            session.taken += u32::from(answer.as_ref().is_some_and(is_reply_to_rcpt));
        }
        self.transaction_carried(context.session, before);
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let Some(queue) = lane.domain(domain) else { return };
        if queue.awaiting.is_empty() {
            lane.set_control(domain, ControlState::NotNeeded);
        }
        let Some(queue) = lane.domain(domain) else { return };
        let over = answer.as_ref().is_none_or(|answer| {
            matches!(read(answer), Disposition::SessionOver | Disposition::TransactionFull)
        });
        if over && queue.control_tries + 1 < CONTROL_TRIES && !queue.awaiting.is_empty() {
            queue.control_tries += 1;
            lane.set_control(domain, ControlState::Due);
            return;
        }
        let Some(answer) = answer else {
            let answer = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Closed };
            return self.control_settled(domain, answer, context, memory);
        };
        if let Disposition::RetryLater(delay) = read(&answer) {
            let retries = queue.control_retries;
            if let Some((at, retries)) =
                self.control_again(context, domain, delay, &answer, retries)
            {
                let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
                if let Some(queue) = lane.domain(domain) {
                    queue.control_retries = retries;
                    queue.control_answer = Some(context.observation(answer));
                }
                lane.set_control(domain, ControlState::Delayed);
                let due = Timer::Control(context.exchanger.clone(), domain.clone());
                self.delayed.push(Reverse((at, due)));
                return;
            }
        }
        if self.control_doubted(domain, &answer, context, memory) {
            return;
        }
        self.control_settled(domain, answer, context, memory);
    }

    /// Asks the control recipient once more if its answer contradicts what the domain showed
    /// before.
    fn control_doubted(
        &mut self,
        domain: &DomainName,
        answer: &RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) -> bool {
        let accepted = is_accepted(answer);
        let contradicts = (accepted || is_unknown_user(answer))
            && memory.was_catch_all(domain) == Some(!accepted)
            && !self.draining;
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return false };
        let Some(queue) = lane.domain(domain) else { return false };
        if !contradicts || queue.doubted.is_some() || queue.awaiting.is_empty() {
            return false;
        }
        queue.doubted = Some(answer.clone());
        lane.set_control(domain, ControlState::Due);
        true
    }

    /// When the control recipient is to be asked again: if *anybody* has the time. The others are
    /// answered by their own deadlines.
    fn control_again(
        &mut self,
        context: &ReplyContext<'_>,
        domain: &DomainName,
        delay: Delay,
        answer: &RecipientAnswer,
        mut retries: crate::pacing::RetryBudget,
    ) -> Option<(SystemTime, crate::pacing::RetryBudget)> {
        let queue = self.lanes.get_mut(context.exchanger)?.domain(domain)?;
        let waiting = queue.awaiting.iter().filter_map(|id| self.jobs.get(id));
        let latest = waiting.map(|job| job.asked.retry_until).max()?;
        if self.draining {
            return None;
        }
        let at = retries.next_try(delay, hint(answer), latest, &self.config, context.at)?;
        Some((at, retries))
    }

    /// Completes the jobs that waited for the control recipient, whose answer now stands.
    fn control_settled(
        &mut self,
        domain: &DomainName,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        lane.set_control(domain, ControlState::NotNeeded);
        let Some(queue) = lane.domain(domain) else { return };
        queue.control_tries = 0;
        let (answer, is_certain) = match queue.doubted.take() {
            // Once so and once so: a domain that accepts a made-up recipient at times vouches for
            // nobody.
            Some(first) if is_accepted(&first) => {
                let agrees = is_accepted(&answer);
                (first, agrees)
            }
            Some(_) => {
                let agrees = !is_accepted(&answer);
                (answer, agrees)
            }
            None => (answer, true),
        };
        let tells_apart = queue.accepted || !is_by_code_alone(&answer);
        let answer = Arc::new(answer);
        let known = if !is_certain {
            CatchAll::Unclear(Arc::clone(&answer))
        } else if is_accepted(&answer) {
            CatchAll::Yes
        } else if is_unknown_user(&answer) && tells_apart {
            CatchAll::No
        } else {
            CatchAll::Unclear(Arc::clone(&answer))
        };
        match &known {
            CatchAll::Unclear(answer)
                if read(answer) == Disposition::RetryLater(Delay::Greylisted) =>
            {
                let wait = hint(answer).unwrap_or(self.config.greylist_wait);
                memory.learn_unclear(domain, Arc::clone(answer), wait, context.at);
            }
            known => memory.learn_catch_all(domain, known.clone(), context.at),
        }
        for id in std::mem::take(&mut queue.awaiting) {
            let Some(evidence) = self.take_observation(id) else { continue };
            // Somebody real was accepted: this server tells recipients apart even by a bare code.
            let control = if known == CatchAll::No && is_unknown_user(&evidence.answer) {
                Control::KnownNo
            } else {
                Control::Answered(Arc::clone(&answer))
            };
            self.done(id, evidence, control, context.at);
        }
    }

    /// Completes the jobs that waited for a control probe: catch-all status became known without one.
    fn learn_catch_all(
        &mut self,
        domain: &DomainName,
        known: CatchAll,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        memory.learn_catch_all(domain, known.clone(), context.at);
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let Some(queue) = lane.domain(domain) else { return };
        let awaiting = std::mem::take(&mut queue.awaiting);
        if matches!(queue.control, ControlState::Due | ControlState::Delayed) {
            lane.set_control(domain, ControlState::NotNeeded);
        }
        for id in awaiting {
            if let Some(evidence) = self.take_observation(id) {
                self.done(id, evidence, known.to_control(), context.at);
            }
        }
    }

    /// Tells everybody who waits in this lane that it cannot help them.
    pub(super) fn answer_all(
        &mut self,
        exchanger: &DomainName,
        why: &Observation,
        blocked: bool,
        now: SystemTime,
    ) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let (jobs, controls) = lane.take_all();
        for (_, id) in &jobs {
            let Some(job) = self.jobs.remove(id) else { continue };
            // What it was told itself says more than that nobody can be asked now.
            let evidence = job.last.map_or_else(|| why.clone(), |last| *last);
            let mut answered = LaneAnswer::new(evidence, Control::NotAsked);
            answered.blocked = blocked;
            self.effects.push_back(Effect::Answer(job.asked.token, answered));
        }
        for domain in controls {
            let Some(queue) = self.lanes.get_mut(exchanger).and_then(|lane| lane.domain(&domain))
            else {
                continue;
            };
            for id in std::mem::take(&mut queue.awaiting) {
                if let Some(evidence) = self.take_observation(id) {
                    let control = Control::Answered(Arc::new(why.answer.clone()));
                    self.done(id, evidence, control, now);
                }
            }
            self.tidy(exchanger, Some(&domain), now);
        }
        for (domain, _) in jobs {
            self.tidy(exchanger, Some(&domain), now);
        }
    }

    /// The exchanger does not let us in for now and nobody is inside: tells those who have somebody
    /// else to ask, or no time to wait for the next attempt to connect.
    pub(super) fn give_up_the_hasty(&mut self, exchanger: &DomainName, why: &Observation) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        let next = lane.connect_backoff.until() + self.config.answer_margin;
        let hasty: Vec<(JobId, DomainName)> = self
            .jobs
            .iter()
            .filter(|(_, job)| {
                matches!(job.state, JobState::Queued)
                    && job.asked.exchanger == *exchanger
                    && (!job.asked.patient || job.asked.retry_until < next)
            })
            .map(|(id, job)| (*id, job.asked.domain.clone()))
            .collect();
        for (id, domain) in hasty {
            lane.remove(&domain, id);
            lane.tidy(&domain);
            if let Some(job) = self.jobs.remove(&id) {
                let evidence = job.last.map_or_else(|| why.clone(), |last| *last);
                let mut answered = LaneAnswer::new(evidence, Control::NotAsked);
                answered.may_answer_later = true;
                self.effects.push_back(Effect::Answer(job.asked.token, answered));
            }
        }
    }

    /// The answer of a job that waits for nothing but the control recipient's.
    fn take_observation(&mut self, id: JobId) -> Option<Observation> {
        let job = self.jobs.get_mut(&id)?;
        match std::mem::replace(&mut job.state, JobState::Queued) {
            JobState::AwaitingControl(evidence) => Some(*evidence),
            other => {
                job.state = other;
                None
            }
        }
    }

    pub(super) fn done(
        &mut self,
        id: JobId,
        mut evidence: Observation,
        control: Control,
        now: SystemTime,
    ) {
        self.last_used = now;
        if let Some(job) = self.jobs.remove(&id) {
            evidence.transcript = evidence.transcript.filter(|_| job.asked.transcript);
            self.effects
                .push_back(Effect::Answer(job.asked.token, LaneAnswer::new(evidence, control)));
        }
    }
}

/// The waiting time the server named.
fn hint(answer: &RecipientAnswer) -> Option<std::time::Duration> {
    match answer {
        RecipientAnswer::Replied { explanation, .. } => explanation.retry_after,
        RecipientAnswer::NoReply { .. } => None,
    }
}
