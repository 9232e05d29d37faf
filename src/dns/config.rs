//! The configuration of the resolver. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lifetime::Lifetimes;

/// The resolver's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The recursive name servers to ask, best first, each `ADDRESS:PORT`. Default none: the
    /// system's (`/etc/resolv.conf`), of which only the addresses are used.
    pub nameservers: Vec<SocketAddr>,
    /// The time one name server may take for one question, over UDP and, if the answer was
    /// truncated, TCP together. Default 3 seconds: a cold recursion is slow.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The number of times a silent or unreachable name server is asked one question, 1 to 10.
    /// Default 2. One that answers with an error is asked once (RFC 9520 section 3.1).
    pub attempts: u32,
    /// The time one question may take in all, over all name servers and attempts.
    /// Default 10 seconds.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// The time for which a silent or unreachable name server is asked last. Default 10 seconds.
    #[serde(with = "humantime_serde")]
    pub rest: Duration,
    /// The time the slower of A and AAAA may take once the other has an address (the idea of
    /// RFC 8305 section 3). Default 1 second.
    #[serde(with = "humantime_serde")]
    pub family_wait: Duration,
    /// The bounds TTLs are held to.
    pub lifetimes: Lifetimes,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            timeout: Duration::from_secs(3),
            attempts: 2,
            deadline: Duration::from_secs(10),
            rest: Duration::from_secs(10),
            family_wait: Duration::from_secs(1),
            lifetimes: Lifetimes::default(),
        }
    }
}

/// An error that keeps the resolver from being set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A setting is out of its range.
    #[error("dns.{setting} is {value}: {remedy}")]
    Setting {
        /// The setting's name within this section.
        setting: &'static str,
        /// The value it was set to.
        value: String,
        /// The allowed values.
        remedy: &'static str,
    },
    /// The system's configuration names no name server, or cannot be read.
    #[error(
        "the system's name servers could not be found ({0}): name one, as in 192.0.2.53:53, \
         in dns.nameservers"
    )]
    System(String),
}

impl Config {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), SetupError> {
        let refuse =
            |setting, value: String, remedy| Err(SetupError::Setting { setting, value, remedy });
        let time = |duration: Duration| humantime::format_duration(duration).to_string();
        if let Some(server) = self.nameservers.iter().find(|server| server.port() == 0) {
            return refuse("nameservers", server.to_string(), "the port must be 1 to 65535");
        }
        if !(1..=10).contains(&self.attempts) {
            return refuse("attempts", self.attempts.to_string(), "it must be 1 to 10");
        }
        for (setting, value) in [("timeout", self.timeout), ("deadline", self.deadline)] {
            if value.is_zero() {
                return refuse(setting, time(value), "it must be longer than nothing");
            }
        }
        let bounds = &self.lifetimes;
        for (setting, min, max) in [
            ("lifetimes.positive_min", bounds.positive_min, bounds.positive_max),
            ("lifetimes.negative_min", bounds.negative_min, bounds.negative_max),
        ] {
            if min > max {
                return refuse(setting, time(min), "it must not be longer than its maximum");
            }
        }
        Ok(())
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
        assert!(toml::from_str::<Config>("attempt = 1").is_err());
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_its_remedy() {
        let lifetimes =
            Lifetimes { negative_min: Duration::from_secs(7_200), ..Lifetimes::default() };
        for (config, text) in [
            (Config { attempts: 0, ..Config::default() }, "dns.attempts is 0: it must be 1 to 10"),
            (
                Config { timeout: Duration::ZERO, ..Config::default() },
                "dns.timeout is 0s: it must be longer than nothing",
            ),
            (
                Config { nameservers: vec!["192.0.2.1:0".parse().unwrap()], ..Config::default() },
                "dns.nameservers is 192.0.2.1:0: the port must be 1 to 65535",
            ),
            (
                Config { lifetimes, ..Config::default() },
                "dns.lifetimes.negative_min is 2h: it must not be longer than its maximum",
            ),
        ] {
            assert_eq!(config.check().unwrap_err().to_string(), text);
        }
    }
}
