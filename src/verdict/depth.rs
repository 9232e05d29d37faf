//! The depth of a verification.

use serde::{Deserialize, Serialize};

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// The grammar only; nothing is asked of anybody.
    Syntax,
    /// And the domain's mail routing in DNS.
    Domain,
    /// And the recipient's own server.
    Mailbox,
}
