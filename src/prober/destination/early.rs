//! Answers of a flight that is still under way: who is told at once, and what is kept for those
//! whose time is up before it is over. The flight is read as a whole when it is back, these answers
//! included: sessions and lanes learn from it then.

use std::time::SystemTime;

use super::reply_context::ReplyContext;
use super::{Destination, JobState};
use crate::address::DomainName;
use crate::prober::disposition::{Disposition, read};
use crate::prober::lane::{JobId, PlannedTransaction, SessionId};
use crate::prober::memory::Memory;
use crate::smtp::{EarlyAnswer, RecipientAnswer};

impl<T> Destination<T> {
    /// Recipients of a session's flight were answered; `before` is the number of transactions in
    /// the flight before those that the answers count from.
    pub(in crate::prober) fn heard(
        &mut self,
        id: SessionId,
        before: usize,
        answers: Vec<EarlyAnswer>,
        memory: &mut Memory,
        now: SystemTime,
    ) {
        let Some(session) = self.pool.get(id) else { return };
        let exchanger = session.exchanger.clone();
        let context = ReplyContext {
            session: Some(id),
            exchanger: &exchanger,
            address: session.address,
            stale: session.stale,
            at: now,
            transcript: None,
        };
        for EarlyAnswer { transaction, recipient, answer } in answers {
            if let Some((domain, job)) = self.flying(id, before + transaction, recipient) {
                self.recipient_heard(domain, job, answer, &context, memory);
            }
        }
        self.stir(&exchanger, now);
    }

    /// A recipient of a session's flight, unless it is a control recipient or has no caller more.
    fn flying(
        &self,
        id: SessionId,
        transaction: usize,
        recipient: usize,
    ) -> Option<(DomainName, JobId)> {
        let planned = self.pool.get(id)?.flight.get(transaction)?;
        let job = *planned.jobs.get(recipient)?;
        let is_flying = matches!(self.jobs.get(&job)?.state, JobState::InFlight);
        is_flying.then(|| (planned.domain.clone(), job))
    }

    /// A recipient has an answer. One that is asked about again, or wants the whole dialogue, has
    /// no other when its time is up.
    fn recipient_heard(
        &mut self,
        domain: DomainName,
        id: JobId,
        answer: RecipientAnswer,
        context: &ReplyContext<'_>,
        memory: &mut Memory,
    ) {
        let disposition = read(&answer);
        let stands = matches!(disposition, Disposition::Final | Disposition::RetryLater(_));
        if !stands || self.contradicts(id, &answer, context, memory) {
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if disposition != Disposition::Final || job.asked.transcript {
            job.last = Some(Box::new(job.observation(answer, context)));
            return;
        }
        let planned = PlannedTransaction { domain, jobs: vec![id] };
        self.learn(&planned, &[Some(answer.clone())], context, memory);
        self.settle(id, answer, context, memory);
    }
}
