//! Settings of outcomes. Pure.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hooks::HookConfig;

/// Settings of outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file that holds the outcomes. Default: with `store.url` the database, which all
    /// services share; else `outcomes.db` in the folder of the batches.
    pub file: Option<PathBuf>,
    /// The file that holds the key under which addresses are hashed: 32 bytes, made if it is not
    /// there when the first outcome comes. Default: `outcomes.key` beside the file of the outcomes;
    /// with `store.url` the database itself. Services that share a database need the same key.
    pub key_file: Option<PathBuf>,
    /// Names of the API keys and certificates that may report outcomes to the service. Default
    /// none. An outcome counts for every caller: it suppresses addresses for all of them.
    pub reporters: Vec<String>,
    /// Hooks: URLs to which mail services post their events. Default none.
    pub hooks: Vec<HookConfig>,
    /// True to keep addresses as they are. Default false: what is kept is a keyed hash of each,
    /// which finds an address again and tells nobody whose it is.
    pub keep_addresses: bool,
    /// Time for which verdicts on rows of lists are remembered, under keyed hashes of addresses, to
    /// be held against what becomes of mail. Default 180 days.
    #[serde(with = "humantime_serde")]
    pub keep_verdicts: Duration,
    /// Time for which an address that bounced as gone is not asked about. Default 180 days.
    #[serde(with = "humantime_serde")]
    pub suppress_gone: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            key_file: None,
            reporters: Vec::new(),
            hooks: Vec::new(),
            keep_addresses: false,
            keep_verdicts: Duration::from_secs(180 * 24 * 60 * 60),
            suppress_gone: Duration::from_secs(180 * 24 * 60 * 60),
        }
    }
}
