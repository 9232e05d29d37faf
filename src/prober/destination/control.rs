//! The control recipient of a domain: asked where nothing else tells whether the domain accepts
//! every recipient, and once more where its answer contradicts what the domain showed before.

use std::sync::Arc;
use std::time::SystemTime;

use super::reply_context::ReplyContext;
use super::session_progress::{disposition, takes_a_place};
use super::{Destination, Timer};
use crate::address::DomainName;
use crate::pacing::{Delay, RetryBudget};
use crate::prober::disposition::{
    Disposition, is_by_code_alone, is_unknown_user, read, retry_hint,
};
use crate::prober::lane::{ControlState, Lane, PlannedTransaction};
use crate::prober::memory::{CatchAllState, Memory};
use crate::smtp::{Control, NoReply, RecipientAnswer, Stage};

/// Tries of a control recipient whose session ended before it was answered.
const CONTROL_TRIES: u32 = 3;

impl Lane {
    /// Name under which it is remembered whether `domain` accepts everything in this lane.
    fn catch_all_name(&mut self, domain: &DomainName, context: &ReplyContext<'_>) -> DomainName {
        let is_backup = self.domain(domain).is_some_and(|queue| queue.is_backup);
        context.catch_all_name(domain, is_backup)
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
        queue.accepted |= answers.iter().flatten().any(RecipientAnswer::is_accepted);
        let known = context.catch_all(&planned.domain, queue.is_backup, memory);
        let is_certain = known != Some(CatchAllState::Yes);
        let refused = planned.jobs.iter().zip(answers).any(|(job, answer)| {
            let believed = is_certain || self.jobs.get(job).is_some_and(|job| job.doubted);
            let is_refused =
                |answer: &RecipientAnswer| is_unknown_user(answer) && !is_by_code_alone(answer);
            believed && answer.as_ref().is_some_and(is_refused)
        });
        if refused {
            self.learn_catch_all(&planned.domain, CatchAllState::No, context, memory);
        }
    }

    /// A domain greylists: its control recipient will be greylisted as well, so it is named at
    /// once. Named only once a real recipient is accepted, it would cost the caller the wait twice.
    pub(super) fn name_control_early(
        &mut self,
        domain: &DomainName,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let Some(queue) = lane.domain(domain) else { return };
        if self.draining || context.catch_all(domain, queue.is_backup, memory).is_some() {
            return;
        }
        if queue.control == ControlState::NotNeeded {
            lane.set_control(domain, ControlState::Due);
        }
    }

    /// The control recipient of a domain was answered, or not; `reached` if the session had not
    /// ended at a recipient before it.
    pub(super) fn control_landed(
        &mut self,
        planned: &PlannedTransaction,
        answer: Option<RecipientAnswer>,
        reached: bool,
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
        if let Some(session) = context.session.and_then(|id| self.pool.get_mut(id)) {
            session.budget.control_answered(unknown);
            session.taken += u32::from(answer.as_ref().is_some_and(takes_a_place));
        }
        self.transaction_carried(context.session, before);
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let over = answer.as_ref().is_none_or(|answer| {
            matches!(read(answer), Disposition::SessionOver | Disposition::TransactionFull)
        });
        let Some(queue) = lane.domain(domain) else { return };
        let retries = queue.control_retries;
        if queue.awaiting.is_empty() {
            lane.set_control(domain, ControlState::NotNeeded);
            if over {
                // No recipient waits for it: it is asked when one does.
                return;
            }
        } else if over && (!reached || queue.control_tries + 1 < CONTROL_TRIES) {
            queue.control_tries += u32::from(reached);
            lane.set_control(domain, ControlState::Due);
            return;
        }
        let Some(answer) = answer else {
            let answer = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Closed };
            return self.control_settled(domain, answer, context, memory);
        };
        if let Disposition::RetryLater(delay) = read(&answer)
            && let Some((at, retries)) =
                self.control_again(context, domain, delay, &answer, retries)
        {
            let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
            if let Some(queue) = lane.domain(domain) {
                queue.control_retries = retries;
                queue.control_answer = Some(context.observation(answer));
            }
            lane.set_control(domain, ControlState::Delayed);
            let due = Timer::Control(context.exchanger.clone(), domain.clone());
            self.timers.set(at, due);
            return;
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
        let accepted = answer.is_accepted();
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return false };
        let Some(queue) = lane.domain(domain) else { return false };
        let contradicts = (accepted || is_unknown_user(answer))
            && context.was_catch_all(domain, queue.is_backup, memory) == Some(!accepted)
            && !self.draining;
        if !contradicts || queue.doubted.is_some() || queue.awaiting.is_empty() {
            return false;
        }
        queue.doubted = Some(answer.clone());
        lane.set_control(domain, ControlState::Due);
        true
    }

    /// Time at which the control recipient is asked again, if *any* caller can wait. The others are
    /// answered by their own deadlines.
    fn control_again(
        &mut self,
        context: &ReplyContext<'_>,
        domain: &DomainName,
        delay: Delay,
        answer: &RecipientAnswer,
        mut retries: RetryBudget,
    ) -> Option<(SystemTime, RetryBudget)> {
        let queue = self.lanes.get_mut(context.exchanger)?.domain(domain)?;
        let waiting = queue.awaiting.iter().filter_map(|id| self.jobs.get(id));
        let latest = waiting.map(|job| job.asked.retry_until).max()?;
        if self.draining {
            return None;
        }
        let at = retries.next_try(delay, retry_hint(answer), latest, &self.config, context.at)?;
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
        let name = lane.catch_all_name(domain, context);
        let Some(queue) = lane.domain(domain) else { return };
        queue.control_tries = 0;
        let (answer, is_certain) = match queue.doubted.take() {
            // Once so and once so: a domain that accepts a made-up recipient at times vouches for
            // nobody.
            Some(first) if first.is_accepted() => {
                let agrees = answer.is_accepted();
                (first, agrees)
            }
            Some(_) => {
                let agrees = !answer.is_accepted();
                (answer, agrees)
            }
            None => (answer, true),
        };
        let tells_apart = queue.accepted || !is_by_code_alone(&answer);
        let answer = Arc::new(answer);
        let known = if !is_certain {
            CatchAllState::Unclear(Arc::clone(&answer))
        } else if answer.is_accepted() {
            CatchAllState::Yes
        } else if is_unknown_user(&answer) && tells_apart {
            CatchAllState::No
        } else {
            CatchAllState::Unclear(Arc::clone(&answer))
        };
        match known.greylisting() {
            Some(answer) => {
                let wait = retry_hint(answer).unwrap_or(self.config.greylist_wait);
                memory.learn_unclear(&name, Arc::clone(answer), wait, context.at);
            }
            None => memory.learn_catch_all(&name, known.clone(), context.at),
        }
        for id in std::mem::take(&mut queue.awaiting) {
            let Some(mut evidence) = self.take_observation(id) else { continue };
            evidence.stale |= context.stale;
            // A real recipient was accepted: even a bare code tells recipients apart here.
            let control = if known == CatchAllState::No && is_unknown_user(&evidence.answer) {
                Control::KnownNo
            } else {
                Control::Answered(Arc::clone(&answer))
            };
            self.done(id, evidence, control, context.at);
        }
    }

    /// Completes the jobs that waited for a control probe: catch-all status became known without
    /// one.
    fn learn_catch_all(
        &mut self,
        domain: &DomainName,
        known: CatchAllState,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let Some(lane) = self.lanes.get_mut(context.exchanger) else { return };
        let name = lane.catch_all_name(domain, context);
        memory.learn_catch_all(&name, known.clone(), context.at);
        let Some(queue) = lane.domain(domain) else { return };
        let awaiting = std::mem::take(&mut queue.awaiting);
        if matches!(queue.control, ControlState::Due | ControlState::Delayed) {
            lane.set_control(domain, ControlState::NotNeeded);
        }
        for id in awaiting {
            if let Some(mut evidence) = self.take_observation(id) {
                evidence.stale |= context.stale;
                self.done(id, evidence, known.to_control(), context.at);
            }
        }
    }
}
