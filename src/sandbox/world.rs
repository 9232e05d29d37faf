//! A mail world as data: names in DNS, exchangers, and the addresses that show them.
//!
//! A world is read from TOML (`load`) or built with the `with_…` functions. It does not run;
//! [`Sandbox::start`](super::Sandbox::start) makes it run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::exchanger::ExchangerSpec;
use super::names;
use super::pattern::Numbered;
use super::policies::PolicyRecord;
use super::registry::RegistryRecord;
use crate::address::DomainName;

/// A mail world.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub(super) settings: Settings,
    pub(super) names: BTreeMap<DomainName, NameRecords>,
    pub(super) exchangers: BTreeMap<DomainName, Arc<ExchangerSpec>>,
    pub(super) generated: Vec<Generated>,
    pub(super) blocklists: BTreeMap<DomainName, Vec<Listing>>,
    pub(super) registrations: BTreeMap<DomainName, RegistryRecord>,
    pub(super) policies: BTreeMap<DomainName, PolicyRecord>,
    pub(super) samples: Vec<SampleAddress>,
    pub(super) demo: Vec<String>,
}

impl World {
    /// A world with nothing in it: every name is NXDOMAIN.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a name, or replaces it.
    #[must_use]
    pub fn with_name(mut self, name: &str, records: NameRecords) -> Self {
        self.names.insert(DomainName::from_ascii(name), records);
        self
    }

    /// Adds an exchanger under its host name, which thereby has an address; or replaces it.
    #[must_use]
    pub fn with_exchanger(mut self, host: &str, exchanger: ExchangerSpec) -> Self {
        self.exchangers.insert(DomainName::from_ascii(host), Arc::new(exchanger));
        self
    }

    /// Sets the time between a DNS query and its answer. Default: 0.
    #[must_use]
    pub fn with_dns_delay(mut self, delay: Duration) -> Self {
        self.settings.dns_delay = delay;
        self
    }

    /// One address for each verdict and reason.
    #[must_use]
    pub fn samples(&self) -> &[SampleAddress] {
        &self.samples
    }

    /// A list as a user might bring it: the addresses `mailvet demo` sends.
    #[must_use]
    pub fn demo(&self) -> &[String] {
        &self.demo
    }

    /// Which domains each exchanger serves: those it says, else those whose MX records (or whose
    /// own address) lead to it.
    pub(super) fn served(&self) -> HashMap<DomainName, Served> {
        let mut served: HashMap<DomainName, Served> = HashMap::new();
        for host in self.exchangers.keys() {
            served.entry(host.clone()).or_default().domains.insert(host.as_str().to_owned());
        }
        for (domain, name) in &self.names {
            for mx in &name.mx {
                let host = self.canonical(&mx.host);
                served.entry(host).or_default().domains.insert(domain.as_str().to_owned());
            }
            if name.cname.is_some() {
                let target = self.canonical(domain);
                let routes = self.names.get(&target).map(|n| n.mx.clone()).unwrap_or_default();
                for mx in routes {
                    let host = self.canonical(&mx.host);
                    served.entry(host).or_default().domains.insert(domain.as_str().to_owned());
                }
            }
        }
        for (host, exchanger) in &self.exchangers {
            if let Some(domains) = &exchanger.serves {
                let all = domains.iter().any(|d| d == "*");
                let domains = domains.iter().map(|d| d.to_ascii_lowercase()).collect();
                served.insert(host.clone(), Served { domains, all, numbered: None });
            }
        }
        served
    }

    /// The end of a chain of aliases.
    fn canonical(&self, name: &DomainName) -> DomainName {
        let mut name = name;
        for _ in 0..MOST_ALIASES {
            match self.names.get(name).and_then(|n| n.cname.as_ref()) {
                Some(target) => name = target,
                None => break,
            }
        }
        name.clone()
    }
}

/// Most aliases in a row that are followed.
pub(super) const MOST_ALIASES: usize = 8;

/// Defaults for every name and every exchanger that does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Lifetime of DNS records. Default: 5 minutes.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// Lifetime of negative answers (RFC 2308). Default: 1 minute.
    #[serde(with = "humantime_serde")]
    pub negative_ttl: Duration,
    /// The time between a DNS query and its answer. Default: 0.
    #[serde(with = "humantime_serde")]
    pub dns_delay: Duration,
    /// The time between a flight of commands and its replies. Default: 0.
    #[serde(with = "humantime_serde")]
    pub round_trip: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(60),
            dns_delay: Duration::ZERO,
            round_trip: Duration::ZERO,
        }
    }
}

/// A name in DNS. Names that are not in the world do not exist (NXDOMAIN); a name with nothing
/// here exists all the same (NODATA).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NameRecords {
    /// MX records, as in a zone file: `"10 mx.example.test"`; `"0 ."` is the null MX.
    pub mx: Vec<MxEntry>,
    /// A records, beside the one an exchanger of this name has.
    pub a: Vec<Ipv4Addr>,
    /// AAAA records.
    pub aaaa: Vec<Ipv6Addr>,
    /// TXT records.
    pub txt: Vec<String>,
    /// An alias: every other record is looked up there.
    #[serde(deserialize_with = "names::optional_domain")]
    pub cname: Option<DomainName>,
    /// A PTR record, for a name under `in-addr.arpa`. Exchangers have theirs without it.
    #[serde(deserialize_with = "names::optional_domain")]
    pub ptr: Option<DomainName>,
    /// NS records: who serves the domain, it says; nobody of the sandbox.
    #[serde(deserialize_with = "names::domains")]
    pub ns: Vec<DomainName>,
    /// `true` if its records are signed: a client that asks for that hears that they are
    /// authentic. Default: false.
    pub signed: bool,
    /// Lifetime of the records. Default: the world's.
    #[serde(with = "humantime_serde::option")]
    pub ttl: Option<Duration>,
    /// Lifetime of negative answers. Default: the world's.
    #[serde(with = "humantime_serde::option")]
    pub negative_ttl: Option<Duration>,
    /// The time before an answer. Default: the world's.
    #[serde(with = "humantime_serde::option")]
    pub delay: Option<Duration>,
    /// Query type (`mx`, `a`, `aaaa`, `txt`, `ptr`, `ns`, `tlsa`) or `any` -> how the query fails.
    pub fails: BTreeMap<QueryType, QueryFailure>,
}

impl NameRecords {
    /// A name with these MX records, preferences 10, 20, ...
    #[must_use]
    pub fn with_mx(hosts: &[&str]) -> Self {
        let mx = hosts
            .iter()
            .zip(1..)
            .map(|(host, n)| MxEntry { preference: 10 * n, host: DomainName::from_ascii(host) });
        Self { mx: mx.collect(), ..Self::default() }
    }
}

/// An MX record (RFC 1035 section 3.3.9).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MxEntry {
    /// Lower goes first.
    pub preference: u16,
    /// The exchanger's name; empty for the root, as the null MX has it (RFC 7505).
    pub host: DomainName,
}

impl TryFrom<String> for MxEntry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an MX record; write \"10 mx.example.test\"");
        let (preference, host) = text.split_once(' ').ok_or_else(wrong)?;
        let preference = preference.parse().map_err(|_| wrong())?;
        let host = if host == "." {
            DomainName::from_ascii("")
        } else {
            names::domain(host).map_err(|e| e.to_string())?
        };
        Ok(Self { preference, host })
    }
}

/// A type of DNS query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryType {
    /// MX.
    Mx,
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// TXT.
    Txt,
    /// PTR.
    Ptr,
    /// NS.
    Ns,
    /// TLSA.
    Tlsa,
    /// Any type.
    Any,
}

/// Failure of a DNS query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryFailure {
    /// The name does not exist.
    Nxdomain,
    /// SERVFAIL.
    Servfail,
    /// REFUSED.
    Refused,
    /// No answer at all.
    Silence,
    /// Over UDP an empty answer marked as truncated, over TCP the whole.
    Truncated,
}

/// Numbered domains, spread over numbered exchangers that all behave the same: domain `n` is
/// served by exchanger `n` modulo `hosts`. They are computed, not stored.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// The names of the domains.
    pub domain: Numbered,
    /// Number of domains.
    pub domains: u32,
    /// The names of the exchangers.
    pub host: Numbered,
    /// Number of exchangers, 1 to 65,536.
    pub hosts: u32,
    /// Behaviour of each of them. `serves` and `addresses` are not looked at.
    #[serde(default)]
    pub exchanger: ExchangerSpec,
}

/// An entry of a DNS blocklist (RFC 5782).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Network that it lists.
    pub network: IpNet,
    /// The A record. Default: 127.0.0.2.
    #[serde(default = "listed")]
    pub code: Ipv4Addr,
    /// The TXT record.
    pub reason: String,
}

fn listed() -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2)
}

/// An address that shows one verdict and reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleAddress {
    /// The address.
    pub address: String,
    /// The verdict, as the API names it: `UNDELIVERABLE`.
    pub verdict: String,
    /// The reason, as the API names it: `MAILBOX_NOT_FOUND`.
    pub reason: String,
    /// Description of this address, in a sentence.
    pub note: String,
    /// Depth the request needs. Default: the mailbox.
    #[serde(default)]
    pub depth: SampleDepth,
}

/// Depth of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleDepth {
    /// The address alone.
    Syntax,
    /// Its domain in DNS.
    Domain,
    /// The mailbox, asked of its exchanger.
    #[default]
    Mailbox,
}

/// The domains an exchanger serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    pub(super) domains: HashSet<String>,
    pub(super) all: bool,
    /// (names, how many, exchangers, number of this one).
    pub(super) numbered: Option<(Numbered, u32, u32, u32)>,
}

impl Served {
    pub(super) fn serves(&self, domain: &str) -> bool {
        self.all
            || self.domains.contains(domain)
            || self.numbered.as_ref().is_some_and(|(names, domains, hosts, host)| {
                names.number(domain).is_some_and(|n| n < *domains && n % hosts == *host)
            })
    }
}
