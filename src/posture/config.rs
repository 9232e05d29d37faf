//! Settings of postures. Pure.

use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Postures of domains: whether MTA-STS, DANE and the TLS of exchangers are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets the service look at what strict senders meet at a domain, for requests that want it
    /// (`include_posture`): DNS, the domain's MTA-STS policy over https, and one session with each
    /// of its best exchangers, which ends before any `MAIL`. Default false: nobody is asked.
    pub enabled: bool,
    /// The port of the hosts of MTA-STS policies, for labs. Default 443.
    pub policy_port: NonZeroU16,
    /// Further authorities, as PEM, whose certificates the hosts of policies and exchangers may
    /// have, for labs. Default none: the public ones.
    pub ca: Option<PathBuf>,
    /// Number of domains whose posture is remembered, for an hour. Default 10,000.
    pub max_remembered: u64,
    // Not in files: the authority of a sandbox lives as long as it does. As DER.
    #[serde(skip)]
    pub(crate) sandbox_authority: Option<Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            policy_port: HTTPS,
            ca: None,
            max_remembered: 10_000,
            sandbox_authority: None,
        }
    }
}

const HTTPS: NonZeroU16 = NonZeroU16::new(443).expect("443 is not zero");
