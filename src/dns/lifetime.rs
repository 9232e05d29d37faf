//! Lifetimes of answers (RFC 2181 section 8, RFC 2308, RFC 9520). Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// The longest a failed half of an answer (A without AAAA, or the reverse) may be taken for
/// "no such address": the limit RFC 9520 section 3.2 sets for remembering a failure.
const HALF_ANSWER_MAX: Duration = Duration::from_secs(300);

/// The bounds that TTLs are held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// The shortest life of records. Default 1 minute: a list with many addresses of one domain
    /// costs one question even if the domain's TTL is 0.
    #[serde(with = "humantime_serde")]
    pub positive_min: Duration,
    /// The longest life of records. Default 1 day, well under the week of RFC 8767 section 4.
    #[serde(with = "humantime_serde")]
    pub positive_max: Duration,
    /// The shortest life of "no such domain" and "no such record", and the whole life of one that
    /// came without an SOA, which RFC 2308 section 5 would rather not see remembered at all.
    /// Default 30 seconds.
    #[serde(with = "humantime_serde")]
    pub negative_min: Duration,
    /// The longest life of "no such domain" and "no such record". Default 1 hour, the lower end of
    /// what RFC 2308 section 5 found to work: a domain registered today is seen today.
    #[serde(with = "humantime_serde")]
    pub negative_max: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            positive_min: Duration::from_secs(60),
            positive_max: Duration::from_secs(24 * 60 * 60),
            negative_min: Duration::from_secs(30),
            negative_max: Duration::from_secs(60 * 60),
        }
    }
}

impl Lifetimes {
    /// The life of records with this TTL.
    #[must_use]
    pub fn positive(&self, ttl: Duration) -> Duration {
        ttl.max(self.positive_min).min(self.positive_max)
    }

    /// The life of a negative answer whose SOA allows this long.
    #[must_use]
    pub fn negative(&self, ttl: Option<Duration>) -> Duration {
        ttl.unwrap_or_default().max(self.negative_min).min(self.negative_max)
    }

    /// The life of records whose other half (A or AAAA) could not be learned.
    #[must_use]
    pub fn half(&self, ttl: Duration) -> Duration {
        self.positive(ttl).min(HALF_ANSWER_MAX)
    }

    /// The life of an answer.
    #[must_use]
    pub fn of<R>(&self, answer: &Answer<R>) -> Duration {
        match answer {
            Answer::Records { ttl, .. } => self.positive(*ttl),
            Answer::NoData { ttl, .. } | Answer::NoSuchName { ttl } => self.negative(*ttl),
        }
    }
}

/// A TTL as it came over the wire. One with the top bit set is 0 (RFC 2181 section 8).
#[must_use]
pub fn from_wire(ttl: u32) -> Duration {
    Duration::from_secs(if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_positive_ttl_is_held_between_a_minute_and_a_day() {
        let lifetimes = Lifetimes::default();
        for (ttl, life) in [(0, 60), (59, 60), (300, 300), (86_400, 86_400), (604_800, 86_400)] {
            assert_eq!(lifetimes.positive(s(ttl)), s(life), "{ttl}");
        }
    }

    #[test]
    fn a_negative_ttl_is_held_between_half_a_minute_and_an_hour() {
        let lifetimes = Lifetimes::default();
        for (ttl, life) in [(Some(0), 30), (Some(77), 77), (Some(86_400), 3_600), (None, 30)] {
            assert_eq!(lifetimes.negative(ttl.map(s)), s(life), "{ttl:?}");
        }
    }

    #[test]
    fn the_longest_life_wins_over_a_shortest_life_above_it() {
        let lifetimes =
            Lifetimes { positive_min: s(100), positive_max: s(10), ..Default::default() };
        assert_eq!(lifetimes.positive(s(50)), s(10));
    }

    #[test]
    fn half_an_answer_lives_five_minutes_at_most() {
        let lifetimes = Lifetimes::default();
        assert_eq!(lifetimes.half(s(86_400)), s(300));
        assert_eq!(lifetimes.half(s(120)), s(120));
    }

    #[test]
    fn a_ttl_with_the_top_bit_set_is_zero() {
        assert_eq!(from_wire(u32::MAX), s(0));
        assert_eq!(from_wire(1 << 31), s(0));
        assert_eq!(from_wire((1 << 31) - 1), s(2_147_483_647));
    }
}
