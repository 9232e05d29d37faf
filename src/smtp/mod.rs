//! The SMTP probe: `MAIL FROM`, `RCPT TO`, `RSET` or `QUIT` (RFC 5321), and never a message.
//!
//! Pure: replies, their meaning, the dialogue. Shell: connecting and the session.

pub mod meaning;
pub mod outcome;
pub mod reply;
pub mod retry_hint;

pub use meaning::{Classifier, Explanation, Meaning, ReplyView};
pub use outcome::{Attempt, Control, NoReply, ProbeOutcome, RecipientAnswer, Stage};
pub use reply::{EnhancedStatus, Reply};
