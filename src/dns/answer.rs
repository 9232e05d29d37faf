//! The answer of a name server to one question, as plain data.
//!
//! "No" is an answer (RFC 2308); a name server that could not tell is a
//! [`DnsFailure`](super::DnsFailure).

use std::time::Duration;

use crate::address::DomainName;

/// A name server's answer about one name and one record type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<R> {
    /// There are records.
    Records {
        /// At least one, in the order they were given.
        records: Vec<R>,
        /// The canonical name, if the name asked for is an alias (RFC 1034 section 3.6.2).
        alias_of: Option<DomainName>,
        /// The smallest TTL of the records and of the aliases that led to them.
        ttl: Duration,
    },
    /// The name exists and has no such record (RFC 2308 section 2.2).
    NoData {
        /// The canonical name, if the name asked for is an alias.
        alias_of: Option<DomainName>,
        /// The lifetime of this answer, from the SOA; `None` if the answer came without one.
        ttl: Option<Duration>,
    },
    /// The name does not exist: NXDOMAIN (RFC 2308 section 2.1).
    NoSuchName {
        /// The lifetime of this answer, from the SOA; `None` if the answer came without one.
        ttl: Option<Duration>,
    },
}

impl<R> Answer<R> {
    /// The records, or none.
    #[must_use]
    pub fn records(&self) -> &[R] {
        match self {
            Self::Records { records, .. } => records,
            Self::NoData { .. } | Self::NoSuchName { .. } => &[],
        }
    }

    /// The name that the name asked for is an alias of.
    #[must_use]
    pub fn alias_of(&self) -> Option<&DomainName> {
        match self {
            Self::Records { alias_of, .. } | Self::NoData { alias_of, .. } => alias_of.as_ref(),
            Self::NoSuchName { .. } => None,
        }
    }

    /// `true` if the name exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self, Self::NoSuchName { .. })
    }

    /// `true` if one name server's word is enough. A "no" without an SOA is not conclusive:
    /// filtering name servers make such answers up, so another one is asked if there is one.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        !matches!(self, Self::NoSuchName { ttl: None } | Self::NoData { ttl: None, .. })
    }
}

/// The data of an MX record (RFC 1035 section 3.3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxRecord {
    /// Lower is better.
    pub preference: u16,
    /// The name it points to, as master files write it (odd bytes escaped); empty for the root.
    pub exchange: DomainName,
}

/// The data of a TLSA record (RFC 6698 section 2.1), by number: one that is unknown to us stays
/// readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsaRecord {
    /// The certificate usage: 2 is DANE-TA, 3 is DANE-EE (RFC 7218 section 2.1).
    pub usage: u8,
    /// The part of the certificate that is compared: 0 is all of it, 1 its public key.
    pub selector: u8,
    /// The form of the data: 0 is the part itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// The data to compare with.
    pub data: Vec<u8>,
}

/// An answer, and whether the name server vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticAnswer<R> {
    /// The answer.
    pub answer: Answer<R>,
    /// `true` if the name server found its signatures good: the AD bit (RFC 4035 section 3.2.3).
    /// That is worth as much as the name server and the way to it.
    pub is_authentic: bool,
}
