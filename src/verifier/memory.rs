//! Evidence that is remembered: when it answers a later question, and how it is kept.

use std::sync::Arc;
use std::time::SystemTime;

use super::evidence::{AddressEvidence, CachedProbe, ProbeEvidence};
use super::prior::PriorMail;
use super::subject::{ParsedAddress, Subject};
use super::verification::Verification;
use super::{Options, Verifier, lifetime, verify_span};
use crate::cache::Lifespan;
use crate::smtp::{Control, ProbeOutcome, RecipientAnswer, Stage};
use crate::verdict::{Depth, Judgement, Verdict};

impl Verifier {
    /// The verification of an address from what became of earlier mail, or from remembered
    /// evidence. The subject stays where it is, and learns what mail arrived there.
    pub(super) async fn remembered_verification(
        &self,
        subject: &mut Subject,
        options: &Options,
    ) -> Option<Verification> {
        let started = self.clock.now();
        let parsed = subject.parsed().as_ref().ok()?;
        let delivered = match self.find_prior_mail(parsed).await {
            Ok(PriorMail { suppression: None, delivered }) => delivered,
            not_asked => {
                let span = verify_span(subject);
                let verification = self.not_asked(subject, parsed, not_asked, started);
                return Some(self.record(verification, started, &span));
            }
        };
        subject.note_delivered(delivered);
        let parsed = subject.parsed().as_ref().ok()?;
        let cached = self.sufficient_cached(parsed, options).await?;
        let span = verify_span(subject);
        self.counters.remembered.inc();
        let known = AddressEvidence::Remembered(cached.evidence);
        let suggested_domain = cached.suggested_domain.as_deref();
        // Boxed: with the time of a consent it waits, and hardly any address has one.
        let registration = Box::pin(self.awaited_registration(&parsed.address, options)).await;
        let mut verification =
            self.verification(subject, parsed, &known, suggested_domain, registration, options);
        verification.evidence.own_mail = self.own_mail(parsed, &verification).await;
        Some(self.record(verification, started, &span))
    }

    /// Remembered evidence that answers the caller's question.
    pub(super) async fn sufficient_cached(
        &self,
        parsed: &ParsedAddress,
        options: &Options,
    ) -> Option<CachedProbe> {
        if options.depth < Depth::Mailbox || self.config.max_remembered == 0 {
            return None;
        }
        let now = self.clock.now();
        let mailbox = parsed.identity.mailbox.as_str();
        let cached = self.remembered.lookup(mailbox, options.max_age, now).await?;
        cached.is_sufficient(options, now).then_some(cached)
    }

    /// Keeps the evidence of a probe for as long as its judgement may hold.
    pub(super) async fn remember(
        &self,
        mailbox: String,
        evidence: &Arc<ProbeEvidence>,
        judgement: &Judgement,
        suggested_domain: Option<Arc<str>>,
    ) {
        // It holds for the consent that it was asked with, and for no other.
        if tells_of_another_owner(&evidence.outcome) || evidence.outcome.is_postponed() {
            return;
        }
        let now = self.clock.now();
        let control = &evidence.outcome.control;
        let mut lasts = lifetime::lifetime(judgement, control, &self.config);
        let is_stale = evidence.is_stale();
        if is_stale {
            // Expired facts are asked for again as soon as DNS may answer.
            lasts = lasts.min(self.config.remember_unknown);
        }
        let until = now + lasts;
        let is_open = lifetime::is_open(judgement, control);
        let cached = CachedProbe {
            evidence: Arc::clone(evidence),
            is_settled: judgement.verdict != Verdict::Unknown && !is_open,
            suggested_domain,
        };
        if !is_stale {
            self.keep_shared(&mailbox, &cached, Lifespan { gathered_at: now, valid_until: until });
        }
        if self.config.max_remembered > 0 {
            // Boxed: it is large, and soon over.
            Box::pin(self.remembered.insert(mailbox, cached, now, until, now)).await;
        }
    }
}

impl CachedProbe {
    /// Returns whether the evidence answers the caller's question.
    pub(super) fn is_sufficient(&self, options: &Options, now: SystemTime) -> bool {
        let has_transcript = self.evidence.transcript || !options.transcript;
        let knows_catch_all = self.evidence.tested_catch_all
            || !options.test_catch_all
            || !matches!(self.evidence.outcome.control, Control::NotAsked);
        let is_patient = options.retry_until > now;
        let says_enough = self.is_settled || !is_patient;
        has_transcript && knows_catch_all && says_enough
    }
}

/// Returns whether an exchanger said that the mailbox or its domain has had another owner since the
/// consent (RFC 7293 section 5.2).
pub(super) fn tells_of_another_owner(outcome: &ProbeOutcome) -> bool {
    outcome.attempts.iter().any(|attempt| {
        matches!(
            &attempt.observation.answer,
            RecipientAnswer::Replied { stage: Stage::Rcpt, reply, .. }
                if reply.tells_of_another_owner()
        )
    })
}
