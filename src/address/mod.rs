//! Addresses: syntax, wire form, canonical form, redaction, suggestions. Pure.
//!
//! An [`Address`] exists only if it is usable in `RCPT TO` (RFC 5321 section 4.1.2, RFC 6531).
//! Reasons against probing it (special-use names, address literals) are [`policy`], not syntax;
//! names that its provider cannot have given out are found by [`provider::rule`]; [`clean`] finds
//! the addresses in what a person wrote; [`suggest`] repairs mistyped ones; [`irregular`]
//! knows what breaks the grammar and exists.

pub mod canonical;
pub mod clean;
pub mod domain;
mod idna;
pub mod irregular;
pub mod literal;
mod local;
pub mod mailbox;
pub mod policy;
pub mod provider;
pub mod redact;
pub mod suggest;
pub mod syntax;
mod unicode;

pub use canonical::Identity;
pub use domain::{Domain, DomainName};
pub use literal::AddressLiteral;
pub use mailbox::Address;
pub use policy::PolicyFlag;
pub use provider::ProviderViolation;
pub use suggest::Suggestion;
pub use syntax::{SyntaxError, SyntaxErrorKind};
