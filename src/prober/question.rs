//! One question at one destination: asked here, or by the process that holds the destination.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::Prober;
use super::destination::{Submission, Withdrawn, first_wait_end};
use super::destination_handle::DestinationHandle;
use super::evidence::LaneAnswer;
use super::lane::JobId;
use super::memory::catch_all_name;
use super::question_router::{LaneOutcome, LaneQuestion, RoutedQuestion};
use super::wire::{WireFault, WireOutcome, WireQuestion};
use crate::address::{Domain, DomainName};
use crate::smtp::{Control, NoReply, Observation, RecipientAnswer, Stage};

/// Part of the time that is left of which the asker keeps one for the way back, and the most and
/// the least that it keeps.
const WAY_BACK: (u32, Duration, Duration) =
    (20, Duration::from_millis(10), Duration::from_millis(500));

impl Prober {
    /// Asks where the destination's holder is.
    pub(super) async fn ask_holder(&self, identity: usize, question: LaneQuestion) -> LaneOutcome {
        let routed = match self.context.router() {
            Some(router) => router.route(&question).await,
            None => RoutedQuestion::Nowhere,
        };
        match routed {
            RoutedQuestion::Here(_hold) => self.ask_here(identity, question).await,
            RoutedQuestion::Elsewhere(outcome) => outcome,
            RoutedQuestion::Nowhere => {
                LaneOutcome::Answered(LaneAnswer::postponed(self.context.clock.now()))
            }
        }
    }

    /// Waits in the lane until there is an answer, or time is up.
    pub(super) async fn ask_here(&self, identity: usize, question: LaneQuestion) -> LaneOutcome {
        let shared = &self.context;
        let handle = self.destination(&question.exchanger, identity);
        let deadline = shared.clock.instant(question.deadline);
        if let Err(reason) = self.check_target(&handle, &question).await {
            return self.not_dialled(reason, question.deadline);
        }
        let domain = match question.address.domain() {
            Domain::Name(name) => name.clone(),
            Domain::Literal(literal) => DomainName::from_ascii(&literal.to_string()),
        };
        let known_as = catch_all_name(&domain, &question.exchanger, question.backup);
        let store = shared.second_level();
        if let Some(store) = store.filter(|_| question.test_catch_all) {
            // Boxed: one process alone has nobody to ask.
            Box::pin(self.recall_catch_all(&**store, &known_as)).await;
        }
        let place = match handle.places.try_acquire() {
            Ok(place) => Some(place),
            // Boxed: places are hardly ever all taken.
            Err(_) => {
                let free = Box::pin(timeout_at(deadline, handle.places.acquire()));
                free.await.ok().and_then(Result::ok)
            }
        };
        let Some(_place) = place else { return timed_out(None, Stage::Connect) };
        let (token, answer) = oneshot::channel();
        let submission = Submission {
            token,
            domain,
            address: question.address,
            exchanger: question.exchanger,
            test_catch_all: question.test_catch_all,
            transcript: question.transcript,
            consented_at: question.consented_at,
            patient: question.patient,
            backup: question.backup,
            retry_until: question.retry_until,
            deadline: question.deadline,
        };
        let id = handle.step_with_memory(|core, memory, now| core.submit(submission, memory, now));
        let mut pending = PendingAnswer { handle: Arc::clone(&handle), id, open: true };
        let answered = timeout_at(deadline, answer).await;
        pending.open = false;
        if let Some(store) = store {
            self.keep_catch_all(&**store, &known_as);
        }
        match answered {
            Ok(Ok(answered)) => LaneOutcome::Answered(answered),
            _ => timed_out(handle.step(|core, now| core.withdraw(id, now)), Stage::Rcpt),
        }
    }

    /// Looks up the addresses of an exchanger before anything is asked of its destination: one that
    /// cannot be dialled must not take a place among those that can. One with a session has some.
    /// Who has other exchangers to ask does not spend all its time on this.
    async fn check_target(
        &self,
        handle: &DestinationHandle,
        question: &LaneQuestion,
    ) -> Result<(), NoReply> {
        if handle.peek(|core| core.has_session(&question.exchanger)) {
            return Ok(());
        }
        let context = &self.context;
        let mut deadline = question.deadline;
        if !question.patient {
            deadline = first_wait_end(deadline, context.clock.now());
        }
        let deadline = context.clock.instant(deadline);
        // Boxed: most exchangers have a session.
        let targets = handle.egress.targets(context, &question.exchanger, question.max_age);
        let targets = Box::pin(targets);
        timeout_at(deadline, targets).await.unwrap_or(Err(NoReply::Timeout)).map(drop)
    }

    /// The outcome where the addresses of an exchanger are not known, or none may be dialled.
    fn not_dialled(&self, reason: NoReply, deadline: SystemTime) -> LaneOutcome {
        let now = self.context.clock.now();
        let may_answer_later = reason == NoReply::Timeout;
        if may_answer_later && now >= deadline {
            return timed_out(None, Stage::Connect);
        }
        let answer = RecipientAnswer::NoReply { stage: Stage::Connect, reason };
        let answered = LaneAnswer::new(Observation::new(answer, None, now), Control::NotAsked);
        LaneOutcome::Answered(LaneAnswer { may_answer_later, ..answered })
    }

    /// Puts a question into the form in which another process is asked it.
    #[must_use]
    pub fn encode_question(&self, question: &LaneQuestion) -> WireQuestion {
        let now = self.context.clock.now();
        let left = question.deadline.duration_since(now).unwrap_or_default();
        let (part, least, most) = WAY_BACK;
        WireQuestion::new(question, (left / part).clamp(least, most), now)
    }

    /// Reads the question of another process; `None` for an identity that there is not.
    ///
    /// # Errors
    /// If no caller could ask it.
    pub fn decode_question(&self, asked: WireQuestion) -> Result<Option<LaneQuestion>, WireFault> {
        let question = asked.into_question(self.context.clock.now())?;
        Ok(self.identity_number(&question.identity).is_some().then_some(question))
    }

    /// Reads the answer of another process.
    ///
    /// # Errors
    /// If it is not understood.
    pub fn decode_outcome(&self, outcome: WireOutcome) -> Result<LaneOutcome, WireFault> {
        outcome.into_outcome()
    }

    /// Asks here for another process, which knows that this one holds the destination.
    pub async fn ask_for_another(&self, question: LaneQuestion) -> WireOutcome {
        let outcome = match self.identity_number(&question.identity) {
            Some(identity) => self.ask_here(identity, question).await,
            None => LaneOutcome::Answered(LaneAnswer::postponed(self.context.clock.now())),
        };
        WireOutcome::from(&outcome)
    }

    /// The number of the identity with this name.
    pub(super) fn identity_number(&self, name: &str) -> Option<usize> {
        self.egress.iter().position(|egress| &*egress.name == name)
    }
}

fn timed_out(withdrawn: Option<Withdrawn>, otherwise: Stage) -> LaneOutcome {
    match withdrawn {
        Some(Withdrawn { evidence, control, stage }) => {
            LaneOutcome::TimedOut { evidence, control, stage }
        }
        None => {
            let control = Control::NotAsked;
            LaneOutcome::TimedOut { evidence: None, control, stage: otherwise }
        }
    }
}

/// A question under way: taken back when its caller goes away.
struct PendingAnswer {
    handle: Arc<DestinationHandle>,
    id: JobId,
    open: bool,
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        if self.open {
            self.handle.step(|core, now| core.abandon(self.id, now));
        }
    }
}
