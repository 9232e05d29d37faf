//! The library against data: corpora of addresses and replies (in `tests/corpus`), and properties
//! over generated addresses. One binary: linking is what takes the time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod addresses;
mod properties;
mod replies;
