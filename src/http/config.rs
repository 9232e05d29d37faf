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
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, cors_origins: Vec::new() }
    }
}

/// An entry of [`Config::cors_origins`] that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "server.http.cors_origins: {0:?} is not an origin; write scheme, host and port if it has one, \
     such as https://crm.example.com, and nothing behind them"
)]
pub struct BadOrigin(String);

impl Config {
    /// Checks the origins.
    ///
    /// # Errors
    ///
    /// [`BadOrigin`] with the first entry that is none. `*` is none: which pages may call is to be
    /// decided, not left open.
    pub fn check(&self) -> Result<(), BadOrigin> {
        match self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(BadOrigin(origin.clone())),
            None => Ok(()),
        }
    }
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
            assert_eq!(check(origin), Err(BadOrigin(origin.to_owned())));
        }
    }
}
