//! The depth of a verification.

use serde::{Deserialize, Serialize};

/// The depth of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// The grammar only; no other machine is asked.
    Syntax,
    /// And the domain's mail routing in DNS.
    Domain,
    /// And the recipient's own server.
    Mailbox,
}
