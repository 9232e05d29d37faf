//! The freshness of cached facts: use them, refresh them, or fall back on them. Pure.

use std::time::{Duration, SystemTime};

use super::config::Config;
use crate::dns::{DomainFacts, HostFacts, Route};

/// When an answer was gathered, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifespan {
    /// The time at which it was gathered.
    pub gathered_at: SystemTime,
    /// The time at which it is over.
    pub valid_until: SystemTime,
}

impl Lifespan {
    /// Returns whether the answer holds at `now` and is no older than `max_age`.
    #[must_use]
    pub fn serves(&self, max_age: Option<Duration>, now: SystemTime) -> bool {
        let age = now.duration_since(self.gathered_at).unwrap_or_default();
        max_age.is_none_or(|max_age| age <= max_age) && now < self.valid_until
    }
}

/// Facts with a lifetime.
pub(super) trait TimedFacts: Send + Sync + 'static {
    /// The time of the lookup.
    fn looked_up_at(&self) -> SystemTime;
    /// The time until which the facts may be used.
    fn valid_until(&self) -> SystemTime;
    /// `true` if the facts name exchangers or addresses. Only then may they serve after they
    /// expire: no address is called undeliverable on expired evidence.
    fn is_positive(&self) -> bool;
    /// The number of records in the facts.
    fn records(&self) -> usize;
}

impl TimedFacts for DomainFacts {
    fn looked_up_at(&self) -> SystemTime {
        self.looked_up_at
    }

    fn valid_until(&self) -> SystemTime {
        self.valid_until
    }

    fn is_positive(&self) -> bool {
        matches!(self.route, Route::Exchangers(_) | Route::ImplicitMx(_))
    }

    fn records(&self) -> usize {
        self.route.exchangers().len() + self.notes.len()
    }
}

impl TimedFacts for HostFacts {
    fn looked_up_at(&self) -> SystemTime {
        self.looked_up_at
    }

    fn valid_until(&self) -> SystemTime {
        self.valid_until
    }

    fn is_positive(&self) -> bool {
        !self.addresses.is_empty()
    }

    fn records(&self) -> usize {
        self.addresses.len()
    }
}

/// The use that may be made of facts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Use them.
    Fresh,
    /// Use them, and look them up again before they end.
    Ageing,
    /// Use them only if they cannot be looked up.
    Stale,
    /// Do not use them.
    Gone,
}

/// Classifies facts for a caller that accepts none older than `max_age`.
pub(super) fn freshness(
    facts: &impl TimedFacts,
    max_age: Option<Duration>,
    config: &Config,
    now: SystemTime,
) -> Freshness {
    let age = now.duration_since(facts.looked_up_at()).unwrap_or_default();
    if max_age.is_some_and(|max_age| age > max_age) {
        Freshness::Gone
    } else if now < facts.valid_until() {
        if age < refresh_age(facts, config) { Freshness::Fresh } else { Freshness::Ageing }
    } else if now < keep_until(facts, config) {
        Freshness::Stale
    } else {
        Freshness::Gone
    }
}

/// The age at which facts in use are looked up again.
fn refresh_age(facts: &impl TimedFacts, config: &Config) -> Duration {
    let life = facts.valid_until().duration_since(facts.looked_up_at()).unwrap_or_default();
    life / 100 * config.refresh_ahead_percent
}

/// The time after which facts are of no use at all.
pub(super) fn keep_until(facts: &impl TimedFacts, config: &Config) -> SystemTime {
    let stale = if facts.is_positive() { config.stale } else { Duration::ZERO };
    facts.valid_until() + stale
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Facts {
        positive: bool,
    }

    impl TimedFacts for Facts {
        fn looked_up_at(&self) -> SystemTime {
            at(1_000)
        }

        fn valid_until(&self) -> SystemTime {
            at(1_100)
        }

        fn is_positive(&self) -> bool {
            self.positive
        }

        fn records(&self) -> usize {
            1
        }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn facts_are_fresh_then_ageing_then_stale_then_gone() {
        let day = 24 * 60 * 60;
        for (now, positive, expected) in [
            (1_000, true, Freshness::Fresh),
            (1_089, true, Freshness::Fresh),
            (1_090, true, Freshness::Ageing),
            (1_099, true, Freshness::Ageing),
            (1_100, true, Freshness::Stale),
            (1_099 + day, true, Freshness::Stale),
            (1_100 + day, true, Freshness::Gone),
            (1_099, false, Freshness::Ageing),
            (1_100, false, Freshness::Gone),
        ] {
            let found = freshness(&Facts { positive }, None, &Config::default(), at(now));
            assert_eq!(found, expected, "{now} {positive}");
        }
    }

    #[test]
    fn facts_older_than_asked_for_are_gone_even_if_valid() {
        let facts = Facts { positive: true };
        for (now, expected) in [(1_010, Freshness::Fresh), (1_011, Freshness::Gone)] {
            let max_age = Some(Duration::from_secs(10));
            assert_eq!(freshness(&facts, max_age, &Config::default(), at(now)), expected);
        }
        let stale = freshness(&facts, Some(Duration::from_secs(10)), &Config::default(), at(1_101));
        assert_eq!(stale, Freshness::Gone);
    }

    #[test]
    fn a_hundred_per_cent_turns_refreshing_off_and_no_stale_time_turns_staleness_off() {
        let facts = Facts { positive: true };
        let config =
            Config { refresh_ahead_percent: 100, stale: Duration::ZERO, ..Config::default() };
        assert_eq!(freshness(&facts, None, &config, at(1_099)), Freshness::Fresh);
        assert_eq!(freshness(&facts, None, &config, at(1_100)), Freshness::Gone);
    }
}
