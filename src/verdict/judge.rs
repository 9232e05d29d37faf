//! `judge`: address traits + domain facts + probe outcome + policy -> verdict.

use std::time::Duration;

use super::conclusion::{Conclusion, DecisionStage};
use super::policy::Policy;
use super::probe;
use super::reason::{Action, CatchAll, Reason, Verdict};
use crate::dns::{DnsFailure, DomainFacts, Route};
use crate::smtp::ProbeOutcome;

/// Facts about an address from itself and from the lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// The domain, or its exchanger, hands out throw-away addresses.
    pub disposable: bool,
    /// The local part names a function, not a person (RFC 2142).
    pub role: bool,
    /// It gives mailboxes to the public for free.
    pub free_provider: bool,
    /// The local part carries a tag that the provider ignores.
    pub tagged: bool,
    /// The domain forwards to an address that it hides.
    pub relay: bool,
    /// The domain mixes scripts (UTS 39).
    pub mixed_script: bool,
    /// The domain has no dot (RFC 7085).
    pub dotless: bool,
    /// The domain is an address literal (RFC 5321 section 4.1.3).
    pub address_literal: bool,
    /// The domain is set aside for something else than mail (RFC 6761).
    pub special_use: bool,
    /// The provider does not give out such local parts today; it may have once.
    pub unusual_at_provider: bool,
    /// The provider can never have given out this local part.
    pub impossible_at_provider: bool,
    /// The address was taken out of a text that held more than the address.
    pub cleaned: bool,
    /// The text held more addresses; this is the first.
    pub several: bool,
    /// The local part breaks the grammar of RFC 5321, and may exist all the same.
    pub irregular: bool,
    /// The domain was registered after the recipient consented: somebody else may have it now.
    pub registered_after_consent: bool,
}

impl Traits {
    /// The names of the flags that are set, in lower snake case.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.disposable, "disposable"),
            (self.role, "role"),
            (self.free_provider, "free_provider"),
            (self.tagged, "tagged"),
            (self.relay, "relay"),
            (self.mixed_script, "mixed_script"),
            (self.dotless, "dotless"),
            (self.address_literal, "address_literal"),
            (self.special_use, "special_use"),
            (self.unusual_at_provider, "unusual_at_provider"),
            (self.cleaned, "cleaned"),
            (self.several, "several"),
            (self.irregular, "irregular"),
            (self.registered_after_consent, "registered_after_consent"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect()
    }
}

/// The answer of DNS about the domain.
#[derive(Clone, Copy, Debug)]
pub enum DomainAnswer<'a> {
    /// Not asked: the caller wanted syntax only.
    NotAsked,
    /// The domain is an address literal: the host is named directly (RFC 5321 section 4.1.3).
    Literal,
    /// These facts.
    Facts(&'a DomainFacts),
    /// These facts, which have expired and serve because DNS failed (RFC 8767).
    Stale(&'a DomainFacts),
    /// The lookup failed.
    Failed(&'a DnsFailure),
}

/// One case for the judge.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The address itself.
    pub traits: Traits,
    /// Its domain.
    pub domain: DomainAnswer<'a>,
    /// The exchangers' answers; `None` if they were not asked.
    pub outcome: Option<&'a ProbeOutcome>,
}

/// The verdict on one address, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The step to take.
    pub action: Action,
    /// The reason that decided.
    pub reason: Reason,
    /// All reasons, the deciding one first.
    pub reasons: Vec<Reason>,
    /// The domain accepts everything: yes, no or unknown.
    pub catch_all: CatchAll,
    /// The stage that the verification reached.
    pub stage: DecisionStage,
    /// Which of the outcome's attempts decided, if one did.
    pub decided_by: Option<usize>,
    /// The time to wait before asking again: set with [`Action::RetryLater`], and with
    /// [`Reason::CatchAllUntested`] where the control recipient was greylisted.
    pub retry_after: Option<Duration>,
}

impl Judgement {
    /// `true` if the mailbox was accepted by a domain that was not tested for catch-all: a flag.
    #[must_use]
    pub fn is_catch_all_untested(&self) -> bool {
        self.reasons.contains(&Reason::CatchAllUntested)
    }
}

/// The verdict on a text that is not an address. Where a person would know which address was meant,
/// a person is to look: nothing is suppressed for a slip of the keyboard, unless the policy says
/// so.
#[must_use]
pub fn judge_invalid_syntax(traits: Traits, is_mistyped: bool, policy: &Policy) -> Judgement {
    let mut judgement =
        Conclusion::new(Reason::InvalidSyntax, DecisionStage::Syntax).judgement(traits, policy);
    if is_mistyped && !policy.actions.contains_key(&Reason::InvalidSyntax) {
        judgement.action = Action::Review;
    }
    judgement
}

/// The verdict on an address that is not asked about, for what became of earlier mail.
#[must_use]
pub fn judge_prior_outcome(reason: Reason, traits: Traits, policy: &Policy) -> Judgement {
    Conclusion::new(reason, DecisionStage::Syntax).judgement(traits, policy)
}

/// Wait until what became of earlier mail is looked up again.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// The verdict on an address of which nobody can tell now whether it is suppressed: it is not asked
/// about, and comes again.
#[must_use]
pub fn judge_unknown_past(traits: Traits, policy: &Policy) -> Judgement {
    let judgement =
        Conclusion::new(Reason::NotProbed, DecisionStage::Syntax).judgement(traits, policy);
    Judgement { action: Action::RetryLater, retry_after: Some(UNTIL_KNOWN), ..judgement }
}

/// The verdict on an address that is one.
#[must_use]
pub fn judge(case: &Case<'_>, policy: &Policy) -> Judgement {
    find(case).judgement(case.traits, policy)
}

/// Reads the evidence in the order in which it was gathered; the first that decides, decides.
fn find(case: &Case<'_>) -> Conclusion {
    if case.traits.impossible_at_provider {
        return Conclusion::new(Reason::ProviderRule, DecisionStage::Syntax);
    }
    let conclusion = conclude(case);
    let is_stale = matches!(case.domain, DomainAnswer::Stale(_))
        || case.outcome.is_some_and(|outcome| conclusion.rests_on_stale_address(outcome));
    if is_stale { conclusion.on_stale_facts() } else { conclusion }
}

fn conclude(case: &Case<'_>) -> Conclusion {
    let exchangers = match case.domain {
        DomainAnswer::NotAsked => return Conclusion::new(Reason::NotProbed, DecisionStage::Syntax),
        DomainAnswer::Failed(_) => return Conclusion::new(Reason::DnsFailure, DecisionStage::Dns),
        DomainAnswer::Literal => &[][..],
        DomainAnswer::Facts(facts) | DomainAnswer::Stale(facts) => match &facts.route {
            Route::NoSuchDomain => {
                return Conclusion::new(Reason::DomainNotFound, DecisionStage::Dns);
            }
            Route::NullMx => return Conclusion::new(Reason::NullMx, DecisionStage::Dns),
            Route::NoMail => return Conclusion::new(Reason::NoMailHost, DecisionStage::Dns),
            route => route.exchangers(),
        },
    };
    match case.outcome {
        None => Conclusion::new(Reason::NotProbed, DecisionStage::Dns),
        Some(outcome) => probe::read(outcome, exchangers),
    }
}

impl Conclusion {
    /// `true` if a host at an expired address gave an answer that it takes. A denial takes that of
    /// each of the best exchangers.
    fn rests_on_stale_address(&self, outcome: &ProbeOutcome) -> bool {
        let takes_all = self.reason == Reason::RelayDenied;
        outcome.attempts.iter().enumerate().any(|(index, attempt)| {
            attempt.observation.stale && (takes_all || self.decided_by == Some(index))
        })
    }

    /// The conclusion where the facts about the domain, or the address of its exchanger, have
    /// expired: the mail may be elsewhere by now, so a server that does not know the recipient
    /// condemns nothing. One that accepts it, or asks for another try, is believed.
    fn on_stale_facts(self) -> Self {
        if self.reason.verdict() != Verdict::Undeliverable {
            return self;
        }
        Self { decided_by: self.decided_by, ..Self::new(Reason::DnsFailure, self.stage) }
    }

    fn judgement(self, traits: Traits, policy: &Policy) -> Judgement {
        let reasons = self.reasons(traits);
        let reason = reasons[0];
        // The most careful action any of the reasons asks for; a domain that may have changed hands
        // since the consent is for a person to look at, and no more than that.
        let least = if traits.registered_after_consent { Action::Review } else { Action::Send };
        let action = reasons.iter().map(|r| policy.action(*r)).max().unwrap_or(Action::Review);
        let action = action.max(least);
        let until_tested = self
            .control_wait
            .filter(|_| self.is_untested())
            .map(|hint| hint.unwrap_or_else(|| policy.wait(Reason::Greylisted)));
        let retry_after = until_tested.or_else(|| {
            (action == Action::RetryLater)
                .then(|| self.asked_to_wait.unwrap_or_else(|| policy.wait(reason)))
        });
        Judgement {
            verdict: reason.verdict(),
            action,
            reason,
            reasons,
            catch_all: self.catch_all,
            stage: self.stage,
            decided_by: self.decided_by,
            retry_after,
        }
    }

    /// `true` for an accepted mailbox at a domain that may accept every recipient.
    fn is_untested(&self) -> bool {
        self.reason == Reason::MailboxAccepted && self.catch_all == CatchAll::Unknown
    }

    /// All reasons, the deciding one first. Lists only ever qualify an accepted mailbox.
    fn reasons(&self, traits: Traits) -> Vec<Reason> {
        if self.reason != Reason::MailboxAccepted {
            return vec![self.reason];
        }
        let mut reasons = Vec::with_capacity(4);
        if traits.disposable {
            reasons.push(Reason::DisposableDomain);
        }
        if self.catch_all == CatchAll::Yes {
            reasons.push(Reason::CatchAll);
        }
        if reasons.is_empty() {
            reasons.push(Reason::MailboxAccepted);
        }
        if self.is_untested() {
            reasons.push(Reason::CatchAllUntested);
        }
        if traits.role {
            reasons.push(Reason::RoleAccount);
        }
        reasons
    }
}
