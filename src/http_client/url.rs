//! URLs that may be asked. Pure.

use std::net::IpAddr;

use http::Uri;

use crate::address::DomainName;

/// The longest URL, in octets.
pub(crate) const LONGEST_URL: usize = 2000;

/// A URL of http or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// `true` for https.
    pub(crate) is_tls: bool,
    /// The host.
    pub(crate) host: UrlHost,
    /// The port.
    pub(crate) port: u16,
    /// The host and the port as the URL has them.
    pub(crate) authority: String,
    /// The path and the query.
    pub(crate) path: String,
}

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UrlHost {
    /// An IP address.
    Address(IpAddr),
    /// A name.
    Name(DomainName),
}

/// The fault of a text that is no URL to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// It is too long.
    #[error("is longer than {LONGEST_URL} octets")]
    TooLong,
    /// It is none.
    #[error("is no URL")]
    NotOne,
    /// It shows credentials.
    #[error("holds a user or a password")]
    Credentials,
    /// Its host is none.
    #[error("names no host")]
    Host,
}

impl HttpUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`HttpUrlError`].
    pub fn parse(text: &str) -> Result<Self, HttpUrlError> {
        if text.len() > LONGEST_URL {
            return Err(HttpUrlError::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| HttpUrlError::NotOne)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(HttpUrlError::NotOne);
        };
        if authority.as_str().contains('@') {
            return Err(HttpUrlError::Credentials);
        }
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(HttpUrlError::NotOne),
        };
        // What stands behind the host is its port: one that is none must not become another.
        let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let default_port = if is_tls { 443 } else { 80 };
        let port = match behind.strip_prefix(':') {
            None | Some("") => default_port,
            // Nothing can listen on port 0.
            Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(HttpUrlError::NotOne)?,
        };
        let name = authority.host().trim_matches(['[', ']']);
        let host = match name.parse::<IpAddr>() {
            Ok(address) => UrlHost::Address(address),
            Err(_) => UrlHost::Name(DomainName::parse(name).map_err(|_| HttpUrlError::Host)?),
        };
        Ok(Self {
            is_tls,
            host,
            port,
            authority: authority.as_str().to_owned(),
            // A query may stand behind the host at once; a request is about a path in any case, and
            // `Display` writes one.
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// The URL that a `Location` of an answer names: an absolute one, or a path on the same host.
    ///
    /// # Errors
    /// [`HttpUrlError`].
    pub fn redirected(&self, location: &str) -> Result<Self, HttpUrlError> {
        if location.starts_with('/') && !location.starts_with("//") {
            let scheme = if self.is_tls { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{}{location}", self.authority));
        }
        Self::parse(location)
    }

    /// `true` if its host is an address of this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.host, UrlHost::Address(address) if address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = HttpUrl::parse("https://crm.example.com/hooks/mailvet?of=me").unwrap();
        assert_eq!((url.port, url.is_tls), (443, true));
        assert_eq!(url.path, "/hooks/mailvet?of=me");
        assert_eq!(url.authority, "crm.example.com");
        let local = HttpUrl::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!((local.port, local.path.as_str()), (8080, "/"));
        assert!(local.is_loopback() && !url.is_loopback());
        assert_eq!(HttpUrl::parse("https://[2001:db8::1]:1/").unwrap().port, 1);
        assert_eq!(HttpUrl::parse("https://[2001:db8::1]/").unwrap().port, 443);
        assert_eq!(HttpUrl::parse("http://crm.example.com:/").unwrap().port, 80);
        assert_eq!(HttpUrl::parse("https://crm.example.com:65535/").unwrap().port, 65_535);
    }

    #[test]
    fn a_query_behind_the_host_is_one_of_the_root() {
        let url = HttpUrl::parse("https://hooks.example.com?token=x").unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("hooks.example.com", "/?token=x"));
        let from = HttpUrl::parse("https://rdap.example/").unwrap();
        assert_eq!(from.redirected("https://other.example?a=b").unwrap().path, "/?a=b");
    }

    #[test]
    fn what_is_no_url_to_ask_is_refused() {
        let error = |text: &str| HttpUrl::parse(text).unwrap_err();
        for text in ["", "crm.example.com", "/hooks", "ftp://crm.example.com/", "file:///etc"] {
            assert_eq!(error(text), HttpUrlError::NotOne, "{text}");
        }
        for port in ["0", "00", "65536", "99999", "4432109", "x"] {
            let error = error(&format!("https://crm.example.com:{port}/"));
            assert_eq!(error, HttpUrlError::NotOne, "{port}");
        }
        assert_eq!(error("https://me:secret@crm.example.com/"), HttpUrlError::Credentials);
        assert_eq!(
            error(&format!("https://a.example/{}", "x".repeat(2000))),
            HttpUrlError::TooLong
        );
    }

    #[test]
    fn a_redirect_leads_to_a_path_of_the_same_host_or_to_another_url() {
        let from = HttpUrl::parse("https://rdap.example:444/domain/a.example").unwrap();
        let path = from.redirected("/v2/domain/a.example").unwrap();
        assert_eq!((path.authority.as_str(), path.port), ("rdap.example:444", 444));
        assert!(path.is_tls && path.path == "/v2/domain/a.example");
        let other = from.redirected("http://other.example/x").unwrap();
        assert!(!other.is_tls && other.authority == "other.example");
        for relative in ["x", "//other.example/x", ""] {
            assert!(from.redirected(relative).is_err(), "{relative}");
        }
    }
}
