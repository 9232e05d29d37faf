//! Decisions of a worker: which rows are one mailbox, and whether an answer is final. Pure.

use std::time::{Duration, SystemTime};

use super::Outcome;
use super::queue::NewRow;
use crate::address::{Address, Domain};
use crate::verdict::{Reason, Verdict};
use crate::verifier::{Subject, Verification};

/// The shortest time after which a server is asked again: what is shorter is the lanes' affair.
const SOON: Duration = Duration::from_secs(1);

/// Shortest time a server gets for a trouble of its own to pass.
const TROUBLE: Duration = Duration::from_secs(60);

/// Bounds of the time between two looks for what a registry says of a row's domain. Between them it
/// is as long as the row has waited: a registry answers in turn, and a look costs little.
const REGISTRY_LOOKS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// A row as a caller sends it.
#[derive(Clone, Debug)]
pub struct IncomingRow {
    /// The caller's own name for the row; may be empty.
    pub row_id: String,
    /// The subject to verify.
    pub subject: Subject,
    /// The time at which the recipient consented to mail, if the row has its own.
    pub consented_at: Option<SystemTime>,
}

impl IncomingRow {
    /// A row of a subject alone.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self { row_id: String::new(), subject, consented_at: None }
    }
}

/// A row, with what decides who shares its answer and its chunk.
#[must_use]
pub fn row(row: IncomingRow) -> NewRow {
    let IncomingRow { row_id, subject, consented_at } = row;
    let group = match subject.address().map(Address::domain) {
        Some(Domain::Name(name)) => name.as_str().to_owned(),
        Some(Domain::Literal(literal)) => literal.to_string(),
        None => String::new(),
    };
    let key = subject.key().to_owned();
    NewRow { row_id, address: subject.into_text(), consented_at, key, group }
}

/// The next step of an item after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemDisposition {
    /// The answer is its result.
    Final,
    /// Its server is asked again at this time, or its registry looked for.
    RetryAt(SystemTime),
    /// Nobody was asked, for a reason of our own: as if it had not been leased, until this time.
    PostponedUntil(SystemTime),
}

/// Limits on waiting for a better answer to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// The time of its server's first "not now"; `None`: it never said so.
    pub waiting_since: Option<SystemTime>,
    /// Time from then on during which it is asked again.
    pub window: Duration,
    /// The end of the batch's own time.
    pub deadline: Option<SystemTime>,
}

impl RetryLimits {
    /// The end of waiting, if it begins now or began before.
    fn end(self, now: SystemTime) -> SystemTime {
        let since = self.waiting_since.unwrap_or(now);
        let window_end = since.checked_add(self.window).unwrap_or(since);
        self.deadline.map_or(window_end, |end| end.min(window_end))
    }
}

/// Decides whether an outcome waits for the word of a registry. No server is asked again for that.
#[must_use]
pub fn registry_disposition(
    outcome: &Outcome,
    limits: RetryLimits,
    now: SystemTime,
) -> ItemDisposition {
    if !outcome.awaits_registry() {
        return ItemDisposition::Final;
    }
    let (shortest, longest) = REGISTRY_LOOKS;
    let waited = limits.waiting_since.and_then(|since| now.duration_since(since).ok());
    let again = now + waited.unwrap_or_default().clamp(shortest, longest);
    let again = again.min(limits.end(now));
    if now + SOON <= again { ItemDisposition::RetryAt(again) } else { ItemDisposition::Final }
}

/// Decides whether an answer is final.
#[must_use]
pub fn disposition(answer: &Verification, limits: RetryLimits, now: SystemTime) -> ItemDisposition {
    let (Verdict::Unknown, Some(retry_at)) = (answer.judgement.verdict, answer.retry_at) else {
        return ItemDisposition::Final;
    };
    if answer.evidence.postponed {
        return ItemDisposition::PostponedUntil(retry_at.max(now + SOON));
    }
    let until = limits.end(now);
    let again = match answer.judgement.reason {
        // Before the time the server asked for, the answer would be the same, or worse.
        Reason::Greylisted | Reason::RateLimited => retry_at,
        // Trouble passes when it passes: the last moment of the retry window is a good one.
        _ if now + TROUBLE <= until => retry_at.min(until),
        _ => return ItemDisposition::Final,
    };
    let again = again.max(now + SOON);
    if again <= until { ItemDisposition::RetryAt(again) } else { ItemDisposition::Final }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Action;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn answer(reason: Reason, retry_after: Option<Duration>) -> Verification {
        let mut answer = Outcome::out_of_time(start()).into_verification("jane@example.com");
        answer.judgement.reason = reason;
        answer.judgement.verdict = reason.verdict();
        answer.judgement.action = Action::RetryLater;
        answer.retry_at = retry_after.map(|wait| start() + wait);
        answer
    }

    fn limits(minutes: u32) -> RetryLimits {
        RetryLimits { waiting_since: None, window: minutes * MINUTE, deadline: None }
    }

    #[test]
    fn rows_that_reach_one_mailbox_have_one_key_and_their_domain_s_group() {
        let row = |address: &str| row(IncomingRow::new(Subject::parse(address)));
        let (a, b) = (row("Ja.ne+x@GoogleMail.com"), row("jane@gmail.com"));
        assert_eq!(a.key, b.key);
        assert_eq!((a.group.as_str(), b.group.as_str()), ("googlemail.com", "gmail.com"));
        assert_ne!(row("jane-a@yahoo.com").key, row("jane-b@yahoo.com").key);
        assert_eq!(row("info@b\u{fc}cher.test").group, "xn--bcher-kva.test");
    }

    #[test]
    fn what_is_not_an_address_is_its_own_key_and_has_no_group() {
        let subject = Subject::parse("jane..doe@example.com");
        let row = row(IncomingRow { row_id: "r1".to_owned(), ..IncomingRow::new(subject) });
        assert_eq!((row.key.as_str(), row.group.as_str()), ("jane..doe@example.com", ""));
        assert_eq!(row.row_id, "r1");
    }

    #[test]
    fn an_answer_about_the_mailbox_is_the_last_word() {
        for reason in [Reason::MailboxAccepted, Reason::MailboxNotFound, Reason::MailboxFull] {
            let answer = answer(reason, Some(MINUTE));
            assert_eq!(
                disposition(&answer, limits(20), start()),
                ItemDisposition::Final,
                "{reason:?}"
            );
        }
        let blocked = answer(Reason::SenderBlocked, None);
        assert_eq!(disposition(&blocked, limits(20), start()), ItemDisposition::Final);
    }

    #[test]
    fn a_greylisted_row_is_asked_again_when_its_server_said_and_not_before() {
        let answer = answer(Reason::Greylisted, Some(6 * MINUTE));
        assert_eq!(
            disposition(&answer, limits(20), start()),
            ItemDisposition::RetryAt(start() + 6 * MINUTE)
        );
        assert_eq!(disposition(&answer, limits(5), start()), ItemDisposition::Final);
        assert_eq!(disposition(&answer, limits(0), start()), ItemDisposition::Final);
    }

    #[test]
    fn patience_counts_from_the_first_not_now() {
        let waited =
            |minutes| RetryLimits { waiting_since: Some(start() - minutes * MINUTE), ..limits(20) };
        let answer = answer(Reason::Greylisted, Some(6 * MINUTE));
        assert_eq!(
            disposition(&answer, waited(12), start()),
            ItemDisposition::RetryAt(start() + 6 * MINUTE)
        );
        assert_eq!(disposition(&answer, waited(15), start()), ItemDisposition::Final);
    }

    #[test]
    fn a_server_s_own_trouble_is_looked_at_once_more_at_the_end_of_patience() {
        let answer = answer(Reason::TemporaryFailure, Some(30 * MINUTE));
        assert_eq!(
            disposition(&answer, limits(20), start()),
            ItemDisposition::RetryAt(start() + 20 * MINUTE)
        );
        let at_the_end = RetryLimits { waiting_since: Some(start() - 20 * MINUTE), ..limits(20) };
        assert_eq!(disposition(&answer, at_the_end, start()), ItemDisposition::Final);
        assert_eq!(disposition(&answer, limits(0), start()), ItemDisposition::Final);
    }

    #[test]
    fn what_nobody_was_asked_about_is_asked_about_whatever_the_retry_window_is() {
        let mut answer = answer(Reason::TemporaryFailure, Some(MINUTE / 2));
        answer.evidence.postponed = true;
        let postponed = ItemDisposition::PostponedUntil(start() + MINUTE / 2);
        assert_eq!(disposition(&answer, limits(0), start()), postponed);
        let waited = RetryLimits { waiting_since: Some(start() - 60 * MINUTE), ..limits(20) };
        assert_eq!(disposition(&answer, waited, start()), postponed);
    }

    #[test]
    fn nothing_is_put_off_past_the_batch_s_deadline() {
        let answer = answer(Reason::Greylisted, Some(6 * MINUTE));
        let until =
            |minutes| RetryLimits { deadline: Some(start() + minutes * MINUTE), ..limits(20) };
        assert_eq!(disposition(&answer, until(5), start()), ItemDisposition::Final);
        assert_eq!(
            disposition(&answer, until(6), start()),
            ItemDisposition::RetryAt(start() + 6 * MINUTE)
        );
    }

    fn of_registry(reason: &str, gap: &str) -> Outcome {
        let text = serde_json::json!({
            "reasons": [reason], "action": "send", "stage": "rcpt", "unchecked_consent": true,
            "registration": { "state": gap },
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_known_verdict_waits_for_its_registry_in_ever_longer_steps_and_within_the_window() {
        let outcome = of_registry("mailbox_accepted", "not_in_time");
        let after = |minutes: u32| {
            let waiting_since = (minutes > 0).then(|| start() - minutes * MINUTE);
            registry_disposition(&outcome, RetryLimits { waiting_since, ..limits(60) }, start())
        };
        for (waited, wait) in [(0, 1), (1, 1), (4, 4), (30, 10), (55, 5)] {
            let again = ItemDisposition::RetryAt(start() + wait * MINUTE);
            assert_eq!(after(waited), again, "{waited}");
        }
        assert_eq!(after(60), ItemDisposition::Final);
        let hasty = registry_disposition(&outcome, limits(0), start());
        assert_eq!(hasty, ItemDisposition::Final);
    }

    #[test]
    fn what_a_registry_will_not_tell_is_not_waited_for_and_neither_is_a_row_not_written_to() {
        let decide = |outcome: &Outcome| registry_disposition(outcome, limits(60), start());
        for gap in ["registry_busy", "rate_limited", "registry_unavailable"] {
            let waits = decide(&of_registry("catch_all", gap));
            assert!(matches!(waits, ItemDisposition::RetryAt(_)), "{gap}");
        }
        for gap in ["no_registry_service", "disabled", "unreadable_answer", "registered"] {
            let settled = decide(&of_registry("mailbox_accepted", gap));
            assert_eq!(settled, ItemDisposition::Final, "{gap}");
        }
        for reason in ["mailbox_not_found", "timeout"] {
            let settled = decide(&of_registry(reason, "not_in_time"));
            assert_eq!(settled, ItemDisposition::Final, "{reason}");
        }
    }

    #[test]
    fn nobody_is_asked_again_at_once() {
        let answer = answer(Reason::RateLimited, Some(Duration::ZERO));
        assert_eq!(
            disposition(&answer, limits(20), start()),
            ItemDisposition::RetryAt(start() + SOON)
        );
    }
}
