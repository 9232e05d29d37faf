//! The posture of a domain, as data. Pure.

use std::sync::Arc;
use std::time::SystemTime;

use super::mta_sts::{MtaStsMode, MtaStsPolicy};
use super::note::{PostureNote, TlsDemand};
use crate::address::DomainName;
use crate::dns::DnsFailure;

/// The posture of a domain, or the cause of there being none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostureReport {
    /// The domain.
    pub domain: DomainName,
    /// The result.
    pub state: PostureState,
}

/// The result of looking at a domain's posture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostureState {
    /// It was looked at.
    Known(Arc<Posture>),
    /// It was not, and why.
    Unknown(PostureGap),
}

/// The causes of a posture that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostureGap {
    /// The service looks at no postures.
    Disabled,
    /// The answer was not there in time.
    NotInTime,
}

impl PostureGap {
    /// Its name, in lower snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NotInTime => "not_in_time",
        }
    }

    /// The cause in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Disabled => "no posture is looked at: set posture.enabled",
            Self::NotInTime => "the domain's hosts had not answered yet; ask again",
        }
    }
}

/// Facts that strict senders meet at a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Its MTA-STS policy.
    pub mta_sts: MtaStsState,
    /// Its best exchangers, best first.
    pub exchangers: Vec<ExchangerPosture>,
    /// Remarks: mail of strict senders that does not arrive.
    pub notes: Vec<PostureNote>,
    /// Time at which it was looked at.
    pub looked_at: SystemTime,
}

/// MTA-STS of a domain (RFC 8461).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MtaStsState {
    /// The domain publishes none.
    NotPublished,
    /// It publishes this policy.
    Published(MtaStsPolicy),
    /// It publishes one that senders cannot have or use: the cause in words.
    Unusable(String),
    /// DNS could not tell.
    Unknown(DnsFailure),
}

impl MtaStsState {
    /// Its name, in lower snake case; that of the mode, if there is a policy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotPublished => "not_published",
            Self::Published(policy) => policy.mode.name(),
            Self::Unusable(_) => "unusable",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The policy, if senders are to insist on it.
    #[must_use]
    pub fn enforced(&self) -> Option<&MtaStsPolicy> {
        match self {
            Self::Published(policy) if policy.mode == MtaStsMode::Enforce => Some(policy),
            _ => None,
        }
    }
}

/// One exchanger as strict senders meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangerPosture {
    /// Its name.
    pub host: DomainName,
    /// Its TLSA records.
    pub tlsa: TlsaState,
    /// Its TLS; `None` if neither a policy nor TLSA records ask for any, so that nobody looked.
    pub tls: Option<TlsState>,
}

/// TLSA records of an exchanger (RFC 7672).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsaState {
    /// There are none.
    NotPublished,
    /// The MX records, or the TLSA records, are not signed, so that TLSA records count for nobody.
    Unsigned,
    /// There are some, of which senders of mail can use none: TLS is demanded, and any will do.
    Unusable,
    /// There are some to compare with.
    Published,
    /// DNS could not tell: senders that use DANE wait.
    Unknown(DnsFailure),
}

impl TlsaState {
    /// Its name, in lower snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotPublished => "not_published",
            Self::Unsigned => "unsigned",
            Self::Unusable => "unusable",
            Self::Published => "published",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Returns whether senders that use DANE deliver under TLS or not at all.
    #[must_use]
    pub fn demands_tls(&self) -> bool {
        matches!(self, Self::Published | Self::Unusable)
    }
}

/// The TLS of an exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsState {
    /// It began.
    Begun {
        /// The fault of the certificate by the public authorities and for the exchanger's name;
        /// `None` if it has none.
        certificate_fault: Option<String>,
        /// Whether the certificate is one that the TLSA records mean; `None` without records.
        matches_tlsa: Option<bool>,
    },
    /// The exchanger does not offer it.
    NotOffered,
    /// It offers it, and it did not begin: the cause in words.
    Failed(String),
    /// The exchanger was not reached: the cause in words. Nothing follows from that.
    NotReached(String),
}

impl TlsState {
    /// Its name, in lower snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begun { .. } => "begun",
            Self::NotOffered => "not_offered",
            Self::Failed(_) => "failed",
            Self::NotReached(_) => "not_reached",
        }
    }
}

impl Posture {
    /// The posture of a domain with these facts, and what follows from them. `hosts` are all its
    /// exchangers, `exchangers` those that were looked at.
    #[must_use]
    pub fn new(
        mta_sts: MtaStsState,
        hosts: &[DomainName],
        exchangers: Vec<ExchangerPosture>,
        looked_at: SystemTime,
    ) -> Self {
        let mut notes = Vec::new();
        let policy = mta_sts.enforced();
        if let Some(policy) = policy {
            let unnamed: Vec<_> = hosts.iter().filter(|host| !policy.names(host)).collect();
            if !unnamed.is_empty() && unnamed.len() == hosts.len() {
                notes.push(PostureNote::NoExchangerNamed);
            } else {
                notes.extend(unnamed.into_iter().cloned().map(PostureNote::ExchangerNotNamed));
            }
        }
        for exchanger in &exchangers {
            let is_named = policy.is_some_and(|policy| policy.names(&exchanger.host));
            exchanger.add_notes(is_named, &mut notes);
        }
        Self { mta_sts, exchangers, notes, looked_at }
    }

    /// Returns whether nothing is missing that may be there soon.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_known = !matches!(self.mta_sts, MtaStsState::Unknown(_) | MtaStsState::Unusable(_));
        is_known
            && self.exchangers.iter().all(|exchanger| {
                !matches!(exchanger.tlsa, TlsaState::Unknown(_))
                    && !matches!(exchanger.tls, Some(TlsState::NotReached(_)))
            })
    }
}

impl ExchangerPosture {
    /// Adds the remarks on the exchanger; `is_named`: an enforced policy names it.
    fn add_notes(&self, is_named: bool, notes: &mut Vec<PostureNote>) {
        let host = &self.host;
        let is_dane = self.tlsa.demands_tls();
        let demands = [is_named.then_some(TlsDemand::MtaSts), is_dane.then_some(TlsDemand::Dane)];
        let demands = demands.into_iter().flatten();
        match &self.tls {
            Some(TlsState::NotOffered) => notes.extend(
                demands.map(|demand| PostureNote::TlsNotOffered { host: host.clone(), demand }),
            ),
            Some(TlsState::Failed(cause)) => notes.extend(demands.map(|demand| {
                let (host, cause) = (host.clone(), cause.clone());
                PostureNote::TlsFails { host, demand, cause }
            })),
            Some(TlsState::Begun { certificate_fault, matches_tlsa }) => {
                if let Some(cause) = certificate_fault.clone().filter(|_| is_named) {
                    notes.push(PostureNote::CertificateFault { host: host.clone(), cause });
                }
                if *matches_tlsa == Some(false) {
                    notes.push(PostureNote::TlsaMismatch(host.clone()));
                }
            }
            Some(TlsState::NotReached(_)) | None => {}
        }
        if let TlsaState::Unknown(failure) = &self.tlsa {
            let (host, cause) = (host.clone(), failure.to_string());
            notes.push(PostureNote::TlsaNotTold { host, cause });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> DomainName {
        DomainName::from_ascii(name)
    }

    fn policy(mode: &str, mx: &str) -> MtaStsState {
        let text = format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 60");
        MtaStsState::Published(MtaStsPolicy::parse(&text).unwrap())
    }

    fn exchanger(name: &str, tlsa: TlsaState, tls: TlsState) -> ExchangerPosture {
        ExchangerPosture { host: host(name), tlsa, tls: Some(tls) }
    }

    fn begun(fault: Option<&str>, matches_tlsa: Option<bool>) -> TlsState {
        TlsState::Begun { certificate_fault: fault.map(str::to_owned), matches_tlsa }
    }

    fn notes(
        mta_sts: MtaStsState,
        hosts: &[&str],
        exchangers: Vec<ExchangerPosture>,
    ) -> Vec<PostureNote> {
        let hosts: Vec<_> = hosts.iter().map(|name| host(name)).collect();
        Posture::new(mta_sts, &hosts, exchangers, SystemTime::UNIX_EPOCH).notes
    }

    #[test]
    fn exchangers_that_an_enforced_policy_does_not_name_are_noted() {
        use PostureNote::{ExchangerNotNamed, NoExchangerNamed};
        let hosts = ["mx1.example", "mx2.example"];
        assert_eq!(notes(policy("enforce", "*.example"), &hosts, Vec::new()), []);
        assert_eq!(
            notes(policy("enforce", "mx2.example"), &hosts, Vec::new()),
            [ExchangerNotNamed(host("mx1.example"))]
        );
        assert_eq!(notes(policy("enforce", "old.example"), &hosts, Vec::new()), [NoExchangerNamed]);
        for mode in ["testing", "none"] {
            assert_eq!(notes(policy(mode, "old.example"), &hosts, Vec::new()), [], "{mode}");
        }
        assert_eq!(notes(policy("enforce", "old.example"), &[], Vec::new()), []);
    }

    #[test]
    fn the_certificate_counts_where_a_policy_names_the_exchanger() {
        let fault = || begun(Some("expired"), None);
        let one = |tls| vec![exchanger("mx.example", TlsaState::NotPublished, tls)];
        let noted = notes(policy("enforce", "mx.example"), &["mx.example"], one(fault()));
        let cause = "expired".to_owned();
        let wanted = PostureNote::CertificateFault { host: host("mx.example"), cause };
        assert_eq!(noted, [wanted]);
        let good = one(begun(None, None));
        assert_eq!(notes(policy("enforce", "mx.example"), &["mx.example"], good), []);
        let unnamed = notes(policy("enforce", "other.example"), &["mx.example"], one(fault()));
        assert_eq!(unnamed, [PostureNote::NoExchangerNamed]);
        assert_eq!(notes(MtaStsState::NotPublished, &["mx.example"], one(fault())), []);
    }

    #[test]
    fn tlsa_records_count_without_a_policy_and_without_public_authorities() {
        let one = |tlsa, tls| vec![exchanger("mx.example", tlsa, tls)];
        let dane = |tlsa, tls| notes(MtaStsState::NotPublished, &["mx.example"], one(tlsa, tls));
        let mismatch = PostureNote::TlsaMismatch(host("mx.example"));
        let published = || TlsaState::Published;
        assert_eq!(dane(published(), begun(Some("self-signed"), Some(false))), [mismatch]);
        assert_eq!(dane(published(), begun(Some("self-signed"), Some(true))), []);
        assert_eq!(dane(TlsaState::Unsigned, TlsState::NotOffered), []);
        for tlsa in [TlsaState::Published, TlsaState::Unusable] {
            let demand = TlsDemand::Dane;
            let wanted = PostureNote::TlsNotOffered { host: host("mx.example"), demand };
            assert_eq!(dane(tlsa, TlsState::NotOffered), [wanted]);
        }
        assert_eq!(dane(published(), TlsState::NotReached("refused".to_owned())), []);
        let failed = dane(published(), TlsState::Failed("no TLS".to_owned()));
        assert!(matches!(&failed[..], [PostureNote::TlsFails { .. }]), "{failed:?}");
    }

    #[test]
    fn tlsa_records_that_dns_does_not_tell_are_noted_whatever_else_is_known() {
        let unknown = || TlsaState::Unknown(DnsFailure::ServerFailure("SERVFAIL".into()));
        let nobody_looked =
            ExchangerPosture { host: host("mx.example"), tlsa: unknown(), tls: None };
        let looked_at = exchanger("mx.example", unknown(), begun(None, None));
        for exchanger in [nobody_looked, looked_at] {
            let noted = notes(MtaStsState::NotPublished, &["mx.example"], vec![exchanger]);
            let cause = "the name servers answered SERVFAIL".to_owned();
            assert_eq!(noted, [PostureNote::TlsaNotTold { host: host("mx.example"), cause }]);
        }
    }

    #[test]
    fn both_demands_are_told_of_an_exchanger_without_tls() {
        let without = vec![exchanger("mx.example", TlsaState::Published, TlsState::NotOffered)];
        let noted = notes(policy("enforce", "mx.example"), &["mx.example"], without);
        let demands: Vec<_> = noted
            .iter()
            .map(|note| match note {
                PostureNote::TlsNotOffered { demand, .. } => *demand,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(demands, [TlsDemand::MtaSts, TlsDemand::Dane]);
    }
}
