//! One question, several name servers: who is asked, in which order, and whose answer counts.
//!
//! The DNS client itself does not turn to the next name server when one answers SERVFAIL or
//! REFUSED, so this does. Knows nothing about how a question travels.

use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};

use super::answer::Answer;
use super::config::Config;
use super::facts::DnsFailure;
use crate::clock::Clock;

/// The order of the name servers, and which of them are resting.
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

/// What a question has brought so far.
struct Asked<R> {
    inconclusive: Option<Answer<R>>,
    failure: Option<DnsFailure>,
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
    /// out of reach are asked again, those that answered with an error are not.
    ///
    /// # Errors
    /// The most telling failure, if nobody answered.
    pub(super) async fn ask<R, F>(&self, ask: impl Fn(usize) -> F) -> Result<Answer<R>, DnsFailure>
    where
        F: Future<Output = Result<Answer<R>, DnsFailure>>,
    {
        let mut asked = Asked { inconclusive: None, failure: None };
        let all = self.rounds(ask, &mut asked);
        let deadline = self.clock.instant(self.clock.now() + self.deadline);
        match tokio::time::timeout_at(deadline, all).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => match asked {
                Asked { inconclusive: Some(answer), .. } => Ok(answer),
                Asked { failure, .. } => Err(failure.unwrap_or(DnsFailure::Timeout)),
            },
        }
    }

    /// The first conclusive answer; what else was said is noted in `asked`.
    async fn rounds<R, F>(
        &self,
        ask: impl Fn(usize) -> F,
        asked: &mut Asked<R>,
    ) -> Option<Answer<R>>
    where
        F: Future<Output = Result<Answer<R>, DnsFailure>>,
    {
        let mut servers = self.order();
        for _ in 0..self.attempts {
            let mut silent = Vec::new();
            for server in servers {
                let said = tokio::time::timeout(self.timeout, ask(server)).await;
                match said.unwrap_or(Err(DnsFailure::Timeout)) {
                    Ok(answer) if answer.is_conclusive() => {
                        self.rest_until(server, SystemTime::UNIX_EPOCH);
                        return Some(answer);
                    }
                    Ok(answer) => asked.inconclusive = Some(answer),
                    Err(failure) => {
                        tracing::debug!(server, %failure, "a name server failed");
                        if !matches!(failure, DnsFailure::ServerFailure(_)) {
                            self.rest_until(server, self.clock.now() + self.rest);
                            silent.push(server);
                        }
                        asked.failure = Some(more_telling(asked.failure.take(), failure));
                    }
                }
            }
            if asked.inconclusive.is_some() || silent.is_empty() {
                break;
            }
            servers = silent;
        }
        None
    }

    /// The name servers in their configured order, the resting ones last.
    fn order(&self) -> Vec<usize> {
        let now = self.clock.now();
        let resting_until = self.resting();
        let (rested, resting): (Vec<usize>, Vec<usize>) =
            (0..resting_until.len()).partition(|server| resting_until[*server] <= now);
        [rested, resting].concat()
    }

    fn rest_until(&self, server: usize, until: SystemTime) {
        self.resting()[server] = until;
    }

    fn resting(&self) -> MutexGuard<'_, Box<[SystemTime]>> {
        self.resting_until.lock()
    }
}

/// An error a server named says more than silence, and silence more than not reaching anybody.
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
