//! The configuration of the DNS cache. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The DNS cache's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The number of domains cached. Default 100,000 (about 100 MB when full). A domain with many
    /// exchangers counts for more than one. `mailvet list` without `--server` has 20,000: it comes
    /// to the rows of a domain one after the other.
    pub domains: u64,
    /// The number of hosts whose addresses are cached. Default 100,000. A host with many addresses
    /// counts for more than one.
    pub hosts: u64,
    /// Lifetime of a failure, 1 second to 5 minutes (RFC 9520 section 3.2). Default 5
    /// seconds.
    #[serde(with = "humantime_serde")]
    pub failure: Duration,
    /// The time after its expiry for which an answer may still serve while DNS fails (RFC 8767), if
    /// it names exchangers: an expired negative answer never serves. Default 1 day; 0 turns this
    /// off.
    #[serde(with = "humantime_serde")]
    pub stale: Duration,
    /// The time a question waits for DNS before a stale answer serves. Default 1.8 seconds, the
    /// client response timer of RFC 8767 section 5.
    #[serde(with = "humantime_serde")]
    pub stale_answer_after: Duration,
    /// After what part of its life an answer that is asked for is looked up again in the
    /// background, in per cent, 1 to 100. Default 90; 100 turns this off.
    pub refresh_ahead_percent: u32,
    /// The number of lookups that may run at once, 1 or more; further questions wait. One that
    /// takes longer than a second makes room for another, of as many again at most. Default 256:
    /// with those 512, and each has up to two questions under way.
    pub lookups_at_once: usize,
    /// The number of answers that may be refreshed in the background at once. Default 32. Beyond
    /// it, a refresh is skipped.
    pub refreshes_at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: 100_000,
            hosts: 100_000,
            failure: Duration::from_secs(5),
            stale: Duration::from_secs(24 * 60 * 60),
            stale_answer_after: Duration::from_millis(1_800),
            refresh_ahead_percent: 90,
            lookups_at_once: 256,
            refreshes_at_once: 32,
        }
    }
}

/// A setting of the cache is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache.{setting} is {value}: {remedy}")]
pub struct SettingError {
    setting: &'static str,
    value: String,
    remedy: &'static str,
}

impl Config {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let failure = humantime::format_duration(self.failure).to_string();
        let checks = [
            (
                (1..=300).contains(&self.failure.as_secs()),
                "failure",
                failure,
                "it must be 1 second to 5 minutes (RFC 9520)",
            ),
            (
                (1..=100).contains(&self.refresh_ahead_percent),
                "refresh_ahead_percent",
                self.refresh_ahead_percent.to_string(),
                "it must be 1 to 100",
            ),
            (
                self.lookups_at_once > 0,
                "lookups_at_once",
                self.lookups_at_once.to_string(),
                "it must be 1 or more",
            ),
        ];
        match checks.into_iter().find(|(in_range, ..)| !in_range) {
            None => Ok(()),
            Some((_, setting, value, remedy)) => Err(SettingError { setting, value, remedy }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_survive_a_file() {
        let config = Config::default();
        assert_eq!(config.check(), Ok(()));
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
        assert!(toml::from_str::<Config>("domain = 1").is_err());
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_its_remedy() {
        let hour = Config { failure: Duration::from_secs(3_600), ..Config::default() };
        assert_eq!(
            hour.check().unwrap_err().to_string(),
            "cache.failure is 1h: it must be 1 second to 5 minutes (RFC 9520)"
        );
        assert!(Config { refresh_ahead_percent: 0, ..Config::default() }.check().is_err());
        assert!(Config { lookups_at_once: 0, ..Config::default() }.check().is_err());
    }
}
