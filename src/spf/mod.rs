//! SPF (RFC 7208) as a receiver evaluates it: may an address send for a domain? Pure. Beside it
//! what tells a DMARC record from other texts.
//!
//! Sans-I/O: [`evaluate`] is called again with every answer it asked for, until it is done. A
//! record costs ten lookups at most, so going over it again costs nothing that matters.
//! Explanations (`exp=`) are checked for their form and not looked up: they are not read here.

mod dmarc;
mod evaluate;
mod expand;
mod record;

pub use dmarc::is_dmarc;
pub use evaluate::{Request, SpfOutcome, SpfResult, SpfStep, evaluate};
pub use record::is_spf;

#[cfg(test)]
mod tests;
