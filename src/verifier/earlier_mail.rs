//! What became of earlier mail, on the way of a verification.

use std::time::SystemTime;

use super::Verifier;
use super::prior::{DomainMail, GivenVerdict, PriorLookupError, PriorMail, PriorOutcome};
use super::report;
use super::subject::{ParsedAddress, Subject};
use super::verification::Verification;
use crate::verdict;

impl Verifier {
    /// Looks up what became of earlier mail to an address.
    ///
    /// # Errors
    ///
    /// If that cannot be told now.
    pub(super) async fn find_prior_mail(
        &self,
        parsed: &ParsedAddress,
    ) -> Result<PriorMail, PriorLookupError> {
        match &self.prior_outcomes {
            Some(prior) => prior.find(&parsed.identity, self.clock.now()).await,
            None => Ok(PriorMail::default()),
        }
    }

    /// The verification of an address that nobody is asked about: it is suppressed, or nobody can
    /// tell now whether it is.
    pub(super) fn not_asked(
        &self,
        subject: &Subject,
        parsed: &ParsedAddress,
        prior: Result<PriorMail, PriorLookupError>,
        now: SystemTime,
    ) -> Verification {
        let traits = subject.mark(self.traits(parsed, None));
        let (judgement, words) = match prior {
            Ok(PriorMail { suppression: Some(PriorOutcome { reason, words }), .. }) => {
                (verdict::judge_prior_outcome(reason, traits, &self.policy), words)
            }
            Ok(_) => (verdict::judge_unknown_past(traits, &self.policy), String::new()),
            Err(error) => (verdict::judge_unknown_past(traits, &self.policy), error.to_string()),
        };
        let canonical = parsed.identity.person().to_owned();
        report::not_asked(subject, canonical, traits, judgement, words, now)
    }

    /// `true` if verdicts on rows of lists are to be remembered.
    #[must_use]
    pub fn remembers_verdicts(&self) -> bool {
        self.prior_outcomes.as_ref().is_some_and(|prior| prior.remembers_verdicts())
    }

    /// Remembers the verdicts on rows of one list, to be held against what becomes of mail.
    pub async fn remember_verdicts(&self, list: String, verdicts: Vec<GivenVerdict>) {
        if let Some(prior) = &self.prior_outcomes {
            prior.remember_verdicts(&list, &verdicts, self.clock.now()).await;
        }
    }

    /// The fate of own mail to a domain that accepts every recipient: all there is to know of its
    /// mailboxes.
    pub(super) async fn own_mail(
        &self,
        parsed: &ParsedAddress,
        verification: &Verification,
    ) -> Option<DomainMail> {
        let prior = self.prior_outcomes.as_ref()?;
        let domain = parsed.address.domain_name()?;
        if verification.judgement.catch_all != verdict::CatchAll::Yes {
            return None;
        }
        prior.find_domain_mail(domain.as_str(), self.clock.now()).await
    }
}
