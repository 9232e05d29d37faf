//! The sandbox's name server: real DNS packets over UDP and TCP.
//!
//! What it says is worked out by `zone`; here it is counted, delayed, and put into packets.

use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, Header, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TLSA, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};

use super::counts::QueryCounts;
use super::world::{QueryFailure, QueryType};
use super::zone::{RecordData, ResponseKind, Zone, ZoneResponse};
use crate::address::DomainName;

/// Longest silence on a TCP connection.
const TCP_IDLE: Duration = Duration::from_secs(30);

/// Most answers that may wait on one TCP connection.
const TCP_BUFFER: usize = 32;

/// Answers the queries that reach the server.
pub(super) struct Answerer {
    zone: Zone,
    counts: Arc<Mutex<QueryCounts>>,
}

/// The server, answering on these sockets until it is shut down.
pub(super) fn serve(
    zone: Zone,
    counts: Arc<Mutex<QueryCounts>>,
    udp: UdpSocket,
    tcp: TcpListener,
) -> Server<Answerer> {
    let mut server = Server::new(Answerer { zone, counts });
    server.register_socket(udp);
    server.register_listener(tcp, TCP_IDLE, TCP_BUFFER);
    server
}

#[async_trait::async_trait]
impl RequestHandler for Answerer {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut responder: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        metadata.recursion_available = true;
        let mut edns = Edns::new();
        edns.set_max_payload(request.max_payload());
        let edns = request.edns.is_some().then_some(&edns);

        let response = self.respond(request);
        if !response.delay.is_zero() {
            tokio::time::sleep(response.delay).await;
        }
        metadata.authentic_data = response.is_authentic && request.metadata.authentic_data;
        let mut records = &response.records[..];
        match response.kind {
            ResponseKind::NoError => {}
            ResponseKind::NameError => metadata.response_code = ResponseCode::NXDomain,
            ResponseKind::Failed(QueryFailure::Silence) => return unsent(metadata),
            ResponseKind::Failed(QueryFailure::Refused) => {
                metadata.response_code = ResponseCode::Refused
            }
            ResponseKind::Failed(QueryFailure::Truncated)
                if request.protocol() == Protocol::Udp =>
            {
                metadata.truncation = true;
                records = &[];
            }
            ResponseKind::Failed(QueryFailure::Truncated) => {}
            ResponseKind::Failed(_) => metadata.response_code = ResponseCode::ServFail,
        }
        let answers: Vec<Record> = records
            .iter()
            .map(|r| Record::from_rdata(name(&r.name), r.ttl, rdata(&r.data)))
            .collect();
        let soa = response.negative_ttl.and_then(|ttl| start_of_authority(request, ttl));
        let message = MessageResponseBuilder::new(&request.queries, edns).build(
            metadata,
            answers.iter(),
            [],
            soa.iter(),
            [],
        );
        match responder.send_response(message).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "the sandbox could not send a DNS answer");
                unsent(metadata)
            }
        }
    }
}

impl Answerer {
    fn respond(&self, request: &Request) -> ZoneResponse {
        let refused = ZoneResponse {
            kind: ResponseKind::Failed(QueryFailure::Refused),
            records: Vec::new(),
            negative_ttl: None,
            delay: Duration::ZERO,
            is_authentic: false,
        };
        let [query] = request.queries.queries() else { return refused };
        let mut counts = self.counts.lock();
        let (of, count) = match query.query_type() {
            RecordType::MX => (QueryType::Mx, &mut counts.mx),
            RecordType::A => (QueryType::A, &mut counts.a),
            RecordType::AAAA => (QueryType::Aaaa, &mut counts.aaaa),
            RecordType::TXT => (QueryType::Txt, &mut counts.txt),
            RecordType::PTR => (QueryType::Ptr, &mut counts.ptr),
            RecordType::NS => (QueryType::Ns, &mut counts.other),
            RecordType::TLSA => (QueryType::Tlsa, &mut counts.other),
            _ => (QueryType::Any, &mut counts.other),
        };
        *count += 1;
        drop(counts);
        if request.metadata.op_code != OpCode::Query {
            return refused;
        }
        // Not `to_string`: that shows A-labels in Unicode.
        let asked = query.original().name().to_ascii().to_ascii_lowercase();
        self.zone.answer(asked.trim_end_matches('.'), of)
    }
}

/// The description hickory requires of an answer that was not sent.
fn unsent(metadata: Metadata) -> ResponseInfo {
    Header { metadata, counts: HeaderCounts::default() }.into()
}

/// The SOA record that says how long "nothing" may be cached (RFC 2308 section 3): the world is
/// one zone for each top-level domain.
fn start_of_authority(request: &Request, ttl: u32) -> Option<Record> {
    let asked = Name::from(request.queries.queries().first()?.name().clone());
    let zone = asked.trim_to(1);
    let mname = Name::from_ascii("ns.sandbox.test.").ok()?;
    let rname = Name::from_ascii("hostmaster.sandbox.test.").ok()?;
    let soa = SOA::new(mname, rname, 1, 3600, 600, 86_400, ttl);
    Some(Record::from_rdata(zone, ttl, RData::SOA(soa)))
}

/// A name as hickory has it. One that no packet can carry becomes the root.
fn name(domain: &DomainName) -> Name {
    let mut name = Name::from_ascii(domain.as_str()).unwrap_or_else(|_| Name::root());
    name.set_fqdn(true);
    name
}

fn rdata(data: &RecordData) -> RData {
    match data {
        RecordData::Mx(preference, host) => RData::MX(MX::new(*preference, name(host))),
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(target) => RData::CNAME(CNAME(name(target))),
        // One string of a TXT record holds 255 octets (RFC 1035 section 3.3).
        RecordData::Txt(text) => RData::TXT(TXT::from_bytes(text.as_bytes().chunks(255).collect())),
        RecordData::Ptr(host) => RData::PTR(PTR(name(host))),
        RecordData::Ns(host) => RData::NS(NS(name(host))),
        RecordData::Tlsa { usage, selector, matching, data } => RData::TLSA(TLSA::new(
            (*usage).into(),
            (*selector).into(),
            (*matching).into(),
            data.clone(),
        )),
    }
}
