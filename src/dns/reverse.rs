//! Names made of addresses: where the PTR record of an address stands (RFC 1035 section 3.5,
//! RFC 3596 section 2.5), and its entry in a DNS list (RFC 5782). Pure.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::address::DomainName;

/// The name under which the PTR record of `address` stands.
#[must_use]
pub fn name(address: IpAddr) -> DomainName {
    let zone = match address.to_canonical() {
        IpAddr::V4(_) => "in-addr.arpa",
        IpAddr::V6(_) => "ip6.arpa",
    };
    below(address, zone)
}

/// The name of `address` in the DNS list `zone`: four octets in reverse (RFC 5782 section 2.1), or
/// 32 nibbles in reverse (section 2.4). A mapped IPv4 address counts as what it carries.
#[must_use]
pub fn below(address: IpAddr, zone: &str) -> DomainName {
    spelled(address.to_canonical(), zone)
}

/// The same for an address in the form it has, a mapped IPv4 address in nibbles: the test points of
/// lists of IPv6 addresses are such (RFC 5782 section 5).
#[must_use]
pub fn spelled(address: IpAddr, zone: &str) -> DomainName {
    let mut text = String::with_capacity(64 + zone.len());
    // Writing to a string cannot fail.
    match address {
        IpAddr::V4(v4) => v4.octets().iter().rev().for_each(|octet| {
            let _ = write!(text, "{octet}.");
        }),
        IpAddr::V6(v6) => v6.octets().iter().rev().for_each(|octet| {
            let _ = write!(text, "{:x}.{:x}.", octet & 15, octet >> 4);
        }),
    }
    text.push_str(zone);
    DomainName::from_ascii(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_ipv4_address_has_its_octets_in_reverse() {
        assert_eq!(name([192, 0, 2, 25].into()).as_str(), "25.2.0.192.in-addr.arpa");
        assert_eq!(below([192, 0, 2, 25].into(), "bl.test").as_str(), "25.2.0.192.bl.test");
        let mapped = "::ffff:192.0.2.25".parse().unwrap();
        assert_eq!(name(mapped).as_str(), "25.2.0.192.in-addr.arpa");
    }

    #[test]
    fn the_name_of_an_ipv6_address_has_its_nibbles_in_reverse() {
        // The example of RFC 5782 section 2.4.
        let address = "2001:db8:1:2:3:4:567:89ab".parse().unwrap();
        let nibbles = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2";
        assert_eq!(below(address, "bl.test").as_str(), format!("{nibbles}.bl.test"));
        assert_eq!(name(address).as_str(), format!("{nibbles}.ip6.arpa"));
    }

    #[test]
    fn a_test_point_keeps_the_form_of_an_ipv6_address() {
        let name = spelled("::ffff:127.0.0.2".parse().unwrap(), "bl.test");
        assert!(name.as_str().starts_with("2.0.0.0.0.0.f.7.f.f.f.f.0."), "{name}");
        assert_eq!(name.labels().count(), 34);
    }
}
