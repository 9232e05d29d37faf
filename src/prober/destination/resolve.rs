//! Resolution of single recipients: answered, asked again later, or waiting for the control
//! recipient of their domain.

use std::sync::Arc;
use std::time::SystemTime;

use super::reply_context::ReplyContext;
use super::{Destination, Effect, JobState, LaneJob, Submission, TRIES, Timer};
use crate::address::DomainName;
use crate::pacing::{Backoff, Delay};
use crate::prober::disposition::{is_by_code_alone, is_unknown_user, obstacle, retry_hint};
use crate::prober::evidence::LaneAnswer;
use crate::prober::lane::{ControlState, JobId, PlannedTransaction};
use crate::prober::memory::{CatchAllState, Memory};
use crate::smtp::{Control, NoReply, Observation, RecipientAnswer, Stage};

impl<T> Submission<T> {
    /// Name under which it is remembered whether the domain accepts everything where it was asked.
    fn catch_all_name(&self, context: &ReplyContext<'_>) -> DomainName {
        context.catch_all_name(&self.domain, self.backup)
    }

    fn catch_all(&self, context: &ReplyContext<'_>, memory: &mut Memory) -> Option<CatchAllState> {
        context.catch_all(&self.domain, self.backup, memory)
    }
}

impl<T> LaneJob<T> {
    /// What was said about it, with the dialogue if its caller wants that: others of the same
    /// transaction may.
    pub(super) fn observation(
        &self,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
    ) -> Observation {
        let mut evidence = context.observation(answer);
        evidence.transcript = evidence.transcript.filter(|_| self.asked.transcript);
        evidence
    }

    /// Its own last answer, which says more than that no exchanger can be asked now; without one,
    /// `why` that is. The dialogue is only for who wants it, and was one's own.
    fn last_or(&mut self, why: &Observation) -> Observation {
        let dialogue = self.dialogue.take();
        let mut evidence = self.last.take().map_or_else(
            || Observation { transcript: dialogue.or(why.transcript.clone()), ..why.clone() },
            |last| *last,
        );
        evidence.transcript = evidence.transcript.filter(|_| self.asked.transcript);
        evidence
    }
}

impl<T> Destination<T> {
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
        let is_doubtful = self.contradicts(id, answer, context, memory);
        if is_doubtful && let Some(job) = self.jobs.get_mut(&id) {
            job.doubted = true;
        }
        is_doubtful
    }

    /// The same, of an answer that is not read yet.
    pub(super) fn contradicts(
        &self,
        id: JobId,
        answer: &RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) -> bool {
        if !is_unknown_user(answer) || is_by_code_alone(answer) || self.draining {
            return false;
        }
        let job = self.jobs.get(&id).filter(|job| !job.doubted);
        let known = job.and_then(|job| job.asked.catch_all(context, memory));
        known == Some(CatchAllState::Yes)
    }

    /// A recipient has its answer; it may still lack the control recipient's. One that waits for
    /// that was told early.
    pub(super) fn settle(
        &mut self,
        id: JobId,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if matches!(job.state, JobState::AwaitingControl(_)) {
            return;
        }
        let bare = is_unknown_user(&answer) && is_by_code_alone(&answer);
        let wanted = (answer.is_accepted() && job.asked.test_catch_all) || bare;
        let name = job.asked.catch_all_name(context);
        let known = if job.asked.test_catch_all || bare {
            job.asked.catch_all(context, memory)
        } else {
            None
        };
        let evidence = job.observation(answer, context);
        let domain = job.asked.domain.clone();
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        if known.is_none() && wanted && lane.await_control(&domain, id) {
            if job.pressed {
                lane.press_control(&domain);
            }
            job.state = JobState::AwaitingControl(Box::new(evidence));
            return;
        }
        // A greylisted control recipient may be asked again within the caller's time.
        let due = matches!(known, Some(CatchAllState::Unclear(_)))
            .then(|| memory.greylisted_until(&name, context.at))
            .flatten()
            .filter(|_| wanted && !self.draining)
            .filter(|at| *at + self.config.answer_margin <= job.asked.retry_until);
        if let Some(at) = due
            && let Some(queue) = lane.domain(&domain)
        {
            if queue.control == ControlState::NotNeeded {
                lane.set_control(&domain, ControlState::Delayed);
                self.timers.set(at, Timer::Control(context.exchanger.clone(), domain.clone()));
            }
            lane.await_control(&domain, id);
            if job.pressed {
                lane.press_control(&domain);
            }
            job.state = JobState::AwaitingControl(Box::new(evidence));
            return;
        }
        let control = match known {
            Some(CatchAllState::Unclear(_)) if !wanted => Control::NotAsked,
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
        if delay == Delay::Greylisted
            && let Some(job) = self.jobs.get(&id)
            && job.asked.test_catch_all
        {
            let domain = job.asked.domain.clone();
            self.name_control_early(&domain, context, memory);
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let at = (!self.draining)
            .then(|| {
                let until = job.asked.retry_until;
                job.retries.next_try(delay, retry_hint(&answer), until, &self.config, context.at)
            })
            .flatten();
        let Some(at) = at else { return self.settle(id, answer, context, memory) };
        job.state = JobState::Delayed;
        job.last = Some(Box::new(job.observation(answer, context)));
        self.timers.set(at, Timer::Job(id));
    }

    /// The session goes on, and yet not one of these was answered: asked again, but not for ever.
    pub(super) fn silence(
        &mut self,
        unanswered: &mut Vec<JobId>,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let reason = NoReply::Protocol("no answer to RCPT".to_owned());
        let silence = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason };
        unanswered.retain(|id| {
            let Some(job) = self.jobs.get_mut(id) else { return false };
            job.tries += 1;
            if job.tries < TRIES {
                return true;
            }
            self.settle(*id, silence.clone(), context, memory);
            false
        });
    }

    /// Puts recipients back at the head of their queues, in the order in which they were named.
    pub(super) fn put_back(
        &mut self,
        exchanger: &DomainName,
        unanswered: Vec<(DomainName, Vec<JobId>)>,
    ) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        for (domain, ids) in unanswered.into_iter().rev() {
            let (mut pressed, mut others) = (Vec::new(), Vec::with_capacity(ids.len()));
            for id in ids {
                let Some(job) = self.jobs.get_mut(&id) else { continue };
                if matches!(job.state, JobState::InFlight) {
                    job.state = JobState::Queued;
                    let back = if job.pressed { &mut pressed } else { &mut others };
                    back.push(id);
                }
            }
            lane.push_back_first(&domain, &others, false);
            lane.push_back_first(&domain, &pressed, true);
        }
    }

    /// A transaction was planned and its session is gone before it was sent.
    pub(super) fn return_unflown(&mut self, exchanger: &DomainName, planned: &PlannedTransaction) {
        if let Some(lane) = self.lanes.get_mut(exchanger) {
            lane.landed(planned);
            if planned.is_control() {
                lane.set_control(&planned.domain, ControlState::Due);
            }
        }
        self.put_back(exchanger, vec![(planned.domain.clone(), planned.jobs.clone())]);
    }

    /// Answers all who wait in this lane: it cannot help them.
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
            let Some(mut job) = self.jobs.remove(id) else { continue };
            let mut answered = LaneAnswer::new(job.last_or(why), Control::NotAsked);
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

    /// Has what is due in this lane asked. Where the exchanger rests nobody knocks: who waits is
    /// told why.
    pub(super) fn stir_unless_resting(
        &mut self,
        exchanger: &DomainName,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let known = memory.exchanger(exchanger);
        match known.and_then(|known| known.rests(self.identity, now)).cloned() {
            Some(why) => {
                let blocked = obstacle(&why.answer, false).is_about_the_identity();
                self.answer_all(exchanger, &why, blocked, now);
            }
            None => self.stir(exchanger, now),
        }
    }

    /// The answer of a recipient whose caller does not wait for the end of a pause: the reply, or
    /// the silence, that began it.
    pub(super) fn answer_at_once(
        &self,
        asked: &Submission<T>,
        now: SystemTime,
    ) -> Option<LaneAnswer> {
        let lane = self.lanes.get(&asked.exchanger)?;
        let is_beyond = |pause: &Backoff, time| pause.until() + self.config.answer_margin > time;
        if lane.sessions.is_empty()
            && lane.connect_backoff.is_active(now)
            && let Some(why) = &lane.obstacle
            && (!asked.patient || is_beyond(&lane.connect_backoff, asked.retry_until))
        {
            let mut answered = LaneAnswer::new(why.clone(), Control::NotAsked);
            answered.may_answer_later = true;
            return Some(answered);
        }
        // Nobody has asked about this recipient: only who cannot wait for that is told of others.
        let why = lane.rate_limit.as_ref()?;
        let pause = &lane.rcpt_backoff;
        let is_held = pause.is_active(now) && is_beyond(pause, asked.deadline);
        is_held.then(|| LaneAnswer::new(why.clone(), Control::NotAsked))
    }

    /// The exchanger does not let us in for now and no session is open: answers those who have
    /// other exchangers to ask, or no time to wait for the next attempt to connect.
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
            if let Some(mut job) = self.jobs.remove(&id) {
                let mut answered = LaneAnswer::new(job.last_or(why), Control::NotAsked);
                answered.may_answer_later = true;
                self.effects.push_back(Effect::Answer(job.asked.token, answered));
            }
        }
    }

    /// The answer of a job that waits for nothing but the control recipient's.
    pub(super) fn take_observation(&mut self, id: JobId) -> Option<Observation> {
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
