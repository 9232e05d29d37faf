//! The sandbox's hosts of MTA-STS policies (RFC 8461 section 3.3): https, one request a connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::ServerCertificate;
use crate::address::DomainName;

/// Time that a client has for its request.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// The longest request taken.
const LONGEST_REQUEST: usize = 8 * 1024;

/// The MTA-STS policy of a domain, as the world has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyRecord {
    /// The mode. Default: `enforce`.
    pub mode: String,
    /// The exchangers that it names.
    pub mx: Vec<String>,
    /// The time for which senders keep it, in seconds. Default: one day.
    pub max_age: u32,
    /// The status of an answer that has something else than the policy. Default: none.
    pub fails: Option<u16>,
    /// The certificate of its host. Default: issued by the sandbox's authority.
    pub certificate: ServerCertificate,
}

impl Default for PolicyRecord {
    fn default() -> Self {
        Self {
            mode: "enforce".to_owned(),
            mx: Vec::new(),
            max_age: 86_400,
            fails: None,
            certificate: ServerCertificate::Issued,
        }
    }
}

/// The name of the host that has a domain's policy.
pub(super) fn host(domain: &DomainName) -> DomainName {
    DomainName::from_ascii(&format!("mta-sts.{domain}"))
}

/// The hosts of all policies, on one socket.
pub(super) struct PolicyService {
    /// By the name of the host.
    pub(super) policies: BTreeMap<DomainName, PolicyRecord>,
    pub(super) tls: TlsAcceptor,
}

/// Answers until the token is cancelled.
pub(super) async fn serve(
    service: PolicyService,
    listener: TcpListener,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    let service = Arc::new(service);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let (service, stop) = (Arc::clone(&service), stop.clone());
        tracker.spawn(async move {
            let answering = tokio::time::timeout(REQUEST_TIME, service.answer(stream));
            let _ = stop.run_until_cancelled(answering).await;
        });
    }
}

impl PolicyService {
    async fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = self.tls.accept(stream).await?;
        let host = stream.get_ref().1.server_name().map(DomainName::from_ascii);
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            if request.len() > LONGEST_REQUEST || stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        let is_policy = request.starts_with(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n");
        let policy = host.and_then(|host| self.policies.get(&host)).filter(|_| is_policy);
        let (status, body) = match policy {
            Some(PolicyRecord { fails: Some(status), .. }) => (*status, String::new()),
            Some(policy) => (200, policy.text()),
            None => (404, String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

impl PolicyRecord {
    fn text(&self) -> String {
        let mx: String = self.mx.iter().map(|name| format!("mx: {name}\r\n")).collect();
        format!("version: STSv1\r\nmode: {}\r\n{mx}max_age: {}\r\n", self.mode, self.max_age)
    }
}
