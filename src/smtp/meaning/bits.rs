//! A set of word positions, 256 of them, in four machine words.

/// Positions 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; 4]);

impl Bits {
    /// The number of positions.
    pub(super) const LEN: usize = 256;
    /// No position.
    pub(super) const NONE: Self = Self([0; 4]);
    /// Every position.
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    /// The set of one position. Positions beyond the last are the empty set.
    pub(super) fn one(position: usize) -> Self {
        let mut bits = Self::NONE;
        bits.insert(position);
        bits
    }

    /// Adds a position; one beyond the last is left out.
    pub(super) fn insert(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    /// `true` if no position is in the set.
    pub(super) const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// The positions in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// The positions in either.
    pub(super) fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Each position's successor; the last has none.
    pub(super) fn next(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([a << 1, b << 1 | a >> 63, c << 1 | b >> 63, d << 1 | c >> 63])
    }

    /// The positions that are not in `other`.
    pub(super) fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }
}

/// The positions of the bits that are set, in ascending order.
pub(super) fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = usize::try_from(bits.trailing_zeros()).ok().filter(|_| bits != 0)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::{Bits, ones};

    #[test]
    fn next_carries_across_machine_words_and_drops_the_last_position() {
        for position in 0..Bits::LEN {
            assert_eq!(Bits::one(position).next(), Bits::one(position + 1), "{position}");
        }
        assert!(Bits::one(Bits::LEN - 1).next().is_empty());
    }

    #[test]
    fn ones_are_the_bits_that_are_set() {
        assert_eq!(ones(0).count(), 0);
        assert_eq!(ones(1 | 1 << 5 | 1 << 63).collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!(ones(u64::MAX).count(), 64);
    }

    #[test]
    fn without_takes_away() {
        let both = Bits::one(3).or(Bits::one(200));
        assert_eq!(both.without(Bits::one(3)), Bits::one(200));
        assert!(both.and(Bits::one(4)).is_empty());
        assert_eq!(Bits::ALL.and(both), both);
    }
}
