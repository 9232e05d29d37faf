//! What follows when the holder of a destination was looked for in vain. Pure.
//!
//! A destination changes hands while its holder leaves, and everybody sees each step of it a little
//! later than it happened. So one look that finds nobody says little, and is followed by another.

use std::sync::Arc;
use std::time::Duration;

/// Pause before another look, from the second on, and how often it is looked.
const AGAIN: (Duration, u32) = (Duration::from_millis(250), 20);

/// Why a look found nobody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// The one that is said to hold the destination does not (any more).
    NotHolder,
    /// The one at this address, which is said to hold it, cannot be reached.
    Unreachable(Arc<str>),
    /// It is just changing hands: two claims met, or the membership was renewed meanwhile.
    Changing,
}

/// What to do after a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextLook {
    /// Look again at once.
    AtOnce,
    /// Look again after this time.
    After(Duration),
    /// The holder is away: give up.
    GiveUp,
}

/// The looks for one destination's holder so far.
#[derive(Debug, Default)]
pub(super) struct Misses {
    count: u32,
    unreachable: Option<Arc<str>>,
}

impl Misses {
    /// Takes another miss in. One that cannot be reached may have left after it was looked up: it
    /// is away if it cannot be reached and is said to hold the destination still.
    pub(super) fn note(&mut self, miss: Miss) -> NextLook {
        self.count += 1;
        let (pause, most) = AGAIN;
        if self.count > most {
            return NextLook::GiveUp;
        }
        if let Miss::Unreachable(address) = miss {
            if self.unreachable.as_ref() == Some(&address) {
                return NextLook::GiveUp;
            }
            self.unreachable = Some(address);
            return NextLook::AtOnce;
        }
        if self.count == 1 { NextLook::AtOnce } else { NextLook::After(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(address: &str) -> Miss {
        Miss::Unreachable(address.into())
    }

    fn noted(misses: &[Miss]) -> Vec<NextLook> {
        let mut all = Misses::default();
        misses.iter().map(|miss| all.note(miss.clone())).collect()
    }

    #[test]
    fn who_cannot_be_reached_is_away_if_it_is_said_to_hold_the_destination_still() {
        let misses = [away("a"), away("a")];
        assert_eq!(noted(&misses), [NextLook::AtOnce, NextLook::GiveUp]);
    }

    #[test]
    fn one_that_left_after_it_was_looked_up_is_no_reason_to_give_up() {
        for before in [Miss::NotHolder, Miss::Changing, away("another")] {
            let misses = [before, away("a")];
            assert_eq!(noted(&misses), [NextLook::AtOnce, NextLook::AtOnce], "{misses:?}");
        }
    }

    #[test]
    fn what_changes_hands_is_looked_up_at_once_and_then_at_intervals_until_it_is_enough() {
        for miss in [Miss::NotHolder, Miss::Changing] {
            let next = noted(&vec![miss; 21]);
            assert_eq!(next[0], NextLook::AtOnce);
            assert!(next[1..20].iter().all(|it| *it == NextLook::After(AGAIN.0)), "{next:?}");
            assert_eq!(next[20], NextLook::GiveUp);
        }
    }
}
