//! The registration of a domain as its registry tells it, and what it says about mail. Pure.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::address::DomainName;

/// Time by which a registration must be younger than a consent before it says anything: dates of
/// forms and registries are no clockwork.
const SLACK: Duration = Duration::from_secs(7 * 86_400);

/// The registry's word on an organisational domain, or the cause of there being none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The organisational domain: the one that somebody registers.
    pub domain: DomainName,
    /// The answer.
    pub state: RegistrationState,
    /// The host of the registry's service, if it was asked.
    pub source: Option<Arc<str>>,
    /// Time of the answer, or of the failure to get one.
    pub asked_at: Option<SystemTime>,
}

/// The answer of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// The domain is registered.
    Registered(Arc<RegistrationFacts>),
    /// The registry's service knows no such domain. That does not say that it is free: names below
    /// suffixes such as `ac.uk` are held elsewhere.
    NotRegistered,
    /// Not known, and why.
    Unknown(RegistrationGap),
}

/// The facts of a registration. Whoever holds the domain is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrationFacts {
    /// Time of the registration; of the latest, if the domain was registered again.
    pub registered_at: Option<SystemTime>,
    /// Time of the last change.
    pub changed_at: Option<SystemTime>,
    /// End of the registration.
    pub expires_at: Option<SystemTime>,
    /// Statuses by their names in RDAP, such as `client hold` (RFC 8056).
    pub statuses: Vec<Box<str>>,
    /// The registrar's name.
    pub registrar: Option<Box<str>>,
}

/// The causes of a registration that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RegistrationGap {
    /// The service asks no registries.
    Disabled,
    /// Nobody registers the name: it is an address literal, or a public suffix.
    NoDomain,
    /// The domain's registry has no service that we know.
    NoRegistryService,
    /// The answer was not there when it was needed; it may be next time.
    NotInTime,
    /// As many domains wait for this registry as may.
    RegistryBusy,
    /// The registry asked for fewer requests.
    RateLimited,
    /// The registry did not answer, or said that it is in trouble.
    RegistryUnavailable,
    /// The registry's answer was not understood, or broke a bound.
    UnreadableAnswer,
}

impl RegistrationGap {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Disabled,
        Self::NoDomain,
        Self::NoRegistryService,
        Self::NotInTime,
        Self::RegistryBusy,
        Self::RateLimited,
        Self::RegistryUnavailable,
        Self::UnreadableAnswer,
    ];

    /// Its name, in lower snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NoDomain => "no_domain",
            Self::NoRegistryService => "no_registry_service",
            Self::NotInTime => "not_in_time",
            Self::RegistryBusy => "registry_busy",
            Self::RateLimited => "rate_limited",
            Self::RegistryUnavailable => "registry_unavailable",
            Self::UnreadableAnswer => "unreadable_answer",
        }
    }

    /// The cause in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Disabled => "no registry is asked: set registration.enabled",
            Self::NoDomain => "nobody registers this name",
            Self::NoRegistryService => "its registry has no RDAP service that is known",
            Self::NotInTime => "the registry had not answered yet; ask again",
            Self::RegistryBusy => "too many domains wait for this registry; ask again later",
            Self::RateLimited => "the registry asked for fewer requests",
            Self::RegistryUnavailable => "the registry did not answer",
            Self::UnreadableAnswer => "the registry's answer was not understood",
        }
    }
}

impl RegistrationFacts {
    /// Returns whether it has a status, in lower case. Some services spell it as EPP does
    /// (`clientHold`, RFC 5731), and not as RDAP (`client hold`, RFC 8056).
    #[must_use]
    pub fn has_status(&self, status: &str) -> bool {
        self.statuses.iter().any(|own| letters(own).eq(letters(status)))
    }

    /// `true` if its holder may restore it, or bring it into DNS, at any time.
    #[cfg(feature = "server")]
    pub(super) fn is_in_transition(&self) -> bool {
        self.deletion().or_else(|| self.absence()).is_some()
    }

    /// The stage of a domain on its way out, and the next step, in words.
    fn deletion(&self) -> Option<&'static str> {
        // RFC 3915: while it can be restored, a domain is pending deletion too.
        if self.has_status("redemption period") {
            return Some(
                "was deleted and can still be restored by its holder; if it is not, it is free to \
                 register some five weeks after the deletion",
            );
        }
        self.has_status("pending delete")
            .then_some("is about to be deleted: within days anybody may register it")
    }

    /// The cause of a registered domain's absence from DNS, in words.
    fn absence(&self) -> Option<&'static str> {
        if self.has_status("server hold") {
            return Some("is on hold: its registry took it out of DNS");
        }
        if self.has_status("client hold") {
            return Some(
                "is on hold: its registrar took it out of DNS, as registrars do for unpaid or \
                 unverified domains",
            );
        }
        self.has_status("inactive").then_some("is registered without name servers")
    }
}

fn letters(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(u8::is_ascii_alphabetic)
}

impl Registration {
    /// A registration that is not known.
    #[must_use]
    pub fn unknown(domain: DomainName, gap: RegistrationGap) -> Self {
        Self { domain, state: RegistrationState::Unknown(gap), source: None, asked_at: None }
    }

    /// The facts, if the domain is registered.
    #[must_use]
    pub fn facts(&self) -> Option<&RegistrationFacts> {
        match &self.state {
            RegistrationState::Registered(facts) => Some(facts),
            RegistrationState::NotRegistered | RegistrationState::Unknown(_) => None,
        }
    }

    /// The cause, if it is not known.
    #[must_use]
    pub fn gap(&self) -> Option<RegistrationGap> {
        match self.state {
            RegistrationState::Unknown(gap) => Some(gap),
            RegistrationState::Registered(_) | RegistrationState::NotRegistered => None,
        }
    }

    /// Explains that DNS does not know `name`, a name of this domain, if the registration does.
    #[must_use]
    pub fn explain_absence(&self, name: &DomainName, now: SystemTime) -> Option<String> {
        let domain = self.domain.to_unicode();
        let facts = match &self.state {
            RegistrationState::Unknown(_) => return None,
            RegistrationState::NotRegistered => {
                return Some(format!("its registry's service knows no such domain ({domain})"));
            }
            RegistrationState::Registered(facts) => facts,
        };
        if let Some(cause) = facts.deletion().or_else(|| facts.absence()) {
            return Some(format!("{domain} {cause}"));
        }
        if let Some(ended) = facts.expires_at.filter(|end| *end < now) {
            return Some(format!("the registration of {domain} ended on {}", date(ended)));
        }
        Some(if *name == self.domain {
            format!("{domain} is registered and not in DNS")
        } else {
            format!("{domain} is registered; there is no such name below it")
        })
    }

    /// Remarks on a domain that DNS knows: its registration has ended, or is about to, or stands
    /// where the registry's service does not see it.
    #[must_use]
    pub fn remark(&self, now: SystemTime) -> Option<String> {
        let domain = self.domain.to_unicode();
        if self.state == RegistrationState::NotRegistered {
            return Some(format!(
                "{domain} is in DNS, and the registry's service does not know it: names below this \
                 suffix are held elsewhere"
            ));
        }
        let facts = self.facts()?;
        if let Some(stage) = facts.deletion() {
            return Some(format!("{domain} {stage}"));
        }
        let ended = facts.expires_at.filter(|end| *end < now)?;
        Some(format!(
            "the registration of {domain} ended on {} and it still resolves: it may soon be \
             deleted, or go to somebody else",
            date(ended)
        ))
    }

    /// Returns whether the domain was registered more than a week after `consent`: then whoever
    /// consented had the address at another holder's domain.
    #[must_use]
    pub fn is_after_consent(&self, consent: SystemTime) -> bool {
        let registered_at = self.facts().and_then(|facts| facts.registered_at);
        registered_at.is_some_and(|at| at > consent + SLACK)
    }
}

/// The registration of a domain, and what it says about its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationReport {
    /// The registration.
    pub registration: Registration,
    /// The remark for people: why DNS does not know the domain, or that it is on its way out.
    pub note: Option<String>,
}

impl RegistrationReport {
    /// The report on `name`, which DNS knows or does not; `None`: nobody asked it, or it did not
    /// say.
    #[must_use]
    pub fn new(
        registration: Registration,
        name: &DomainName,
        is_in_dns: Option<bool>,
        now: SystemTime,
    ) -> Self {
        let note = match is_in_dns {
            Some(true) => registration.remark(now),
            Some(false) => registration.explain_absence(name, now),
            None if registration.state == RegistrationState::NotRegistered => None,
            None => registration.remark(now),
        };
        Self { registration, note }
    }
}

/// A day, as RFC 3339 writes it.
#[must_use]
pub fn date(at: SystemTime) -> String {
    Timestamp::try_from(at).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(number: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * number
    }

    fn registered(facts: RegistrationFacts) -> Registration {
        let state = RegistrationState::Registered(Arc::new(facts));
        let domain = DomainName::from_ascii("acme.example");
        Registration { domain, state, source: None, asked_at: None }
    }

    fn with_status(status: &str) -> Registration {
        let statuses = vec![status.into()];
        registered(RegistrationFacts { statuses, ..RegistrationFacts::default() })
    }

    fn absence(registration: &Registration, name: &str) -> String {
        let name = DomainName::from_ascii(name);
        registration.explain_absence(&name, day(20_000)).unwrap_or_default()
    }

    #[test]
    fn a_domain_that_dns_does_not_know_is_explained_by_its_registration() {
        let free = Registration {
            state: RegistrationState::NotRegistered,
            ..registered(RegistrationFacts::default())
        };
        let ended = RegistrationFacts { expires_at: Some(day(19_000)), ..Default::default() };
        let cases = [
            (free, "its registry's service knows no such domain"),
            (with_status("client hold"), "its registrar took it out of DNS"),
            (with_status("server hold"), "its registry took it out of DNS"),
            (with_status("redemption period"), "can still be restored"),
            (with_status("pending delete"), "within days anybody may register it"),
            (with_status("inactive"), "without name servers"),
            (registered(ended), "ended on 2022-01-08"),
            (with_status("active"), "is registered and not in DNS"),
        ];
        for (registration, words) in cases {
            let explained = absence(&registration, "acme.example");
            assert!(explained.contains(words), "{explained}");
        }
        let below = absence(&with_status("active"), "mail.acme.example");
        assert_eq!(below, "acme.example is registered; there is no such name below it");
        let unknown = Registration::unknown(
            DomainName::from_ascii("acme.example"),
            RegistrationGap::RateLimited,
        );
        assert_eq!(absence(&unknown, "acme.example"), "");
    }

    #[test]
    fn a_domain_whose_registration_has_ended_is_remarked_on_and_a_current_one_is_not() {
        let until = |end| {
            registered(RegistrationFacts { expires_at: Some(end), ..RegistrationFacts::default() })
        };
        let remark = until(day(19_000)).remark(day(20_000)).unwrap();
        assert!(remark.contains("2022-01-08") && remark.contains("still resolves"), "{remark}");
        assert_eq!(until(day(21_000)).remark(day(20_000)), None);
        assert!(with_status("pending delete").remark(day(20_000)).is_some());
    }

    #[test]
    fn a_domain_of_dns_that_its_registry_does_not_know_is_held_elsewhere_and_not_free() {
        let state = RegistrationState::NotRegistered;
        let unknown = Registration { state, ..registered(RegistrationFacts::default()) };
        let name = DomainName::from_ascii("acme.example");
        let note = |is_in_dns| {
            RegistrationReport::new(unknown.clone(), &name, is_in_dns, day(20_000)).note
        };
        let in_dns = note(Some(true)).unwrap();
        assert!(in_dns.contains("names below this suffix are held elsewhere"), "{in_dns}");
        let absent = note(Some(false)).unwrap();
        assert_eq!(absent, "its registry's service knows no such domain (acme.example)");
        assert_eq!(note(None), None, "DNS did not say");
    }

    #[test]
    fn a_registration_more_than_a_week_after_the_consent_is_after_it() {
        let on = |at| {
            registered(RegistrationFacts { registered_at: at, ..RegistrationFacts::default() })
        };
        assert!(!on(Some(day(107))).is_after_consent(day(100)));
        assert!(on(Some(day(107) + Duration::from_secs(1))).is_after_consent(day(100)));
        assert!(!on(Some(day(90))).is_after_consent(day(100)));
        assert!(!on(None).is_after_consent(day(100)), "no date says nothing");
    }

    #[test]
    fn every_gap_has_a_name_and_a_sentence_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            RegistrationGap::ALL.iter().flat_map(|gap| [gap.name(), gap.sentence()]).collect();
        assert_eq!(names.len(), 2 * RegistrationGap::ALL.len());
    }
}
