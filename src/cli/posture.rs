//! The posture of a domain in the terminal: what strict senders meet there, and its SPF and DMARC.
//! Those two say how it wants mail *from* it to be judged, and nothing about mail to it.

use serde::Serialize;

use super::render::printable;
use crate::address::DomainName;
use crate::dns::answer::Answer;
use crate::dns::{DnsFailure, Resolver};
use crate::posture::{
    ExchangerPosture, MtaStsState, Posture, PostureReport, PostureState, TlsState, TlsaState,
};
use crate::report::rfc3339;
use crate::spf::{is_dmarc, is_spf};

/// SPF and DMARC of a domain, as it publishes them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct PublishedPolicies {
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
    /// The organisational domain whose record it is, if it is not the domain's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    inherited_from: Option<String>,
}

impl PublishedPolicies {
    /// Looks both up.
    pub(super) async fn look_up(resolver: &Resolver, domain: &DomainName) -> Self {
        let at = |name: &DomainName| DomainName::from_ascii(&format!("_dmarc.{name}"));
        let spf = PublishedPolicy::read(resolver.texts(domain).await, is_spf);
        let mut dmarc = PublishedPolicy::read(resolver.texts(&at(domain)).await, is_dmarc);
        let organisation = domain.registrable();
        if dmarc == PublishedPolicy::default() && organisation != *domain {
            let texts = resolver.texts(&at(&organisation)).await;
            dmarc = PublishedPolicy::read(texts, is_dmarc).inherited_from(&organisation);
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
            match &policy.inherited_from {
                Some(domain) => format!("{name}: {words} (that of {domain})"),
                None => format!("{name}: {words}"),
            }
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
                let problem = Some(format!("DNS did not say: {failure}"));
                return Self { problem, ..Self::default() };
            }
        };
        let mut found: Vec<String> = texts.into_iter().filter(|text| is_one(text)).collect();
        match found.len() {
            0 | 1 => Self { record: found.pop(), ..Self::default() },
            count => {
                let problem = Some(format!("{count} records, so that none counts"));
                Self { problem, ..Self::default() }
            }
        }
    }

    /// The same as that of another domain, unless there is nothing.
    fn inherited_from(self, domain: &DomainName) -> Self {
        let is_there = self != Self::default();
        Self { inherited_from: is_there.then(|| domain.to_string()), ..self }
    }
}

/// The posture of a domain as JSON.
#[derive(Debug, Serialize)]
pub(super) struct PostureJson {
    #[serde(flatten)]
    policies: PublishedPolicies,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mta_sts: Option<MtaStsJson>,
    exchangers: Vec<ExchangerPostureJson>,
    notes: Vec<PostureNoteJson>,
    looked_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct MtaStsJson {
    state: &'static str,
    mx: Vec<String>,
    max_age_seconds: Option<u64>,
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct ExchangerPostureJson {
    host: String,
    tlsa: &'static str,
    tls: Option<&'static str>,
    problem: Option<String>,
    certificate_fault: Option<String>,
    matches_tlsa: Option<bool>,
}

#[derive(Debug, Serialize)]
struct PostureNoteJson {
    kind: &'static str,
    host: Option<String>,
    text: String,
}

impl PostureJson {
    pub(super) fn new(policies: PublishedPolicies, report: &PostureReport) -> Self {
        let (state, known) = match &report.state {
            PostureState::Known(posture) => ("known", Some(posture)),
            PostureState::Unknown(gap) => (gap.name(), None),
        };
        let exchangers = known.into_iter().flat_map(|posture| &posture.exchangers);
        let notes = known.into_iter().flat_map(|posture| &posture.notes);
        Self {
            policies,
            state,
            mta_sts: known.map(|posture| MtaStsJson::new(&posture.mta_sts)),
            exchangers: exchangers.map(ExchangerPostureJson::new).collect(),
            notes: notes
                .map(|note| PostureNoteJson {
                    kind: note.name(),
                    host: note.host().map(ToString::to_string),
                    text: note.to_string(),
                })
                .collect(),
            looked_at: known.map(|posture| rfc3339(posture.looked_at)),
        }
    }
}

impl MtaStsJson {
    fn new(state: &MtaStsState) -> Self {
        let policy = match state {
            MtaStsState::Published(policy) => Some(policy),
            _ => None,
        };
        Self {
            state: state.name(),
            mx: policy.map(|policy| policy.mx.clone()).unwrap_or_default(),
            max_age_seconds: policy.map(|policy| policy.max_age.as_secs()),
            problem: match state {
                MtaStsState::Unusable(cause) => Some(cause.clone()),
                MtaStsState::Unknown(failure) => Some(failure.to_string()),
                MtaStsState::NotPublished | MtaStsState::Published(_) => None,
            },
        }
    }
}

impl ExchangerPostureJson {
    fn new(exchanger: &ExchangerPosture) -> Self {
        let tls = exchanger.tls.as_ref();
        let dns = match &exchanger.tlsa {
            TlsaState::Unknown(failure) => Some(format!("TLSA: {failure}")),
            _ => None,
        };
        let session = match tls {
            Some(TlsState::Failed(cause) | TlsState::NotReached(cause)) => Some(cause.clone()),
            _ => None,
        };
        let problems: Vec<String> = session.into_iter().chain(dns).collect();
        let (certificate_fault, matches_tlsa) = match tls {
            Some(TlsState::Begun { certificate_fault, matches_tlsa }) => {
                (certificate_fault.clone(), *matches_tlsa)
            }
            _ => (None, None),
        };
        Self {
            host: exchanger.host.to_string(),
            tlsa: exchanger.tlsa.name(),
            tls: tls.map(TlsState::name),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            certificate_fault,
            matches_tlsa,
        }
    }
}

/// What strict senders meet, a fact or a remark a line.
pub(super) fn posture_lines(report: &PostureReport) -> Vec<String> {
    match &report.state {
        PostureState::Known(posture) => known_lines(posture),
        PostureState::Unknown(gap) => vec![format!("mta-sts, dane: {}", gap.sentence())],
    }
}

fn known_lines(posture: &Posture) -> Vec<String> {
    let mta_sts = match &posture.mta_sts {
        MtaStsState::NotPublished => "none".to_owned(),
        MtaStsState::Published(policy) if policy.mx.is_empty() => policy.mode.name().to_owned(),
        MtaStsState::Published(policy) => {
            format!("{}: {}", policy.mode.name(), printable(&policy.mx.join(", ")))
        }
        MtaStsState::Unusable(cause) => format!("unusable: {}", printable(cause)),
        MtaStsState::Unknown(failure) => format!("DNS did not say: {failure}"),
    };
    let mut lines = vec![format!("mta-sts: {mta_sts}")];
    lines.extend(posture.exchangers.iter().filter_map(exchanger_line));
    lines
        .extend(posture.notes.iter().map(|note| format!("note: {}", printable(&note.to_string()))));
    lines
}

/// The TLS of an exchanger and its TLSA records, as far as there is something to say of them.
fn exchanger_line(exchanger: &ExchangerPosture) -> Option<String> {
    let tls = exchanger.tls.as_ref().map(|tls| match tls {
        TlsState::NotOffered => "no STARTTLS".to_owned(),
        TlsState::Failed(cause) => format!("TLS fails: {}", printable(cause)),
        TlsState::NotReached(cause) => format!("TLS was not looked at: {}", printable(cause)),
        TlsState::Begun { certificate_fault, matches_tlsa } => {
            let certificate = match certificate_fault {
                Some(fault) => format!("certificate not good: {}", printable(fault)),
                None => "certificate good".to_owned(),
            };
            match matches_tlsa {
                Some(true) => format!("{certificate}; matches its TLSA records"),
                Some(false) => format!("{certificate}; matches none of its TLSA records"),
                None => certificate,
            }
        }
    });
    let is_compared = matches!(exchanger.tls, Some(TlsState::Begun { matches_tlsa: Some(_), .. }));
    let tlsa = match &exchanger.tlsa {
        TlsaState::NotPublished => None,
        TlsaState::Published if is_compared => None,
        TlsaState::Published => Some("has TLSA records".to_owned()),
        TlsaState::Unsigned => Some("TLSA: not signed, so that no record counts".to_owned()),
        TlsaState::Unusable => Some("TLSA: no record that senders of mail can use".to_owned()),
        TlsaState::Unknown(failure) => Some(format!("TLSA: DNS did not say: {failure}")),
    };
    let words: Vec<String> = tls.into_iter().chain(tlsa).collect();
    (!words.is_empty()).then(|| format!("{}: {}", exchanger.host, words.join("; ")))
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
    fn tlsa_records_that_dns_did_not_tell_are_shown_and_are_a_problem() {
        let exchanger = |tlsa, tls| {
            let host = DomainName::from_ascii("mx.example");
            ExchangerPosture { host, tlsa, tls }
        };
        let unknown = exchanger(TlsaState::Unknown(DnsFailure::Timeout), None);
        let words = "mx.example: TLSA: DNS did not say: no name server answered in time";
        assert_eq!(exchanger_line(&unknown).as_deref(), Some(words));
        let problem = ExchangerPostureJson::new(&unknown).problem;
        assert_eq!(problem.as_deref(), Some("TLSA: no name server answered in time"));
        let failed = Some(TlsState::Failed("no TLS".to_owned()));
        let both = exchanger(TlsaState::Unknown(DnsFailure::Timeout), failed);
        let both = ExchangerPostureJson::new(&both).problem.unwrap();
        assert!(both.starts_with("no TLS; TLSA: "), "{both}");
        assert_eq!(exchanger_line(&exchanger(TlsaState::NotPublished, None)), None);
        let not_offered = exchanger(TlsaState::Published, Some(TlsState::NotOffered));
        let words = "mx.example: no STARTTLS; has TLSA records";
        assert_eq!(exchanger_line(&not_offered).as_deref(), Some(words));
        let unsigned = exchanger_line(&exchanger(TlsaState::Unsigned, None)).unwrap();
        assert!(unsigned.contains("not signed"), "{unsigned}");
    }

    #[test]
    fn a_dmarc_record_of_the_organisation_is_shown_as_such() {
        let organisation = DomainName::from_ascii("acme.test");
        let lines = |texts: &[&str]| {
            let dmarc = read(texts, is_dmarc).inherited_from(&organisation);
            PublishedPolicies { spf: PublishedPolicy::default(), dmarc }.lines()
        };
        let [_, dmarc] = lines(&["v=DMARC1; p=reject; sp=none"]);
        assert_eq!(dmarc, "dmarc: v=DMARC1; p=reject; sp=none (that of acme.test)");
        let [_, several] = lines(&["v=DMARC1; p=none", "v=DMARC1; p=reject"]);
        assert_eq!(several, "dmarc: 2 records, so that none counts (that of acme.test)");
        assert_eq!(lines(&[]), ["spf: none", "dmarc: none"]);
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
