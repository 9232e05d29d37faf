//! The doctor's configuration. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lists;
use crate::address::DomainName;

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
            exchangers: named(&["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.net"]),
            clock_tolerance: Duration::from_secs(30),
            resolver: ResolverConfig::default(),
            blocklists: lists::well_known(),
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
            made_up_under: named(&["com", "net", "org", "de"]),
            registered: named(&["example.com"]),
            bogus: named(&["dnssec-failed.org"]),
            signed: named(&["ietf.org"]),
            large: named(&["microsoft.com"]),
            slow: Duration::from_millis(500),
        }
    }
}

/// A DNS blocklist (RFC 5782).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocklist {
    /// Zone to query, such as `zen.spamhaus.org`.
    pub zone: ConfiguredName,
    /// `true` if it lists IPv6 addresses too. Default: false.
    #[serde(default)]
    pub ipv6: bool,
    /// Weight of an entry: `fail` if many servers look here, `warn` if few do. Default
    /// `fail`.
    #[serde(default)]
    pub weight: Weight,
    /// Address of the page that takes requests for removal. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<String>,
    /// The list's own answers, and what each means. Others within 127.0.0.0/8 are entries of a kind
    /// that is not known here.
    #[serde(default)]
    pub codes: BTreeMap<Ipv4Addr, String>,
}

/// Severity of an entry in a blocklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Few servers look there.
    Warn,
    /// Many servers look there.
    #[default]
    Fail,
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
    pub fn of(&self, identity: &str) -> &[IpAddr] {
        match self {
            Self::All(addresses) => addresses,
            Self::ByIdentity(by_name) => by_name.get(identity).map_or(&[], Vec::as_slice),
        }
    }
}

/// A name in DNS, in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfiguredName(DomainName);

/// The text is no name that DNS can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name; write one such as example.com")]
pub struct NameError(String);

impl ConfiguredName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &DomainName {
        &self.0
    }
}

impl TryFrom<String> for ConfiguredName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let bare = text.trim().trim_end_matches('.');
        let carried = bare.len() <= 253
            && bare.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        if carried { Ok(Self(DomainName::from_ascii(bare))) } else { Err(NameError(text)) }
    }
}

impl From<ConfiguredName> for String {
    fn from(named: ConfiguredName) -> Self {
        named.0.to_string()
    }
}

/// Names that are part of the program.
pub(super) fn named(names: &[&str]) -> Vec<ConfiguredName> {
    names.iter().map(|name| ConfiguredName(DomainName::from_ascii(name))).collect()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(config.public_addresses.of("b").len(), 1);
        assert!(config.public_addresses.of("c").is_empty());
        assert_eq!(config.blocklists[0].codes[&Ipv4Addr::new(127, 0, 0, 2)], "bad");
        for config in [config, Config::default()] {
            let printed = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config, "{printed}");
        }
    }

    #[test]
    fn public_addresses_may_be_the_same_for_all_identities() {
        let config: Config = toml::from_str("public_addresses = [\"192.0.2.1\"]").unwrap();
        assert_eq!(config.public_addresses.of("any"), [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let error = |text| toml::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error("exchangers = [\"a b\"]").contains("write one such as example.com"));
        assert!(error("exchanger = []").contains("unknown field"));
        assert!(error("[[blocklists]]\nzone = \"a.test\"\ncode = 1").contains("unknown field"));
    }
}
