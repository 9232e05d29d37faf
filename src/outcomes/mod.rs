//! Outcomes: what became of real mail, as bounces, complaints and other reports tell it.
//!
//! Nothing is asked of anyone here, and no verdict is given: this room reads what came back, and
//! says about whom it is and of what [kind](OutcomeKind). Only [`OutcomeKind::Gone`], a complaint
//! and an unsubscription are reasons to write no more; a block, a refusal of the content, a full
//! mailbox and anything temporary are not.

pub mod bounce;
mod kind;

pub use bounce::{BounceMail, RecipientNotice};
pub use kind::OutcomeKind;
