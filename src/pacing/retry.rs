//! Retry times for one recipient at one exchanger.

use std::time::{Duration, SystemTime};

use super::Config;

/// Kind of temporary refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// It does not know us yet (RFC 6647).
    Greylisted,
    /// Too much from us.
    RateLimited,
    /// Something is wrong on their side.
    Temporary,
}

/// Retries that one recipient has used at one exchanger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryBudget {
    retries: u32,
}

impl RetryBudget {
    /// The time of the next try after `delay`, in which the server named the waiting time `hint`;
    /// `None` if that leaves no time for an answer before `deadline`, or no retries are left.
    pub fn next_try(
        &mut self,
        delay: Delay,
        hint: Option<Duration>,
        deadline: SystemTime,
        config: &Config,
        now: SystemTime,
    ) -> Option<SystemTime> {
        if self.retries >= config.retries {
            return None;
        }
        let wait = hint.map_or_else(|| self.default_wait(delay, config), |hint| hint + SLACK);
        let at = now + wait;
        if at + config.answer_margin > deadline {
            return None;
        }
        self.retries += 1;
        Some(at)
    }

    fn default_wait(self, delay: Delay, config: &Config) -> Duration {
        match delay {
            Delay::Greylisted => config.greylist_wait,
            Delay::RateLimited => {
                config.rate_wait.saturating_mul(2u32.saturating_pow(self.retries))
            }
            Delay::Temporary => config.temporary_wait,
        }
    }
}

/// Servers count in whole seconds and begin when they answered.
const SLACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn again(delay: Delay, hint: Option<u64>, deadline: u64) -> Option<SystemTime> {
        let hint = hint.map(Duration::from_secs);
        RetryBudget::default().next_try(delay, hint, at(deadline), &Config::default(), at(0))
    }

    #[test]
    fn the_waiting_time_the_server_named_is_kept() {
        assert_eq!(again(Delay::Greylisted, Some(60), 600), Some(at(61)));
        assert_eq!(again(Delay::RateLimited, Some(10), 600), Some(at(11)));
    }

    #[test]
    fn without_a_hint_the_default_serves() {
        assert_eq!(again(Delay::Greylisted, None, 3600), Some(at(305)));
        assert_eq!(again(Delay::RateLimited, None, 3600), Some(at(15)));
        assert_eq!(again(Delay::Temporary, None, 3600), Some(at(60)));
    }

    #[test]
    fn a_caller_whose_deadline_is_too_near_is_not_kept_waiting() {
        assert_eq!(again(Delay::Greylisted, Some(60), 62), None);
        assert_eq!(again(Delay::Greylisted, Some(60), 63), Some(at(61)));
        assert_eq!(again(Delay::Temporary, None, 30), None);
    }

    #[test]
    fn rate_limits_wait_longer_each_time_and_not_for_ever() {
        let (mut retries, config) = (RetryBudget::default(), Config::default());
        let mut waits = Vec::new();
        while let Some(again) =
            retries.next_try(Delay::RateLimited, None, at(100_000), &config, at(0))
        {
            waits.push(again.duration_since(at(0)).unwrap().as_secs());
        }
        assert_eq!(waits, [15, 30, 60, 120]);
    }
}
