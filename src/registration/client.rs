//! One question to one registry.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, LOCATION};
use http_body_util::Full;

use super::answer::read_answer;
use super::bootstrap::Bootstrap;
use super::facts::{RegistrationGap, RegistrationState};
use super::pace::ExchangeResult;
use crate::address::DomainName;
use crate::http_client::{self, HttpAnswer, HttpClient, HttpFailure, HttpLimits, HttpUrl};

/// Bounds of an answer about a domain.
const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(10), body: 256 * 1024 };

/// Bounds of a bootstrap file; IANA's has some 60 kB.
const BOOTSTRAP_LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(30), body: 1 << 20 };

/// IANA's bootstrap file for domains (RFC 9224 section 3).
pub(super) const BOOTSTRAP_URL: &str = "https://data.iana.org/rdap/dns.json";

/// Redirects in a row that are followed (RFC 7480 section 5.2).
const REDIRECTS: usize = 3;

/// The answer to a question, and what it means for the next one.
pub(super) struct RegistryAnswer {
    pub(super) state: RegistrationState,
    pub(super) result: ExchangeResult,
}

impl RegistryAnswer {
    fn unknown(gap: RegistrationGap, result: ExchangeResult) -> Self {
        Self { state: RegistrationState::Unknown(gap), result }
    }
}

/// Asks registries.
pub(super) struct RegistryClient {
    pub(super) http: HttpClient,
    /// The URL at which a newer bootstrap file is looked for.
    pub(super) bootstrap_url: String,
}

impl RegistryClient {
    /// Asks the service at `base` about `domain`.
    pub(super) async fn ask(&self, base: &str, domain: &DomainName) -> RegistryAnswer {
        match self.follow(&format!("{base}domain/{domain}")).await {
            Ok(answer) => read(&answer, domain, self.http.retry_after(&answer)),
            Err(failure) => {
                tracing::debug!(%domain, registry = base, %failure, "no registration data");
                let (gap, result) = match failure {
                    RegistryFailure::Url(_) | RegistryFailure::Redirects => {
                        (RegistrationGap::UnreadableAnswer, ExchangeResult::Failed)
                    }
                    RegistryFailure::Exchange(HttpFailure { is_ours: true, .. }) => {
                        (RegistrationGap::RegistryUnavailable, ExchangeResult::NotAsked)
                    }
                    RegistryFailure::Exchange(_) => {
                        (RegistrationGap::RegistryUnavailable, ExchangeResult::Failed)
                    }
                };
                RegistryAnswer::unknown(gap, result)
            }
        }
    }

    /// Asks a URL, and where it leads to.
    async fn follow(&self, url: &str) -> Result<HttpAnswer, RegistryFailure> {
        let mut url =
            HttpUrl::parse(url).map_err(|error| RegistryFailure::Url(error.to_string()))?;
        for _ in 0..=REDIRECTS {
            let request = Request::get(&url.path).header(ACCEPT, "application/rdap+json");
            let answer = self.exchange(&url, request, LIMITS).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.header(&LOCATION).unwrap_or_default();
            url = url.redirected(location).map_err(|error| {
                RegistryFailure::Url(format!("the redirect's location {error}"))
            })?;
        }
        Err(RegistryFailure::Redirects)
    }

    async fn exchange(
        &self,
        url: &HttpUrl,
        request: http::request::Builder,
        limits: HttpLimits,
    ) -> Result<HttpAnswer, RegistryFailure> {
        let request = request
            .header(HOST, &url.authority)
            .header(http::header::USER_AGENT, http_client::USER_AGENT)
            .body(Full::<Bytes>::default())
            .map_err(|error| RegistryFailure::Url(error.to_string()))?;
        Ok(self.http.send(url, request, limits).await?)
    }

    /// Asks for a newer bootstrap file than the one with this entity tag, and for its tag.
    pub(super) async fn newer_bootstrap(
        &self,
        etag: Option<&str>,
    ) -> Result<Option<(Bootstrap, Option<String>)>, String> {
        let url = HttpUrl::parse(&self.bootstrap_url).map_err(|error| error.to_string())?;
        let mut request = Request::get(&url.path).header(ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let answer = self.exchange(&url, request, BOOTSTRAP_LIMITS).await;
        read_bootstrap(&answer.map_err(|failure| format!("{}: {failure}", self.bootstrap_url))?)
    }
}

/// The bootstrap file in an answer, and its entity tag; `None` if there is no newer one.
pub(super) fn read_bootstrap(
    answer: &HttpAnswer,
) -> Result<Option<(Bootstrap, Option<String>)>, String> {
    match answer.status {
        304 => Ok(None),
        200 => {
            let text = str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
            let bootstrap = Bootstrap::parse(text).map_err(|error| error.to_string())?;
            Ok(Some((bootstrap, answer.header(&ETAG).map(str::to_owned))))
        }
        status => Err(format!("HTTP status {status}")),
    }
}

/// The failure of a question.
#[derive(Debug, thiserror::Error)]
enum RegistryFailure {
    #[error(transparent)]
    Exchange(#[from] HttpFailure),
    #[error("{0}")]
    Url(String),
    #[error("more than {REDIRECTS} redirects")]
    Redirects,
}

/// Reads the last answer; `wish`: the time after which it wants to be asked again.
fn read(answer: &HttpAnswer, domain: &DomainName, wish: Duration) -> RegistryAnswer {
    let unreadable =
        RegistryAnswer::unknown(RegistrationGap::UnreadableAnswer, ExchangeResult::Answered);
    match answer.status {
        200 => {
            let media_type = answer.header(&CONTENT_TYPE).unwrap_or_default();
            let media_type = media_type.split(';').next().unwrap_or_default().trim();
            let is_json = ["application/rdap+json", "application/json"]
                .iter()
                .any(|known| media_type.eq_ignore_ascii_case(known));
            if !is_json {
                tracing::debug!(%domain, media_type, "a registry answered with something else");
                return unreadable;
            }
            match read_answer(&answer.body, domain) {
                Ok(facts) => RegistryAnswer {
                    state: RegistrationState::Registered(facts.into()),
                    result: ExchangeResult::Answered,
                },
                Err(error) => {
                    tracing::debug!(%domain, %error, "a registry's answer was not understood");
                    unreadable
                }
            }
        }
        404 => RegistryAnswer {
            state: RegistrationState::NotRegistered,
            result: ExchangeResult::Answered,
        },
        429 => {
            RegistryAnswer::unknown(RegistrationGap::RateLimited, ExchangeResult::RateLimited(wish))
        }
        500.. => {
            let is_told = answer.status == 503 && !wish.is_zero();
            let result = if is_told { ExchangeResult::Away(wish) } else { ExchangeResult::Failed };
            RegistryAnswer::unknown(RegistrationGap::RegistryUnavailable, result)
        }
        _ => unreadable,
    }
}
