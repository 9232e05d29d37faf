//! Certificates of SNS, fetched from it, and remembered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http::header::{HOST, USER_AGENT};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::sns::SigningCertificate;
use crate::http_client::{self, HttpClient, HttpLimits, HttpUrl};

/// Bounds of a request to SNS.
const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(5), body: 64 * 1024 };

/// Most certificates that are remembered. SNS has a new one about once a year.
const MOST: usize = 8;

/// Certificates that are fetched at a time: what names them is not verified yet.
const FETCHES: usize = 4;

/// Time for which a fetch waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// Asks SNS.
#[async_trait]
pub(super) trait SnsClient: Send + Sync {
    /// The body that SNS answers with; an error says in words why there is none.
    async fn get(&self, url: &HttpUrl) -> Result<Vec<u8>, String>;
}

#[async_trait]
impl SnsClient for HttpClient {
    async fn get(&self, url: &HttpUrl) -> Result<Vec<u8>, String> {
        let request = Request::get(&url.path)
            .header(HOST, &url.authority)
            .header(USER_AGENT, http_client::USER_AGENT)
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = self.send(url, request, LIMITS).await.map_err(|error| error.to_string())?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(format!("it answered with {status}")),
        }
    }
}

/// The certificates of SNS.
pub(super) struct SigningCertificates {
    client: Arc<dyn SnsClient>,
    /// By path, the oldest first.
    known: Mutex<Vec<(String, Arc<SigningCertificate>)>>,
    /// Turns to fetch, in the order in which they are asked for: names that somebody makes up keep
    /// the real one waiting, and not from being fetched.
    turns: Semaphore,
}

impl SigningCertificates {
    pub(super) fn new(client: Arc<dyn SnsClient>) -> Self {
        Self { client, known: Mutex::default(), turns: Semaphore::new(FETCHES) }
    }

    /// The certificate at a URL of SNS.
    ///
    /// # Errors
    /// The reason why it cannot be had, in words.
    pub(super) async fn find(&self, url: &HttpUrl) -> Result<Arc<SigningCertificate>, String> {
        if let Some(certificate) = self.known(url) {
            return Ok(certificate);
        }
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| "too many certificates of SNS are asked for".to_owned())?;
        // Another may have fetched it meanwhile.
        if let Some(certificate) = self.known(url) {
            return Ok(certificate);
        }
        let named = |why: &str| format!("the certificate of SNS cannot be fetched: {why}");
        let body = self.client.get(url).await.map_err(|why| named(&why))?;
        let certificate = SigningCertificate::parse(&body);
        let certificate = certificate.ok_or_else(|| named("it is none with an RSA key"))?;
        let certificate = Arc::new(certificate);
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push((url.path.clone(), Arc::clone(&certificate)));
        Ok(certificate)
    }

    fn known(&self, url: &HttpUrl) -> Option<Arc<SigningCertificate>> {
        let known = self.known.lock();
        known.iter().find(|(path, _)| *path == url.path).map(|(_, it)| Arc::clone(it))
    }

    /// Confirms a subscription.
    ///
    /// # Errors
    /// The reason why SNS did not take it, in words.
    pub(super) async fn confirm(&self, url: &HttpUrl) -> Result<(), String> {
        let confirmed = self.client.get(url).await.map(drop);
        confirmed.map_err(|why| format!("the subscription cannot be confirmed: {why}"))
    }
}
