//! The judge's table, a claim a row. Rule 1 of the house comes first: nothing but positive evidence
//! about the mailbox or its domain makes an address undeliverable.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::judge::Traits;
use super::*;
use crate::address::DomainName;
use crate::dns::{DnsFailure, DomainFacts, Exchanger, Route};
use crate::smtp::{
    self, Attempt, Control, EnhancedStatus, Explanation, Meaning, NoReply, ProbeOutcome,
    RecipientAnswer, Reply,
};

const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

fn name(name: &str) -> DomainName {
    DomainName::from_ascii(name)
}

fn exchanger(host: &str, preference: u16) -> Exchanger {
    Exchanger { host: name(host), preference }
}

fn facts(route: Route) -> DomainFacts {
    DomainFacts {
        domain: name("example.test"),
        route,
        notes: Vec::new(),
        looked_up_at: EPOCH,
        valid_until: EPOCH + Duration::from_secs(60),
    }
}

fn one_exchanger() -> DomainFacts {
    facts(Route::Exchangers(vec![exchanger("mx1.example.test", 10)]))
}

fn reply(code: u16, text: &str) -> Reply {
    let (enhanced, text) = match text.split_once(' ') {
        Some((first, rest)) if first.split('.').count() == 3 => {
            let mut parts = first.split('.').map(|part| part.parse::<u16>().unwrap());
            let (class, subject, detail) =
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let class = u8::try_from(class).unwrap();
            (Some(EnhancedStatus { class, subject, detail }), rest)
        }
        _ => (None, text),
    };
    Reply { code, enhanced, lines: vec![text.to_owned()] }
}

fn replied(stage: smtp::Stage, code: u16, text: &str, meaning: Meaning) -> RecipientAnswer {
    RecipientAnswer::Replied {
        stage,
        reply: reply(code, text),
        explanation: Explanation { meaning, rule: "words".into() },
    }
}

fn at_rcpt(code: u16, meaning: Meaning) -> RecipientAnswer {
    replied(smtp::Stage::Rcpt, code, "words", meaning)
}

fn nothing(stage: smtp::Stage, reason: NoReply) -> RecipientAnswer {
    RecipientAnswer::NoReply { stage, reason }
}

fn attempt(host: &str, preference: u16, answer: RecipientAnswer) -> Attempt {
    Attempt {
        exchanger: name(host),
        preference,
        address: None,
        answer,
        at: EPOCH,
        transcript: Vec::new(),
    }
}

fn outcome(answer: RecipientAnswer) -> ProbeOutcome {
    ProbeOutcome {
        attempts: vec![attempt("mx1.example.test", 10, answer)],
        control: Control::NotAsked,
    }
}

fn verdict_of(facts: &DomainFacts, outcome: &ProbeOutcome) -> Judgement {
    verdict_with(facts, outcome, Traits::default())
}

fn verdict_with(facts: &DomainFacts, outcome: &ProbeOutcome, traits: Traits) -> Judgement {
    let case = Case { traits, domain: DomainAnswer::Facts(facts), outcome: Some(outcome) };
    judge(&case, &Policy::default())
}

fn judged(answer: RecipientAnswer) -> Judgement {
    verdict_of(&one_exchanger(), &outcome(answer))
}

fn reason_of(answer: RecipientAnswer) -> Reason {
    judged(answer).reason
}

// Rule 1: a good address is never thrown away.

#[test]
fn a_blocklist_at_rcpt_stays_unknown() {
    let judgement = judged(at_rcpt(550, Meaning::SenderBlocked));
    assert_eq!((judgement.verdict, judgement.action), (Verdict::Unknown, Action::Review));
}

#[test]
fn policy_refusal_5_7_1_stays_unknown() {
    assert_eq!(reason_of(at_rcpt(550, Meaning::AmbiguousPolicy)), Reason::PolicyRefusal);
}

#[test]
fn a_reply_that_is_not_understood_stays_unknown() {
    assert_eq!(reason_of(at_rcpt(550, Meaning::Unknown)), Reason::ProtocolError);
    assert_eq!(reason_of(at_rcpt(451, Meaning::Unknown)), Reason::TemporaryFailure);
}

#[test]
fn a_4yz_never_makes_an_address_undeliverable() {
    for meaning in [
        Meaning::MailboxNotFound,
        Meaning::MailboxDisabled,
        Meaning::RelayDenied,
        Meaning::DomainNotFound,
    ] {
        let judgement = judged(at_rcpt(450, meaning));
        assert_eq!(judgement.reason, Reason::TemporaryFailure, "{meaning:?}");
        assert_eq!(judgement.action, Action::RetryLater, "{meaning:?}");
    }
}

#[test]
fn a_refusal_before_rcpt_is_about_us_whatever_it_says() {
    for stage in [smtp::Stage::Banner, smtp::Stage::Ehlo, smtp::Stage::Mail] {
        for meaning in [Meaning::MailboxNotFound, Meaning::MailboxDisabled, Meaning::RelayDenied] {
            let answer = replied(stage, 550, "words", meaning);
            assert_eq!(reason_of(answer), Reason::SenderBlocked, "{stage:?} {meaning:?}");
        }
    }
    let banner = replied(smtp::Stage::Banner, 554, "no", Meaning::Unknown);
    assert_eq!(reason_of(banner), Reason::SenderBlocked);
    let busy = replied(smtp::Stage::Banner, 421, "no", Meaning::Unknown);
    assert_eq!(reason_of(busy), Reason::TemporaryFailure);
}

#[test]
fn a_server_that_refuses_everybody_with_one_bare_code_is_about_us() {
    let bare = |code| RecipientAnswer::Replied {
        stage: smtp::Stage::Rcpt,
        reply: reply(code, "no"),
        explanation: Explanation { meaning: Meaning::MailboxNotFound, rule: "bare-550".into() },
    };
    let mut probe = outcome(bare(550));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::MailboxNotFound);
    probe.control = Control::Answered(bare(550));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::PolicyRefusal);
    probe.control = Control::Answered(bare(551));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::MailboxNotFound);
}

#[test]
fn words_about_the_mailbox_stand_although_the_control_recipient_got_them_too() {
    let mut probe = outcome(at_rcpt(550, Meaning::MailboxNotFound));
    probe.control = Control::Answered(at_rcpt(550, Meaning::MailboxNotFound));
    let judgement = verdict_of(&one_exchanger(), &probe);
    assert_eq!(judgement.reason, Reason::MailboxNotFound);
    assert_eq!(judgement.catch_all, CatchAll::No);
}

fn any_meaning() -> impl Strategy<Value = Meaning> {
    prop::sample::select(&Meaning::ALL[..])
}

fn any_stage() -> impl Strategy<Value = smtp::Stage> {
    prop::sample::select(vec![
        smtp::Stage::Connect,
        smtp::Stage::Banner,
        smtp::Stage::Ehlo,
        smtp::Stage::StartTls,
        smtp::Stage::Mail,
        smtp::Stage::Rcpt,
    ])
}

proptest! {
    #[test]
    fn only_a_5yz_at_rcpt_makes_a_mailbox_undeliverable(
        stage in any_stage(),
        code in 200u16..600,
        meaning in any_meaning(),
    ) {
        let judgement = judged(replied(stage, code, "words", meaning));
        if judgement.verdict == Verdict::Undeliverable {
            prop_assert_eq!(stage, smtp::Stage::Rcpt);
            prop_assert!(code >= 500);
            prop_assert!(matches!(
                meaning,
                Meaning::MailboxNotFound
                    | Meaning::MailboxDisabled
                    | Meaning::RelayDenied
                    | Meaning::DomainNotFound
            ));
        }
    }

    #[test]
    fn every_judgement_keeps_verdict_reason_and_retry_in_step(
        stage in any_stage(),
        code in 200u16..600,
        meaning in any_meaning(),
        role in any::<bool>(),
        disposable in any::<bool>(),
    ) {
        let traits = Traits { role, disposable, ..Traits::default() };
        let probe = outcome(replied(stage, code, "words", meaning));
        let judgement = verdict_with(&one_exchanger(), &probe, traits);
        prop_assert_eq!(judgement.verdict, judgement.reason.verdict());
        prop_assert_eq!(judgement.reasons[0], judgement.reason);
        prop_assert_eq!(judgement.retry_after.is_some(), judgement.action == Action::RetryLater);
        prop_assert_eq!(judgement.decided_by, Some(0));
    }
}

// The domain.

#[test]
fn what_dns_says_for_certain_is_undeliverable() {
    for (route, expected) in [
        (Route::NoSuchDomain, Reason::DomainNotFound),
        (Route::NullMx, Reason::NullMx),
        (Route::NoMail, Reason::NoMailHost),
    ] {
        let facts = facts(route);
        let case =
            Case { traits: Traits::default(), domain: DomainAnswer::Facts(&facts), outcome: None };
        let judgement = judge(&case, &Policy::default());
        assert_eq!(judgement.reason, expected);
        assert_eq!(judgement.verdict, Verdict::Undeliverable);
        assert_eq!((judgement.action, judgement.stage), (Action::Suppress, Stage::Dns));
    }
}

#[test]
fn a_dns_failure_is_never_a_negative_answer() {
    let case = Case {
        traits: Traits::default(),
        domain: DomainAnswer::Failed(&DnsFailure::Timeout),
        outcome: None,
    };
    let judgement = judge(&case, &Policy::default());
    assert_eq!(judgement.reason, Reason::DnsFailure);
    assert_eq!(judgement.action, Action::RetryLater);
    assert_eq!(judgement.retry_after, Some(Duration::from_secs(300)));
}

#[test]
fn exchangers_that_all_do_not_exist_are_no_mail_host() {
    let facts =
        facts(Route::Exchangers(vec![exchanger("mx1.test", 10), exchanger("mx2.test", 20)]));
    let missing =
        |host, preference, reason| attempt(host, preference, nothing(smtp::Stage::Connect, reason));
    let mut probe = ProbeOutcome {
        attempts: vec![
            missing("mx1.test", 10, NoReply::HostNotFound),
            missing("mx2.test", 20, NoReply::NoAddress),
        ],
        control: Control::NotAsked,
    };
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::NoMailHost);
    probe.attempts.pop();
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::NoConnection, "one was not looked for");
    probe.attempts.push(missing("mx2.test", 20, NoReply::DnsFailure));
    assert_eq!(verdict_of(&facts, &probe).reason, Reason::DnsFailure, "one may be there");
}

#[test]
fn an_invalid_address_is_undeliverable() {
    let judgement = judge_invalid_syntax(&Policy::default());
    assert_eq!(judgement.reason, Reason::InvalidSyntax);
    assert_eq!((judgement.action, judgement.stage), (Action::Suppress, Stage::Syntax));
}

#[test]
fn a_local_part_the_provider_never_gave_out_is_undeliverable() {
    let case = Case {
        traits: Traits { impossible_at_provider: true, ..Traits::default() },
        domain: DomainAnswer::NotAsked,
        outcome: None,
    };
    assert_eq!(judge(&case, &Policy::default()).reason, Reason::ProviderRule);
}

#[test]
fn a_depth_that_ends_before_the_mailbox_is_not_probed() {
    let facts = one_exchanger();
    for domain in [DomainAnswer::NotAsked, DomainAnswer::Facts(&facts), DomainAnswer::Literal] {
        let case = Case { traits: Traits::default(), domain, outcome: None };
        assert_eq!(judge(&case, &Policy::default()).reason, Reason::NotProbed);
    }
}

// The mailbox.

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
    let facts = facts(Route::Exchangers(vec![
        exchanger("mx1.test", 10),
        exchanger("mx2.test", 10),
        exchanger("mx3.test", 20),
    ]));
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

// Catch-all, lists, policy.

#[test]
fn an_accepted_control_recipient_makes_the_domain_catch_all() {
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    for (control, reason, catch_all) in [
        (Control::NotAsked, Reason::MailboxAccepted, CatchAll::Unknown),
        (Control::KnownNo, Reason::MailboxAccepted, CatchAll::No),
        (Control::KnownYes, Reason::CatchAll, CatchAll::Yes),
        (Control::Answered(at_rcpt(250, Meaning::Accepted)), Reason::CatchAll, CatchAll::Yes),
        (
            Control::Answered(at_rcpt(550, Meaning::MailboxNotFound)),
            Reason::MailboxAccepted,
            CatchAll::No,
        ),
        (
            Control::Answered(at_rcpt(450, Meaning::Greylisted)),
            Reason::MailboxAccepted,
            CatchAll::Unknown,
        ),
        (
            Control::Answered(replied(smtp::Stage::Mail, 250, "ok", Meaning::Accepted)),
            Reason::MailboxAccepted,
            CatchAll::Unknown,
        ),
    ] {
        probe.control = control;
        let judgement = verdict_of(&one_exchanger(), &probe);
        assert_eq!((judgement.reason, judgement.catch_all), (reason, catch_all));
    }
}

#[test]
fn a_role_account_is_deliverable_and_reviewed() {
    let probe = outcome(at_rcpt(250, Meaning::Accepted));
    let traits = Traits { role: true, ..Traits::default() };
    let judgement = verdict_with(&one_exchanger(), &probe, traits);
    assert_eq!(judgement.reasons, [Reason::MailboxAccepted, Reason::RoleAccount]);
    assert_eq!((judgement.verdict, judgement.action), (Verdict::Deliverable, Action::Review));
}

#[test]
fn a_disposable_domain_is_risky_only_when_the_mailbox_is_accepted() {
    let traits = Traits { disposable: true, ..Traits::default() };
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    probe.control = Control::KnownYes;
    let judgement = verdict_with(&one_exchanger(), &probe, traits);
    assert_eq!(judgement.reasons, [Reason::DisposableDomain, Reason::CatchAll]);
    let probe = outcome(at_rcpt(550, Meaning::MailboxNotFound));
    let judgement = verdict_with(&one_exchanger(), &probe, traits);
    assert_eq!(judgement.reasons, [Reason::MailboxNotFound]);
}

#[test]
fn the_server_s_own_waiting_time_comes_before_the_default() {
    let rcpt = smtp::Stage::Rcpt;
    let hint = replied(rcpt, 450, "try again in 90 seconds", Meaning::Greylisted);
    assert_eq!(judged(hint).retry_after, Some(Duration::from_secs(90)));
    let silent = replied(rcpt, 450, "greylisted", Meaning::Greylisted);
    assert_eq!(judged(silent).retry_after, Some(Duration::from_secs(360)));
}

#[test]
fn policy_changes_the_action_and_never_the_verdict() {
    let policy: Policy = toml::from_str(
        "actions = { catch_all = \"send\" }\nretry_after = { greylisted = \"10m\" }",
    )
    .unwrap();
    let facts = one_exchanger();
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    probe.control = Control::KnownYes;
    let case = Case {
        traits: Traits::default(),
        domain: DomainAnswer::Facts(&facts),
        outcome: Some(&probe),
    };
    let judgement = judge(&case, &policy);
    assert_eq!((judgement.verdict, judgement.action), (Verdict::Risky, Action::Send));
    assert_eq!(policy.wait(Reason::Greylisted), Duration::from_secs(600));
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.name()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
}
