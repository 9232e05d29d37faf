//! A small DNS server: the names that a test needs, and no other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_server::Server;
use hickory_server::proto::rr::rdata::{A, MX, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::UdpSocket;

/// Lifetime of every record, in seconds.
const TTL: u32 = 60;

/// A running DNS server; it ends when dropped.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    _server: Server<Catalog>,
}

/// A DNS server to be.
#[derive(Default)]
pub(crate) struct Builder {
    records: Vec<(Name, RData)>,
}

impl Dns {
    /// A server without names.
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Says that `domain` receives mail at a host of its own with the address `exchanger`.
    pub(crate) fn mail(self, domain: &str, exchanger: SocketAddr) -> Self {
        let host = format!("mx.{domain}");
        let exchanger = match exchanger.ip() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(ip) => panic!("{ip}: servers use IPv4 here"),
        };
        self.record(domain, RData::MX(MX::new(10, name(&host)))).address(&host, exchanger)
    }

    /// Gives `host` an address.
    pub(crate) fn address(self, host: &str, ip: Ipv4Addr) -> Self {
        self.record(host, RData::A(A(ip)))
    }

    /// Lists `client` in the blocklist `list`, with this reason.
    pub(crate) fn blocked(self, list: &str, client: Ipv4Addr, reason: &str) -> Self {
        let [a, b, c, d] = client.octets();
        let entry = format!("{d}.{c}.{b}.{a}.{list}");
        let text = TXT::new(vec![reason.to_owned()]);
        self.address(&entry, Ipv4Addr::new(127, 0, 0, 2)).record(&entry, RData::TXT(text))
    }

    fn record(mut self, owner: &str, data: RData) -> Self {
        self.records.push((name(owner), data));
        self
    }

    /// Answers at `address`.
    pub(crate) async fn start(self, address: SocketAddr) -> Dns {
        let mut zone: InMemoryZoneHandler =
            InMemoryZoneHandler::empty(Name::root(), ZoneType::Primary, AxfrPolicy::Deny);
        let soa = SOA::new(name("ns.test"), name("admin.test"), 1, 60, 60, 60, TTL);
        zone.upsert_mut(Record::from_rdata(Name::root(), TTL, RData::SOA(soa)), 0);
        for (owner, data) in self.records {
            zone.upsert_mut(Record::from_rdata(owner, TTL, data), 0);
        }
        let mut catalog = Catalog::new();
        catalog.upsert(Name::root().into(), vec![Arc::new(zone)]);
        let mut server = Server::new(catalog);
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        server.register_socket(socket);
        Dns { address, _server: server }
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}
