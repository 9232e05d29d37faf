//! Single DNS queries and their results, as data. Pure.

use std::net::IpAddr;

use crate::address::DomainName;
use crate::dns::DnsFailure;

/// One DNS query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// TXT records.
    Texts(DomainName),
    /// A records.
    Ipv4(DomainName),
    /// AAAA records.
    Ipv6(DomainName),
    /// MX records; the exchangers' names, in the order of preference.
    Exchangers(DomainName),
    /// PTR records.
    Names(IpAddr),
}

impl Query {
    /// The question for addresses of the same family as `like`.
    #[must_use]
    pub fn addresses(name: DomainName, like: IpAddr) -> Self {
        if like.to_canonical().is_ipv4() { Self::Ipv4(name) } else { Self::Ipv6(name) }
    }
}

/// The result of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryResult {
    /// Texts of TXT records; at least one.
    Texts(Vec<String>),
    /// Addresses; at least one.
    Addresses(Vec<IpAddr>),
    /// Names, of MX or PTR records; at least one.
    Names(Vec<DomainName>),
    /// The name exists and has no such record.
    NoData,
    /// The name does not exist.
    NoSuchName {
        /// `true` if an SOA record came along, as it does from an honest name server (RFC 2308).
        with_soa: bool,
    },
    /// No server gave a usable answer.
    Failed(DnsFailure),
}

impl QueryResult {
    /// The texts, or none.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        if let Self::Texts(texts) = self { texts } else { &[] }
    }

    /// The addresses, or none.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        if let Self::Addresses(addresses) = self { addresses } else { &[] }
    }

    /// The names, or none.
    #[must_use]
    pub fn names(&self) -> &[DomainName] {
        if let Self::Names(names) = self { names } else { &[] }
    }

    /// The failure, if the query failed.
    #[must_use]
    pub fn failure(&self) -> Option<&DnsFailure> {
        if let Self::Failed(failure) = self { Some(failure) } else { None }
    }

    /// Returns whether there is an answer without records: a void lookup (RFC 7208 section 4.6.4).
    #[must_use]
    pub fn is_void(&self) -> bool {
        matches!(self, Self::NoData | Self::NoSuchName { .. })
    }
}
