//! The doctor's configuration. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blocklist::{self, Blocklist};
use super::name::{ConfiguredName, configured};

/// The doctor's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time limit for the whole examination, at least one second. Connections get half. Default 30
    /// seconds.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Domains whose exchangers are connected to, to see whether port 25 is open; they hear `QUIT`
    /// and nothing else. Default: large providers, of which Microsoft says the time in its banner.
    pub exchangers: Vec<ConfiguredName>,
    /// Largest accepted difference between our clock and the dates in banners. Default 30 seconds.
    #[serde(with = "humantime_serde")]
    pub clock_tolerance: Duration,
    /// Looks at the name servers.
    pub resolver: ResolverConfig,
    /// The DNS blocklists that are asked. Default: the well-known ones that can be asked freely.
    pub blocklists: Vec<Blocklist>,
    /// The addresses that exchangers see, where connections leave from a private one (NAT) or from
    /// a proxy: a list, or a list for each identity by its name. Default: none.
    pub public_addresses: PublicAddresses,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            exchangers: configured(&[
                "gmail.com",
                "outlook.com",
                "yahoo.com",
                "icloud.com",
                "gmx.net",
            ]),
            clock_tolerance: Duration::from_secs(30),
            resolver: ResolverConfig::default(),
            blocklists: blocklist::well_known(),
            public_addresses: PublicAddresses::default(),
        }
    }
}

/// Questions put to each name server by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolverConfig {
    /// Names below which made-up ones are asked for, which nobody has registered. Default: four
    /// top-level domains.
    pub made_up_under: Vec<ConfiguredName>,
    /// Registered domains below which made-up names are asked for. Default `example.com`.
    pub registered: Vec<ConfiguredName>,
    /// Names with signatures that are broken on purpose. Default `dnssec-failed.org`.
    pub bogus: Vec<ConfiguredName>,
    /// Names with good signatures: whether it is the signatures that fail. Default `ietf.org`.
    pub signed: Vec<ConfiguredName>,
    /// Names whose TXT records do not fit in one packet. Default `microsoft.com`.
    pub large: Vec<ConfiguredName>,
    /// A median of answers that is slower than this is slow. Default 500 milliseconds.
    #[serde(with = "humantime_serde")]
    pub slow: Duration,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            made_up_under: configured(&["com", "net", "org", "de"]),
            registered: configured(&["example.com"]),
            bogus: configured(&["dnssec-failed.org"]),
            signed: configured(&["ietf.org"]),
            large: configured(&["microsoft.com"]),
            slow: Duration::from_millis(500),
        }
    }
}

/// The addresses exchangers see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PublicAddresses {
    /// Of every identity.
    All(Vec<IpAddr>),
    /// Of each identity, by its name.
    ByIdentity(BTreeMap<String, Vec<IpAddr>>),
}

impl Default for PublicAddresses {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl PublicAddresses {
    /// Those of the identity of this name.
    #[must_use]
    pub fn for_identity(&self, identity: &str) -> &[IpAddr] {
        match self {
            Self::All(addresses) => addresses,
            Self::ByIdentity(by_name) => by_name.get(identity).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_configuration_survives_being_printed_and_read() {
        let text = r#"
            timeout = "10s"
            exchangers = ["example.com"]
            public_addresses = { a = ["192.0.2.1"], b = ["2001:db8::1"] }
            [resolver]
            slow = "1s"
            [[blocklists]]
            zone = "bl.example.com"
            weight = "warn"
            codes = { "127.0.0.2" = "bad" }
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.public_addresses.for_identity("b").len(), 1);
        assert!(config.public_addresses.for_identity("c").is_empty());
        assert_eq!(config.blocklists[0].codes[&Ipv4Addr::new(127, 0, 0, 2)], "bad");
        for config in [config, Config::default()] {
            let printed = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config, "{printed}");
        }
    }

    #[test]
    fn public_addresses_may_be_the_same_for_all_identities() {
        let config: Config = toml::from_str("public_addresses = [\"192.0.2.1\"]").unwrap();
        assert_eq!(config.public_addresses.for_identity("any"), [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let error = |text| toml::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error("exchangers = [\"a b\"]").contains("write one such as example.com"));
        assert!(error("exchanger = []").contains("unknown field"));
        assert!(error("[[blocklists]]\nzone = \"a.test\"\ncode = 1").contains("unknown field"));
    }
}
