//! Why is everything unknown? Looks at what mail servers see of us, and at what we see of DNS.
//!
//! ```text
//! Doctor::examine: gather -Facts-> checks::judge -> Report { findings }
//! ```
//!
//! Pure: [`config`], [`facts`], [`finding`], [`date`], [`blocklist`], [`name`], [`checks`].
//! Shell: `gather`, which asks DNS and opens connections. A connection is for its banner and hears
//! `QUIT`; no recipient is asked about. What cannot be looked at is `skipped`, with the reason:
//! one check never stops the others, and all of them end in time.

pub mod blocklist;
pub mod checks;
pub mod config;
pub mod date;
pub mod facts;
pub mod finding;
mod gather;
pub mod name;

pub use config::Config;
pub use finding::{Diagnosis, Report, Status};
pub use gather::{Doctor, DoctorError};
