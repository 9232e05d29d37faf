//! The pace at which one registry is asked, and its circuit breaker. Pure.

use std::time::{Duration, SystemTime};

use super::facts::RegistrationGap;

/// The longest time that a domain waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Rest after a 429 that names no time.
const DEFAULT_REST: Duration = Duration::from_secs(60);

/// Rest after a failure of our own: another request would most likely end as that one did, and hold
/// a place for as long.
const OWN_REST: Duration = Duration::from_secs(10);

/// Bounds of a rest, whoever asked for it.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// Failures in a row after which a registry is left alone.
const FAILURES: u32 = 5;

/// The result of asking a registry, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExchangeResult {
    /// It answered.
    Answered,
    /// It wants fewer requests, for this long if it said so.
    RateLimited(Duration),
    /// It is in trouble, and says for how long.
    Away(Duration),
    /// It did not answer, or is in trouble.
    Failed,
    /// Our own DNS or machine failed: it says nothing of the registry, and no circuit opens.
    NotAsked,
}

/// A refusal to ask a registry, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PaceRefusal {
    pub(super) gap: RegistrationGap,
    pub(super) until: SystemTime,
}

/// The state of one registry.
#[derive(Clone, Debug)]
pub(super) struct RegistryPace {
    interval: Duration,
    next_turn: SystemTime,
    next_start: SystemTime,
    rest: Option<PaceRefusal>,
    failures: u32,
    pause: Duration,
}

impl RegistryPace {
    /// A registry that was not asked yet and is asked every `interval` at most.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            next_turn: SystemTime::UNIX_EPOCH,
            next_start: SystemTime::UNIX_EPOCH,
            rest: None,
            failures: 0,
            pause: DEFAULT_REST,
        }
    }

    /// Takes the next turn: when to ask.
    ///
    /// # Errors
    /// The registry rests, or too many wait for it.
    pub(super) fn take_turn(&mut self, now: SystemTime) -> Result<SystemTime, PaceRefusal> {
        self.check(now)?;
        let turn = self.next_turn.max(now);
        if turn > now + LONGEST_WAIT {
            let gap = RegistrationGap::RegistryBusy;
            return Err(PaceRefusal { gap, until: now + DEFAULT_REST });
        }
        self.next_turn = turn + self.interval;
        Ok(turn)
    }

    /// Starts a request of one whose turn has come: when to send it. That is now, unless others
    /// were held up beyond their turns.
    ///
    /// # Errors
    /// The registry rests.
    pub(super) fn start(&mut self, now: SystemTime) -> Result<SystemTime, PaceRefusal> {
        self.check(now)?;
        let start = self.next_start.max(now);
        self.next_start = start + self.interval;
        Ok(start)
    }

    /// Checks that the registry may be asked now.
    ///
    /// # Errors
    /// It rests.
    pub(super) fn check(&self, now: SystemTime) -> Result<(), PaceRefusal> {
        match self.rest {
            Some(rest) if now < rest.until => Err(rest),
            _ => Ok(()),
        }
    }

    /// Takes account of what came of asking.
    pub(super) fn record(&mut self, result: ExchangeResult, now: SystemTime) {
        match result {
            ExchangeResult::Answered => {
                self.failures = 0;
                self.pause = DEFAULT_REST;
            }
            ExchangeResult::RateLimited(wish) => {
                let wish = if wish.is_zero() { DEFAULT_REST } else { wish };
                self.rest_for(RegistrationGap::RateLimited, wish, now);
            }
            ExchangeResult::Away(time) => {
                self.rest_for(RegistrationGap::RegistryUnavailable, time, now);
            }
            ExchangeResult::NotAsked => {
                self.rest_for(RegistrationGap::RegistryUnavailable, OWN_REST, now);
            }
            ExchangeResult::Failed => {
                self.failures += 1;
                if self.failures >= FAILURES && self.check(now).is_ok() {
                    self.rest_for(RegistrationGap::RegistryUnavailable, self.pause, now);
                    // One failure after the rest is enough for a longer one.
                    self.failures = FAILURES - 1;
                    self.pause = (self.pause * 2).min(LONGEST_REST);
                }
            }
        }
    }

    fn rest_for(&mut self, gap: RegistrationGap, time: Duration, now: SystemTime) {
        let until = now + time.clamp(SHORTEST_REST, LONGEST_REST);
        let until = self.rest.map_or(until, |rest| rest.until.max(until));
        self.rest = Some(PaceRefusal { gap, until });
        // Those whose turns come after the rest keep them.
        self.next_turn = self.next_turn.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second)
    }

    #[test]
    fn turns_are_an_interval_apart_and_the_wait_is_bounded() {
        let mut pace = RegistryPace::new(SECOND);
        let turns: Vec<_> = (0..3).map(|_| pace.take_turn(at(0)).unwrap()).collect();
        assert_eq!(turns, [at(0), at(1), at(2)]);
        assert_eq!(pace.take_turn(at(10)), Ok(at(10)), "an idle registry saves nothing up");
        let refused = (0..10_000).find_map(|_| pace.take_turn(at(10)).err()).unwrap();
        assert_eq!(refused.gap, RegistrationGap::RegistryBusy);
    }

    #[test]
    fn requests_that_were_held_up_start_an_interval_apart_too() {
        let mut pace = RegistryPace::new(SECOND);
        assert_eq!(pace.start(at(0)), Ok(at(0)));
        assert_eq!(pace.start(at(1)), Ok(at(1)), "in its turn: at once");
        let starts: Vec<_> = (0..3).map(|_| pace.start(at(9)).unwrap()).collect();
        assert_eq!(starts, [at(9), at(10), at(11)]);
        pace.record(ExchangeResult::RateLimited(SECOND), at(9));
        assert_eq!(pace.start(at(9)).unwrap_err().gap, RegistrationGap::RateLimited);
    }

    #[test]
    fn a_registry_that_asks_for_a_rest_gets_it_within_bounds() {
        for (wish, rest) in [(0, 60), (7, 7), (1_000_000, 3_600)] {
            let mut pace = RegistryPace::new(SECOND);
            pace.record(ExchangeResult::RateLimited(Duration::from_secs(wish)), at(0));
            let refused = pace.take_turn(at(rest - 1)).unwrap_err();
            assert_eq!(refused, PaceRefusal { gap: RegistrationGap::RateLimited, until: at(rest) });
            assert_eq!(pace.take_turn(at(rest)), Ok(at(rest)));
        }
    }

    #[test]
    fn nobody_overtakes_those_who_wait_beyond_a_rest() {
        let mut pace = RegistryPace::new(SECOND);
        for _ in 0..100 {
            pace.take_turn(at(0)).unwrap();
        }
        pace.record(ExchangeResult::RateLimited(7 * SECOND), at(0));
        assert_eq!(pace.take_turn(at(7)), Ok(at(100)));
    }

    #[test]
    fn a_failure_of_our_own_is_a_short_rest_and_never_a_longer_one() {
        let mut pace = RegistryPace::new(SECOND);
        for second in (0..100).step_by(10) {
            assert_eq!(pace.check(at(second)), Ok(()));
            pace.record(ExchangeResult::NotAsked, at(second));
            assert_eq!(pace.check(at(second + 9)).unwrap_err().until, at(second + 10));
        }
    }

    #[test]
    fn failures_in_a_row_open_the_circuit_for_longer_each_time_and_an_answer_closes_it() {
        let mut pace = RegistryPace::new(SECOND);
        let fail = |pace: &mut RegistryPace, now| pace.record(ExchangeResult::Failed, now);
        for _ in 1..FAILURES {
            fail(&mut pace, at(0));
        }
        pace.record(ExchangeResult::Answered, at(0));
        for _ in 1..FAILURES {
            fail(&mut pace, at(0));
        }
        assert_eq!(pace.check(at(0)), Ok(()));
        fail(&mut pace, at(0));
        let rest = pace.check(at(59)).unwrap_err();
        assert_eq!((rest.gap, rest.until), (RegistrationGap::RegistryUnavailable, at(60)));
        assert_eq!(pace.check(at(60)), Ok(()));
        fail(&mut pace, at(60));
        assert_eq!(pace.check(at(179)).unwrap_err().until, at(180));
        // Those that were under way when the circuit opened do not open it further.
        fail(&mut pace, at(61));
        assert_eq!(pace.check(at(179)).unwrap_err().until, at(180));
        pace.record(ExchangeResult::Answered, at(180));
        for _ in 1..FAILURES {
            fail(&mut pace, at(181));
        }
        assert_eq!(pace.check(at(181)), Ok(()));
    }
}
