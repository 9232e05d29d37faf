//! The facts that DNS gives about a domain, as plain data.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::DomainName;

/// A host that receives mail for a domain (RFC 5321 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// The host an MX record names, or the domain itself for an implicit MX.
    pub host: DomainName,
    /// The MX preference, lower first; 0 for an implicit MX.
    pub preference: u16,
}

/// The mail route of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// MX records name these exchangers; sorted by preference, then name. Never empty.
    Exchangers(Arc<[Exchanger]>),
    /// No MX record, but the domain itself has an address (RFC 5321 section 5.1).
    ImplicitMx(Exchanger),
    /// The domain says that it takes no mail: `MX 0 .` (RFC 7505).
    NullMx,
    /// The domain does not exist (an authoritative NXDOMAIN).
    NoSuchDomain,
    /// The domain exists and has neither a usable MX record nor an address.
    NoMail,
}

impl Route {
    /// The exchangers to try, best preference first; empty if the domain takes no mail.
    #[must_use]
    pub fn exchangers(&self) -> &[Exchanger] {
        match self {
            Self::Exchangers(hosts) => hosts,
            Self::ImplicitMx(host) => std::slice::from_ref(host),
            Self::NullMx | Self::NoSuchDomain | Self::NoMail => &[],
        }
    }
}

impl Route {
    /// The route's name, in lower snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exchangers(_) => "exchangers",
            Self::ImplicitMx(_) => "implicit_mx",
            Self::NullMx => "null_mx",
            Self::NoSuchDomain => "no_such_domain",
            Self::NoMail => "no_mail",
        }
    }
}

/// An oddity that was seen on the way and did not change the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An MX record names an alias, which RFC 2181 section 10.3 forbids; it is followed.
    ExchangerIsAlias(DomainName),
    /// An MX record names an IP address instead of a host; it is skipped.
    ExchangerIsLiteral(DomainName),
    /// An MX record names something no host can be called; it is skipped. Odd bytes are escaped as
    /// in a master file.
    ExchangerIsNotAHost(DomainName),
    /// `MX 0 .` stands beside other MX records, which RFC 7505 section 3 forbids; it is skipped.
    NullMxBesideOthers,
    /// The domain itself is an alias of this name.
    DomainIsAlias(DomainName),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExchangerIsAlias(host) => {
                write!(f, "the exchanger {host} is an alias, which RFC 2181 forbids; followed")
            }
            Self::ExchangerIsLiteral(host) => {
                write!(f, "the exchanger {host} is an IP address, not a host; skipped")
            }
            Self::ExchangerIsNotAHost(host) => {
                write!(f, "the exchanger {host} is not a host name; skipped")
            }
            Self::NullMxBesideOthers => {
                f.write_str("a null MX stands beside other MX records, against RFC 7505; skipped")
            }
            Self::DomainIsAlias(target) => write!(f, "the domain is an alias of {target}"),
        }
    }
}

/// The facts about one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainFacts {
    /// The domain asked about.
    pub domain: DomainName,
    /// Its mail route.
    pub route: Route,
    /// Oddities.
    pub notes: Vec<Note>,
    /// The time of the lookup.
    pub looked_up_at: SystemTime,
    /// The time until which the answer may be used: the smallest TTL seen, clamped.
    pub valid_until: SystemTime,
}

/// The addresses of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The host asked about.
    pub host: DomainName,
    /// Its addresses, IPv6 and IPv4 taking turns in the order they were given; empty if the host
    /// has none or does not exist.
    pub addresses: Vec<IpAddr>,
    /// `true` if the name exists at all.
    pub exists: bool,
    /// The canonical name, if the host is an alias (a CNAME).
    pub alias_of: Option<DomainName>,
    /// The time of the lookup.
    pub looked_up_at: SystemTime,
    /// The time until which the answer may be used.
    pub valid_until: SystemTime,
}

impl HostFacts {
    /// The oddity of this host as an exchanger that an MX record names: being an alias. (The host
    /// of an implicit MX may be one.)
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        self.alias_of.as_ref().map(|_| Note::ExchangerIsAlias(self.host.clone()))
    }
}

/// No name server could tell. Always temporary, never a negative answer (RFC 9520).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// Every name server was silent.
    #[error("no name server answered in time")]
    Timeout,
    /// Every name server answered with an error such as SERVFAIL or REFUSED, or with something that
    /// is no answer.
    #[error("the name servers answered {0}")]
    ServerFailure(String),
    /// No name server could be reached, or the name cannot be asked for.
    #[error("name servers could not be asked: {0}")]
    Unreachable(String),
}

impl DnsFailure {
    /// `true` if a name server answered, with an error: the fault may be the domain's own.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::ServerFailure(_))
    }
}
