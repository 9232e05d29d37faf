//! One try: to the receiver and back, within bounds.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, Request};
use http_body_util::Full;

use super::answer::ReceiverAnswer;
use super::receiver::ReceiverUrl;
use crate::cache::DnsCache;
use crate::clock::Clock;
use crate::http_client::{self, HttpClient, HttpClientError, HttpLimits, HttpTrust, HttpUrl};
use crate::smtp::AllowedNetworks;

/// Bounds of a try. The body of an answer is not read.
const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(15), body: 0 };

/// A message, signed.
pub(super) struct SignedMessage {
    pub(super) id: String,
    pub(super) timestamp: u64,
    pub(super) signature: String,
    pub(super) body: String,
}

/// Sends messages to receivers.
pub(super) struct Courier(HttpClient);

impl Courier {
    /// A courier that trusts the public authorities, and those of the file `ca`.
    pub(super) fn new(
        domains: DnsCache,
        networks: AllowedNetworks,
        ca: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, HttpClientError> {
        let networks_setting = "callbacks.allow_networks";
        let trust = HttpTrust { networks, networks_setting, ca, ca_setting: "callbacks.ca" };
        HttpClient::new(domains, trust, clock).map(Self)
    }

    /// Sends a message, and waits for the answer's head.
    pub(super) async fn send(&self, url: &ReceiverUrl, message: SignedMessage) -> ReceiverAnswer {
        let request = match request(&url.0, message) {
            Ok(request) => request,
            Err(error) => return ReceiverAnswer::Failed(error.to_string()),
        };
        match self.0.send(&url.0, request, LIMITS).await {
            Ok(answer) => ReceiverAnswer::Status {
                code: answer.status,
                retry_after: self.0.retry_after(&answer),
            },
            Err(failure) => ReceiverAnswer::Failed(failure.to_string()),
        }
    }
}

fn request(url: &HttpUrl, message: SignedMessage) -> Result<Request<Full<Bytes>>, http::Error> {
    let header = HeaderName::from_static;
    Request::post(&url.path)
        .header(HOST, &url.authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, http_client::USER_AGENT)
        .header(header("webhook-id"), message.id)
        .header(header("webhook-timestamp"), message.timestamp)
        .header(header("webhook-signature"), message.signature)
        .body(Full::new(message.body.into()))
}
