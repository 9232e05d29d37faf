//! The client of HTTP: one request to one URL, within bounds.
//!
//! Nothing is connected to that is not a public address, or in a network that is allowed by name;
//! the address that was checked is the one that is connected to. Of several the first that can be
//! connected to is used; one that is silent leaves the others their share of the time. Plain http
//! goes to allowed networks alone. Redirects are the caller's matter, and so is the meaning of an
//! answer.
//!
//! A request has a connection of its own, unless the client keeps connections alive: then a GET
//! may follow another one to the same scheme, host and port, on a connection whose address was
//! checked when it was opened. (hyper-util's pool bounds connections neither for a server nor in
//! all, and repeats no request that a server dropped together with its connection.)
//!
//! Pure: `url`, `headers`, `idle`.

mod connection;
mod headers;
mod idle;
mod keep_alive;
#[cfg(test)]
mod tests;
mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body_util::Full;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout_at;
use tokio_rustls::{TlsConnector, rustls};

pub use url::{HttpUrl, HttpUrlError};
pub(crate) use url::{LONGEST_URL, UrlHost};

use crate::cache::DnsCache;
use crate::clock::Clock;
use crate::egress::{Dial, DialOptions, Tcp};
use crate::pem_faults;
use crate::smtp::{AllowedNetworks, NoReply, Target};
use connection::{ExchangeFailure, HttpConnection};
use idle::HttpOrigin;
use keep_alive::KeepAlive;

/// The name under which requests are made.
pub const USER_AGENT: &str = concat!("mailvet/", env!("CARGO_PKG_VERSION"));

/// Addresses of a host that are tried.
const ADDRESSES: usize = 3;

/// An error of setting the client up.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// TLS cannot be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The file of authorities cannot be read.
    #[error("{0}")]
    Authorities(String),
}

/// The failure of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct HttpFailure {
    words: String,
    /// Our own DNS or this machine failed: it says nothing of the server.
    pub(crate) is_ours: bool,
}

impl HttpFailure {
    fn of_dns(is_ours: bool) -> Self {
        Self { words: "DNS does not tell its address".to_owned(), is_ours }
    }
}

impl From<String> for HttpFailure {
    fn from(words: String) -> Self {
        Self { words, is_ours: false }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it was to be read.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The value of a header, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Bounds of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Time that it may take, from DNS to the last octet.
    pub time: Duration,
    /// Octets that the body may have; zero: it is not read.
    pub body: usize,
}

/// The settings of a client.
#[derive(Clone, Debug)]
pub struct HttpTrust<'a> {
    /// Networks that may be connected to although they are not public.
    pub networks: AllowedNetworks,
    /// The setting that names them, for messages.
    pub networks_setting: &'static str,
    /// Further authorities, as a PEM file, beside the public ones.
    pub ca: Option<&'a Path>,
    /// The setting that names it, for messages.
    pub ca_setting: &'static str,
}

/// Makes requests.
pub struct HttpClient {
    domains: DnsCache,
    networks: AllowedNetworks,
    networks_setting: &'static str,
    dial: Arc<dyn Dial>,
    tls: TlsConnector,
    keep_alive: Option<KeepAlive>,
    clock: Clock,
}

impl HttpClient {
    /// A client that trusts the public authorities, and those that `trust` names.
    ///
    /// # Errors
    /// If the file of authorities cannot be used.
    pub fn new(
        domains: DnsCache,
        trust: HttpTrust<'_>,
        clock: Clock,
    ) -> Result<Self, HttpClientError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = trust.ca {
            let wrong = |error: &dyn std::fmt::Display| {
                let (setting, file) = (trust.ca_setting, file.display());
                HttpClientError::Authorities(format!("{setting}: {file} cannot be used: {error}"))
            };
            let unread = |e: pem::Error| wrong(&pem_faults::describe(&e));
            for certificate in CertificateDer::pem_file_iter(file).map_err(unread)? {
                roots.add(certificate.map_err(unread)?).map_err(|e| wrong(&e))?;
            }
        }
        let HttpTrust { networks, networks_setting, .. } = trust;
        Self::with_roots(domains, networks, networks_setting, roots, clock)
    }

    /// The time that the `Retry-After` of an answer names from now on; zero if it names none.
    pub(crate) fn retry_after(&self, answer: &HttpAnswer) -> Duration {
        headers::retry_after(answer.header(&RETRY_AFTER).unwrap_or_default(), self.clock.now())
    }

    /// A client that trusts the authorities `roots` alone; `networks_setting` names `networks` in
    /// messages.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn with_roots(
        domains: DnsCache,
        networks: AllowedNetworks,
        networks_setting: &'static str,
        roots: RootCertStore,
        clock: Clock,
    ) -> Result<Self, HttpClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        let dial = Arc::new(Tcp::new(clock));
        Ok(Self { domains, networks, networks_setting, dial, tls, keep_alive: None, clock })
    }

    /// The client, with connections that are used again by requests that change nothing: up to 8
    /// are kept to one server, 64 in all, for 10 seconds without a request.
    #[must_use]
    pub fn with_keep_alive(mut self) -> Self {
        self.keep_alive = Some(KeepAlive::new(self.clock));
        self
    }

    /// Makes a request of a URL, and waits for its answer.
    ///
    /// # Errors
    /// If there is none, or it breaks `limits`.
    pub async fn send(
        &self,
        url: &HttpUrl,
        request: Request<Full<Bytes>>,
        limits: HttpLimits,
    ) -> Result<HttpAnswer, HttpFailure> {
        let deadline = self.clock.now() + limits.time;
        let exchange = self.exchange(url, request, (limits.body, deadline));
        match tokio::time::timeout(limits.time, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", limits.time.as_secs()).into()),
        }
    }

    async fn exchange(
        &self,
        url: &HttpUrl,
        request: Request<Full<Bytes>>,
        (largest_body, deadline): (usize, SystemTime),
    ) -> Result<HttpAnswer, HttpFailure> {
        let keep_alive = self.keep_alive.as_ref().filter(|_| request.method() == Method::GET);
        let Some(keep_alive) = keep_alive else {
            let mut connection = self.open(url, deadline).await?;
            let answer = connection.exchange(request, largest_body).await;
            return Ok(answer.map_err(ExchangeFailure::into_words)?);
        };
        let origin = HttpOrigin::from(url);
        if let Some(mut connection) = keep_alive.take(&origin) {
            match connection.exchange(request.clone(), largest_body).await {
                Ok(answer) => {
                    keep_alive.keep(origin, connection);
                    return Ok(answer);
                }
                // The server closed it when it had nothing to do (RFC 9112 section 9.3.1).
                Err(ExchangeFailure::Unanswered(_)) => {}
                Err(ExchangeFailure::Broken(words)) => return Err(words.into()),
            }
        }
        let mut connection = self.open(url, deadline).await?;
        let answer = connection.exchange(request, largest_body).await;
        let answer = answer.map_err(ExchangeFailure::into_words)?;
        keep_alive.keep(origin, connection);
        Ok(answer)
    }

    /// Opens a connection to the host of a URL before `deadline`.
    async fn open(
        &self,
        url: &HttpUrl,
        deadline: SystemTime,
    ) -> Result<HttpConnection, HttpFailure> {
        // From here on only what was checked is connected to: the name is not asked about again.
        let (mut targets, stale) = self.targets(url, deadline).await?;
        targets.truncate(ADDRESSES);
        let mut why = HttpFailure::from(String::new());
        for (target, left) in targets.iter().zip((1..=targets.len()).rev()) {
            let now = self.clock.now();
            let share = deadline.duration_since(now).unwrap_or_default().div_f64(left as f64);
            let (port, until) = (url.port, now + share);
            let options = DialOptions { source: None, socks5: None, port, deadline: until };
            let stream = match self.dial.dial(*target, options).await {
                Ok(connection) => connection.stream,
                Err(reason) => {
                    // An expired address serves because our DNS fails, and with it our network may.
                    let is_ours = stale || matches!(reason, NoReply::SocketFailed(_));
                    // The others say it themselves.
                    let words = if matches!(reason, NoReply::Timeout) {
                        format!("no connection: {reason}")
                    } else {
                        reason.to_string()
                    };
                    why = HttpFailure { words, is_ours };
                    continue;
                }
            };
            if !url.is_tls {
                return Ok(HttpConnection::new(stream, now).await?);
            }
            let name = server_name(&url.host)?;
            let tls = self.tls.connect(name, stream).await;
            let tls = tls.map_err(|error| format!("TLS failed: {error}"))?;
            return Ok(HttpConnection::new(tls, now).await?);
        }
        Err(why)
    }

    /// The addresses that may be connected to, and whether they have expired.
    async fn targets(
        &self,
        url: &HttpUrl,
        deadline: SystemTime,
    ) -> Result<(Vec<Target>, bool), HttpFailure> {
        let (addresses, stale) = match &url.host {
            UrlHost::Address(address) => (vec![*address], false),
            UrlHost::Name(name) => {
                // A tenth of the time is left, so that the silence of DNS is not taken for the
                // server's.
                let now = self.clock.now();
                let left = deadline.duration_since(now).unwrap_or_default();
                let until = self.clock.instant(now + (left - left / 10));
                match timeout_at(until, self.domains.host(name, None)).await {
                    Ok(Ok(found)) => (found.value.addresses.clone(), found.stale),
                    // Name servers that answer with an error may be the host's own.
                    Ok(Err(failure)) => return Err(HttpFailure::of_dns(!failure.is_answered())),
                    Err(_) => return Err(HttpFailure::of_dns(true)),
                }
            }
        };
        if addresses.is_empty() {
            return Err("its host has no address".to_owned().into());
        }
        let setting = self.networks_setting;
        let targets: Vec<Target> =
            addresses.into_iter().filter_map(|address| self.networks.target(address)).collect();
        if targets.is_empty() {
            return Err(format!("its host has no public address; {setting} allows others").into());
        }
        if !url.is_tls && !targets.iter().all(|target| self.networks.contain(target.address())) {
            let words = format!("it is not https; http is for the networks of {setting} alone");
            return Err(words.into());
        }
        Ok((targets, stale))
    }
}

fn server_name(host: &UrlHost) -> Result<ServerName<'static>, String> {
    match host {
        UrlHost::Address(address) => Ok(ServerName::from(*address)),
        UrlHost::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| "its host is no name for TLS".to_owned()),
    }
}
