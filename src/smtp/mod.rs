//! The SMTP probe: `MAIL FROM`, `RCPT TO`, `RSET` or `QUIT` (RFC 5321), and never a message.
//!
//! Pure: replies ([`reply`], [`reader`]), their meaning, the [`dialogue`], what may be dialled
//! ([`target`]). Shell: [`mod@connect`], [`tls`] and the [`session`].

pub mod capabilities;
pub mod command;
pub mod config;
pub mod connect;
pub mod dialogue;
pub mod facts;
mod interpret;
pub mod mailbox;
pub mod meaning;
pub mod outcome;
mod parse;
pub mod reader;
pub mod reply;
pub mod session;
pub mod target;
pub mod tls;
pub mod transaction;
mod transcript;
mod wire;

pub use capabilities::Capabilities;
pub use command::{HeloName, HeloNameError};
pub use config::{Config, Identity, StartTlsMode, TimeLimits};
pub use connect::{ConnectError, Dialled, connect};
pub use dialogue::Interpret;
pub use facts::{Certificate, Counters, Hints, SessionFacts, TlsFacts, TlsVersion};
pub use mailbox::{Mailbox, MailboxError, Sender};
pub use meaning::{Classifier, Explanation, Meaning, ReplyLimit, ReplyView, RuleBasis};
pub use outcome::{
    Attempt, Control, NoReply, ProbeOutcome, RecipientAnswer, Speaker, Stage, TranscriptLine,
};
pub use parse::{EnhancedStatusError, ReplyFault};
pub use reader::ReplyLimits;
pub use reply::{EnhancedStatus, Reply};
pub use session::{Peer, Session, SessionSetup};
pub use target::{AllowedNetworks, NetworkError, Target};
pub use tls::{TlsClient, TlsError};
pub use transaction::{Transaction, TransactionReport};
