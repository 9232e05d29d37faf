//! [`Row`]: one record of a list file, as it stands there.

use std::fmt;
use std::time::SystemTime;

use super::record::RecordBounds;

/// One row: where it stands, its address, and its bytes for writing it back.
///
/// `Debug` shows neither address nor bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub(super) number: u64,
    pub(super) line: u64,
    pub(super) address: Option<String>,
    pub(super) others: Vec<String>,
    pub(super) is_cleaned: bool,
    pub(super) consented_at: Option<SystemTime>,
    /// The record in working text (see [`super::source`]), line end included.
    pub(super) bytes: Vec<u8>,
    pub(super) bounds: RecordBounds,
}

impl Row {
    /// The data row, from 1: the header and blank lines do not count. A blank line has the number
    /// of the row before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The line the row begins on, from 1, in the file as it is (a quoted field may span lines).
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The first address to verify, cleaned of what surrounds it ([`crate::address::clean`]).
    /// `None` if the cell holds nothing that was meant to be one, the row is too short to have
    /// the cell, or the line is blank.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// All addresses of the row, in order: [`address`](Self::address) and [`others`](Self::others).
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let first = self.address().into_iter();
        first.flat_map(|first| std::iter::once(first).chain(self.others.iter().map(String::as_str)))
    }

    /// The further addresses of the cell, in order.
    #[must_use]
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// `true` if something that surrounded the address was taken away.
    #[must_use]
    pub fn is_cleaned(&self) -> bool {
        self.is_cleaned
    }

    /// The time at which the recipient consented to mail, if the row has one and its column was
    /// named ([`ReaderOptions::consent_column`](super::ReaderOptions::consent_column)).
    #[must_use]
    pub fn consented_at(&self) -> Option<SystemTime> {
        self.consented_at
    }

    /// `true` if it is a blank line: it has no fields and is written back as it is.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.bounds.fields == 0
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("number", &self.number)
            .field("line", &self.line)
            .field("has_address", &self.address.is_some())
            .finish_non_exhaustive()
    }
}
