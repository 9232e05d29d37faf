//! Concurrency at a destination: additive increase, multiplicative decrease.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Trouble within this time of a decrease is the same trouble: ten sessions refused at once are one
/// message.
const SAME_TROUBLE: Duration = Duration::from_secs(1);

/// Sessions at first.
const AT_FIRST: f64 = 5.0;

/// Time for which a destination is believed to bear no more sessions than it bore in trouble. Who
/// tries one more at once is refused at once, and refused connections count against us too.
const BELIEVED: Duration = Duration::from_secs(60);

/// What a destination showed of the sessions that it bears, for whoever asks it next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConcurrencyState {
    allowed: f64,
    /// Seconds since the last decrease.
    decreased_before: Option<u64>,
    borne: f64,
}

/// The number of sessions a destination is asked to bear.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency {
    allowed: f64,
    most: f64,
    decreased_at: Option<SystemTime>,
    /// Number of sessions that were open then.
    borne: f64,
}

impl Concurrency {
    /// Starts with 5 sessions, or as many as are allowed, and never exceeds `most`. (So does
    /// Postfix with a new destination, `initial_destination_concurrency`.)
    #[must_use]
    pub fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self { allowed: most.min(AT_FIRST), most, decreased_at: None, borne: most }
    }

    /// What is known now.
    #[must_use]
    pub fn state(&self, now: SystemTime) -> ConcurrencyState {
        let since = self.decreased_at.and_then(|at| now.duration_since(at).ok());
        ConcurrencyState {
            allowed: self.allowed,
            decreased_before: since.map(|since| since.as_secs()),
            borne: self.borne,
        }
    }

    /// Goes on from what was known `before`, and was written down `elapsed` ago.
    pub fn restore(&mut self, before: ConcurrencyState, elapsed: Duration, now: SystemTime) {
        let within = |sessions: f64| if sessions >= 1.0 { sessions.min(self.most) } else { 1.0 };
        self.allowed = within(before.allowed);
        self.borne = within(before.borne);
        let since = |seconds: u64| now.checked_sub(Duration::from_secs(seconds) + elapsed);
        self.decreased_at = before.decreased_before.and_then(since);
    }

    /// Number of sessions that may be open, at least 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and a u32"
    )]
    pub fn allowed(&self) -> usize {
        self.allowed as usize
    }

    /// A flight was answered without trouble: one session more per round of all of them, but for a
    /// minute after trouble no more than were borne then.
    pub fn smooth(&mut self, now: SystemTime) {
        let most = if self.decreased_within(BELIEVED, now) { self.borne } else { self.most };
        // A little over, so that rounding does not cost a flight.
        self.allowed = (self.allowed + 1.0001 / self.allowed.floor()).min(most);
    }

    /// The destination wanted no session beside the `in_use` open ones: half of that, and for a
    /// minute no more than that. Says whether this was new trouble.
    pub fn trouble(&mut self, in_use: usize, now: SystemTime) -> bool {
        let in_use = u32::try_from(in_use).map_or(self.most, f64::from);
        self.decrease(in_use, in_use.clamp(1.0, self.most), now)
    }

    /// Counts that the `in_use` sessions ask too much of the destination (it tarpits them, it names
    /// a rate): half of them, for a minute. Says whether this was new trouble.
    pub fn too_much(&mut self, in_use: usize, now: SystemTime) -> bool {
        let in_use = u32::try_from(in_use).map_or(self.most, f64::from);
        let half = (self.allowed.min(in_use) / 2.0).floor().max(1.0);
        self.decrease(in_use, half, now)
    }

    fn decrease(&mut self, in_use: f64, borne: f64, now: SystemTime) -> bool {
        if self.decreased_within(SAME_TROUBLE, now) {
            return false;
        }
        self.allowed = (self.allowed.min(in_use) / 2.0).floor().max(1.0);
        self.decreased_at = Some(now);
        self.borne = borne;
        true
    }

    fn decreased_within(&self, time: Duration, now: SystemTime) -> bool {
        let since = self.decreased_at.and_then(|at| now.duration_since(at).ok());
        since.is_some_and(|since| since < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn grown(most: u32) -> Concurrency {
        let mut sessions = Concurrency::new(most);
        for _ in 0..1000 {
            sessions.smooth(at(0));
        }
        sessions
    }

    #[test]
    fn sessions_grow_by_one_per_round_of_smooth_flights() {
        let mut sessions = Concurrency::new(10);
        for round in 5..8 {
            assert_eq!(sessions.allowed(), round);
            (1..round).for_each(|_| sessions.smooth(at(0)));
            assert_eq!(sessions.allowed(), round);
            sessions.smooth(at(0));
        }
        assert_eq!(sessions.allowed(), 8);
    }

    #[test]
    fn sessions_never_exceed_the_most_allowed() {
        assert_eq!(grown(3).allowed(), 3);
        assert_eq!(Concurrency::new(1).allowed(), 1);
    }

    #[test]
    fn trouble_halves_what_was_in_use() {
        let mut sessions = grown(10);
        assert!(sessions.trouble(8, at(100)));
        assert_eq!(sessions.allowed(), 4);
        assert!(sessions.trouble(4, at(110)));
        assert_eq!(sessions.allowed(), 2);
    }

    #[test]
    fn trouble_of_many_sessions_at_once_counts_once() {
        let mut sessions = grown(10);
        assert!(sessions.trouble(10, at(100)));
        assert!(!sessions.trouble(10, at(100)));
        assert_eq!(sessions.allowed(), 5);
    }

    #[test]
    fn no_more_than_were_borne_are_tried_for_a_minute() {
        let mut sessions = grown(10);
        // The third was refused.
        assert!(sessions.trouble(2, at(100)));
        assert_eq!(sessions.allowed(), 1);
        for _ in 0..1000 {
            sessions.smooth(at(159));
        }
        assert_eq!(sessions.allowed(), 2);
        for _ in 0..1000 {
            sessions.smooth(at(160));
        }
        assert_eq!(sessions.allowed(), 10);
    }

    #[test]
    fn what_was_too_much_is_not_tried_again_for_a_minute() {
        let mut sessions = grown(10);
        assert!(sessions.too_much(8, at(100)));
        for _ in 0..1000 {
            sessions.smooth(at(159));
        }
        assert_eq!(sessions.allowed(), 4);
        for _ in 0..1000 {
            sessions.smooth(at(160));
        }
        assert_eq!(sessions.allowed(), 10);
    }

    #[test]
    fn what_was_known_is_gone_on_with_elsewhere() {
        let mut there = grown(10);
        assert!(there.trouble(4, at(100)));
        let mut here = Concurrency::new(10);
        here.restore(there.state(at(110)), Duration::from_secs(20), at(1_030));
        assert_eq!(here.allowed(), 2);
        for _ in 0..1000 {
            here.smooth(at(1_059));
        }
        assert_eq!(here.allowed(), 4, "no more than were borne, for what is left of the minute");
        let mut small = Concurrency::new(3);
        small.restore(grown(10).state(at(0)), Duration::ZERO, at(0));
        assert_eq!(small.allowed(), 3);
    }

    #[test]
    fn one_session_always_remains() {
        let mut sessions = Concurrency::new(10);
        for second in 0..20 {
            sessions.trouble(1, at(second * 10));
        }
        assert_eq!(sessions.allowed(), 1);
        sessions.smooth(at(250));
        assert_eq!(sessions.allowed(), 2);
    }
}
