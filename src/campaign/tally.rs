//! Counts of the rows of one domain, or of one mail provider.

use crate::verdict::Reason;

/// Counts of the rows of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTally {
    /// The group: a domain; empty for what is not an address.
    pub group: String,
    /// Its rows.
    pub rows: u64,
    /// Those with a result, by the reason that decided.
    pub finished: Vec<(Reason, u64)>,
}

/// Counts of the rows of one destination: the registrable domain of the exchanger that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationTally {
    /// The destination, such as `google.com`.
    pub destination: String,
    /// Its rows with a result, by the reason that decided.
    pub finished: Vec<(Reason, u64)>,
}
