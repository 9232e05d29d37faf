//! The registries' services by top-level domain (RFC 9224). Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::address::DomainName;

/// The file that the program carries; it says where it is from, and of which day.
const SNAPSHOT: &str = include_str!("data/dns.json");

/// A file of the format of RFC 9224 section 3, as far as it is read.
#[derive(Deserialize)]
struct BootstrapFile {
    #[serde(default)]
    publication: String,
    services: Vec<(Vec<String>, Vec<String>)>,
}

/// The fault of a text that is no bootstrap file.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It is not the JSON of one.
    #[error("is no bootstrap file for domains (RFC 9224): {0}")]
    NotOne(#[from] serde_json::Error),
    /// It names no service.
    #[error("is a bootstrap file (RFC 9224) without services")]
    Empty,
}

/// The base URLs of registries' services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootstrap {
    publication: String,
    by_suffix: HashMap<String, Arc<str>>,
}

impl Bootstrap {
    /// The services that the program knows.
    ///
    /// # Errors
    /// Never, as a test shows: what is read is part of the program.
    pub fn built_in() -> Result<Self, BootstrapError> {
        Self::parse(SNAPSHOT)
    }

    /// Reads a bootstrap file. Of several URLs for one entry the first with https counts.
    ///
    /// # Errors
    /// [`BootstrapError`].
    pub fn parse(text: &str) -> Result<Self, BootstrapError> {
        let file: BootstrapFile = serde_json::from_str(text)?;
        let mut by_suffix = HashMap::new();
        for (entries, urls) in file.services {
            let secure = urls.iter().find(|url| url.starts_with("https://"));
            let Some(url) = secure.or_else(|| urls.first()) else { continue };
            let url: Arc<str> = format!("{}/", url.trim_end_matches('/')).into();
            for entry in entries {
                by_suffix.insert(entry.to_ascii_lowercase(), Arc::clone(&url));
            }
        }
        if by_suffix.is_empty() {
            return Err(BootstrapError::Empty);
        }
        Ok(Self { publication: file.publication, by_suffix })
    }

    /// The services of one entry each: those that the configuration names.
    #[must_use]
    pub fn of_services(services: &BTreeMap<String, String>) -> Self {
        let entry = |(suffix, url): (&String, &String)| {
            let url = format!("{}/", url.trim_end_matches('/'));
            (suffix.trim_start_matches('.').to_ascii_lowercase(), url.into())
        };
        Self { publication: String::new(), by_suffix: services.iter().map(entry).collect() }
    }

    /// The time at which the file was published, as it says.
    #[must_use]
    pub fn publication(&self) -> &str {
        &self.publication
    }

    /// The base URL of the service for `domain`: that of the entry with the most labels in common
    /// (RFC 9224 section 4), with a slash at its end.
    #[must_use]
    pub fn service(&self, domain: &DomainName) -> Option<Arc<str>> {
        let mut rest = domain.as_str();
        loop {
            if let Some(url) = self.by_suffix.get(rest) {
                return Some(Arc::clone(url));
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(bootstrap: &Bootstrap, domain: &str) -> Option<String> {
        bootstrap.service(&DomainName::from_ascii(domain)).map(|url| url.to_string())
    }

    #[test]
    fn the_built_in_services_are_https_and_the_largest_are_there() {
        let built_in = Bootstrap::built_in().unwrap();
        assert!(built_in.by_suffix.len() > 500 && built_in.publication().starts_with("20"));
        for (suffix, url) in &built_in.by_suffix {
            assert!(url.starts_with("https://") && url.ends_with('/'), "{suffix} {url}");
        }
        for domain in ["acme.com", "acme.org", "acme.fr", "acme.co.uk", "acme.app"] {
            assert!(service(&built_in, domain).is_some(), "{domain}");
        }
        assert_eq!(service(&built_in, "acme.test"), None);
    }

    #[test]
    fn the_entry_with_the_most_labels_counts_and_https_before_http() {
        let file = r#"{"version": "1.0", "publication": "2026-01-01T00:00:00Z", "services": [
            [["uk", "FR"], ["http://plain.example/", "https://rdap.example/a"]],
            [["co.uk"], ["http://only.example/co/"]],
            [["nobody"], []]
        ]}"#;
        let bootstrap = Bootstrap::parse(file).unwrap();
        let found = |domain| service(&bootstrap, domain);
        assert_eq!(found("acme.uk").as_deref(), Some("https://rdap.example/a/"));
        assert_eq!(found("acme.fr").as_deref(), Some("https://rdap.example/a/"));
        assert_eq!(found("acme.co.uk").as_deref(), Some("http://only.example/co/"));
        assert_eq!(found("acme.nobody"), None);
        assert_eq!(found("uk.example"), None);
    }

    #[test]
    fn what_is_no_bootstrap_file_is_an_error() {
        for text in ["", "{}", "[]", r#"{"services": []}"#, r#"{"services": [[["uk"]]]}"#] {
            assert!(Bootstrap::parse(text).is_err(), "{text}");
        }
    }
}
