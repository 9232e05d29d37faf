//! Refuses what a web page makes a browser send to a service that trusts whoever reaches it.
//!
//! A page cannot read another site's answers, and a browser asks before it sends a page's JSON
//! elsewhere (CORS). Two ways remain. A name of the page's own that is pointed at this machine
//! makes the service the page's own site (DNS rebinding): the `Host` header still tells that name.
//! And "simple" requests, such as a POST without a body, are sent without asking: their `Origin`
//! header tells the page's site (the Fetch standard, "Origin header").

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::config::Config;

/// The checks of requests that a browser may have sent.
#[derive(Clone, Debug, Default)]
pub struct BrowserGuard {
    checks_host: bool,
    checks_origin: bool,
    /// It guards pages of our own, which no other origin may be listed for.
    is_for_own_pages: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl BrowserGuard {
    /// The checks for a service that admits callers without credentials (`admits_anonymous`), or
    /// by the certificate that their browser shows for every page (`client_certificates`). A key
    /// is shown by no browser on its own: a service that asks for nothing else needs no checks.
    #[must_use]
    pub fn new(config: &Config, admits_anonymous: bool, client_certificates: bool) -> Self {
        Self {
            // A certificate of ours that stands for the name settles it where there is TLS; a
            // browser that shows one of its own has seen it.
            checks_host: admits_anonymous,
            checks_origin: admits_anonymous || client_certificates,
            is_for_own_pages: false,
            hosts: config.hosts.clone(),
            origins: config.cors_origins.clone(),
        }
    }

    /// The checks for pages of our own, whose cookie a browser shows to nobody else: no other
    /// origin may write, whatever may call the API.
    pub(crate) fn for_own_pages(config: &Config, admits_anonymous: bool) -> Self {
        Self {
            checks_host: admits_anonymous,
            checks_origin: true,
            is_for_own_pages: true,
            hosts: config.hosts.clone(),
            origins: Vec::new(),
        }
    }

    /// Checks a request's head; an error is a sentence for the caller.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), String> {
        let authority = head.uri.authority().map(|authority| authority.as_str());
        let headers = head.headers.get_all(HOST).iter().map(text);
        let authorities: Vec<&str> = authority.into_iter().chain(headers).collect();
        if self.checks_host {
            if authorities.is_empty() {
                return Err("the request names no host; send the header `host`".to_owned());
            }
            if let Some(other) = authorities.iter().find(|authority| !self.is_ours(authority)) {
                return Err(refuse_host(other));
            }
        }
        if self.checks_origin && ![Method::GET, Method::HEAD].contains(&head.method) {
            for origin in head.headers.get_all(ORIGIN).iter().map(text) {
                if !self.may_write(origin, &authorities) {
                    return Err(if self.is_for_own_pages {
                        refuse_form(origin, authorities.first().copied())
                    } else {
                        refuse_origin(origin)
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns whether no one but us can be meant: a name of this machine, a configured one, or an
    /// IP address, which nobody can point elsewhere.
    fn is_ours(&self, authority: &str) -> bool {
        let host = host(authority);
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        literal.unwrap_or(&name).parse::<IpAddr>().is_ok()
            // RFC 6761 section 6.3.
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.contains(&name)
    }

    /// Returns whether pages of `origin` may change something: the listed ones, and our own.
    fn may_write(&self, origin: &str, authorities: &[&str]) -> bool {
        let site = origin.split_once("://").map(|(_, authority)| authority);
        self.origins.iter().any(|listed| listed == origin)
            || site.is_some_and(|site| authorities.contains(&site))
    }
}

/// The host of an authority, without its port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn text(value: &HeaderValue) -> &str {
    // What is no text is no name of ours either.
    value.to_str().unwrap_or("?")
}

fn refuse_host(authority: &str) -> String {
    let host = shown(host(authority));
    format!(
        "this service asks its callers for no key, so it answers only under names that are its \
         own, and {host} is none: call it by its IP address or as localhost, or add the name to \
         server.http.hosts"
    )
}

fn refuse_origin(origin: &str) -> String {
    let origin = shown(origin);
    format!(
        "pages of {origin} may not call this service from a browser; add the origin to \
         server.http.cors_origins if they may"
    )
}

/// Nothing is to be listed for a page of our own: where it is one, the name was lost on the way.
fn refuse_form(origin: &str, authority: Option<&str>) -> String {
    let (origin, authority) = (shown(origin), shown(authority.unwrap_or("no name")));
    format!(
        "this comes from a page of {origin}, and the service was called as {authority}, so nothing \
         was changed; if it is a page of this service, the proxy in front of it must pass the \
         header `host` on as it came"
    )
}

/// What the caller sent, short enough to be repeated to it.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const CRM: &str = "https://crm.example.com";

    fn guard() -> BrowserGuard {
        let config = Config {
            cors_origins: vec![CRM.to_owned()],
            hosts: vec!["mailvet.example.com".to_owned()],
            ..Config::default()
        };
        BrowserGuard::new(&config, true, false)
    }

    fn check(guard: &BrowserGuard, request: http::request::Builder) -> bool {
        guard.check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn only_names_that_are_ours_are_answered_under() {
        let with_host =
            |host: &str| check(&guard(), Request::get("/v1/batches").header(HOST, host));
        for ours in [
            "127.0.0.1:50051",
            "[::1]:50051",
            "[::1]",
            "localhost",
            "LOCALHOST:50051",
            "localhost.:50051",
            "mail.localhost:1",
            "192.0.2.1:50051",
            "mailvet.example.com:50051",
            "Mailvet.Example.com.",
        ] {
            assert!(with_host(ours), "{ours}");
        }
        for other in [
            "evil.example:50051",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "evil.example#127.0.0.1",
            "127.0.0.1@evil.example",
            "x.mailvet.example.com",
            "",
            ":50051",
        ] {
            assert!(!with_host(other), "{other}");
        }
        assert!(!check(&guard(), Request::get("/")), "none at all");
    }

    #[test]
    fn every_authority_of_a_request_counts() {
        let in_uri = |uri: &str| Request::get(uri).header(HOST, "localhost");
        assert!(check(&guard(), in_uri("http://127.0.0.1:50051/v1/batches")));
        assert!(!check(&guard(), in_uri("http://evil.example:50051/v1/batches")));
        let twice = Request::get("/").header(HOST, "localhost").header(HOST, "evil.example");
        assert!(!check(&guard(), twice));
    }

    #[test]
    fn pages_of_sites_that_are_not_listed_change_nothing() {
        let from = |method: Method, origin: &str| {
            let request = Request::builder().method(method).uri("/v1/batches");
            check(&guard(), request.header(HOST, "127.0.0.1:50051").header(ORIGIN, origin))
        };
        for method in [Method::POST, Method::DELETE] {
            assert!(from(method.clone(), CRM));
            assert!(from(method.clone(), "http://127.0.0.1:50051"), "our own page");
            for other in ["https://evil.example", "null", "http://127.0.0.1:3000", ""] {
                assert!(!from(method.clone(), other), "{other}");
            }
        }
        assert!(from(Method::GET, "https://evil.example"), "its page cannot read the answer");
    }

    #[test]
    fn a_form_of_our_own_pages_is_refused_with_the_remedy_that_helps_it() {
        let config = Config { cors_origins: vec![CRM.to_owned()], ..Config::default() };
        let refusal = |guard: &BrowserGuard, origin: &str| {
            let request = Request::post("/console/verify").header(HOST, "127.0.0.1:50051");
            let request = request.header(ORIGIN, origin).body(()).unwrap();
            guard.check(&request.into_parts().0).unwrap_err()
        };
        let pages = BrowserGuard::for_own_pages(&config, false);
        for origin in ["https://vet.example.com", CRM] {
            let sentence = refusal(&pages, origin);
            assert!(
                sentence.contains(origin) && sentence.contains("127.0.0.1:50051"),
                "{sentence}"
            );
            assert!(sentence.contains("the header `host`"), "{sentence}");
            assert!(!sentence.contains("cors_origins"), "it would not help: {sentence}");
        }
        let api = refusal(&guard(), "https://vet.example.com");
        assert!(api.contains("cors_origins"), "{api}");
    }

    #[test]
    fn a_service_that_asks_for_keys_answers_under_any_name() {
        let keys = BrowserGuard::new(&Config::default(), false, false);
        let elsewhere = || Request::post("/").header(HOST, "x.example");
        assert!(check(&keys, elsewhere().header(ORIGIN, "https://evil.example")));
        let certificates = BrowserGuard::new(&Config::default(), false, true);
        assert!(check(&certificates, elsewhere()));
        assert!(!check(&certificates, elsewhere().header(ORIGIN, "https://evil.example")));
    }
}
