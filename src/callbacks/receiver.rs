//! URLs of receivers. Pure.

use crate::http_client::{HttpUrl, HttpUrlError, LONGEST_URL};

/// A URL that may be told about batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverUrl(pub(super) HttpUrl);

/// An error of a URL that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is too long.
    #[error("is longer than {LONGEST_URL} octets")]
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
    #[error(
        "is not https; http is for receivers on this machine alone, by their address and not by a \
         name, such as http://127.0.0.1:8080/mailvet"
    )]
    Plain,
}

impl From<HttpUrlError> for UrlError {
    fn from(error: HttpUrlError) -> Self {
        match error {
            HttpUrlError::TooLong => Self::TooLong,
            HttpUrlError::NotOne => Self::NotOne,
            HttpUrlError::Credentials => Self::Credentials,
            HttpUrlError::Host => Self::Host,
        }
    }
}

impl ReceiverUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = HttpUrl::parse(text)?;
        if !url.is_tls && !url.is_loopback() {
            return Err(UrlError::Plain);
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_called_is_refused() {
        let error = |text: &str| ReceiverUrl::parse(text).unwrap_err();
        assert_eq!(error("crm.example.com"), UrlError::NotOne);
        assert_eq!(error("https://me:secret@crm.example.com/"), UrlError::Credentials);
        for text in ["http://crm.example.com/", "http://10.0.0.1/", "http://localhost/"] {
            assert_eq!(error(text), UrlError::Plain, "{text}");
        }
        // It is this machine, and a name: the remedy is its address.
        assert!(error("http://localhost:8080/").to_string().contains("http://127.0.0.1:8080/"));
        for text in ["https://crm.example.com/", "http://127.0.0.1:8080/"] {
            assert!(ReceiverUrl::parse(text).is_ok(), "{text}");
        }
    }
}
