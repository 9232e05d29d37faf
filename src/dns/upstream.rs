//! One name server as a source of answers: UDP, and TCP if the response was truncated.
//!
//! A name server that refuses EDNS with FORMERR or NOTIMP is asked again without it (RFC 6891
//! section 7); so is one that is silent. Responses are turned into an [`Answer`] or a
//! [`DnsFailure`]. Hickory reads them; its resolver, with the cache, the pool of servers and the
//! search domains that this has no use for, costs as much as the questions themselves.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;

use super::answer::Answer;
use super::config::Config;
use super::edns::EdnsUse;
use super::facts::DnsFailure;
use super::failover::ServerError;
use super::name_server::NameServerClient;
use super::question_message::{Form, QuestionMessage};
use super::response::{self, Chain, Settled};
use super::{lifetime, special_names};
use crate::address::DomainName;
use crate::clock::Clock;

/// One name server.
pub(super) struct Upstream {
    clock: Clock,
    server: NameServerClient,
    edns: Mutex<EdnsUse>,
    timeout: Duration,
}

/// What a name server says about a name.
struct FoundRecords {
    /// The records; none if after so many questions there was still another alias.
    records: Vec<Record>,
    /// The aliases that lead to them.
    chain: Chain,
    /// The name server vouches for all of them: the AD bit.
    is_authentic: bool,
}

/// The most questions for one name: each response may end with an alias that it leaves open.
const STEPS: usize = 8;

impl Upstream {
    pub(super) fn new(address: SocketAddr, config: &Config, clock: Clock) -> Self {
        let server = NameServerClient::new(address, clock);
        Self { clock, server, edns: Mutex::default(), timeout: config.timeout }
    }

    /// Asks for the records of one type; `read` extracts the usable ones. `silences` counts the
    /// times that this question found the name server silent.
    pub(super) async fn ask<R>(
        &self,
        name: &Name,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
        silences: u32,
    ) -> Result<Answer<R>, ServerError> {
        let asked_at = self.clock.now();
        if silences > 0 || self.edns.lock().is_off(asked_at) {
            let found = self.look_up(name, record_type, Form::Plain).await;
            if silences > 0 && is_answer(&found) {
                self.edns.lock().silent(asked_at, self.timeout);
            }
            return self.read_result(Form::Plain, name, found, read).await;
        }
        let found = self.look_up(name, record_type, Form::Edns).await;
        if !found.as_ref().is_err_and(refuses_edns) {
            if is_from_server(&found) {
                self.edns.lock().answered(self.clock.now());
            }
            return self.read_result(Form::Edns, name, found, read).await;
        }
        let found = self.look_up(name, record_type, Form::Plain).await;
        if is_from_server(&found) {
            self.edns.lock().refused(self.clock.now());
        }
        self.read_result(Form::Plain, name, found, read).await
    }

    /// Asks as [`Self::ask`] does, and says in `is_authentic` whether the name server vouches for
    /// the answer. A name server without EDNS does not.
    pub(super) async fn ask_authentic<R>(
        &self,
        name: &Name,
        record_type: RecordType,
        read: fn(&RData) -> Option<R>,
        is_authentic: &AtomicBool,
    ) -> Result<Answer<R>, ServerError> {
        let found = self.look_up(name, record_type, Form::Vouching).await;
        let vouches = found.as_ref().is_ok_and(|it| it.is_authentic);
        is_authentic.store(vouches, Ordering::Relaxed);
        self.read_result(Form::Vouching, name, found, read).await
    }

    /// Asks for `name`, and for what it is an alias of while a response leaves that open.
    async fn look_up(
        &self,
        name: &Name,
        record_type: RecordType,
        form: Form,
    ) -> Result<FoundRecords, NetError> {
        let mut is_authentic = true;
        let mut chain = Chain { end: name.clone(), ttl: Duration::MAX };
        for _ in 0..STEPS {
            if let Some(known) = special_names::answer(&chain.end, record_type) {
                let records = vec![known?];
                return Ok(FoundRecords { records, chain, is_authentic: false });
            }
            let mut question = QuestionMessage::new(&chain.end, record_type, form)?;
            let response = self.server.exchange(&mut question, self.timeout).await?;
            let response = DnsError::from_response(response)?;
            is_authentic &= response.metadata.authentic_data;
            match response::settle(response, &chain.end, record_type) {
                Settled::Records { records, chain: next } => {
                    let chain = chain.joined(next);
                    return Ok(FoundRecords { records, chain, is_authentic });
                }
                Settled::Alias(next) => chain = chain.joined(next),
                Settled::Nothing(none) => return Err(none.into()),
            }
        }
        Ok(FoundRecords { records: Vec::new(), chain, is_authentic })
    }

    async fn read_result<R>(
        &self,
        form: Form,
        name: &Name,
        found: Result<FoundRecords, NetError>,
        read: fn(&RData) -> Option<R>,
    ) -> Result<Answer<R>, ServerError> {
        match found {
            Ok(found) if found.records.is_empty() => Err(endless().into()),
            Ok(found) => records(name, &found, read).map_err(ServerError::from),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                // Rare, and large: it may hold another question.
                Box::pin(self.negative(form, name, none)).await
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Reads an answer without records.
    async fn negative<R>(
        &self,
        form: Form,
        name: &Name,
        none: NoRecords,
    ) -> Result<Answer<R>, ServerError> {
        let ttl = none.soa.as_ref().and(none.negative_ttl).map(lifetime::from_wire);
        let last = none.query.name();
        let alias_of = (last != name).then(|| from_wire(last));
        match none.response_code {
            // The rcode is about the end of the chain (RFC 6604): the alias itself exists.
            ResponseCode::NXDomain if alias_of.is_none() => Ok(Answer::NoSuchName { ttl }),
            ResponseCode::NXDomain => Ok(Answer::NoData { alias_of, ttl }),
            ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
                Err(DnsFailure::ServerFailure("a referral instead of an answer".into()).into())
            }
            // Aliases may have come back to the name itself, so that nothing shows but the missing
            // SOA.
            ResponseCode::NoError if none.soa.is_none() => {
                match self.look_up(last, RecordType::CNAME, form).await {
                    Ok(_) => Err(endless().into()),
                    Err(error) if error.is_no_records_found() => {
                        Ok(Answer::NoData { alias_of, ttl })
                    }
                    Err(error) => Err(failure(error)),
                }
            }
            ResponseCode::NoError => Ok(Answer::NoData { alias_of, ttl }),
            code => Err(DnsFailure::ServerFailure(mnemonic(code)).into()),
        }
    }
}

fn endless() -> DnsFailure {
    DnsFailure::ServerFailure("aliases without an end".into())
}

fn refuses_edns(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::ResponseCode(code)) if response::refuses_form(*code))
}

/// `true` if the name server answered something better than a refusal of the question's form.
fn is_from_server(found: &Result<FoundRecords, NetError>) -> bool {
    match found {
        Ok(_) => true,
        Err(error) => matches!(error, NetError::Dns(_)) && !refuses_edns(error),
    }
}

/// `true` if there are records, or are known to be none.
fn is_answer(found: &Result<FoundRecords, NetError>) -> bool {
    matches!(found, Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_))))
}

/// The records of `name`, or of the name it is an alias of.
fn records<R>(
    name: &Name,
    found: &FoundRecords,
    read: fn(&RData) -> Option<R>,
) -> Result<Answer<R>, DnsFailure> {
    let mut ttl = found.chain.ttl;
    let mut records = Vec::with_capacity(found.records.len());
    for record in &found.records {
        if let Some(data) = read(&record.data) {
            ttl = ttl.min(lifetime::from_wire(record.ttl));
            records.push(data);
        }
    }
    if records.is_empty() {
        return Err(DnsFailure::ServerFailure("records that cannot be read".into()));
    }
    let end = &found.chain.end;
    let alias_of = (end != name).then(|| from_wire(end));
    Ok(Answer::Records { records, alias_of, ttl })
}

fn failure(error: NetError) -> ServerError {
    let is_ours = matches!(error, NetError::Busy);
    let failure = match error {
        NetError::Timeout => DnsFailure::Timeout,
        NetError::Dns(DnsError::ResponseCode(code)) => DnsFailure::ServerFailure(mnemonic(code)),
        NetError::Dns(error) => DnsFailure::ServerFailure(error.to_string()),
        // Something came back, so the server is there: asking it again would bring the same.
        NetError::Proto(error) => DnsFailure::ServerFailure(format!("unreadably: {error}")),
        NetError::Truncated => DnsFailure::ServerFailure("in part, over TCP too".into()),
        NetError::Msg(words) => DnsFailure::ServerFailure(words),
        error => DnsFailure::Unreachable(error.to_string()),
    };
    ServerError { failure, is_ours }
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
    // Label after label, without a table of them; the longer way tells all that is wrong.
    if let Ok(wire) = labels.clone().try_fold(Name::root(), Name::append_label) {
        return Ok(wire);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_on_the_wire_is_that_of_its_labels_however_long_it_is() {
        let long = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
        let reverse = format!("{}ip6.arpa", "1.".repeat(32));
        for text in ["test", "a.test", "_25._tcp.mx.a.test", "xn--bcher-kva.test", &reverse, &long]
        {
            let wire = to_wire(&DomainName::from_ascii(text)).unwrap();
            let expected = Name::from_labels(text.split('.').map(str::as_bytes)).unwrap();
            assert!(wire.is_fqdn() && wire.iter().eq(expected.iter()), "{text}");
            assert_eq!(wire, expected);
            assert_eq!(from_wire(&wire).as_str(), text);
        }
    }

    #[test]
    fn a_name_that_dns_cannot_carry_is_refused_with_every_reason() {
        let too_long = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(62));
        let label_too_long = format!("{}.test", "x".repeat(64));
        for text in ["", "a..test", &label_too_long, &too_long] {
            let refused = to_wire(&DomainName::from_ascii(text)).unwrap_err();
            let reason = Name::from_labels(text.split('.').map(str::as_bytes)).unwrap_err();
            let told = format!("DNS cannot carry the name {text}: {reason}");
            assert_eq!(refused, DnsFailure::Unreachable(told));
        }
    }
}
