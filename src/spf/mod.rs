//! SPF (RFC 7208) as a receiver evaluates it: may an address send for a domain? Pure.
//!
//! Sans-I/O: [`evaluate`] is called again with every answer it asked for, until it is done. A
//! record costs ten lookups at most, so going over it again costs nothing that matters.
//! Explanations (`exp=`) are checked for their form and not looked up: they are not read here.

mod evaluate;
mod expand;
mod record;

pub use evaluate::{Request, SpfOutcome, SpfResult, SpfStep, evaluate};

#[cfg(test)]
mod tests;
