//! For tests: a name server on loopback, UDP and TCP, that says what a table tells it to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{CNAME, MX, NS, SOA};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

/// The server's answer to one question.
#[derive(Clone)]
pub(crate) enum Says {
    /// These records.
    Records(Vec<Record>),
    /// No, with or without an SOA of TTL 90 and MINIMUM 77.
    No(ResponseCode, bool),
    /// Refers the client to another server.
    Referral,
    /// Nothing at all.
    Nothing,
}

pub(crate) const NXDOMAIN: Says = Says::No(ResponseCode::NXDomain, true);
pub(crate) const NODATA: Says = Says::No(ResponseCode::NoError, true);
pub(crate) const SERVFAIL: Says = Says::No(ResponseCode::ServFail, false);

/// The table, and the questions it was asked.
#[derive(Default)]
pub(crate) struct AnswerTable {
    says: HashMap<(String, RecordType), Says>,
    otherwise: Option<Says>,
    to_edns: Option<Says>,
    asked: Mutex<Vec<(String, RecordType)>>,
    asked_with_edns: AtomicUsize,
    /// Answers have the AD bit, where the question has it.
    vouches: bool,
    asked_for_authenticity: AtomicUsize,
}

impl AnswerTable {
    /// Vouches for every answer to those who ask for that.
    pub(crate) fn vouching(mut self) -> Self {
        self.vouches = true;
        self
    }

    /// Says this to a question.
    pub(crate) fn with(mut self, name: &str, record_type: RecordType, says: Says) -> Self {
        self.says.insert((name.to_owned(), record_type), says);
        self
    }

    /// Says this to every question with EDNS.
    pub(crate) fn answering_edns(mut self, says: Says) -> Self {
        self.to_edns = Some(says);
        self
    }

    /// Says this to any other question (else REFUSED).
    pub(crate) fn otherwise(mut self, says: Says) -> Self {
        self.otherwise = Some(says);
        self
    }
}

/// A running server; it stops when it is dropped.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    table: Arc<AnswerTable>,
    _server: Server<Handler>,
}

impl NameServer {
    pub(crate) async fn start(table: AnswerTable) -> Self {
        let table = Arc::new(table);
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let mut server = Server::new(Handler(Arc::clone(&table)));
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 32);
        Self { address, table, _server: server }
    }

    /// The number of times this was asked. UDP is sent again at times, so "at least once" counts.
    pub(crate) fn asked(&self, name: &str, record_type: RecordType) -> usize {
        let asked = self.table.asked.lock().unwrap();
        asked.iter().filter(|(n, t)| n == name && *t == record_type).count()
    }

    /// The number of questions that came with EDNS.
    pub(crate) fn asked_with_edns(&self) -> usize {
        self.table.asked_with_edns.load(Ordering::Relaxed)
    }

    /// The number of questions that asked whether the answer is authentic.
    pub(crate) fn asked_for_authenticity(&self) -> usize {
        self.table.asked_for_authenticity.load(Ordering::Relaxed)
    }

    /// The number of all questions.
    pub(crate) fn asked_at_all(&self) -> usize {
        self.table.asked.lock().unwrap().len()
    }
}

/// A UDP and a TCP socket on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port of loopback is free for both UDP and TCP");
}

struct Handler(Arc<AnswerTable>);

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let query = request.request_info().unwrap().query;
        let question =
            (super::upstream::from_wire(&query.name().into()).to_string(), query.query_type());
        self.0.asked.lock().unwrap().push(question.clone());
        let refuse = Says::No(ResponseCode::Refused, false);
        let has_edns = request.edns.is_some();
        self.0.asked_with_edns.fetch_add(usize::from(has_edns), Ordering::Relaxed);
        let says = self.0.to_edns.as_ref().filter(|_| has_edns);
        let says = says.or_else(|| self.0.says.get(&question)).or(self.0.otherwise.as_ref());
        let says = says.unwrap_or(&refuse);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let wants_authenticity = request.metadata.authentic_data;
        self.0.asked_for_authenticity.fetch_add(usize::from(wants_authenticity), Ordering::Relaxed);
        metadata.authentic_data = self.0.vouches && wants_authenticity;
        let (mut answers, mut authorities, mut soas) = (vec![], vec![], vec![]);
        match says {
            Says::Records(records) => answers.clone_from(records),
            Says::No(code, soa) => {
                metadata.response_code = *code;
                soas.extend(soa.then(self::soa));
            }
            Says::Referral => authorities.push(ns()),
            Says::Nothing => {
                return ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
            }
        }
        let message = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            answers.iter(),
            authorities.iter(),
            soas.iter(),
            &[],
        );
        response.send_response(message).await.unwrap()
    }
}

fn name(text: &str) -> Name {
    let labels = text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    let mut name = Name::from_labels(labels).unwrap();
    name.set_fqdn(true);
    name
}

fn soa() -> Record {
    let data = SOA::new(name("ns.test"), name("admin.test"), 1, 60, 60, 60, 77);
    Record::from_rdata(name("test"), 90, RData::SOA(data))
}

fn ns() -> Record {
    Record::from_rdata(name("test"), 90, RData::NS(NS(name("ns.test"))))
}

/// MX records of `owner`.
pub(crate) fn mx(owner: &str, ttl: u32, exchanges: &[(u16, &str)]) -> Vec<Record> {
    exchanges
        .iter()
        .map(|(preference, exchange)| {
            Record::from_rdata(name(owner), ttl, RData::MX(MX::new(*preference, name(exchange))))
        })
        .collect()
}

/// One address record of `owner`.
pub(crate) fn address(owner: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().unwrap() {
        std::net::IpAddr::V4(v4) => RData::A(v4.into()),
        std::net::IpAddr::V6(v6) => RData::AAAA(v6.into()),
    };
    Record::from_rdata(name(owner), ttl, data)
}

/// `owner` is an alias of `target`.
pub(crate) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}
