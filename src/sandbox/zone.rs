//! DNS answers of a world. Pure; `nameserver` puts it into packets.
//!
//! Answers are computed for each query, so a world of a hundred thousand generated domains costs
//! no memory. A name that only has names below it exists and has no records (RFC 8020).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::policies;
use super::world::{
    Generated, Listing, MOST_ALIASES, NameRecords, QueryFailure, QueryType, Settings, World,
};
use crate::address::DomainName;

/// The data of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RecordData {
    Mx(u16, DomainName),
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(DomainName),
    Txt(String),
    Ptr(DomainName),
    Ns(DomainName),
    Tlsa { usage: u8, selector: u8, matching: u8, data: Vec<u8> },
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZoneRecord {
    pub(super) name: DomainName,
    pub(super) ttl: u32,
    pub(super) data: RecordData,
}

/// Response to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZoneResponse {
    pub(super) kind: ResponseKind,
    pub(super) records: Vec<ZoneRecord>,
    /// For how long "there is nothing" may be cached; only if there is nothing.
    pub(super) negative_ttl: Option<u32>,
    pub(super) delay: Duration,
    /// The zone is signed, and the signatures are good.
    pub(super) is_authentic: bool,
}

/// The kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseKind {
    /// The name exists, with or without such records.
    NoError,
    /// The name does not exist.
    NameError,
    /// It fails so.
    Failed(QueryFailure),
}

/// The world's names, with the addresses its exchangers have.
#[derive(Debug)]
pub(super) struct Zone {
    settings: Settings,
    names: HashMap<DomainName, NameRecords>,
    /// Names that have names below them.
    parents: HashSet<String>,
    generated: Vec<(Generated, Vec<Ipv4Addr>)>,
    blocklists: BTreeMap<DomainName, Vec<Listing>>,
    /// TLSA records, by the names they stand at; all signed.
    tlsa: HashMap<DomainName, Vec<RecordData>>,
}

/// Names of a zone that come with the sandbox's own servers.
pub(super) struct ServedNames {
    /// Each exchanger of the world, with its addresses.
    pub(super) exchangers: Vec<(DomainName, Vec<Ipv4Addr>)>,
    /// The addresses of the generated ones, in their order.
    pub(super) generated: Vec<Vec<Ipv4Addr>>,
    /// The TLSA records of exchangers.
    pub(super) tlsa: Vec<(DomainName, Vec<RecordData>)>,
    /// The address of the hosts of policies.
    pub(super) policy_host: Ipv4Addr,
}

impl Zone {
    /// The names of this world, with those of its servers.
    pub(super) fn new(world: &World, served: ServedNames) -> Self {
        let mut names: HashMap<_, _> = world.names.clone().into_iter().collect();
        for (domain, policy) in policy_names(world, served.policy_host) {
            names.entry(domain).or_insert(policy);
        }
        let mut tlsa = HashMap::new();
        for (host, records) in served.tlsa {
            let at = DomainName::from_ascii(&format!("_25._tcp.{host}"));
            names.entry(at.clone()).or_default().signed = true;
            tlsa.insert(at, records);
        }
        for (host, owned) in &served.exchangers {
            names.entry(host.clone()).or_default().a.extend(owned);
            for address in owned {
                let reverse = DomainName::from_ascii(&reverse(*address));
                let ptr = Some(host.clone());
                names
                    .entry(reverse)
                    .or_insert_with(|| NameRecords { ptr, ..NameRecords::default() });
            }
        }
        let mut parents = HashSet::new();
        let below = names.keys().chain(world.blocklists.keys()).map(DomainName::as_str);
        let numbered = world.generated.iter().flat_map(|g| [g.domain.parent(), g.host.parent()]);
        parents.extend(numbered.clone().map(str::to_owned));
        for name in below.chain(numbered) {
            let above = name.match_indices('.').map(|(i, _)| name[i + 1..].to_owned());
            parents.extend(above);
        }
        Self {
            settings: world.settings.clone(),
            names,
            parents,
            generated: world.generated.iter().cloned().zip(served.generated).collect(),
            blocklists: world.blocklists.clone(),
            tlsa,
        }
    }

    /// The answer to a query for `name`, in lower case without a trailing dot.
    pub(super) fn answer(&self, name: &str, of: QueryType) -> ZoneResponse {
        let mut records = Vec::new();
        let mut owner = DomainName::from_ascii(name);
        for _ in 0..=MOST_ALIASES {
            let Some(found) = self.lookup(&owner) else {
                let exists = !records.is_empty() || self.parents.contains(owner.as_str());
                let kind = if exists { ResponseKind::NoError } else { ResponseKind::NameError };
                return self.respond(kind, records, None);
            };
            let failure = found.fails.get(&of).or_else(|| found.fails.get(&QueryType::Any));
            let kind = match failure {
                None | Some(QueryFailure::Truncated) => ResponseKind::NoError,
                Some(QueryFailure::Nxdomain) => ResponseKind::NameError,
                Some(failure) => ResponseKind::Failed(*failure),
            };
            if kind != ResponseKind::NoError {
                return self.respond(kind, Vec::new(), Some(&found));
            }
            let ttl = seconds(found.ttl.unwrap_or(self.settings.ttl));
            let own = |data| ZoneRecord { name: owner.clone(), ttl, data };
            if let Some(target) = &found.cname {
                records.push(own(RecordData::Cname(target.clone())));
                owner = target.clone();
                continue;
            }
            let tlsa = self.tlsa.get(&owner).filter(|_| of == QueryType::Tlsa);
            let found_data = tlsa.cloned().unwrap_or_else(|| data(&found, of));
            records.extend(found_data.into_iter().map(own));
            let mut response = self.respond(kind, records, Some(&found));
            if failure == Some(&QueryFailure::Truncated) {
                response.kind = ResponseKind::Failed(QueryFailure::Truncated);
            }
            return response;
        }
        self.respond(ResponseKind::Failed(QueryFailure::Servfail), Vec::new(), None)
    }

    /// The name itself, a generated one, a listing, or what a wildcard makes of it (RFC 4592).
    fn lookup(&self, name: &DomainName) -> Option<Cow<'_, NameRecords>> {
        if let Some(found) = self.names.get(name) {
            return Some(Cow::Borrowed(found));
        }
        if let Some(found) = self.computed(name.as_str()).or_else(|| self.listed(name.as_str())) {
            return Some(Cow::Owned(found));
        }
        if self.parents.contains(name.as_str()) {
            return None;
        }
        let mut below = name.as_str();
        while let Some((_, parent)) = below.split_once('.') {
            if let Some(found) = self.names.get(&DomainName::from_ascii(&format!("*.{parent}"))) {
                return Some(Cow::Borrowed(found));
            }
            if self.parents.contains(parent) {
                return None;
            }
            below = parent;
        }
        None
    }

    fn computed(&self, name: &str) -> Option<NameRecords> {
        self.generated.iter().find_map(|(generated, addresses)| {
            if let Some(n) = generated.domain.number(name).filter(|n| *n < generated.domains) {
                return Some(NameRecords::with_mx(&[&generated.host.name(n % generated.hosts)]));
            }
            let n = generated.host.number(name)?;
            let address = addresses.get(usize::try_from(n).ok()?)?;
            Some(NameRecords { a: vec![*address], ..NameRecords::default() })
        })
    }

    /// The entry of a blocklist for the address that the first labels name, in reverse.
    fn listed(&self, name: &str) -> Option<NameRecords> {
        self.blocklists.iter().find_map(|(zone, listings)| {
            let labels = name.strip_suffix(zone.as_str())?.strip_suffix('.')?;
            let address = reversed(labels)?;
            let entry = listings.iter().find(|l| l.network.contains(&address))?;
            Some(NameRecords {
                a: vec![entry.code],
                txt: vec![entry.reason.clone()],
                ..NameRecords::default()
            })
        })
    }

    fn respond(
        &self,
        kind: ResponseKind,
        records: Vec<ZoneRecord>,
        name: Option<&NameRecords>,
    ) -> ZoneResponse {
        let negative = name.and_then(|n| n.negative_ttl).unwrap_or(self.settings.negative_ttl);
        let nothing = records.iter().all(|r| matches!(r.data, RecordData::Cname(_)));
        let fails = matches!(kind, ResponseKind::Failed(_));
        ZoneResponse {
            kind,
            negative_ttl: (nothing && !fails).then(|| seconds(negative)),
            records,
            delay: name.and_then(|n| n.delay).unwrap_or(self.settings.dns_delay),
            is_authentic: name.is_some_and(|name| name.signed),
        }
    }
}

/// The names by which MTA-STS policies are found (RFC 8461 section 3): the record, and the host.
fn policy_names(
    world: &World,
    policy_host: Ipv4Addr,
) -> impl Iterator<Item = (DomainName, NameRecords)> {
    world.policies.keys().flat_map(move |domain| {
        let record = DomainName::from_ascii(&format!("_mta-sts.{domain}"));
        let txt = vec!["v=STSv1; id=20261128;".to_owned()];
        let host = NameRecords { a: vec![policy_host], ..NameRecords::default() };
        [(record, NameRecords { txt, ..NameRecords::default() }), (policies::host(domain), host)]
    })
}

fn data(name: &NameRecords, of: QueryType) -> Vec<RecordData> {
    match of {
        QueryType::Mx => {
            name.mx.iter().map(|m| RecordData::Mx(m.preference, m.host.clone())).collect()
        }
        QueryType::A => name.a.iter().copied().map(RecordData::A).collect(),
        QueryType::Aaaa => name.aaaa.iter().copied().map(RecordData::Aaaa).collect(),
        QueryType::Txt => name.txt.iter().cloned().map(RecordData::Txt).collect(),
        QueryType::Ptr => name.ptr.iter().cloned().map(RecordData::Ptr).collect(),
        QueryType::Ns => name.ns.iter().cloned().map(RecordData::Ns).collect(),
        QueryType::Tlsa | QueryType::Any => Vec::new(),
    }
}

/// The address whose four octets (RFC 5782 section 2.1) or 32 nibbles (section 2.4) stand in
/// reverse.
fn reversed(labels: &str) -> Option<IpAddr> {
    let labels: Vec<&str> = labels.rsplit('.').collect();
    match labels.len() {
        4 => {
            let mut octets = [0; 4];
            for (octet, label) in octets.iter_mut().zip(labels) {
                *octet = label.parse().ok()?;
            }
            Some(octets.into())
        }
        32 if labels.iter().all(|label| label.len() == 1) => {
            u128::from_str_radix(&labels.concat(), 16).ok().map(|bits| Ipv6Addr::from(bits).into())
        }
        _ => None,
    }
}

/// The name under which the PTR record of an address stands (RFC 1035 section 3.5).
fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
