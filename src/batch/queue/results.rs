//! Results, as they are read.

use std::fmt;

use crate::batch::outcome::Outcome;
use crate::verdict::Verdict;

/// In which order results are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// As they came. Every row that has a result is there.
    Completion,
    /// As the list has them. The first row without a result ends what can be read so far; in a
    /// cancelled batch, where it will never have one, it is passed over.
    Row,
}

/// A place in the results of a batch, in one of the orders; opaque. The empty one is the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A set of verdicts; the empty one stands for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictSet([bool; Verdict::ALL.len()]);

impl VerdictSet {
    /// `true` if a result with this verdict is wanted.
    #[must_use]
    pub fn admits(self, verdict: Verdict) -> bool {
        let wanted = Verdict::ALL.into_iter().zip(self.0);
        self.0 == [false; Verdict::ALL.len()] || wanted.into_iter().any(|is| is == (verdict, true))
    }
}

impl FromIterator<Verdict> for VerdictSet {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        let mut set = Self::default();
        for verdict in verdicts {
            for (known, is_wanted) in Verdict::ALL.into_iter().zip(&mut set.0) {
                *is_wanted |= known == verdict;
            }
        }
        set
    }
}

/// Which results to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsRequest {
    /// In which order.
    pub order: Order,
    /// After which place.
    pub after: Cursor,
    /// With which verdicts only; empty: all.
    pub verdicts: VerdictSet,
    /// Most rows to return.
    pub limit: usize,
}

/// One row with its result.
#[derive(Clone, PartialEq, Eq)]
pub struct RowResult {
    /// Its number in the list, from 0.
    pub row: u64,
    /// The caller's own name for it.
    pub row_id: String,
    /// The address as given.
    pub address: String,
    /// The result, of the first row that reaches this mailbox.
    pub outcome: Outcome,
    /// The place after this row: whoever reads on from here misses none and gets none twice.
    pub cursor: Cursor,
}

impl fmt::Debug for RowResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowResult").field("row", &self.row).finish_non_exhaustive()
    }
}

/// Results, and the place to read on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsPage {
    /// The rows.
    pub rows: Vec<RowResult>,
    /// The place up to which was looked: after the last row, and after what the verdicts left out.
    pub next: Cursor,
    /// `true`: there is nothing more to read now.
    pub at_end: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_set_however_often_a_verdict_is_named() {
        let all = VerdictSet::default();
        assert!(Verdict::ALL.into_iter().all(|verdict| all.admits(verdict)));
        let risky: VerdictSet = std::iter::repeat_n(Verdict::Risky, 1_000).collect();
        assert_eq!(risky, [Verdict::Risky].into_iter().collect());
        assert!(risky.admits(Verdict::Risky) && !risky.admits(Verdict::Unknown));
    }
}
