//! Observations as plain data: the input of the checks. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::address::DomainName;
use crate::dns::query::QueryResult;
use crate::dns::{DnsFailure, Route};
use crate::registration::Registration;
use crate::smtp::{NoReply, Reply};
use crate::spf;

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The egress identities.
    pub identities: Vec<IdentityFacts>,
    /// The name servers, best first.
    pub nameservers: Vec<NameserverFacts>,
}

/// One egress identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityFacts {
    /// Its configuration.
    pub setup: IdentitySetup,
    /// Connections to exchangers.
    pub attempts: Vec<ConnectionAttempt>,
    /// The public addresses it is seen as, as far as known.
    pub addresses: Vec<AddressFacts>,
    /// DNS records of the HELO name; none if it is no host name.
    pub helo: Option<HeloFacts>,
    /// The domain of its sender; none if it only has the null sender.
    pub sender: Option<SenderFacts>,
}

/// Configuration of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentitySetup {
    /// Its name; empty for the only one.
    pub name: String,
    /// The HELO name, or the address literal; none if nothing is configured.
    pub helo: Option<String>,
    /// `true` if its sender is `<>`.
    pub null_sender: bool,
    /// `true` if it has a mailbox for servers that refuse `<>`.
    pub has_fallback: bool,
    /// The addresses it connects from, if chosen.
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub source_v6: Option<Ipv6Addr>,
    /// The SOCKS5 proxy it connects through.
    pub proxy: Option<SocketAddr>,
    /// The public addresses that the configuration names for it.
    pub public_addresses: Vec<IpAddr>,
}

/// One attempt to connect to an exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionAttempt {
    /// The domain whose exchanger it is.
    pub domain: DomainName,
    /// The exchanger and its address, or the reason why there is none.
    pub target: Result<(DomainName, IpAddr), NoTarget>,
    /// `true` if a connection was opened.
    pub connected: bool,
    /// The greeting, or the reason why there was none.
    pub outcome: Result<Greeting, NoReply>,
    /// Our address on the connection, as far as known.
    pub local: Option<IpAddr>,
}

/// Why a domain had no exchanger to connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// DNS did not say.
    #[error("DNS did not say where its mail goes: {0}")]
    Dns(DnsFailure),
    /// It has none, or none with an address that may be dialled.
    #[error("it has no exchanger with an address that may be dialled")]
    Nowhere,
}

/// A banner, and when it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The server's greeting.
    pub banner: Reply,
    /// Our clock then.
    pub at: SystemTime,
}

/// One public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFacts {
    /// The address.
    pub address: IpAddr,
    /// Its PTR records.
    pub names: QueryResult,
    /// The names found there, and the addresses of each, of the same family.
    pub forward: Vec<(DomainName, QueryResult)>,
    /// SPF, for each name that servers check.
    pub spf: Vec<SpfFacts>,
    /// DNS blocklists.
    pub lists: Vec<ListFacts>,
}

/// SPF of one name for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfFacts {
    /// The domain.
    pub domain: DomainName,
    /// `true` for the HELO name, `false` for the domain of a sender.
    pub of_helo: bool,
    /// The result a receiver would compute.
    pub outcome: spf::SpfOutcome,
}

/// Answers of a DNS blocklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// Which of the configured ones.
    pub list: super::blocklist::Blocklist,
    /// About the test point that is always listed (RFC 5782 section 5).
    pub listed_point: QueryResult,
    /// About the test point that never is.
    pub unlisted_point: QueryResult,
    /// About the address.
    pub own: QueryResult,
    /// The list's own words about the address, if it is listed.
    pub reason: Option<String>,
}

/// The HELO name in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeloFacts {
    /// The name.
    pub name: DomainName,
    /// Its A records.
    pub ipv4: QueryResult,
    /// Its AAAA records.
    pub ipv6: QueryResult,
}

/// The domain of the sender in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderFacts {
    /// The domain.
    pub domain: DomainName,
    /// Its mail route.
    pub route: Result<Route, DnsFailure>,
    /// TXT records at `_dmarc.` it, or at `_dmarc.` its registrable domain if there are none of
    /// DMARC.
    pub dmarc: QueryResult,
    /// The domain of the two whose records those are.
    pub dmarc_of: DomainName,
    /// Its registration; none if registries are not asked.
    pub registration: Option<Registration>,
}

/// One name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameserverFacts {
    /// Its address and port.
    pub address: SocketAddr,
    /// Names that are not registered, and what it says about them.
    pub made_up: Vec<TimedResult>,
    /// Names that do not exist below a registered domain.
    pub made_up_below: Vec<TimedResult>,
    /// Names that exist: what a list's domains are like.
    pub known: Vec<TimedResult>,
    /// Names with broken signatures.
    pub bogus: Vec<TimedResult>,
    /// Names with good signatures.
    pub signed: Vec<TimedResult>,
    /// Names whose answer does not fit in a packet.
    pub large: Vec<TimedResult>,
}

/// An answer, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedResult {
    /// The name asked for.
    pub name: DomainName,
    /// The result.
    pub heard: QueryResult,
    /// Time from question to answer.
    pub took: Duration,
}
