//! One question to several name servers: their order, and the answer that counts.
//!
//! The DNS client itself does not turn to the next name server when one answers SERVFAIL or
//! REFUSED, so this does. It knows nothing about the transport of a question.

use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::config::Config;
use super::facts::DnsFailure;
use crate::clock::Clock;

/// The part of its time that a name server at rest has to say that a name has a record after all.
/// By default that is less than the second address family has, or the refresh of an expired answer.
const BRIEF: u32 = 10;

/// The order of the name servers, and those of them that are resting.
#[derive(Debug)]
pub(super) struct Failover {
    clock: Clock,
    timeout: Duration,
    attempts: u32,
    deadline: Duration,
    rest: Duration,
    /// For each name server, until when it is asked last.
    resting_until: Mutex<Box<[SystemTime]>>,
}

/// The failure of one name server.
#[derive(Debug)]
pub(super) struct ServerError {
    pub(super) failure: DnsFailure,
    /// We had no room for the question, or for the rest of its answer: the name server is neither
    /// silent nor in trouble.
    pub(super) is_ours: bool,
}

impl From<DnsFailure> for ServerError {
    fn from(failure: DnsFailure) -> Self {
        Self { failure, is_ours: false }
    }
}

/// The findings of a question so far.
struct QuestionState<R> {
    inconclusive: Option<Answer<R>>,
    failure: Option<DnsFailure>,
}

impl<R> QuestionState<R> {
    /// `true` if a name server knows the name, and no such record.
    fn has_no_record(&self) -> bool {
        self.inconclusive.as_ref().is_some_and(Answer::exists)
    }

    /// Keeps an inconclusive answer. Of two, the one that knows the name: whoever made one of them
    /// up, a name that is known somewhere is not called missing.
    fn keep(&mut self, answer: Answer<R>) {
        if answer.exists() || self.inconclusive.as_ref().is_none_or(|before| !before.exists()) {
            self.inconclusive = Some(answer);
        }
    }
}

impl Failover {
    pub(super) fn new(servers: usize, config: &Config, clock: Clock) -> Self {
        Self {
            clock,
            timeout: config.timeout,
            attempts: config.attempts,
            deadline: config.deadline,
            rest: config.rest,
            resting_until: Mutex::new(vec![SystemTime::UNIX_EPOCH; servers].into()),
        }
    }

    /// Asks one name server after the other until one's answer counts. Those that were silent or
    /// out of reach, or for which we had no room, are asked again, those that answered with an
    /// error are not. `ask` gets the name server and the times that it was silent or out of reach.
    ///
    /// # Errors
    /// The most telling failure, if no name server answered.
    pub(super) async fn ask<R, F>(
        &self,
        ask: impl Fn(usize, u32) -> F,
    ) -> Result<Answer<R>, DnsFailure>
    where
        F: Future<Output = Result<Answer<R>, ServerError>>,
    {
        let mut state = QuestionState { inconclusive: None, failure: None };
        let deadline = self.clock.instant(self.clock.now() + self.deadline);
        match self.rounds(ask, deadline, &mut state).await {
            Some(answer) => Ok(answer),
            None => match state {
                QuestionState { inconclusive: Some(answer), .. } => Ok(answer),
                QuestionState { failure, .. } => Err(failure.unwrap_or(DnsFailure::Timeout)),
            },
        }
    }

    /// The first conclusive answer before `deadline`; other findings go into `state`.
    async fn rounds<R, F>(
        &self,
        ask: impl Fn(usize, u32) -> F,
        deadline: Instant,
        state: &mut QuestionState<R>,
    ) -> Option<Answer<R>>
    where
        F: Future<Output = Result<Answer<R>, ServerError>>,
    {
        let mut servers: Vec<_> = self.order().into_iter().map(|server| (server, 0)).collect();
        for _ in 0..self.attempts {
            let mut again = Vec::new();
            for (server, silences) in servers {
                // One timer for both limits: it is set for each question, and hardly ever ends one.
                let is_brief = state.has_no_record() && self.is_resting(server);
                let time = if is_brief { self.timeout / BRIEF } else { self.timeout };
                let silent_at = self.clock.instant(self.clock.now() + time);
                let said = timeout_at(silent_at.min(deadline), ask(server, silences)).await;
                if said.is_err() && deadline < silent_at {
                    return None;
                }
                match said.unwrap_or(Err(DnsFailure::Timeout.into())) {
                    Ok(answer) if answer.is_conclusive() => {
                        self.rest_until(server, SystemTime::UNIX_EPOCH);
                        return Some(answer);
                    }
                    Ok(answer) => state.keep(answer),
                    Err(ServerError { failure, is_ours }) => {
                        tracing::debug!(server, %failure, "a name server failed");
                        if is_ours {
                            again.push((server, silences));
                        } else if !is_brief && !matches!(failure, DnsFailure::ServerFailure(_)) {
                            self.rest_until(server, self.clock.now() + self.rest);
                            again.push((server, silences + 1));
                        }
                        state.failure = Some(more_telling(state.failure.take(), failure));
                    }
                }
            }
            if state.inconclusive.is_some() || again.is_empty() {
                break;
            }
            servers = again;
        }
        None
    }

    /// The name servers in their configured order, the resting ones last.
    fn order(&self) -> Vec<usize> {
        let now = self.clock.now();
        let resting_until = self.resting();
        let mut order: Vec<usize> = (0..resting_until.len()).collect();
        order.sort_by_key(|server| resting_until[*server] > now);
        order
    }

    fn is_resting(&self, server: usize) -> bool {
        self.resting()[server] > self.clock.now()
    }

    fn rest_until(&self, server: usize, until: SystemTime) {
        self.resting()[server] = until;
    }

    fn resting(&self) -> MutexGuard<'_, Box<[SystemTime]>> {
        self.resting_until.lock()
    }
}

/// Prefers an error code to silence, and silence to an unreachable server.
fn more_telling(before: Option<DnsFailure>, after: DnsFailure) -> DnsFailure {
    let rank = |failure: &DnsFailure| match failure {
        DnsFailure::ServerFailure(_) => 2,
        DnsFailure::Timeout => 1,
        DnsFailure::Unreachable(_) => 0,
    };
    match before {
        Some(before) if rank(&before) >= rank(&after) => before,
        _ => after,
    }
}

#[cfg(test)]
mod tests;
