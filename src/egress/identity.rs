//! Configuration of one egress identity: source address or proxy, `EHLO` name, sender. Pure.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::smtp::{self, HeloName, Sender};

/// One egress identity. What it leaves out is as the `smtp` part says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressIdentity {
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
    /// Address on which it listens.
    pub address: SocketAddr,
    /// User name, if it wants one (RFC 1929).
    #[serde(default)]
    pub user: Option<String>,
    /// Password for that user.
    #[serde(default)]
    pub password: Option<String>,
}

impl EgressIdentity {
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
    fn an_identity_changes_only_what_it_says() {
        let base = smtp::Config { port: 2525, ..smtp::Config::default() };
        let identity = EgressIdentity {
            source_v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
            helo_name: "a.example.com".parse().ok(),
            ..EgressIdentity::default()
        };
        let config = identity.apply(&base);
        assert_eq!(config.port, 2525);
        assert_eq!(config.source_v4, Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(config.helo_name, "a.example.com".parse().ok());
        assert_eq!(config.mail_from, base.mail_from);
    }
}
