//! The answer in words.

use std::time::SystemTime;

use super::share::{Share, grouped, rows};
use super::steps::{PreflightStep, StepEffect, StepKind};
use super::thresholds::Band;
use super::{Basis, Caution, Decision, HostFault, Preflight};
use crate::campaign::spec::SendPolicy;

/// Bounces that the bounds leave out.
pub const NOT_IN_THE_BOUNDS: &str = "An accepted address can still bounce: its mailbox may be \
    deleted after it was asked about, and some servers accept first and return the mail later. \
    Nobody can count these before they happen, so they are not in the bounds.";

impl Decision {
    /// The decision as people say it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::CleanFirst => "Clean first",
            Self::NoGo => "No go",
        }
    }
}

impl Band {
    /// The consequence for a sender in this band, in a few words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Elevated => "more than healthy",
            Self::Review => "senders are reviewed",
            Self::Pause => "senders are paused",
        }
    }
}

/// The audience of the policy.
#[must_use]
pub fn audience(policy: SendPolicy) -> &'static str {
    match policy {
        SendPolicy::Deliverable => "the deliverable addresses",
        SendPolicy::DeliverableAndRisky => "the deliverable and the risky addresses",
        SendPolicy::All => "every address on the list",
    }
}

impl Preflight {
    /// The answer in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let chosen = self.chosen();
        let what = match (chosen.basis, chosen.decision) {
            (Basis::EmptyList, _) => "the list is empty".to_owned(),
            (Basis::Receiving, _) => "the list is still coming in".to_owned(),
            (Basis::NobodyLeft, _) => "nobody on the list can be sent to".to_owned(),
            (Basis::NobodyYet, _) if self.open > 0 => {
                "nobody on the list is verified so far".to_owned()
            }
            (Basis::NobodyYet, _) => "nobody on the list could be verified".to_owned(),
            (Basis::KnownBounces, _) => {
                let exactly = chosen.at_least.share == chosen.at_most.share;
                let least = if exactly { "" } else { "at least " };
                format!("{least}{} would bounce", chosen.at_least.share.percent())
            }
            (Basis::PossibleBounces, _) => {
                format!("up to {} may bounce", chosen.at_most.share.percent())
            }
            (Basis::FewEnough, _) => match self.policy {
                SendPolicy::Deliverable | SendPolicy::DeliverableAndRisky => {
                    format!("send to {}", audience(self.policy))
                }
                SendPolicy::All => "send to the whole list".to_owned(),
            },
        };
        format!("{}: {what}", chosen.decision.label())
    }

    /// Why, and what it rests on, in a few sentences: the cautions and the age of the evidence
    /// included.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = self.grounds();
        if let Some(expected) = &self.expected
            && self.chosen().sent_now > 0
        {
            text += " ";
            text += &expected.sentence(self.chosen());
        }
        let cautions = self.cautions.iter().map(Caution::sentence);
        let fault = self.host_fault.iter().map(HostFault::sentence);
        let age = self.oldest_evidence.and_then(day);
        let age = age.map(|day| format!("The oldest evidence is of {day}."));
        for sentence in cautions.chain(fault).chain(age) {
            text += " ";
            text += &sentence;
        }
        text
    }

    fn grounds(&self) -> String {
        let chosen = self.chosen();
        match chosen.basis {
            Basis::EmptyList => "There is no row in it to send to.".to_owned(),
            Basis::Receiving => format!(
                "{} so far. What can be said begins when all of them are here.",
                rows(self.rows)
            ),
            Basis::NobodyLeft if self.rows == 0 => {
                "Everybody on it is on your own suppression lists.".to_owned()
            }
            Basis::NobodyLeft => format!(
                "None of its {} is one of {}, and none will turn out to be.",
                rows(self.rows),
                audience(self.policy)
            ),
            Basis::NobodyYet => self.nobody_yet(),
            Basis::FewEnough => self.few_enough(),
            Basis::KnownBounces | Basis::PossibleBounces => self.too_many(),
        }
    }

    fn nobody_yet(&self) -> String {
        if self.open > 0 {
            return format!(
                "{} of {} are still open, and none is yet one of {}.",
                grouped(self.open),
                rows(self.rows),
                audience(self.policy)
            );
        }
        let unknown = Share { count: self.unknown, of: self.rows };
        let mut text = format!(
            "None of its {} is known to be one of {}: nobody could tell about {} ({})",
            rows(self.rows),
            audience(self.policy),
            grouped(unknown.count),
            unknown.percent()
        );
        let blocked = self.steps.iter().find(|step| step.kind == StepKind::GetUnblocked);
        if let Some(step) = blocked {
            text += &format!(
                ", {} of them because their servers refuse this sender, whoever the recipient",
                grouped(step.rows)
            );
        }
        text + "."
    }

    fn few_enough(&self) -> String {
        let chosen = self.chosen();
        let (sent, share) = (grouped(chosen.sent_now), chosen.at_most.share);
        let mut text = match self.policy {
            SendPolicy::Deliverable if chosen.sent_now == 1 => format!(
                "Of {} 1 is deliverable: its own mail server accepted it, and it is not known to \
                 bounce.",
                rows(self.rows)
            ),
            SendPolicy::Deliverable => format!(
                "Of {} {sent} are deliverable: their own mail servers accepted them, and none is \
                 known to bounce.",
                rows(self.rows)
            ),
            _ if share.count == 0 => format!("None of {sent} is known to bounce, or may."),
            _ => format!("Sent to {sent}, {}.", self.range()),
        };
        if self.policy != SendPolicy::Deliverable && share.count > 0 {
            text += &match chosen.at_most.band {
                Band::Healthy => {
                    format!(" A list is healthy up to {}.", self.thresholds.healthy())
                }
                _ => format!(
                    " That may be more than the {} up to which a list is healthy; it is under the \
                     {} at which mailbox providers and sending services review a sender.",
                    self.thresholds.healthy(),
                    self.thresholds.review()
                ),
            };
        }
        if self.open > 0 {
            text += &format!(
                " {} are still open; whatever they turn out to be, this stays a go.",
                grouped(self.open)
            );
        }
        text
    }

    fn too_many(&self) -> String {
        let chosen = self.chosen();
        let threshold = match chosen.decision {
            Decision::NoGo => format!("{} at which they pause one", self.thresholds.pause()),
            _ => format!("{} at which they review one", self.thresholds.review()),
        };
        let certain = match chosen.basis {
            Basis::KnownBounces => "reaches",
            _ => "may reach",
        };
        let mut text = format!(
            "Sent to {}, {}. Mailbox providers and sending services watch what share of a \
             sender's mail bounces: this {certain} the {threshold}.",
            audience(self.policy),
            self.range(),
        );
        if self.open > 0 {
            text += &match chosen.decision {
                Decision::NoGo => format!(
                    " {} are still open; whatever they turn out to be, this stays a no.",
                    grouped(self.open)
                ),
                _ => format!(
                    " {} are still open and counted as what may bounce; the bounds come closer as \
                     they are answered.",
                    grouped(self.open)
                ),
            };
        }
        text
    }

    /// "at least 1,550 (3.1 %) and at most 11,000 (22 %) come back as hard bounces".
    fn range(&self) -> String {
        let (least, most) = (self.chosen().at_least.share, self.chosen().at_most.share);
        let of = |share: Share| format!("{} ({})", grouped(share.count), share.percent());
        if least == most {
            return format!("{} come back as hard bounces", of(least));
        }
        if least.count == 0 {
            return format!("at most {} come back as hard bounces", of(most));
        }
        format!("at least {} and at most {} come back as hard bounces", of(least), of(most))
    }
}

/// The day of a time, in UTC.
fn day(at: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(at).ok()?;
    Some(at.strftime("%-d %B %Y").to_string())
}

impl PreflightStep {
    /// The step and its effect, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let count = match self.rows {
            1 => "1 address".to_owned(),
            rows => format!("{} addresses", grouped(rows)),
        };
        let what = match self.kind {
            StepKind::SendTo(policy) => {
                format!("Send only to {}, which leaves out {count}", audience(policy))
            }
            StepKind::Wait if self.rows == 0 => "Wait until the list has come in".to_owned(),
            StepKind::Wait => format!("Wait for the {count} still open"),
            StepKind::GetUnblocked => format!(
                "Get unblocked: the servers of {count} refuse this sender, whoever the recipient; \
                 then ask them again"
            ),
            StepKind::AskAgain => {
                format!("Ask again about {count} that got no answer this time")
            }
            StepKind::AskServers => format!(
                "Verify {count} down to the mailbox: their mail servers have not been asked"
            ),
        };
        let brings = match self.effect {
            StepEffect::Go => "it is a go then",
            StepEffect::MayBeGo => "it may be a go then",
            StepEffect::Helps => "that alone is not enough",
        };
        format!("{what}: {brings}.")
    }
}
