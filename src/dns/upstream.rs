//! One name server, asked through hickory: UDP (over sockets of our own), and TCP if the answer was
//! truncated.
//!
//! A name server that refuses EDNS with FORMERR or NOTIMP is asked again without it (RFC 6891
//! section 7); so is one that is silent, because some servers and middleboxes drop such questions.
//! It turns hickory's results into an [`Answer`] or a [`DnsFailure`]. Hickory's cache, search
//! domains and hosts file are off. Names that never go to a name server are answered by hickory
//! itself: `localhost` (loopback addresses), `invalid` and `onion` (NXDOMAIN), RFC 6761, RFC 7686.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;

use super::answer::Answer;
use super::config::{Config, SetupError};
use super::connections::Connections;
use super::facts::DnsFailure;
use super::lifetime;
use crate::address::DomainName;
use crate::clock::Clock;

/// One name server.
pub(super) struct Upstream {
    clock: Clock,
    with_edns: Resolver<Connections>,
    without_edns: Resolver<Connections>,
    /// With EDNS, and with the wish to hear whether the answer is authentic.
    vouching: Resolver<Connections>,
    /// The time until which the name server is asked without EDNS at once.
    plain_until: Mutex<SystemTime>,
}

/// The time for which the lack of EDNS is remembered. Short, because the server may be repaired,
/// and without EDNS every answer over 512 octets costs a TCP connection.
const PLAIN_FOR: Duration = Duration::from_secs(10 * 60);

/// Requests in flight on one TCP connection. Hickory's 32 would answer "busy" under load.
const TCP_REQUESTS: usize = 1024;

impl Upstream {
    pub(super) fn new(
        server: SocketAddr,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let connections = Connections::new(server, clock);
        Ok(Self {
            clock,
            with_edns: client(server, connections.clone(), config, true)?,
            without_edns: client(server, connections.clone(), config, false)?,
            vouching: client(server, connections.wanting_authenticity(), config, true)?,
            plain_until: Mutex::new(SystemTime::UNIX_EPOCH),
        })
    }

    /// Asks for the records of one type; `read` extracts the usable ones. `round` counts the times
    /// that this question found the name server silent.
    pub(super) async fn ask<R>(
        &self,
        name: &Name,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
        round: u32,
    ) -> Result<Answer<R>, DnsFailure> {
        if round == 0 && !self.is_plain() {
            let found = self.with_edns.lookup(name.clone(), record_type).await;
            if !found.as_ref().is_err_and(refuses_edns) {
                return read_result(&self.with_edns, name, found, read).await;
            }
        }
        let found = self.without_edns.lookup(name.clone(), record_type).await;
        if is_from_server(&found) {
            *self.plain_until.lock() = self.clock.now() + PLAIN_FOR;
        }
        read_result(&self.without_edns, name, found, read).await
    }

    /// Asks as [`Self::ask`] does, and says in `is_authentic` whether the name server vouches for
    /// the answer. A name server without EDNS does not.
    pub(super) async fn ask_authentic<R>(
        &self,
        name: &Name,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
        is_authentic: &AtomicBool,
    ) -> Result<Answer<R>, DnsFailure> {
        let found = self.vouching.lookup(name.clone(), record_type).await;
        let vouches = found.as_ref().is_ok_and(|it| it.message().metadata.authentic_data);
        is_authentic.store(vouches, Ordering::Relaxed);
        read_result(&self.vouching, name, found, read).await
    }

    fn is_plain(&self) -> bool {
        self.clock.now() < *self.plain_until.lock()
    }
}

/// A client of one name server, without cache, search domains and hosts file.
fn client(
    server: SocketAddr,
    connections: Connections,
    config: &Config,
    edns: bool,
) -> Result<Resolver<Connections>, SetupError> {
    let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut c| {
        c.port = server.port();
        c
    });
    let server_config = NameServerConfig::new(server.ip(), true, ways.to_vec());
    let resolver_config = ResolverConfig::from_parts(None, vec![], vec![server_config]);
    let mut builder = Resolver::builder_with_config(resolver_config, connections);
    let options = builder.options_mut();
    options.timeout = config.timeout;
    options.attempts = 0;
    options.cache_size = 0;
    options.edns0 = edns;
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    options.max_active_requests = TCP_REQUESTS;
    builder.build().map_err(|e| SetupError::Client(server, e.to_string()))
}

/// FORMERR and NOTIMP are how a name server without EDNS answers a question with it.
fn refuses_edns(error: &NetError) -> bool {
    use ResponseCode::{FormErr, NotImp};
    matches!(error, NetError::Dns(DnsError::ResponseCode(FormErr | NotImp)))
}

/// `true` if the name server answered something better than a refusal of the question's form.
fn is_from_server(found: &Result<Lookup, NetError>) -> bool {
    match found {
        Ok(_) => true,
        Err(error) => matches!(error, NetError::Dns(_)) && !refuses_edns(error),
    }
}

async fn read_result<R>(
    client: &Resolver<Connections>,
    name: &Name,
    found: Result<Lookup, NetError>,
    read: fn(&RData) -> Option<R>,
) -> Result<Answer<R>, DnsFailure> {
    match found {
        Ok(lookup) => records(name, lookup.answers(), read),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => negative(client, name, none).await,
        Err(error) => Err(failure(error)),
    }
}

/// Reads an answer without records.
async fn negative<R>(
    client: &Resolver<Connections>,
    name: &Name,
    none: NoRecords,
) -> Result<Answer<R>, DnsFailure> {
    let ttl = none.soa.as_ref().and(none.negative_ttl).map(lifetime::from_wire);
    let last = none.query.name();
    let alias_of = (last != name).then(|| from_wire(last));
    match none.response_code {
        // The rcode is about the end of the chain (RFC 6604): the alias itself exists.
        ResponseCode::NXDomain if alias_of.is_none() => Ok(Answer::NoSuchName { ttl }),
        ResponseCode::NXDomain => Ok(Answer::NoData { alias_of, ttl }),
        ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
            Err(DnsFailure::ServerFailure("a referral instead of an answer".into()))
        }
        // Hickory gives up on a long or endless chain with an empty answer. The chain may have come
        // back to the name itself, so that nothing shows but the missing SOA.
        ResponseCode::NoError if none.soa.is_none() => {
            match client.lookup(last.clone(), RecordType::CNAME).await {
                Ok(_) => Err(DnsFailure::ServerFailure("aliases without an end".into())),
                Err(error) if error.is_no_records_found() => Ok(Answer::NoData { alias_of, ttl }),
                Err(error) => Err(failure(error)),
            }
        }
        ResponseCode::NoError => Ok(Answer::NoData { alias_of, ttl }),
        code => Err(DnsFailure::ServerFailure(mnemonic(code))),
    }
}

/// The records that `name`, or the name it is an alias of, owns.
fn records<R>(
    name: &Name,
    answers: &[Record],
    read: fn(&RData) -> Option<R>,
) -> Result<Answer<R>, DnsFailure> {
    let mut owner = name;
    let mut ttl = u32::MAX >> 1;
    let mut shortest = |record: &Record| {
        if lifetime::from_wire(record.ttl) < lifetime::from_wire(ttl) {
            ttl = record.ttl;
        }
    };
    // Each step of the chain is one record, so there are no more steps than records.
    for _ in answers {
        let Some((record, target)) = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if &record.name == owner => Some((record, &target.0)),
            _ => None,
        }) else {
            break;
        };
        shortest(record);
        owner = target;
    }
    let mut found = Vec::new();
    for record in answers.iter().filter(|record| &record.name == owner) {
        if let Some(data) = read(&record.data) {
            shortest(record);
            found.push(data);
        }
    }
    if found.is_empty() {
        return Err(DnsFailure::ServerFailure("records of another name".into()));
    }
    let alias_of = (owner != name).then(|| from_wire(owner));
    Ok(Answer::Records { records: found, alias_of, ttl: lifetime::from_wire(ttl) })
}

fn failure(error: NetError) -> DnsFailure {
    match error {
        NetError::Timeout => DnsFailure::Timeout,
        NetError::Dns(DnsError::ResponseCode(code)) => DnsFailure::ServerFailure(mnemonic(code)),
        NetError::Dns(error) => DnsFailure::ServerFailure(error.to_string()),
        // Something came back, so the server is there: asking it again would bring the same.
        NetError::Proto(error) => DnsFailure::ServerFailure(format!("unreadably: {error}")),
        NetError::Truncated => DnsFailure::ServerFailure("in part, over TCP too".into()),
        error => DnsFailure::Unreachable(error.to_string()),
    }
}

/// The code as administrators know it.
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        other => format!("response code {}", u16::from(other)),
    }
}

/// A fully qualified name, so that no search domain is tried.
pub(super) fn to_wire(name: &DomainName) -> Result<Name, DnsFailure> {
    let labels = name.as_str().split('.').map(str::as_bytes);
    let mut wire = Name::from_labels(labels)
        .map_err(|e| DnsFailure::Unreachable(format!("DNS cannot carry the name {name}: {e}")))?;
    wire.set_fqdn(true);
    Ok(wire)
}

/// A name as a master file writes it (RFC 1035 section 5.1): unprintable octets, and dots within a
/// label, are escaped.
pub(super) fn from_wire(name: &Name) -> DomainName {
    let mut text = String::with_capacity(name.len());
    for label in name {
        for byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
                b if b.is_ascii_graphic() => text.push(char::from(*b)),
                b => text.push_str(&format!("\\{b:03}")),
            }
        }
        text.push('.');
    }
    DomainName::from_ascii(&text)
}
