//! Address literals: `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
//!
//! The grammar is stricter than what sockets take: `::` stands for at least two groups, and there
//! are no zones. No tag but `IPv6` was ever registered, so a general address literal names
//! nothing that can be dialled and is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::syntax::{SyntaxError, SyntaxErrorKind};

/// The tag of an IPv6 literal. ABNF strings ignore case (RFC 5234 section 2.3).
const IPV6_TAG: &str = "IPv6:";

/// An IP address in the place of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressLiteral(IpAddr);

impl AddressLiteral {
    /// Reads a literal with its brackets. Offsets count from the opening one.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            let end = text.find(']').map_or(text.len(), |i| i + 1);
            return Err(SyntaxErrorKind::UnclosedLiteral.at(end));
        };
        if let Some(offset) = inner.find(|c: char| c.is_control()) {
            return Err(SyntaxErrorKind::ControlCharacter.at(1 + offset));
        }
        let tag = inner.get(..IPV6_TAG.len());
        if tag.is_some_and(|tag| tag.eq_ignore_ascii_case(IPV6_TAG)) {
            return ipv6(&inner[IPV6_TAG.len()..])
                .map(|ip| Self(ip.into()))
                .ok_or(SyntaxErrorKind::InvalidIpv6Literal.at(1 + IPV6_TAG.len()));
        }
        ipv4(inner).map(|ip| Self(ip.into())).ok_or(SyntaxErrorKind::InvalidLiteral.at(1))
    }

    /// The address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write!(f, "[{ip}]"),
            IpAddr::V6(ip) => write!(f, "[{IPV6_TAG}{ip}]"),
        }
    }
}

/// `IPv4-address-literal = Snum 3("." Snum)`; `Snum = 1*3DIGIT`, 0 to 255. Leading zeros are in
/// the grammar and decimal.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *octet = if digits { part.parse().ok()? } else { return None };
    }
    parts.next().is_none().then(|| octets.into())
}

/// `IPv6-addr`: full or compressed, with or without an IPv4 tail. The compressed forms hold at
/// most six groups beside `::` (an IPv4 tail counts as two).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let mut all = [0_u16; 8];
    if let Some((head, tail)) = text.split_once("::") {
        let (head, tail) = (groups(head, false)?, groups(tail, true)?);
        if head.len() + tail.len() > 6 {
            return None;
        }
        all[..head.len()].copy_from_slice(&head);
        all[8 - tail.len()..].copy_from_slice(&tail);
    } else {
        let full = groups(text, true)?;
        all = full.try_into().ok()?;
    }
    Some(all.into())
}

/// The groups of one side of `::`: none, or some with a single colon between them. Only the last
/// may be an IPv4 address, which makes two groups.
fn groups(text: &str, ipv4_at_end: bool) -> Option<Vec<u16>> {
    let mut groups = Vec::new();
    if text.is_empty() {
        return Some(groups);
    }
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if groups.len() == 8 {
            return None;
        }
        if ipv4_at_end && parts.peek().is_none() && part.contains('.') {
            let [a, b, c, d] = ipv4(part)?.octets();
            groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
        } else if (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit()) {
            groups.push(u16::from_str_radix(part, 16).ok()?);
        } else {
            return None;
        }
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(literal: &str) -> Option<String> {
        AddressLiteral::parse(literal).ok().map(|literal| literal.to_string())
    }

    #[test]
    fn an_ipv4_literal_has_four_decimal_octets() {
        assert_eq!(shown("[192.0.2.1]").as_deref(), Some("[192.0.2.1]"));
        assert_eq!(shown("[192.000.002.010]").as_deref(), Some("[192.0.2.10]"));
        for bad in [
            "[]",
            "[1]",
            "[1.2.3]",
            "[1.2.3.4.5]",
            "[1.2.3.256]",
            "[1.2.3.0004]",
            "[1.2.3.]",
            "[1.2.3.+4]",
            "[ 1.2.3.4]",
            "[1.2.3.0x4]",
            "[1.2.3.\u{664}]",
            "[1.2.3.4",
            "[1.2.3.4]x",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_ipv6_literal_follows_the_grammar_of_mail_not_of_sockets() {
        for (literal, expected) in [
            ("[IPv6:::]", "[IPv6:::]"),
            ("[ipv6:::1]", "[IPv6:::1]"),
            ("[IPv6:1::]", "[IPv6:1::]"),
            ("[IPv6:1:2:3:4:5:6:7:8]", "[IPv6:1:2:3:4:5:6:7:8]"),
            ("[IPv6:1:2:3::6:7:8]", "[IPv6:1:2:3::6:7:8]"),
            ("[IPv6:1:2:3:4:5:6:192.0.2.1]", "[IPv6:1:2:3:4:5:6:c000:201]"),
            ("[IPv6:1::4:192.0.2.1]", "[IPv6:1::4:c000:201]"),
            ("[IPv6:::192.0.2.1]", "[IPv6:::c000:201]"),
        ] {
            assert_eq!(shown(literal).as_deref(), Some(expected), "{literal}");
        }
        for bad in [
            "[IPv6:]",
            "[IPv6::]",
            "[IPv6::1]",
            "[IPv6:1:]",
            "[IPv6:1]",
            "[IPv6:1:2:3:4:5:6:7]",
            "[IPv6:1:2:3:4:5:6:7:8:9]",
            "[IPv6:1::3::5]",
            "[IPv6:1:::5]",
            "[IPv6:12345::]",
            "[IPv6:1:2:3:4::6:7:8]",
            "[IPv6:::2:3:4:5:6:7:8]",
            "[IPv6:1:2:3::5:192.0.2.1:1]",
            "[IPv6:1:2:3:4:5::192.0.2.1]",
            "[IPv6:192.0.2.1::]",
            "[IPv6:fe80::1%1]",
            "[IPv6: ::1]",
            "[2001:db8::1]",
            "[IPv5:::1]",
            "[x-tag:anything]",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
