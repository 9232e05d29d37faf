//! The kinds of refusals that a server gives.

use crate::smtp::Meaning;

/// A set of kinds of refusals. Two are of one kind if they mean the same, and both are for good or
/// both for now: a server has a text for each, which is one line here and several there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalKinds {
    /// One bit for each meaning.
    for_good: u32,
    /// The same, of refusals for now.
    for_now: u32,
}

impl RefusalKinds {
    /// The kind of a refusal with this code and meaning. One that is not understood is of no kind:
    /// it may be any text.
    pub(super) fn from_reply(code: u16, meaning: Meaning) -> Self {
        if meaning == Meaning::Unknown {
            return Self::default();
        }
        let bit = 1_u32 << (meaning as u32);
        match code {
            ..500 => Self { for_now: bit, for_good: 0 },
            _ => Self { for_good: bit, for_now: 0 },
        }
    }

    /// Adds the kinds of another set.
    pub(super) fn merge(&mut self, other: Self) {
        self.for_good |= other.for_good;
        self.for_now |= other.for_now;
    }

    /// Returns whether the two sets have a kind in common.
    pub(super) fn has_any_of(self, other: Self) -> bool {
        self.for_good & other.for_good != 0 || self.for_now & other.for_now != 0
    }
}
