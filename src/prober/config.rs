//! What the prober can be told.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pacing;
use crate::smtp::{self, HeloName, Sender};

/// Configuration of the prober.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The secret from which made-up recipients are derived, so that they are the same after a
    /// restart (greylisting remembers them) and nobody can guess them. Default: none; then they
    /// are derived from the egress identity's name alone.
    pub control_secret: Option<String>,
    /// How long it is remembered that a domain accepts, or does not accept, everything. Default 24
    /// hours: administrators change it seldom.
    #[serde(with = "humantime_serde")]
    pub catch_all_known_for: Duration,
    /// How long a control recipient's answer is remembered that tells neither. Default 10 minutes.
    #[serde(with = "humantime_serde")]
    pub catch_all_unclear_for: Duration,
    /// How many domains, and how many exchangers, are remembered. Default 100,000, up to about
    /// 50 MB.
    pub remembered: NonZeroUsize,
    /// How many recipients may wait for one destination; more callers wait their turn. Default
    /// 20,000.
    pub queue: NonZeroUsize,
    /// How many exchangers are asked about one address, not counting names without an address.
    /// Default 5: some domains list a hundred.
    pub exchangers_per_address: NonZeroUsize,
    /// Whom we appear as. Default: none, and then the one identity that the `smtp` part describes.
    pub identities: Vec<Identity>,
    /// How a destination is treated, by each identity.
    pub pacing: pacing::Config,
}

/// One egress identity. What it leaves out is as the `smtp` part says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Its name: in logs, and what keeps a domain with its identity. Must differ from the others.
    pub name: String,
    /// The address to connect from over IPv4. If only the other one is set, IPv4 is not used.
    pub source_v4: Option<Ipv4Addr>,
    /// The address to connect from over IPv6. If only the other one is set, IPv6 is not used.
    pub source_v6: Option<Ipv6Addr>,
    /// A SOCKS5 proxy to connect through.
    pub socks5: Option<Socks5>,
    /// The name given in `EHLO`. It should resolve to the address the exchangers see.
    pub helo_name: Option<HeloName>,
    /// The sender in `MAIL FROM`.
    pub mail_from: Option<Sender>,
}

/// A SOCKS5 proxy (RFC 1928). It gets addresses, not names: we look them up and check them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socks5 {
    /// Where it listens.
    pub address: SocketAddr,
    /// User name, if it wants one (RFC 1929).
    #[serde(default)]
    pub user: Option<String>,
    /// Password for that user.
    #[serde(default)]
    pub password: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            control_secret: None,
            catch_all_known_for: Duration::from_secs(24 * 60 * 60),
            catch_all_unclear_for: Duration::from_secs(10 * 60),
            remembered: count(100_000),
            queue: count(20_000),
            exchangers_per_address: count(5),
            identities: Vec::new(),
            pacing: pacing::Config::default(),
        }
    }
}

impl Identity {
    /// The `smtp` part as this identity uses it.
    #[must_use]
    pub fn apply(&self, base: &smtp::Config) -> smtp::Config {
        let mut config = base.clone();
        if self.source_v4.is_some() || self.source_v6.is_some() {
            (config.source_v4, config.source_v6) = (self.source_v4, self.source_v6);
        }
        if let Some(name) = &self.helo_name {
            config.helo_name = Some(name.clone());
        }
        if let Some(sender) = &self.mail_from {
            config.mail_from = sender.clone();
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_being_printed_and_read() {
        let text = r#"
            queue = 500
            catch_all_known_for = "2h"
            [pacing]
            sessions_per_exchanger = 2
            session_idle = "3s"
            [[identities]]
            name = "a"
            source_v4 = "192.0.2.1"
            helo_name = "a.example.com"
            [[identities]]
            name = "b"
            socks5 = { address = "192.0.2.9:1080" }
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.pacing.sessions_per_exchanger.get(), 2);
        assert_eq!(config.identities.len(), 2);
        let printed = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
    }

    #[test]
    fn a_limit_of_nothing_is_refused_with_its_name() {
        let error = toml::from_str::<Config>("[pacing]\nsessions_per_exchanger = 0").unwrap_err();
        assert!(error.to_string().contains("nonzero"), "{error}");
        let error = toml::from_str::<Config>("[pacing]\nsession = 1").unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }

    #[test]
    fn an_identity_changes_only_what_it_says() {
        let base = smtp::Config { port: 2525, ..smtp::Config::default() };
        let identity = Identity {
            source_v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
            helo_name: "a.example.com".parse().ok(),
            ..Identity::default()
        };
        let config = identity.apply(&base);
        assert_eq!(config.port, 2525);
        assert_eq!(config.source_v4, Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(config.helo_name, "a.example.com".parse().ok());
        assert_eq!(config.mail_from, base.mail_from);
    }
}
