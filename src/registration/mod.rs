//! Registration data: what a domain's registry says of it, over RDAP (RFC 9082, RFC 9083).
//!
//! ```text
//! Registrations::begin -Bootstrap::service, RegistryTurns-> RegistryClient::ask -> read_answer
//!                                                              -> Registration, remembered
//! ```
//!
//! The organisational domain is asked about, once, and no verdict waits for it. WHOIS is not
//! spoken. The holder of a domain is neither read nor kept.
//!
//! Pure: `config`, [`facts`], `answer`, `bootstrap`, `pace`, `lookup`. Shell: `client`, one
//! question; `turns`, when it may be asked; `registrations`, the memory.

pub mod config;
pub mod facts;

mod answer;
mod bootstrap;
#[cfg(feature = "server")]
mod client;
mod lookup;
#[cfg(feature = "server")]
mod pace;
#[cfg(feature = "server")]
mod registrations;
#[cfg(feature = "server")]
mod turns;

pub use answer::{AnswerError, read_answer};
pub use bootstrap::{Bootstrap, BootstrapError};
pub use config::Config;
pub use facts::{
    Registration, RegistrationFacts, RegistrationGap, RegistrationReport, RegistrationState,
};
pub use lookup::RegistrationLookup;
#[cfg(feature = "server")]
pub use registrations::{RegistrationError, Registrations, problems};
