//! Settings of replicas that share egress addresses. Pure.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::uri::Authority;
use serde::{Deserialize, Serialize};

/// Settings of replicas that share egress addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port on which the other replicas of `store.url` ask this one about recipients of
    /// destinations that it holds. Default none: every replica paces mail servers by itself, and
    /// needs egress addresses of its own.
    pub listen: Option<SocketAddr>,
    /// The same as the other replicas reach it, such as `10.1.2.3:50052`. Default: `listen`.
    pub address: Option<String>,
    /// The file with the secret that all replicas show each other. Needed unless `listen` is on
    /// loopback. One secret a line: the first is shown, and each is accepted, while one replaces
    /// another.
    pub secret_file: Option<PathBuf>,
    /// The certificate of this replica, in PEM. Default none: replicas talk in clear, in a network
    /// that is theirs alone. With it, `key` and `ca` are needed, and both ends show a certificate
    /// for the name `mailvet-replica`.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    pub key: Option<PathBuf>,
    /// The authority that signed the certificates of all replicas, in PEM.
    pub ca: Option<PathBuf>,
}

impl Config {
    /// The address that the other replicas are told; `None` if none is shared.
    #[must_use]
    pub fn told_address(&self) -> Option<String> {
        let listen = self.listen?;
        Some(self.address.clone().unwrap_or_else(|| listen.to_string()))
    }

    /// What is wrong with the settings, in words; `has_store`: `store.url` is set.
    #[must_use]
    pub fn problems(&self, has_store: bool) -> Vec<String> {
        let Some(listen) = self.listen else { return Vec::new() };
        let mut found = Vec::new();
        if !has_store {
            found.push(
                "cluster.listen: replicas find each other in the database; set store.url too"
                    .to_owned(),
            );
        }
        if listen.ip().is_unspecified() && self.address.is_none() {
            found.push(format!(
                "cluster.listen: the other replicas cannot reach {listen}; say how they do with \
                 cluster.address"
            ));
        }
        if listen.port() == 0 && self.address.is_none() {
            found.push("cluster.listen: say a port that the other replicas know".to_owned());
        }
        if let Some(address) = self.address.as_deref().filter(|address| !is_reachable(address)) {
            found.push(format!(
                "cluster.address: {address:?} is no address that the other replicas reach; write \
                 HOST:PORT or [IPV6]:PORT"
            ));
        }
        if !listen.ip().is_loopback() && self.secret_file.is_none() {
            found.push(
                "cluster.listen: whoever reaches it could have mail servers asked; name a file \
                 with a secret of all replicas with cluster.secret_file"
                    .to_owned(),
            );
        }
        let tls = [&self.certificate, &self.key, &self.ca];
        if tls.iter().any(|file| file.is_some()) && tls.iter().any(|file| file.is_none()) {
            found.push(
                "cluster.certificate, cluster.key and cluster.ca belong together: set all three"
                    .to_owned(),
            );
        }
        found
    }
}

/// `true` if a connection can be made to this address: a host and a port.
fn is_reachable(address: &str) -> bool {
    let Ok(authority) = address.parse::<Authority>() else { return false };
    let has_port = authority.port_u16().is_some_and(|port| port > 0);
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_nowhere = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    has_port && !host.is_empty() && !is_nowhere && !address.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, has_store: bool) -> String {
        toml::from_str::<Config>(text).unwrap().problems(has_store).join("\n")
    }

    #[test]
    fn a_port_that_nobody_could_use_or_anybody_could_is_refused() {
        assert_eq!(problems("", false), "");
        assert_eq!(problems("listen = \"127.0.0.1:1\"", true), "");
        assert!(problems("listen = \"127.0.0.1:1\"", false).contains("store.url"));
        let open = problems("listen = \"0.0.0.0:1\"", true);
        assert!(open.contains("cluster.address") && open.contains("cluster.secret_file"), "{open}");
        let told = "listen = \"0.0.0.0:1\"\naddress = \"a:1\"\nsecret_file = \"/s\"";
        assert_eq!(problems(told, true), "");
        for wrong in ["", "a", "a:", "a:0", "a:65536", "0.0.0.0:1", "[::]:1", "::1:1", "http://a:1"]
        {
            let told = format!("listen = \"127.0.0.1:1\"\naddress = {wrong:?}");
            assert!(problems(&told, true).contains("cluster.address"), "{wrong}");
        }
        for right in ["a:1", "10.1.2.3:50052", "[fd00::1]:50052", "replica-0.mailvet.svc:50052"] {
            let told = format!("listen = \"127.0.0.1:1\"\naddress = {right:?}");
            assert_eq!(problems(&told, true), "", "{right}");
        }
        assert!(problems("listen = \"127.0.0.1:0\"", true).contains("port"));
        assert!(problems(&format!("{told}\nkey = \"/k\""), true).contains("all three"));
    }
}
