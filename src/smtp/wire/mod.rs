//! Commands and mailboxes out, replies in (RFC 5321 section 4). Pure.

pub mod capabilities;
mod charset;
pub mod command;
pub mod mailbox;
mod parse;
pub mod reader;
pub mod reply;

pub use capabilities::Capabilities;
pub use command::{Command, HeloName, HeloNameError};
pub use mailbox::{Mailbox, MailboxError, Sender};
pub use parse::{EnhancedStatusError, ReplyFault};
pub use reader::{ReplyLimits, ReplyReader};
pub use reply::{EnhancedStatus, Reply};
