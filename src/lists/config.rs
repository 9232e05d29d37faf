//! The configuration of the lists.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The lists' part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A folder whose `role.txt`, `free.txt`, `disposable.txt`, `disposable_exchangers.txt` and
    /// `relay.txt` add names and take names out. Default: none, the built-in lists alone.
    pub dir: Option<PathBuf>,
    /// The interval between checks of the folder for changed files; more than zero. Default: 10 s.
    /// A check costs one directory listing.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { dir: None, poll_interval: Duration::from_secs(10) }
    }
}
