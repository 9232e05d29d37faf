//! One SPF record, taken apart (RFC 7208 sections 4.5, 4.6.1 and 12).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::expand::MacroString;

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpfRecord {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
}

/// Meaning of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// A mechanism and what its match means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) qualifier: Qualifier,
    pub(super) mechanism: Mechanism,
    /// As it is written, for people.
    pub(super) text: String,
}

/// Condition of a directive. A domain that is not given is the current one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefixes),
    Mx(Option<MacroString>, Prefixes),
    Ptr(Option<MacroString>),
    Network(IpNet),
    Exists(MacroString),
}

/// Number of leading bits that have to be equal, for each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    v4: u8,
    v6: u8,
}

impl Prefixes {
    /// Returns whether both addresses are of one family and in one network of it.
    pub(super) fn same(self, one: IpAddr, other: IpAddr) -> bool {
        let prefix = if one.is_ipv4() { self.v4 } else { self.v6 };
        IpNet::new(other, prefix).is_ok_and(|network| network.contains(&one))
    }
}

/// Returns whether a TXT record is an SPF record: its version is said in full (section 4.5).
#[must_use]
pub fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// Takes a record apart. The error is the term that cannot be read: one is enough to make the whole
/// record useless (section 4.6).
pub(super) fn parse(text: &str) -> Result<SpfRecord, String> {
    let mut record = SpfRecord { directives: Vec::new(), redirect: None };
    let mut explained = false;
    for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
        let wrong = || term.to_owned();
        match modifier(term) {
            Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                let target = MacroString::domain(value).ok_or_else(wrong)?;
                if record.redirect.replace(target).is_some() {
                    return Err(wrong());
                }
            }
            Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                if std::mem::replace(&mut explained, true) || MacroString::domain(value).is_none() {
                    return Err(wrong());
                }
            }
            Some((_, value)) => {
                MacroString::string(value).ok_or_else(wrong)?;
            }
            None => record.directives.push(directive(term).ok_or_else(wrong)?),
        }
    }
    Ok(record)
}

/// `name=value`; a mechanism has no `=` before its first `:` or `/`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let mut letters = name.bytes();
    let is_name = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    is_name.then_some((name, value))
}

fn directive(term: &str) -> Option<Directive> {
    let (qualifier, rest) = match term.as_bytes().first()? {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    Some(Directive { qualifier, mechanism: mechanism(rest)?, text: term.to_owned() })
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let value = rest.strip_prefix(':');
    Some(match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(MacroString::domain(value?)?),
        "exists" => Mechanism::Exists(MacroString::domain(value?)?),
        "a" => {
            let (domain, prefixes) = host(rest)?;
            Mechanism::A(domain, prefixes)
        }
        "mx" => {
            let (domain, prefixes) = host(rest)?;
            Mechanism::Mx(domain, prefixes)
        }
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(MacroString::domain(value?)?)),
        "ip4" => Mechanism::Network(network::<Ipv4Addr>(value?, 32)?),
        "ip6" => Mechanism::Network(network::<Ipv6Addr>(value?, 128)?),
        _ => return None,
    })
}

/// `[":" domain-spec] ["/" bits] ["//" bits]`
fn host(rest: &str) -> Option<(Option<MacroString>, Prefixes)> {
    let (rest, v6) = match rest.rsplit_once("//") {
        Some((rest, bits)) => (rest, prefix(bits, 128)?),
        None => (rest, 128),
    };
    // A macro may have a slash among its delimiters, so only digits behind one are a length.
    let (rest, v4) = match rest.rsplit_once('/') {
        Some((before, bits)) if !bits.contains('}') => (before, prefix(bits, 32)?),
        _ => (rest, 32),
    };
    let domain = match rest.strip_prefix(':') {
        Some(domain) => Some(MacroString::domain(domain)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((domain, Prefixes { v4, v6 }))
}

fn network<A: std::str::FromStr + Into<IpAddr>>(text: &str, longest: u8) -> Option<IpNet> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, bits)) => (address, prefix(bits, longest)?),
        None => (text, longest),
    };
    IpNet::new(address.parse::<A>().ok()?.into(), prefix).ok()
}

/// Digits without a leading zero, up to `longest`.
fn prefix(bits: &str, longest: u8) -> Option<u8> {
    let plain = bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    bits.parse().ok().filter(|bits| plain && *bits <= longest)
}
