//! Addresses: syntax, wire form, canonical form, redaction. Pure.
//!
//! An [`Address`] exists only if it is usable in `RCPT TO` (RFC 5321 section 4.1.2, RFC 6531).
//! Whether we *want* to probe it (special-use names, address literals) is policy, not syntax.

pub mod domain;
pub mod redact;

pub use domain::DomainName;
