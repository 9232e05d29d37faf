//! Outcomes: what became of real mail, as bounces, complaints and other reports tell it.
//!
//! Nothing is asked of anyone here, and no verdict is given: this room reads what came back, and
//! says about whom it is and of what [kind](OutcomeKind). Only [`OutcomeKind::Gone`], a complaint
//! and an unsubscription are reasons to write no more; a block, a refusal of the content, a full
//! mailbox and anything temporary are not.

pub mod accuracy;
#[cfg(feature = "sqlite")]
mod accuracy_counter;
#[cfg(feature = "sqlite")]
mod address_key;
#[cfg(feature = "sqlite")]
mod blocking;
pub mod bounce;
mod config;
#[cfg(feature = "sqlite")]
mod digest;
mod event;
pub mod hooks;
mod intake;
mod kind;
mod mail_service;
#[cfg(feature = "sqlite")]
mod outcome_table;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod postgres;
#[cfg(feature = "sqlite")]
mod prior;
pub mod readers;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod store;
mod store_error;
#[cfg(feature = "sqlite")]
mod stored_outcome;

pub use bounce::{BounceMail, RecipientNotice};
pub use config::Config;
#[cfg(feature = "sqlite")]
pub use digest::Digest;
pub use event::{AddedEvent, EventProof, OutcomeEvent, ReportedFate};
pub use hooks::{HookConfig, HookError, OutcomeHooks, hook_problems};
pub use intake::{OutcomeIntake, OutcomeKeeper};
pub use kind::OutcomeKind;
pub use mail_service::MailService;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub use postgres::{EvidenceWriter, PostgresEvidence};
#[cfg(feature = "sqlite")]
pub use prior::{OutcomeHistory, OutcomePlace};
#[cfg(feature = "sqlite")]
pub use store::OutcomeStore;
pub use store_error::OutcomeStoreError;
#[cfg(feature = "sqlite")]
pub use stored_outcome::{LatestOutcomes, StoredOutcome};
