//! Settings of callbacks. Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::smtp::AllowedNetworks;

/// Callbacks: the secrets that sign them, and the networks that may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file with the secrets that callbacks are signed with, `whsec_` and base64 of 24 to 64
    /// octets, one a line: each signs, so that a new one can be put beside the old one. Read again
    /// for every call. Default none: callbacks are not taken.
    pub secrets: Option<PathBuf>,
    /// Further authorities, as PEM, whose certificates receivers may have. Default none: the public
    /// ones.
    pub ca: Option<PathBuf>,
    /// Networks that may be called although they are not public, such as `10.1.0.0/16`. Default
    /// none. Only on loopback `http` is taken.
    pub allow_networks: AllowedNetworks,
    /// The URL under which receivers reach this service, such as `https://mailvet.example.com`:
    /// links begin with it. Default empty.
    pub service_url: String,
}
