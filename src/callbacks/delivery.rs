//! One try: to the receiver and back, within bounds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, Request};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, rustls};

use super::answer::{ReceiverAnswer, retry_after};
use super::receiver::{ReceiverHost, ReceiverUrl};
use crate::cache::DnsCache;
use crate::clock::Clock;
use crate::egress::{Dialled, connect};
use crate::smtp::{AllowedNetworks, Target};

/// Time that a try may take.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Octets of the head of an answer that are looked at; its body is not read.
const LARGEST_HEAD: usize = 64 * 1024;

/// Addresses of a host that are tried.
const ADDRESSES: usize = 3;

/// An error of setting callbacks up.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// TLS cannot be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The file of authorities cannot be read.
    #[error("callbacks.ca: {0}")]
    Authorities(String),
}

/// A message, signed.
pub(super) struct SignedMessage {
    pub(super) id: String,
    pub(super) timestamp: u64,
    pub(super) signature: String,
    pub(super) body: String,
}

/// Sends messages to receivers.
pub(super) struct Courier {
    domains: DnsCache,
    networks: AllowedNetworks,
    tls: TlsConnector,
    clock: Clock,
}

impl Courier {
    /// A courier that trusts the public authorities, and those of the file `ca`.
    pub(super) fn new(
        domains: DnsCache,
        networks: AllowedNetworks,
        ca: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, CourierError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = ca {
            let wrong = |error: &dyn std::fmt::Display| {
                CourierError::Authorities(format!("{} cannot be used: {error}", file.display()))
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))? {
                roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { domains, networks, tls: TlsConnector::from(Arc::new(config)), clock })
    }

    /// Sends a message, and waits for the answer's head.
    pub(super) async fn send(&self, url: &ReceiverUrl, message: SignedMessage) -> ReceiverAnswer {
        match tokio::time::timeout(TIME_LIMIT, self.exchange(url, message)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => ReceiverAnswer::Failed(why),
            Err(_) => {
                let seconds = TIME_LIMIT.as_secs();
                ReceiverAnswer::Failed(format!("no answer within {seconds} s"))
            }
        }
    }

    async fn exchange(
        &self,
        url: &ReceiverUrl,
        message: SignedMessage,
    ) -> Result<ReceiverAnswer, String> {
        let request = request(url, message)?;
        // From here on only what was checked is connected to: the name is not asked about again.
        let targets = self.targets(url).await?;
        let mut why = String::new();
        for target in targets.into_iter().take(ADDRESSES) {
            let deadline = self.clock.now() + TIME_LIMIT;
            let stream = match connect(target, url.port, None, &self.clock, deadline).await {
                Ok(Dialled::Open(stream)) => stream,
                Ok(Dialled::NoConnection(reason)) => {
                    why = format!("no connection: {reason}");
                    continue;
                }
                Err(error) => return Err(error.to_string()),
            };
            if !url.is_tls {
                return answer(stream, request).await;
            }
            let name = server_name(&url.host)?;
            let tls = self.tls.connect(name, stream).await;
            return answer(tls.map_err(|error| format!("TLS failed: {error}"))?, request).await;
        }
        Err(why)
    }

    /// The addresses that may be connected to.
    async fn targets(&self, url: &ReceiverUrl) -> Result<Vec<Target>, String> {
        let addresses = match &url.host {
            ReceiverHost::Address(address) => vec![*address],
            ReceiverHost::Name(name) => {
                let found = self.domains.host(name, None).await;
                found.map_err(|_| "DNS does not tell its address")?.value.addresses.clone()
            }
        };
        if addresses.is_empty() {
            return Err("its host has no address".to_owned());
        }
        let targets: Vec<Target> =
            addresses.into_iter().filter_map(|address| self.networks.target(address)).collect();
        if targets.is_empty() {
            return Err(
                "its host has no public address; callbacks.allow_networks allows others".to_owned()
            );
        }
        Ok(targets)
    }
}

fn server_name(host: &ReceiverHost) -> Result<ServerName<'static>, String> {
    match host {
        ReceiverHost::Address(address) => Ok(ServerName::from(*address)),
        ReceiverHost::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| "its host is no name for TLS".to_owned()),
    }
}

fn request(url: &ReceiverUrl, message: SignedMessage) -> Result<Request<Full<Bytes>>, String> {
    let header = HeaderName::from_static;
    Request::post(&url.path)
        .header(HOST, &url.authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("mailvet/", env!("CARGO_PKG_VERSION")))
        .header(header("webhook-id"), message.id)
        .header(header("webhook-timestamp"), message.timestamp)
        .header(header("webhook-signature"), message.signature)
        .body(Full::new(message.body.into()))
        .map_err(|error| error.to_string())
}

/// The answer to a request on this stream. Its body is dropped with the connection.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<ReceiverAnswer, String> {
    let broken = |error: hyper::Error| format!("the exchange broke off: {error}");
    let mut client = http1::Builder::new();
    client.max_buf_size(LARGEST_HEAD);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = sender.send_request(request);
    tokio::pin!(connection, exchange);
    let mut is_open = true;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut exchange => break answer.map_err(broken)?,
            _ = &mut connection, if is_open => is_open = false,
        }
    };
    let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Ok(ReceiverAnswer::Status {
        code: answer.status().as_u16(),
        retry_after: retry_after(wish.unwrap_or_default()),
    })
}
