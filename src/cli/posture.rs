//! SPF and DMARC of a domain, as it publishes them. They say how it wants mail *from* it to be
//! judged, and nothing about mail to it.

use serde::Serialize;

use super::render::printable;
use crate::address::DomainName;
use crate::dns::answer::Answer;
use crate::dns::{DnsFailure, Resolver};
use crate::spf::{is_dmarc, is_spf};

/// The records of a domain.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Posture {
    /// SPF (RFC 7208).
    spf: PublishedPolicy,
    /// DMARC (RFC 7489), of the domain or of its organisation.
    dmarc: PublishedPolicy,
}

/// One record, or the cause of there being none.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct PublishedPolicy {
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Posture {
    /// Looks both up.
    pub(super) async fn look_up(resolver: &Resolver, domain: &DomainName) -> Self {
        let at = |name: &DomainName| DomainName::from_ascii(&format!("_dmarc.{name}"));
        let spf = PublishedPolicy::read(resolver.texts(domain).await, is_spf);
        let mut dmarc = PublishedPolicy::read(resolver.texts(&at(domain)).await, is_dmarc);
        let organisation = domain.registrable();
        if dmarc == PublishedPolicy::default() && organisation != *domain {
            let texts = resolver.texts(&at(&organisation)).await;
            dmarc = PublishedPolicy::read(texts, is_dmarc);
        }
        Self { spf, dmarc }
    }

    /// Both, one a line.
    pub(super) fn lines(&self) -> [String; 2] {
        [("spf", &self.spf), ("dmarc", &self.dmarc)].map(|(name, policy)| {
            let words = match (&policy.record, &policy.problem) {
                (Some(record), _) => printable(record),
                (None, Some(problem)) => problem.clone(),
                (None, None) => "none".to_owned(),
            };
            format!("{name}: {words}")
        })
    }
}

impl PublishedPolicy {
    /// The one such text among TXT records.
    fn read(answer: Result<Answer<String>, DnsFailure>, is_one: impl Fn(&str) -> bool) -> Self {
        let texts = match answer {
            Ok(Answer::Records { records, .. }) => records,
            Ok(Answer::NoData { .. } | Answer::NoSuchName { .. }) => Vec::new(),
            Err(failure) => {
                return Self { record: None, problem: Some(format!("DNS did not say: {failure}")) };
            }
        };
        let mut found: Vec<String> = texts.into_iter().filter(|text| is_one(text)).collect();
        match found.len() {
            0 | 1 => Self { record: found.pop(), problem: None },
            count => {
                let problem = format!("{count} records, so that none counts");
                Self { record: None, problem: Some(problem) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(texts: &[&str], is_one: impl Fn(&str) -> bool) -> PublishedPolicy {
        let records = texts.iter().map(|text| (*text).to_owned()).collect();
        let ttl = Duration::from_secs(60);
        let answer = Answer::Records { records, alias_of: None, ttl };
        PublishedPolicy::read(Ok(answer), is_one)
    }

    #[test]
    fn the_one_record_of_its_version_is_shown_and_two_are_none() {
        let texts =
            ["google-site-verification=x", "V=SPF1 mx -all", "v=spf10 -all", "v=DMARC1;p=none"];
        assert_eq!(read(&texts, is_spf).record.as_deref(), Some("V=SPF1 mx -all"));
        assert_eq!(read(&texts, is_dmarc).record.as_deref(), Some("v=DMARC1;p=none"));
        assert_eq!(read(&["v=spf1"], is_spf).record.as_deref(), Some("v=spf1"));
        assert_eq!(read(&["other"], is_spf), PublishedPolicy::default());
        let both = read(&["v=spf1 -all", "v=spf1 +all"], is_spf);
        assert!(both.record.is_none() && both.problem.unwrap().starts_with("2 records"));
        let failed = PublishedPolicy::read(Err(DnsFailure::Timeout), is_spf);
        assert!(failed.problem.unwrap().starts_with("DNS did not say"));
    }
}
