//! Settings of registration data. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Registration data: whether registries are asked, and in which manner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets the service ask registries about domains, over RDAP, for requests that want it
    /// (`include_registration`, a consent time). Default false: nobody is asked.
    pub enabled: bool,
    /// A file of the registries' services (RFC 9224) that takes the place of the built-in one, for
    /// labs. Plain http in it leads to networks of `smtp.allow_networks` alone. Default none.
    pub bootstrap_file: Option<PathBuf>,
    /// Services by top-level domain or suffix that come before those of the list, such as
    /// `{ de = "https://rdap.denic.de/" }`: not every registry is in IANA's. Default none.
    pub services: BTreeMap<String, String>,
    /// Interval between two looks for a newer list of the registries' services at IANA, while
    /// registries are asked. Default 1 day; 0: the built-in one stays. Never with `bootstrap_file`.
    #[serde(with = "humantime_serde")]
    pub bootstrap_refresh: Duration,
    /// Requests that one registry gets in a second, at most. Default 2. The domains of a list wait
    /// for their turn; their verdicts do not, but for a time of consent.
    pub requests_per_second: NonZeroU32,
    /// Further authorities, as PEM, whose certificates registries may have, for labs. Default none:
    /// the public ones.
    pub ca: Option<PathBuf>,
    /// Number of domains whose registration is remembered: for 7 days and not beyond its end, or an
    /// hour if the domain is not registered, has expired, or is on hold or on its way out. Default
    /// 100,000.
    pub max_remembered: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            bootstrap_file: None,
            services: BTreeMap::new(),
            bootstrap_refresh: Duration::from_secs(24 * 60 * 60),
            requests_per_second: NonZeroU32::MIN.saturating_add(1),
            ca: None,
            max_remembered: 100_000,
        }
    }
}

impl Config {
    /// The time between two requests of one registry.
    #[cfg(feature = "server")]
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.requests_per_second.get()
    }
}
