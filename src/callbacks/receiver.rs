//! URLs of receivers. Pure.

use std::net::IpAddr;

use http::Uri;

use crate::address::DomainName;

/// The longest URL, in octets.
const LONGEST: usize = 2000;

/// A URL that may be told about batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverUrl {
    /// `true` for https.
    pub(super) is_tls: bool,
    /// The host.
    pub(super) host: ReceiverHost,
    /// The port.
    pub(super) port: u16,
    /// The host and the port as the URL has them.
    pub(super) authority: String,
    /// The path and the query.
    pub(super) path: String,
}

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReceiverHost {
    /// An IP address.
    Address(IpAddr),
    /// A name.
    Name(DomainName),
}

/// An error of a URL that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is too long.
    #[error("is longer than {LONGEST} octets")]
    TooLong,
    /// It is none.
    #[error("is no URL; write one such as https://crm.example.com/mailvet")]
    NotOne,
    /// It shows credentials.
    #[error("holds a user or a password; receivers know us by the signature")]
    Credentials,
    /// Its host is none.
    #[error("names no host")]
    Host,
    /// It is not encrypted.
    #[error("is not https; http is for receivers on this machine alone")]
    Plain,
}

impl ReceiverUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > LONGEST {
            return Err(UrlError::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::NotOne)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlError::NotOne);
        };
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::NotOne),
        };
        let name = authority.host().trim_matches(['[', ']']);
        let host = match name.parse::<IpAddr>() {
            Ok(address) => ReceiverHost::Address(address),
            Err(_) => ReceiverHost::Name(DomainName::parse(name).map_err(|_| UrlError::Host)?),
        };
        let is_loopback =
            matches!(host, ReceiverHost::Address(address) if address.to_canonical().is_loopback());
        if !is_tls && !is_loopback {
            return Err(UrlError::Plain);
        }
        Ok(Self {
            is_tls,
            host,
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = ReceiverUrl::parse("https://crm.example.com/hooks/mailvet?of=me").unwrap();
        assert_eq!((url.port, url.is_tls), (443, true));
        assert_eq!(url.path, "/hooks/mailvet?of=me");
        assert_eq!(url.authority, "crm.example.com");
        let local = ReceiverUrl::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!((local.port, local.path.as_str()), (8080, "/"));
        assert_eq!(ReceiverUrl::parse("https://[2001:db8::1]:1/").unwrap().port, 1);
    }

    #[test]
    fn what_must_not_be_called_is_refused() {
        let error = |text: &str| ReceiverUrl::parse(text).unwrap_err();
        for text in ["", "crm.example.com", "/hooks", "ftp://crm.example.com/", "file:///etc"] {
            assert_eq!(error(text), UrlError::NotOne, "{text}");
        }
        assert_eq!(error("https://me:secret@crm.example.com/"), UrlError::Credentials);
        for text in ["http://crm.example.com/", "http://10.0.0.1/", "http://localhost/"] {
            assert_eq!(error(text), UrlError::Plain, "{text}");
        }
        assert_eq!(error(&format!("https://a.example/{}", "x".repeat(2000))), UrlError::TooLong);
    }
}
