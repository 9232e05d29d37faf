//! Configuration of the ways in beside gRPC.

use http::Uri;
use serde::{Deserialize, Serialize};

/// JSON over HTTP and gRPC-Web, on the service's own listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Answers JSON over HTTP/1.1 and HTTP/2, and gRPC-Web. Default true; false leaves gRPC alone.
    pub enabled: bool,
    /// The origins whose web pages may call, such as `https://crm.example.com`. Default none: no
    /// page of another origin may (CORS).
    pub cors_origins: Vec<String>,
    /// The host names under which a service that admits callers without credentials is called,
    /// such as `mailvet.example.com`, beside `localhost` and any IP address. Default none: a web
    /// page could point a name of its own at the service (DNS rebinding).
    pub hosts: Vec<String>,
    /// Serves the console, the page for people, at `/console/`. Default false. Where callers show
    /// API keys, so does a person who opens it.
    pub console: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, cors_origins: Vec::new(), hosts: Vec::new(), console: false }
    }
}

/// An entry of a list that is not what the list holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// Of [`Config::cors_origins`].
    #[error(
        "server.http.cors_origins: {0:?} is not an origin; write scheme, host and port if it has \
         one, such as https://crm.example.com, and nothing behind them"
    )]
    Origin(String),
    /// Of [`Config::hosts`].
    #[error(
        "server.http.hosts: {0:?} is not a host name; write the name alone, in lower case, such as \
         mailvet.example.com"
    )]
    Host(String),
    /// [`Config::console`] without [`Config::enabled`].
    #[error("server.http.console: the page is served over HTTP; set server.http.enabled to true")]
    ConsoleWithoutHttp,
}

impl Config {
    /// Checks the origins and the names.
    ///
    /// # Errors
    ///
    /// [`BadEntry`] with the first one that is none. `*` is none: which pages may call is to be
    /// decided, not left open.
    pub fn check(&self) -> Result<(), BadEntry> {
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(BadEntry::Origin(origin.clone()));
        }
        if self.console && !self.enabled {
            return Err(BadEntry::ConsoleWithoutHttp);
        }
        match self.hosts.iter().find(|host| !is_host(host)) {
            Some(host) => Err(BadEntry::Host(host.clone())),
            None => Ok(()),
        }
    }
}

/// Returns whether `text` is a host name as a `Host` header gives it, without port and final dot.
fn is_host(text: &str) -> bool {
    let is_part = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_part) && !text.starts_with('.') && !text.ends_with('.')
}

/// Returns whether `text` is an origin as browsers send it (RFC 6454 section 6.2).
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    matches!(scheme, "http" | "https")
        && text == format!("{scheme}://{authority}")
        && !authority.as_str().contains('@')
        && text == text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_not_an_origin_is_named() {
        let check = |origin: &str| {
            Config { cors_origins: vec![origin.to_owned()], ..Config::default() }.check()
        };
        for origin in ["https://crm.example.com", "http://localhost:3000", "https://[::1]:8443"] {
            assert_eq!(check(origin), Ok(()), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "",
            "crm.example.com",
            "https://crm.example.com/",
            "https://crm.example.com/page",
            "https://CRM.example.com",
            "https://me@crm.example.com",
            "ftp://crm.example.com",
        ] {
            assert_eq!(check(origin), Err(BadEntry::Origin(origin.to_owned())));
        }
    }

    #[test]
    fn an_entry_that_is_not_a_host_name_is_named() {
        let check =
            |host: &str| Config { hosts: vec![host.to_owned()], ..Config::default() }.check();
        for host in ["mailvet", "mailvet.example.com", "a_b.internal", "xn--bcher-kva.example"] {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for host in ["", "*", "Mailvet", "mailvet:50051", "http://mailvet", "mailvet.", ".m", "a b"]
        {
            assert_eq!(check(host), Err(BadEntry::Host(host.to_owned())));
        }
    }
}
