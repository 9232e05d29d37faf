//! The posture of a domain: what strict senders meet there, and whether it is parked.
//!
//! A strict sender delivers under TLS or not at all, where the receiver asks for that: by MTA-STS
//! (RFC 8461), a policy over https, or by DANE (RFC 7672), TLSA records in a signed zone. What the
//! receiver's own exchangers do not meet keeps mail of such senders out, and nobody else's. It
//! changes no verdict and delays none: it is looked at when it is asked for.
//!
//! ```text
//! PostureInspector::find -Resolver, PolicyClient, Prober::inspect_tls-> Posture, its notes
//!                        -> remembered
//! ```
//!
//! Pure: [`config`], [`facts`], [`mta_sts`], [`parking`], `lookup`, `note`, `tlsa`. Shell:
//! `policy_client`, `certificates`, `look_place`, `inspector`.

pub mod config;
pub mod facts;
pub mod mta_sts;
pub mod parking;

#[cfg(feature = "server")]
mod certificates;
#[cfg(feature = "server")]
mod inspector;
#[cfg(feature = "server")]
mod look_place;
mod lookup;
mod note;
#[cfg(feature = "server")]
mod policy_client;
#[cfg(feature = "server")]
mod tlsa;

pub use config::Config;
pub use facts::{
    ExchangerPosture, MtaStsState, Posture, PostureGap, PostureReport, PostureState, TlsState,
    TlsaState,
};
#[cfg(feature = "server")]
pub use inspector::{PostureError, PostureInspector};
pub use lookup::PostureLookup;
pub use mta_sts::{MtaStsMode, MtaStsPolicy};
pub use note::{PostureNote, TlsDemand};
pub use parking::ParkingService;
