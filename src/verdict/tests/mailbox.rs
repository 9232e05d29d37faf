//! Verdicts from exchangers' replies about a mailbox.

use super::*;

#[test]
fn each_meaning_at_rcpt_has_its_reason() {
    for (code, meaning, expected) in [
        (250, Meaning::Accepted, Reason::MailboxAccepted),
        (251, Meaning::Accepted, Reason::MailboxAccepted),
        (550, Meaning::MailboxNotFound, Reason::MailboxNotFound),
        (550, Meaning::MailboxDisabled, Reason::MailboxDisabled),
        (552, Meaning::MailboxFull, Reason::MailboxFull),
        (452, Meaning::MailboxFull, Reason::MailboxFull),
        (450, Meaning::Greylisted, Reason::Greylisted),
        (550, Meaning::SenderBlocked, Reason::SenderBlocked),
        (450, Meaning::RateLimited, Reason::RateLimited),
        (554, Meaning::RelayDenied, Reason::RelayDenied),
        (550, Meaning::DomainNotFound, Reason::RelayDenied),
        (530, Meaning::AuthOrTlsRequired, Reason::TlsRequired),
        (451, Meaning::TemporaryFailure, Reason::TemporaryFailure),
        (554, Meaning::NetworkOrServerError, Reason::TemporaryFailure),
        (550, Meaning::AmbiguousPolicy, Reason::PolicyRefusal),
        (554, Meaning::MessageContent, Reason::PolicyRefusal),
        (501, Meaning::SyntaxError, Reason::ProtocolError),
    ] {
        assert_eq!(reason_of(at_rcpt(code, meaning)), expected, "{code} {meaning:?}");
    }
}

#[test]
fn a_temporary_reply_about_the_mailbox_itself_is_mailbox_busy() {
    let rcpt = smtp::Stage::Rcpt;
    let busy = replied(rcpt, 450, "4.2.1 not now", Meaning::TemporaryFailure);
    assert_eq!(reason_of(busy), Reason::MailboxBusy);
    let busy = replied(rcpt, 450, "Mailbox busy", Meaning::TemporaryFailure);
    assert_eq!(reason_of(busy), Reason::MailboxBusy);
    let other = replied(rcpt, 451, "4.3.0 not now", Meaning::TemporaryFailure);
    assert_eq!(reason_of(other), Reason::TemporaryFailure);
}

#[test]
fn a_recipient_refused_for_not_being_ascii_is_smtputf8_unsupported() {
    let at_rcpt =
        |code, text| reason_of(replied(smtp::Stage::Rcpt, code, text, Meaning::SyntaxError));
    for code in [550, 553] {
        assert_eq!(at_rcpt(code, "5.6.7 non-ASCII address"), Reason::Smtputf8Unsupported);
    }
    assert_eq!(at_rcpt(553, "5.1.3 bad address"), Reason::ProtocolError);
}

#[test]
fn each_end_without_a_reply_has_its_reason() {
    let connect = smtp::Stage::Connect;
    for (reason, expected) in [
        (NoReply::ConnectFailed("connection refused".into()), Reason::NoConnection),
        (NoReply::Timeout, Reason::Timeout),
        (NoReply::Closed, Reason::ProtocolError),
        (NoReply::Protocol("not SMTP".into()), Reason::ProtocolError),
        (NoReply::TlsFailed("handshake".into()), Reason::TlsRequired),
        (NoReply::Smtputf8Unsupported, Reason::Smtputf8Unsupported),
        (NoReply::TargetRefused, Reason::TargetRefused),
        (NoReply::DnsFailure, Reason::DnsFailure),
    ] {
        let judgement = judged(nothing(connect, reason.clone()));
        assert_eq!(judgement.reason, expected, "{reason:?}");
        assert_eq!(judgement.verdict, Verdict::Unknown, "{reason:?}");
    }
}

#[test]
fn relay_denied_needs_every_exchanger_of_the_best_preference() {
    let facts = facts(Route::Exchangers(Arc::new([
        exchanger("mx1.test", 10),
        exchanger("mx2.test", 10),
        exchanger("mx3.test", 20),
    ])));
    let denied = |host, p| attempt(host, p, at_rcpt(554, Meaning::RelayDenied));
    let mut probe =
        ProbeOutcome { attempts: vec![denied("mx1.test", 10)], control: Control::NotAsked };
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::PolicyRefusal);
    probe.attempts.push(denied("mx3.test", 20));
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::PolicyRefusal);
    probe.attempts.push(denied("mx2.test", 10));
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::RelayDenied);
}

#[test]
fn relay_denied_by_one_exchanger_waits_for_an_equal_that_could_not_answer() {
    let facts = facts(Route::Exchangers(Arc::new([
        exchanger("mx1.test", 10),
        exchanger("mx2.test", 10),
        exchanger("mx3.test", 20),
    ])));
    let denied = |host| attempt(host, 10, at_rcpt(554, Meaning::RelayDenied));
    let refused = || NoReply::ConnectFailed("connection refused".into());
    let connect = smtp::Stage::Connect;
    let judged = |attempts| {
        let probe = ProbeOutcome { attempts, control: Control::NotAsked };
        let judgement = verdict_of(&facts, &probe);
        (judgement.reason, judgement.action, judgement.decided_by)
    };
    for (answer, expected) in [
        (at_rcpt(451, Meaning::TemporaryFailure), Reason::TemporaryFailure),
        (at_rcpt(450, Meaning::Greylisted), Reason::Greylisted),
        (nothing(connect, refused()), Reason::NoConnection),
        (nothing(connect, NoReply::Timeout), Reason::Timeout),
        (nothing(connect, NoReply::DnsFailure), Reason::DnsFailure),
    ] {
        let waiting = attempt("mx2.test", 10, answer);
        let expected = (expected, Action::RetryLater, Some(1));
        assert_eq!(judged(vec![denied("mx1.test"), waiting.clone()]), expected);
        // Asked again, it denies too.
        let all = vec![denied("mx1.test"), waiting, denied("mx2.test")];
        assert_eq!(judged(all).0, Reason::RelayDenied);
    }
    let missing = attempt("mx2.test", 10, nothing(connect, NoReply::HostNotFound));
    assert_eq!(judged(vec![denied("mx1.test"), missing]).0, Reason::PolicyRefusal);
    let backup = attempt("mx3.test", 20, at_rcpt(451, Meaning::TemporaryFailure));
    assert_eq!(judged(vec![denied("mx1.test"), backup]).0, Reason::PolicyRefusal);
}

#[test]
fn a_definitive_reply_outweighs_everything_said_before_it() {
    let probe = ProbeOutcome {
        attempts: vec![
            attempt("mx1.example.test", 10, at_rcpt(450, Meaning::Greylisted)),
            attempt("mx2.example.test", 20, at_rcpt(550, Meaning::MailboxNotFound)),
            attempt("mx3.example.test", 30, nothing(smtp::Stage::Connect, NoReply::Timeout)),
        ],
        control: Control::NotAsked,
    };
    let judgement = verdict_of(&one_exchanger(), &probe);
    assert_eq!((judgement.reason, judgement.decided_by), (Reason::MailboxNotFound, Some(1)));
}

#[test]
fn a_reply_outweighs_silence_and_a_later_stage_an_earlier_one() {
    let probe = ProbeOutcome {
        attempts: vec![
            attempt("mx1.example.test", 10, nothing(smtp::Stage::Rcpt, NoReply::Timeout)),
            attempt(
                "mx2.example.test",
                20,
                replied(smtp::Stage::Banner, 421, "", Meaning::Unknown),
            ),
            attempt("mx3.example.test", 30, at_rcpt(450, Meaning::Greylisted)),
        ],
        control: Control::NotAsked,
    };
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::Greylisted);
}

#[test]
fn only_250_251_and_252_accept_a_recipient() {
    for code in [250, 251, 252] {
        let judgement = judged(at_rcpt(code, Meaning::Accepted));
        assert_eq!(judgement.verdict, Verdict::Deliverable, "{code}");
    }
    for code in [200, 211, 214, 220, 221, 235, 299] {
        for meaning in [Meaning::Accepted, Meaning::Unknown] {
            assert_eq!(judged(at_rcpt(code, meaning)).reason, Reason::ProtocolError, "{code}");
        }
    }
}

#[test]
fn a_control_recipient_answered_with_another_2yz_shows_nothing() {
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    probe.control = answered(at_rcpt(221, Meaning::Unknown));
    assert_eq!(verdict_of(&one_exchanger(), &probe).catch_all, CatchAll::Unknown);
}
