//! One question for an MTA-STS policy (RFC 8461 section 3.3).

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http_body_util::Full;

use super::mta_sts::{MtaStsPolicy, policy_host};
use crate::address::DomainName;
use crate::http_client::{self, HttpAnswer, HttpClient, HttpLimits, HttpUrl};

/// Bounds of an answer: senders are to take 64 KiB at least (RFC 8461 section 3.3).
const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(10), body: 64 * 1024 };

/// The longest media type that is told, in characters: what is told is remembered.
const LONGEST_TYPE: usize = 80;

/// Asks for policies. The certificate of their host has to be good.
pub(super) struct PolicyClient {
    pub(super) http: HttpClient,
    pub(super) port: NonZeroU16,
}

impl PolicyClient {
    /// The policy of `domain`.
    ///
    /// # Errors
    /// The cause of there being none that senders could use, in words.
    pub(super) async fn ask(&self, domain: &DomainName) -> Result<MtaStsPolicy, String> {
        let host = policy_host(domain);
        let url = match self.port.get() {
            443 => format!("https://{host}/.well-known/mta-sts.txt"),
            port => format!("https://{host}:{port}/.well-known/mta-sts.txt"),
        };
        let url = HttpUrl::parse(&url).map_err(|error| format!("{url} {error}"))?;
        let request = Request::get(&url.path)
            .header(HOST, &url.authority)
            .header(USER_AGENT, http_client::USER_AGENT)
            .header(ACCEPT, "text/plain")
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let answer = self.http.send(&url, request, LIMITS).await;
        read(&answer.map_err(|failure| format!("{host}: {failure}"))?)
            .map_err(|cause| format!("{host}: {cause}"))
    }
}

/// Reads an answer. Redirects are not followed (RFC 8461 section 3.3).
fn read(answer: &HttpAnswer) -> Result<MtaStsPolicy, String> {
    if answer.status != 200 {
        return Err(format!("HTTP status {}", answer.status));
    }
    let media_type = answer.header(&CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("text/plain") {
        let shown: String = media_type.chars().take(LONGEST_TYPE).collect();
        return Err(format!("the policy's type is {shown:?} and not text/plain"));
    }
    let text = str::from_utf8(&answer.body).map_err(|_| "the policy is no text".to_owned())?;
    MtaStsPolicy::parse(text).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, media_type: &str, body: &str) -> HttpAnswer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, media_type.parse().unwrap());
        HttpAnswer { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_an_answer_of_the_right_status_type_and_form_is_a_policy() {
        const POLICY: &str = "version: STSv1\nmode: none\nmax_age: 60\n";
        assert!(read(&answer(200, "Text/Plain; charset=utf-8", POLICY)).is_ok());
        let cases = [
            (answer(301, "text/plain", POLICY), "HTTP status 301"),
            (answer(404, "text/plain", POLICY), "HTTP status 404"),
            (answer(200, "text/html", POLICY), "not text/plain"),
            (answer(200, "text/plain", "hello"), "without a colon"),
        ];
        for (answer, words) in cases {
            let cause = read(&answer).unwrap_err();
            assert!(cause.contains(words), "{cause}");
        }
        let long = read(&answer(200, &"x".repeat(10_000), POLICY)).unwrap_err();
        assert!(long.len() < 2 * LONGEST_TYPE, "{long}");
    }
}
