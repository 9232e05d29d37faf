//! `--depth`, of `verify` and `list`.

use serde::{Deserialize, Serialize};

/// Depth of the verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum DepthArg {
    /// The grammar only
    Syntax,
    /// And the domain's mail routing in DNS
    Domain,
    /// And the recipient's own server
    Mailbox,
}
