//! Time for which a probe's evidence may be used again. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::smtp::{Control, RecipientAnswer};
use crate::verdict::{Judgement, Reason, Verdict};

/// Configuration of the verifier's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time for which a mailbox that was found, or found missing, stays so. Default 24 hours:
    /// mailboxes
    /// come and go by the day, not by the minute.
    #[serde(with = "humantime_serde")]
    pub remember_known: Duration,
    /// Time for which an answer that said nothing about the mailbox, or that its exchangers are
    /// missing in DNS, is not asked for again. Default 1 minute; a greylisting or a rate
    /// limit lasts until the server's own time is over.
    #[serde(with = "humantime_serde")]
    pub remember_unknown: Duration,
    /// Number of mailboxes remembered; the least useful ones are dropped first. Default 100,000; 0
    /// for none. `mailvet list` without `--server` has none: it asks about each mailbox once.
    pub max_remembered: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            remember_known: Duration::from_secs(24 * 60 * 60),
            remember_unknown: Duration::from_secs(60),
            max_remembered: 100_000,
        }
    }
}

/// Time for which the evidence behind `judgement` may be used; `control` is the answer to the
/// domain's control recipient.
#[must_use]
pub fn lifetime(judgement: &Judgement, control: &Control, config: &Config) -> Duration {
    match judgement.reason {
        // The domain is worth another test as soon as its control recipient may be answered; and to
        // knock again before its time is over makes a server wait longer.
        reason
            if is_open(judgement, control)
                || matches!(reason, Reason::Greylisted | Reason::RateLimited) =>
        {
            judgement.retry_after.unwrap_or(config.remember_unknown)
        }
        reason if reason.verdict() == Verdict::Unknown => config.remember_unknown,
        // DNS said so, and what it says lives as long as its own answer, which its cache holds: an
        // exchanger that is added is seen.
        Reason::NoMailHost => config.remember_unknown,
        _ => config.remember_known,
    }
}

/// `true` if the domain was not tested, and may be later.
pub(super) fn is_open(judgement: &Judgement, control: &Control) -> bool {
    judgement.is_catch_all_untested() && may_be_answered_later(control)
}

/// `true` if the control recipient was asked and not answered for good.
fn may_be_answered_later(control: &Control) -> bool {
    let Control::Answered(answer) = control else { return false };
    match &**answer {
        RecipientAnswer::Replied { reply, .. } => reply.is_transient(),
        RecipientAnswer::NoReply { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::smtp::{Explanation, Meaning, Reply, Stage};
    use crate::verdict::{Action, CatchAll, DecisionStage};

    fn judgement(reason: Reason, retry_after: Option<u64>) -> Judgement {
        Judgement {
            verdict: reason.verdict(),
            action: Action::Review,
            reason,
            reasons: vec![reason],
            catch_all: CatchAll::Unknown,
            stage: DecisionStage::Dns,
            decided_by: None,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_is_known_lasts_a_day_and_what_is_not_a_minute() {
        let config = Config::default();
        let day = Duration::from_secs(86_400);
        assert_eq!(
            lifetime(&judgement(Reason::MailboxAccepted, None), &Control::NotAsked, &config),
            day
        );
        assert_eq!(
            lifetime(&judgement(Reason::MailboxNotFound, None), &Control::NotAsked, &config),
            day
        );
        assert_eq!(lifetime(&judgement(Reason::CatchAll, None), &Control::NotAsked, &config), day);
        for reason in [Reason::Timeout, Reason::SenderBlocked, Reason::NoConnection] {
            let lasts = lifetime(&judgement(reason, Some(3600)), &Control::NotAsked, &config);
            assert_eq!(lasts, Duration::from_secs(60), "{reason:?}");
        }
    }

    #[test]
    fn missing_exchangers_are_left_to_dns_after_a_minute() {
        let missing = judgement(Reason::NoMailHost, None);
        let lasts = lifetime(&missing, &Control::NotAsked, &Config::default());
        assert_eq!(lasts, Duration::from_secs(60));
    }

    #[test]
    fn a_greylisting_is_remembered_until_its_time_is_over() {
        let greylisted = judgement(Reason::Greylisted, Some(300));
        assert_eq!(
            lifetime(&greylisted, &Control::NotAsked, &Config::default()),
            Duration::from_secs(300)
        );
    }

    fn control(code: u16) -> Control {
        let reply = Reply { code, enhanced: None, lines: vec!["not now".to_owned()] };
        let explanation = Explanation::new(Meaning::Greylisted, "test");
        Control::Answered(Arc::new(RecipientAnswer::Replied {
            stage: Stage::Rcpt,
            reply: Arc::new(reply),
            explanation,
        }))
    }

    #[test]
    fn a_domain_is_tested_again_as_soon_as_its_control_recipient_may_be_answered() {
        let config = Config::default();
        let untested = |wait| Judgement {
            reasons: vec![Reason::MailboxAccepted, Reason::CatchAllUntested],
            ..judgement(Reason::MailboxAccepted, wait)
        };
        let seconds =
            |control: &Control, wait| lifetime(&untested(wait), control, &config).as_secs();
        assert_eq!(seconds(&control(450), Some(300)), 300, "greylisted");
        assert_eq!(seconds(&control(451), None), 60, "a temporary failure");
        assert_eq!(seconds(&control(554), None), 86_400, "its last word");
        assert_eq!(seconds(&Control::NotAsked, None), 86_400, "it was not wanted");
    }
}
