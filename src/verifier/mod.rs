//! Orchestrates one verification: parse, resolve, probe, judge. Only this module knows all four.
//!
//! It decides nothing that the layers below it decide: the judge judges, the prober paces, the
//! cache knows what is too old. This file has the order in which they are asked; `gather` asks DNS
//! and the exchangers, `memory` keeps their evidence, `suggestion` finds what was probably meant.

pub mod lifetime;
pub mod verification;

mod builder;
mod counters;
mod domain;
mod earlier_mail;
mod evidence;
mod gather;
mod memory;
mod prior;
mod profile;
mod registration;
mod report;
mod shared_memory;
mod subject;
mod suggestion;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::future::OptionFuture;
use tracing::{Instrument as _, Span};

use crate::address::{Address, SyntaxError, suggest};
use crate::cache::{Answers, DnsCache, SecondLevel};
use crate::clock::Clock;
use crate::dns::{DomainFacts, Route};
use crate::lists::{Lists, ListsHandle};
use crate::posture::PostureLookup;
use crate::prober::Prober;
use crate::registration::{Registration, RegistrationLookup, RegistrationReport};
use crate::verdict::{self, Case, Policy, Traits};

use counters::VerifierCounters;
use evidence::{AddressEvidence, CachedProbe};
use memory::tells_of_another_owner;
use profile::Profiles;
use report::VerificationParts;
use subject::ParsedAddress;

pub use crate::verdict::Depth;
pub use builder::{BuildError, Builder};
#[cfg(feature = "cli")]
pub(crate) use builder::{VerifierParts, read_reply_rules};
pub use counters::Stats;
pub use domain::{DomainError, DomainOptions, DomainReport, ExchangerFailure, ExchangerReport};
pub use lifetime::Config;
pub use prior::{
    DeliveredMail, DomainMail, GivenVerdict, OWN_MAIL_DAYS, PriorLookupError, PriorMail,
    PriorOutcome, PriorOutcomes,
};
pub use subject::Subject;
pub use verification::{DialogueLine, Evidence, Options, Verification};

/// Time that [`Verifier::verify`] takes at most: 30 seconds.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(30);

/// Verifies addresses.
pub struct Verifier {
    domains: DnsCache,
    prober: Prober,
    lists: Arc<ListsHandle>,
    profiles: Profiles,
    policy: Policy,
    config: Config,
    remembered: Answers<String, CachedProbe>,
    second_level: OnceLock<Arc<dyn SecondLevel>>,
    prior_outcomes: Option<Arc<dyn PriorOutcomes>>,
    registrations: Option<Arc<dyn RegistrationLookup>>,
    postures: Option<Arc<dyn PostureLookup>>,
    counters: VerifierCounters,
    clock: Clock,
}

impl Verifier {
    /// A verifier that has learned nothing yet.
    #[must_use]
    pub fn new(
        domains: DnsCache,
        prober: Prober,
        lists: Arc<ListsHandle>,
        policy: Policy,
        config: Config,
        clock: Clock,
    ) -> Self {
        let remembered = Answers::new(config.max_remembered);
        let (profiles, counters) = (Profiles::default(), VerifierCounters::new());
        Self {
            domains,
            prober,
            lists,
            profiles,
            policy,
            config,
            remembered,
            second_level: OnceLock::new(),
            prior_outcomes: None,
            registrations: None,
            postures: None,
            counters,
            clock,
        }
    }

    /// The same verifier, that looks at what became of earlier mail before anything is asked.
    #[must_use]
    pub fn with_prior_outcomes(self, prior_outcomes: Arc<dyn PriorOutcomes>) -> Self {
        Self { prior_outcomes: Some(prior_outcomes), ..self }
    }

    /// The same verifier, that asks registries about domains where that is wanted.
    #[must_use]
    pub fn with_registrations(self, registrations: Arc<dyn RegistrationLookup>) -> Self {
        Self { registrations: Some(registrations), ..self }
    }

    /// The same verifier, that looks at postures of domains where that is wanted.
    #[must_use]
    pub fn with_postures(self, postures: Arc<dyn PostureLookup>) -> Self {
        Self { postures: Some(postures), ..self }
    }

    /// A builder with the service's defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Verifies one address with the default options, within [`DEFAULT_TIME_LIMIT`].
    ///
    /// Whatever happens is in the verdict, an address that breaks the grammar included. Dropping
    /// the future stops the work.
    pub async fn verify(&self, address: &str) -> Verification {
        let deadline = self.clock.now() + DEFAULT_TIME_LIMIT;
        let options = Options { deadline, ..Options::default() };
        self.verify_with(Subject::parse(address), &options).await
    }

    /// Ends idle sessions with QUIT and waits for background work. Call it before the runtime
    /// stops; a server may hold against a client that it left without a word. Nothing may be asked
    /// afterwards, by whoever shares the verifier.
    pub async fn close(&self) {
        self.prober.drain().await;
        self.domains.drain().await;
    }

    /// Verifies one parsed address as `options` say. Whatever happens is in the verdict; dropping
    /// the future stops the work.
    pub async fn verify_with(&self, mut subject: Subject, options: &Options) -> Verification {
        if let Some(verification) = self.remembered_verification(&mut subject, options).await {
            return verification;
        }
        // Boxed: it is large, and an answer that is remembered needs none of it.
        Box::pin(self.verify_uncached(subject, options)).await
    }

    /// `false` if [`cached`](Self::cached) knows no address at this depth now. Takes a look at the
    /// disk: it is for many addresses at once.
    #[must_use]
    pub fn may_know(&self, depth: Depth) -> bool {
        let prior = self.prior_outcomes.as_ref();
        let remembers = depth == Depth::Mailbox && self.config.max_remembered > 0;
        remembers || prior.is_some_and(|prior| !prior.is_empty())
    }

    /// The verification of an address from what became of earlier mail, or from remembered
    /// evidence, without asking DNS or any exchanger. With the time of a consent the domain's
    /// registry is waited for, as [`verify_uncached`](Self::verify_uncached) does.
    ///
    /// # Errors
    ///
    /// The subject again, for [`verify_uncached`](Self::verify_uncached), if nothing remembered
    /// answers the question.
    pub async fn cached(
        &self,
        mut subject: Subject,
        options: &Options,
    ) -> Result<Verification, Subject> {
        self.remembered_verification(&mut subject, options).await.ok_or(subject)
    }

    /// Verifies one address from DNS and its servers, without looking for remembered evidence:
    /// what follows a miss of [`cached`](Self::cached).
    pub async fn verify_uncached(&self, subject: Subject, options: &Options) -> Verification {
        let started = self.clock.now();
        let span = verify_span(&subject);
        let verifying = async {
            match subject.parsed() {
                Ok(parsed) => self.verify_address(&subject, parsed, options).await,
                Err(error) => self.refuse_syntax(&subject, error, options).await,
            }
        };
        let verification = verifying.instrument(span.clone()).await;
        self.record(verification, started, &span)
    }

    /// Completes and counts a verification that began at `started`.
    fn record(
        &self,
        mut verification: Verification,
        started: SystemTime,
        span: &Span,
    ) -> Verification {
        verification.elapsed = self.since(started);
        let reason = verification.judgement.reason;
        span.record("reason", reason.name());
        self.counters.verified(reason, verification.elapsed);
        verification
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    fn since(&self, began: SystemTime) -> Duration {
        self.clock.now().duration_since(began).unwrap_or_default()
    }

    /// Returns whether the address is at a provider that gives mailboxes to anyone for free.
    #[must_use]
    pub fn is_free_provider(&self, address: &Address) -> bool {
        address.domain_name().is_some_and(|name| self.lists.current().is_free_provider(name))
    }

    async fn refuse_syntax(
        &self,
        subject: &Subject,
        error: &SyntaxError,
        options: &Options,
    ) -> Verification {
        let suggested = match subject.likely() {
            Some(likely) => Some(likely.clone()),
            None => suggest::suggest(subject.asked()).map(|suggestion| suggestion.address),
        };
        let suggestion = match suggested {
            Some(address) => self.check_suggestion(address, options).await,
            None => None,
        };
        let traits = subject.mark(Traits::default());
        let judgement = verdict::judge_invalid_syntax(traits, suggestion.is_some(), &self.policy);
        let suggestion = suggestion.map(|address| address.wire_utf8());
        report::invalid_syntax(subject, *error, judgement, suggestion)
    }

    async fn verify_address(
        &self,
        subject: &Subject,
        parsed: &ParsedAddress,
        options: &Options,
    ) -> Verification {
        // A local part that the provider can never have given out is not asked about.
        let depth = if parsed.violation.is_some_and(|rule| rule.certain) {
            Depth::Syntax
        } else {
            options.depth
        };
        self.begin_registration(&parsed.address, options).await;
        // Boxed: hardly any address has a suggestion, and none needs the space for one.
        let suggestion = self
            .suggestion(subject, parsed)
            .map(|suggestion| Box::pin(self.check_suggestion(suggestion.address, options)));
        let (known, suggested) = tokio::join!(
            self.gather_evidence(parsed, depth, options),
            OptionFuture::from(suggestion)
        );
        if options.depth == Depth::Mailbox {
            let is_recalled = matches!(known, AddressEvidence::Remembered(_));
            let counters = &self.counters;
            let counter = if is_recalled { &counters.remembered } else { &counters.not_remembered };
            counter.inc();
        }
        let suggested_domain: Option<Arc<str>> =
            suggested.flatten().and_then(|it| Some(it.domain_name()?.to_unicode().into()));
        let registration = self.awaited_registration(&parsed.address, options).await;
        let suggested = suggested_domain.as_deref();
        let mut verification =
            self.verification(subject, parsed, &known, suggested, registration, options);
        verification.evidence.own_mail = self.own_mail(parsed, &verification).await;
        if let AddressEvidence::Probed(evidence) = &known {
            let mailbox = parsed.identity.mailbox.clone();
            self.remember(mailbox, evidence, &verification.judgement, suggested_domain).await;
        }
        verification
    }

    /// The verification of an address, from what is known of it and of its domain; not yet of own
    /// mail.
    fn verification(
        &self,
        subject: &Subject,
        parsed: &ParsedAddress,
        known: &AddressEvidence,
        suggested_domain: Option<&str>,
        registration: Option<Registration>,
        options: &Options,
    ) -> Verification {
        let mut traits = subject.mark(self.traits(parsed, known.facts()));
        let is_later = registration.as_ref().zip(options.consented_at);
        traits.registered_after_consent = known.outcome().is_some_and(tells_of_another_owner)
            || is_later.is_some_and(|(registration, at)| registration.is_after_consent(at));
        let case = Case { traits, domain: known.answer(), outcome: known.outcome() };
        let parts = VerificationParts {
            subject,
            canonical: parsed.identity.person().to_owned(),
            suggestion: subject.likely().map(Address::wire_utf8).or_else(|| {
                suggested_domain.map(|domain| format!("{}@{domain}", parsed.address.local()))
            }),
            traits,
            judgement: verdict::judge(&case, &self.policy),
            outcome: known.outcome(),
            looked_up_at: known.facts().map(|facts| facts.looked_up_at),
            dns_failure: known.dns_failure(),
            from_cache: known.is_remembered(),
            transcript: options.transcript,
            registration: self.report_registration(registration, parsed, known),
        };
        let mut verification = report::assemble(parts, self.clock.now());
        verification.evidence.delivered = subject.delivered().cloned();
        verification
    }

    fn report_registration(
        &self,
        registration: Option<Registration>,
        parsed: &ParsedAddress,
        known: &AddressEvidence,
    ) -> Option<RegistrationReport> {
        let name = parsed.address.domain_name()?;
        let is_in_dns = known.facts().map(|facts| facts.route != Route::NoSuchDomain);
        Some(RegistrationReport::new(registration?, name, is_in_dns, self.clock.now()))
    }

    /// Traits from the address itself and from the lists.
    fn traits(&self, parsed: &ParsedAddress, facts: Option<&DomainFacts>) -> Traits {
        let ParsedAddress { address, violation, .. } = parsed;
        let lists = self.lists.current();
        let mut traits = self.profiles.of(address.domain(), &lists).traits;
        traits.disposable |= facts.is_some_and(|facts| has_disposable_exchanger(facts, &lists));
        Traits {
            role: lists.is_role(address.local()),
            unusual_at_provider: violation.is_some(),
            impossible_at_provider: violation.is_some_and(|violation| violation.certain),
            ..traits
        }
    }
}

/// The span of one verification.
fn verify_span(subject: &Subject) -> Span {
    let span = tracing::info_span!(
        "verify",
        domain = tracing::field::Empty,
        reason = tracing::field::Empty,
    );
    if let Some(address) = subject.address() {
        span.record("domain", tracing::field::display(address.domain()));
    }
    span
}

/// Returns whether a host that serves throw-away domains receives the domain's mail.
fn has_disposable_exchanger(facts: &DomainFacts, lists: &Lists) -> bool {
    facts.route.exchangers().iter().any(|exchanger| lists.is_disposable_exchanger(&exchanger.host))
}

#[cfg(test)]
mod tests;
