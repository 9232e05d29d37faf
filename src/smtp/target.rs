//! The addresses that may be dialled: global unicast only, unless a network is allowed by name.
//!
//! Any domain can publish an MX record that points into our own network. A [`Target`] is proof that
//! an address passed this check; the shell dials nothing else. The special-purpose blocks are
//! those of the IANA registries (RFC 6890 and its updates, as of 2026). Forms that carry an IPv4
//! address inside (mapped, NAT64, 6to4) are judged by what they carry.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// IPv4 that is not global unicast.
const REFUSED_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by carriers, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, cloud metadata, RFC 3927
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast, RFC 1112
];

/// IPv6 global unicast is what IANA has given out of 2000::/3, less these.
const REFUSED_V6: [(Ipv6Addr, u8); 3] = [
    // Protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID and other things without mail.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation, RFC 9637
];

/// An address that may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target(IpAddr);

impl Target {
    /// The address; a mapped IPv4 address in its own form.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Networks that may be dialled although they are not global unicast: a laboratory, the sandbox.
/// A single address counts as a network. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct AllowedNetworks(Vec<IpNet>);

/// The text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network; write one such as 127.0.0.0/8, ::1 or fd00::/8")]
pub struct NetworkError(String);

impl AllowedNetworks {
    /// These networks.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(unmap).collect())
    }

    /// Adds further networks.
    pub fn extend(&mut self, networks: impl IntoIterator<Item = IpNet>) {
        self.0.extend(networks.into_iter().map(unmap));
    }

    /// One network from text.
    ///
    /// # Errors
    /// When the text is neither a network nor an address.
    pub fn parse(text: &str) -> Result<IpNet, NetworkError> {
        let bare = text.trim();
        IpNet::from_str(bare)
            .or_else(|_| bare.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| NetworkError(text.to_owned()))
    }

    /// The target at `address`, if it may be dialled.
    #[must_use]
    pub fn target(&self, address: IpAddr) -> Option<Target> {
        let address = address.to_canonical();
        let allowed = self.contain(address);
        (allowed || is_global_unicast(address)).then_some(Target(address))
    }

    /// `true` if `address` is in one of these networks.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// A network of mapped IPv4 addresses (RFC 4291 section 2.5.5.2) is a network of IPv4 addresses.
fn unmap(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.network().to_ipv4_mapped()
        && let Some(prefix) = v6.prefix_len().checked_sub(96)
        && let Ok(v4) = Ipv4Net::new(v4, prefix)
    {
        return v4.into();
    }
    network
}

/// `true` for an address that every host on the internet reaches the same way.
#[must_use]
pub fn is_global_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !REFUSED_V4.iter().any(|(net, prefix)| within_v4(v4, *net, *prefix)),
        IpAddr::V6(v6) => is_global_unicast_v6(v6),
    }
}

fn is_global_unicast_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let carried = |high: u16, low: u16| {
        is_global_unicast(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)).into())
    };
    match (a, b) {
        // NAT64's well-known prefix (RFC 6052); its local-use sibling 64:ff9b:1::/48 (RFC 8215)
        // can lead anywhere.
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && carried(g, h),
        // 6to4 (RFC 3056).
        (0x2002, _) => carried(b, c),
        _ => {
            (0x2000..0x4000).contains(&a)
                && !REFUSED_V6.iter().any(|(net, prefix)| within_v6(address, *net, *prefix))
        }
    }
}

fn within_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (32 - prefix) == 0
}

fn within_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - prefix) == 0
}

impl TryFrom<Vec<String>> for AllowedNetworks {
    type Error = NetworkError;

    fn try_from(texts: Vec<String>) -> Result<Self, Self::Error> {
        texts.iter().map(|text| Self::parse(text)).collect::<Result<Vec<_>, _>>().map(Self::new)
    }
}

impl From<AllowedNetworks> for Vec<String> {
    fn from(networks: AllowedNetworks) -> Self {
        networks.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests;
