//! The sandbox's registry: answers of RDAP (RFC 9083) over HTTP/1.1.
//!
//! A domain that stands nowhere is not registered: 404. Every answer has a holder, whom a client
//! that looks at registrations alone does not read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{SandboxError, placement};
use crate::address::DomainName;
use crate::clock::Clock;

/// Time that a client has for its next request.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// The longest request taken.
const LONGEST_REQUEST: usize = 8 * 1024;

/// The registration of a domain, as the world has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryRecord {
    /// Time of the registration, as RFC 3339 writes it, or such as `12 days ago`.
    pub registered: Option<String>,
    /// Time of the last change.
    pub changed: Option<String>,
    /// End of the registration.
    pub expires: Option<String>,
    /// Statuses, such as `client hold`.
    pub status: Vec<String>,
    /// The registrar's name.
    pub registrar: Option<String>,
    /// The code of an answer of HTTP that takes the answer's place.
    pub fails: Option<u16>,
}

/// The registry, and the count of what it was asked.
pub(super) struct RegistryService {
    pub(super) records: BTreeMap<DomainName, RegistryRecord>,
    pub(super) counts: Arc<RegistryCounts>,
    pub(super) clock: Clock,
}

/// Counts of what the registry got.
#[derive(Default)]
pub(super) struct RegistryCounts {
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
}

/// Number of registries.
const REGISTRIES: usize = 3;

/// Starts the service at several ports, each a registry of its own to who asks.
pub(super) async fn start(
    service: RegistryService,
    network: Ipv4Net,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Vec<SocketAddr>, SandboxError> {
    let service = Arc::new(service);
    let mut addresses = Vec::new();
    for _ in 0..REGISTRIES {
        let (listener, address) = placement::beside_nameserver(network).await?;
        tracker.spawn(serve(Arc::clone(&service), listener, tracker.clone(), stop.clone()));
        addresses.push(address);
    }
    Ok(addresses)
}

/// Answers until the token is cancelled.
async fn serve(
    registry: Arc<RegistryService>,
    listener: TcpListener,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        registry.counts.connections.fetch_add(1, Ordering::Relaxed);
        let (registry, stop) = (Arc::clone(&registry), stop.clone());
        tracker.spawn(async move {
            let _ = stop.run_until_cancelled(answer_all(&registry, stream)).await;
        });
    }
}

/// Answers the requests of a connection, one after the other.
async fn answer_all(registry: &RegistryService, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::new();
    loop {
        let request = timeout(REQUEST_TIME, read_request(&mut stream, &mut input)).await;
        let Ok(Some(request)) = request? else { return stream.shutdown().await };
        registry.counts.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, headers, body) =
            registry.response(path.rsplit('/').next().unwrap_or_default());
        let answer = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/rdap+json\r\n\
             content-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The next request; `None` if there is none. What follows it stays in `input`.
async fn read_request(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = input.windows(4).position(|end| end == b"\r\n\r\n") {
            let request = input.drain(..end + 4).collect::<Vec<u8>>();
            return Ok(Some(String::from_utf8_lossy(&request).into_owned()));
        }
        if input.len() > LONGEST_REQUEST || stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

impl RegistryService {
    /// The status, further headers and the body of the answer about `domain`.
    fn response(&self, domain: &str) -> (u16, &'static str, String) {
        let name = DomainName::from_ascii(domain);
        let error = |code: u16| json!({ "errorCode": code, "title": "an error" }).to_string();
        let Some(record) = self.records.get(&name) else { return (404, "", error(404)) };
        if let Some(code) = record.fails {
            let headers = if code == 429 { "retry-after: 30\r\n" } else { "" };
            return (code, headers, error(code));
        }
        let events = [
            ("registration", &record.registered),
            ("last changed", &record.changed),
            ("expiration", &record.expires),
        ];
        let events = events.into_iter().filter_map(|(action, date)| {
            let date = self.date(date.as_deref()?);
            Some(json!({ "eventAction": action, "eventDate": date }))
        });
        let entity = |role: &str, name: &str| {
            json!({
                "objectClassName": "entity",
                "roles": [role],
                "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", name]]],
            })
        };
        let holder = entity("registrant", "A. Holder, 1 Private Road");
        let registrar = record.registrar.as_deref().map(|name| entity("registrar", name));
        let body = json!({
            "rdapConformance": ["rdap_level_0"],
            "objectClassName": "domain",
            "ldhName": name.as_str(),
            "status": record.status,
            "events": events.collect::<Vec<_>>(),
            "entities": std::iter::once(holder).chain(registrar).collect::<Vec<_>>(),
        });
        (200, "", body.to_string())
    }

    /// A time as RFC 3339 writes it, from one that may be relative.
    fn date(&self, text: &str) -> String {
        let days = text.strip_suffix(" days ago").and_then(|days| days.parse::<u32>().ok());
        let at = days.map(|days| self.clock.now() - days * Duration::from_secs(86_400));
        let at = at.and_then(|at| jiff::Timestamp::try_from(at).ok());
        at.map_or_else(|| text.to_owned(), |at| at.to_string())
    }
}
