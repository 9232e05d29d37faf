//! Why a suppression list cannot be read. Pure.

use std::io;

use crate::campaign::preflight::grouped;
use crate::listfile::ListFileError;

/// An error of a suppression list that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExclusionError {
    /// There is nothing to exclude in it.
    #[error(
        "no column holds an e-mail address, a domain or hashes of addresses (MD5, SHA-1 or \
         SHA-256): give a list with one in each row, and write a domain as @example.com"
    )]
    NoEntry,
    /// There are only domains that may be there by mistake; the sentence names them.
    #[error("{0}")]
    Doubtful(String),
    /// A cell is longer than is read of one: whoever stands in the rest would get mail.
    #[error(
        "row {row}, line {line}, has a cell of more than 100 addresses or 4096 bytes, which is not \
         read to its end: put each address on a line of its own"
    )]
    LongCell {
        /// The row, from 1.
        row: u64,
        /// The line that it begins on, from 1.
        line: u64,
    },
    /// It unpacks to more than is taken.
    #[error("it is larger than {limit} MiB unpacked; give it in parts")]
    TooLarge {
        /// The limit, in MiB.
        limit: u64,
    },
    /// There is more to exclude than is taken.
    #[error(
        "with it there are more than {} addresses, domains and hashes to exclude; give fewer, such \
         as domains in the place of their addresses",
        grouped(*most)
    )]
    TooMany {
        /// The limit, of all lists.
        most: u64,
    },
    /// It is no list.
    #[error(transparent)]
    List(#[from] ListFileError),
    /// The source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
