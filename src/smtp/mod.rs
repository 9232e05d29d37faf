//! The SMTP probe: `MAIL FROM`, `RCPT TO`, `RSET` or `QUIT` (RFC 5321), and never a message.
//!
//! Pure: commands and replies ([`wire`]), what a reply says ([`meaning`]), the [`dialogue`], what
//! may be dialled ([`target`]). Shell: the [`session`], with its TLS.

pub mod config;
pub mod dialogue;
mod interpret;
pub mod meaning;
pub mod outcome;
pub mod session;
pub mod stage;
pub mod target;
pub mod wire;

pub use config::{ClientIdentity, Config, StartTlsMode, TimeLimits, ZeroSetting};
pub use dialogue::{
    Certificate, EarlyAnswer, Hints, Interpret, RefusalKinds, SessionCounters, SessionFacts,
    TlsFacts, TlsVersion, Transaction, TransactionReport,
};
pub use meaning::{Classifier, Explanation, Meaning, Ourselves, ReplyLimit, ReplyView, RuleBasis};
pub use outcome::{
    Attempt, Control, NoReply, Observation, ProbeOutcome, RecipientAnswer, Speaker, TranscriptLine,
};
pub use session::{Peer, Session, SessionSetup, TlsClient, TlsClientError};
pub use stage::Stage;
pub use target::{AllowedNetworks, NetworkError, Target};
pub use wire::{
    Capabilities, EnhancedStatus, EnhancedStatusError, HeloName, HeloNameError, Mailbox,
    MailboxError, Reply, ReplyFault, ReplyLimits, Sender,
};
