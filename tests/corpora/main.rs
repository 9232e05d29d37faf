//! The library against data: corpora of addresses and replies (in `tests/corpus`), and properties
//! over generated addresses. One binary: linking is what takes the time.

mod addresses;
mod exports;
mod openapi;
mod properties;
mod replies;
mod settings;
mod wordings;
