//! Certificates of SNS, fetched from it, and remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http::header::{HOST, USER_AGENT};
use http_body_util::Full;
use tokio::sync::Mutex;

use super::sns::SigningCertificate;
use crate::http_client::{self, HttpClient, HttpLimits, HttpUrl};

/// Bounds of a request to SNS.
const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(5), body: 64 * 1024 };

/// Most certificates that are remembered. SNS has a new one about once a year.
const MOST: usize = 8;

/// Certificates that are fetched in [`PERIOD`] at most: what names them is not verified yet.
const FETCHES: u32 = 6;

/// The time for which [`FETCHES`] counts.
const PERIOD: Duration = Duration::from_secs(60);

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
    known: Mutex<KnownCertificates>,
}

#[derive(Default)]
struct KnownCertificates {
    by_path: HashMap<String, Arc<SigningCertificate>>,
    /// The beginning of the present period, and the fetches in it.
    fetches: Option<(SystemTime, u32)>,
}

impl SigningCertificates {
    pub(super) fn new(client: Arc<dyn SnsClient>) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The certificate at a URL of SNS.
    ///
    /// # Errors
    /// The reason why it cannot be had, in words.
    pub(super) async fn find(
        &self,
        url: &HttpUrl,
        now: SystemTime,
    ) -> Result<Arc<SigningCertificate>, String> {
        // One fetches, and the others wait for it.
        let mut known = self.known.lock().await;
        if let Some(certificate) = known.by_path.get(&url.path) {
            return Ok(Arc::clone(certificate));
        }
        known.count_fetch(now)?;
        let named = |why: &str| format!("the certificate of SNS cannot be fetched: {why}");
        let body = self.client.get(url).await.map_err(|why| named(&why))?;
        let certificate = SigningCertificate::parse(&body);
        let certificate = certificate.ok_or_else(|| named("it is none with an RSA key"))?;
        let certificate = Arc::new(certificate);
        if known.by_path.len() >= MOST {
            known.by_path.clear();
        }
        known.by_path.insert(url.path.clone(), Arc::clone(&certificate));
        Ok(certificate)
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

impl KnownCertificates {
    fn count_fetch(&mut self, now: SystemTime) -> Result<(), String> {
        let present = self
            .fetches
            .filter(|(began, _)| now.duration_since(*began).is_ok_and(|age| age < PERIOD));
        let (began, count) = present.unwrap_or((now, 0));
        if count >= FETCHES {
            return Err("too many certificates of SNS were asked for in a minute".to_owned());
        }
        self.fetches = Some((began, count + 1));
        Ok(())
    }
}
