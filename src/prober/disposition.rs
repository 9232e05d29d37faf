//! Maps an answer to the scheduler's next move: accept it, retry later, or back off. Pure.
//!
//! The meaning for the mailbox is the judge's matter.

use std::time::Duration;

use crate::pacing::Delay;
use crate::smtp::{Meaning, NoReply, RecipientAnswer, ReplyLimit, Stage};

/// Next move after a recipient's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// It is the answer.
    Final,
    /// It is the answer for now: ask again later, if there is time.
    RetryLater(Delay),
    /// The transaction has too many recipients; nothing was said about this one.
    TransactionFull,
    /// The session is over; nothing was said about this recipient.
    SessionOver,
    /// The session takes no more recipients, or transactions; a new one does.
    SessionFull,
    /// The exchanger refuses us, whatever the recipient.
    Blocked,
}

/// Reads what was said to one recipient's transaction (`MAIL` or `RCPT`).
pub(super) fn read(answer: &RecipientAnswer) -> Disposition {
    match answer {
        RecipientAnswer::NoReply { reason: NoReply::Smtputf8Unsupported, .. } => Disposition::Final,
        RecipientAnswer::NoReply { .. } => Disposition::SessionOver,
        RecipientAnswer::Replied { reply, .. } if reply.code == 421 => Disposition::SessionOver,
        RecipientAnswer::Replied { reply, .. } if reply.is_positive() => Disposition::Final,
        RecipientAnswer::Replied { stage: Stage::Rcpt, reply, explanation } => {
            if explanation.limit == Some(ReplyLimit::Recipients) {
                Disposition::TransactionFull
            } else if reply.is_permanent() {
                Disposition::Final
            } else {
                not_now(explanation.meaning)
            }
        }
        RecipientAnswer::Replied { reply, .. } if reply.is_permanent() => Disposition::Blocked,
        RecipientAnswer::Replied { explanation, .. } => not_now(explanation.meaning),
    }
}

/// A temporary reply: which kind of later.
fn not_now(meaning: Meaning) -> Disposition {
    match meaning {
        Meaning::Greylisted => Disposition::RetryLater(Delay::Greylisted),
        Meaning::RateLimited => Disposition::RetryLater(Delay::RateLimited),
        // A full mailbox stays full, and a refusal of us stays one, longer than any caller waits.
        Meaning::MailboxFull
        | Meaning::MailboxDisabled
        | Meaning::SenderBlocked
        | Meaning::AuthOrTlsRequired
        | Meaning::RelayDenied
        | Meaning::MessageContent
        | Meaning::SyntaxError => Disposition::Final,
        // "No such user" with a 4yz is a verification under way (Postfix address verification).
        Meaning::MailboxNotFound
        | Meaning::DomainNotFound
        | Meaning::TemporaryFailure
        | Meaning::NetworkOrServerError
        | Meaning::AmbiguousPolicy
        | Meaning::Accepted
        | Meaning::Unknown => Disposition::RetryLater(Delay::Temporary),
    }
}

/// `true` for a permanent "no such user": one of now, not one whose mailbox has another owner.
pub(super) fn is_unknown_user(answer: &RecipientAnswer) -> bool {
    matches!(
        answer,
        RecipientAnswer::Replied { stage: Stage::Rcpt, reply, explanation }
            if reply.is_permanent()
                && explanation.meaning == Meaning::MailboxNotFound
                && !reply.tells_of_another_owner()
    )
}

/// `true` for a reply to `RCPT` itself.
pub(super) fn is_reply_to_rcpt(answer: &RecipientAnswer) -> bool {
    matches!(answer, RecipientAnswer::Replied { stage: Stage::Rcpt, .. })
}

/// `true` if nothing but a bare code says so.
pub(super) fn is_by_code_alone(answer: &RecipientAnswer) -> bool {
    matches!(
        answer,
        RecipientAnswer::Replied { explanation, .. } if explanation.is_by_code_alone()
    )
}

/// `true` for a limit of the rate at which we ask. What one mailbox is sent by all its senders is
/// limited for itself.
pub(super) fn is_rate_limit(answer: &RecipientAnswer) -> bool {
    matches!(
        answer,
        RecipientAnswer::Replied { explanation, .. }
            if explanation.meaning == Meaning::RateLimited
                && explanation.limit != Some(ReplyLimit::Mailbox)
    )
}

/// The waiting time that a reply names.
pub(super) fn retry_hint(answer: &RecipientAnswer) -> Option<Duration> {
    match answer {
        RecipientAnswer::Replied { explanation, .. } => explanation.retry_after,
        RecipientAnswer::NoReply { .. } => None,
    }
}

/// Why there is no session with an exchanger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Nothing was dialled: no address, or none we may dial, or DNS could not tell, or this machine
    /// had no socket left.
    NotDialled,
    /// It refuses us for good, in its banner, at `EHLO` or at `MAIL`.
    Blocked,
    /// It does not want us now.
    Busy,
    /// It is not there, or does not speak SMTP with us.
    Unreachable,
    /// The egress identity's own way out is shut: its proxy, or its source address.
    NoWayOut,
}

impl Obstacle {
    /// `true` if another egress identity may get through.
    pub(super) fn is_about_the_identity(self) -> bool {
        matches!(self, Self::Blocked | Self::NoWayOut)
    }
}

/// Reads why a session could not be opened, or ended before its first answer.
pub(super) fn obstacle(answer: &RecipientAnswer, reached_before: bool) -> Obstacle {
    match answer {
        RecipientAnswer::Replied { reply, .. } if reply.is_permanent() => Obstacle::Blocked,
        RecipientAnswer::Replied { .. } => Obstacle::Busy,
        RecipientAnswer::NoReply { reason, .. } => match reason {
            NoReply::NoAddress
            | NoReply::HostNotFound
            | NoReply::DnsFailure
            | NoReply::TargetRefused
            | NoReply::SocketFailed(_) => Obstacle::NotDialled,
            NoReply::ProxyFailed(_) | NoReply::SourceFailed(_) => Obstacle::NoWayOut,
            // A host that answered a moment ago and now refuses, or hangs up, has enough of us.
            NoReply::ConnectFailed(_) | NoReply::Timeout | NoReply::Closed if reached_before => {
                Obstacle::Busy
            }
            _ => Obstacle::Unreachable,
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::smtp::{EnhancedStatus, Explanation, Reply};

    /// A reply with this code, enhanced status ("" for none), text, meaning and rule.
    pub(crate) fn replied(
        stage: Stage,
        code: u16,
        enhanced: &str,
        text: &str,
        meaning: Meaning,
        rule: &str,
    ) -> RecipientAnswer {
        let digits: Vec<u16> = enhanced.split('.').filter_map(|d| d.parse().ok()).collect();
        let enhanced = match digits[..] {
            [class, subject, detail] => {
                Some(EnhancedStatus { class: u8::try_from(class).unwrap(), subject, detail })
            }
            _ => None,
        };
        RecipientAnswer::Replied {
            stage,
            reply: Arc::new(Reply { code, enhanced, lines: vec![text.to_owned()] }),
            explanation: Explanation::new(meaning, rule),
        }
    }

    fn rcpt(code: u16, enhanced: &str, meaning: Meaning) -> Disposition {
        read(&replied(Stage::Rcpt, code, enhanced, "", meaning, "test"))
    }

    #[test]
    fn a_definite_answer_is_final() {
        assert_eq!(rcpt(250, "2.1.5", Meaning::Accepted), Disposition::Final);
        assert_eq!(rcpt(550, "5.1.1", Meaning::MailboxNotFound), Disposition::Final);
        assert_eq!(rcpt(452, "4.2.2", Meaning::MailboxFull), Disposition::Final);
        assert_eq!(rcpt(554, "5.7.1", Meaning::SenderBlocked), Disposition::Final);
    }

    #[test]
    fn a_temporary_answer_is_asked_again() {
        assert_eq!(
            rcpt(450, "4.2.0", Meaning::Greylisted),
            Disposition::RetryLater(Delay::Greylisted)
        );
        assert_eq!(
            rcpt(450, "4.1.1", Meaning::MailboxNotFound),
            Disposition::RetryLater(Delay::Temporary)
        );
        assert_eq!(
            rcpt(450, "4.7.1", Meaning::RateLimited),
            Disposition::RetryLater(Delay::RateLimited)
        );
    }

    #[test]
    fn too_many_recipients_says_nothing_about_the_recipient() {
        let mut full =
            replied(Stage::Rcpt, 452, "", "Too many recipients", Meaning::RateLimited, "test");
        if let RecipientAnswer::Replied { explanation, .. } = &mut full {
            explanation.limit = Some(ReplyLimit::Recipients);
        }
        assert_eq!(read(&full), Disposition::TransactionFull);
    }

    #[test]
    fn a_421_says_nothing_about_the_recipient() {
        assert_eq!(rcpt(421, "4.7.0", Meaning::RateLimited), Disposition::SessionOver);
        let closed = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Closed };
        assert_eq!(read(&closed), Disposition::SessionOver);
    }

    #[test]
    fn a_refusal_before_any_recipient_is_about_us() {
        let at = |stage, code| replied(stage, code, "", "", Meaning::Unknown, "test");
        assert_eq!(read(&at(Stage::Mail, 550)), Disposition::Blocked);
        assert_eq!(obstacle(&at(Stage::Banner, 554), true), Obstacle::Blocked);
        assert_eq!(obstacle(&at(Stage::Banner, 421), false), Obstacle::Busy);
        assert_eq!(obstacle(&at(Stage::Ehlo, 451), false), Obstacle::Busy);
    }

    #[test]
    fn a_fault_of_ours_is_none_of_the_exchanger() {
        let read = |reason, reached| {
            obstacle(&RecipientAnswer::NoReply { stage: Stage::Connect, reason }, reached)
        };
        let why = || "because".to_owned();
        for reached in [true, false] {
            assert_eq!(read(NoReply::ProxyFailed(why()), reached), Obstacle::NoWayOut);
            assert_eq!(read(NoReply::SourceFailed(why()), reached), Obstacle::NoWayOut);
            // No rest: the exchanger was not dialled, and another identity has no socket either.
            assert_eq!(read(NoReply::SocketFailed(why()), reached), Obstacle::NotDialled);
        }
        assert!(Obstacle::NoWayOut.is_about_the_identity());
        assert!(!Obstacle::NotDialled.is_about_the_identity());
    }

    #[test]
    fn a_host_that_answered_before_is_busy_and_not_gone() {
        let refused = RecipientAnswer::NoReply {
            stage: Stage::Connect,
            reason: NoReply::ConnectFailed("refused".to_owned()),
        };
        assert_eq!(obstacle(&refused, true), Obstacle::Busy);
        assert_eq!(obstacle(&refused, false), Obstacle::Unreachable);
    }
}
