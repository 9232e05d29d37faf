//! The judge's table, a claim a row. Rule 1 of the house comes first: nothing but positive evidence
//! about the mailbox or its domain makes an address undeliverable.

mod domain;
mod mailbox;
mod policy;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::judge::Traits;
use super::*;
use crate::address::DomainName;
use crate::dns::{DnsFailure, DomainFacts, Exchanger, Route};
use crate::smtp::{
    self, Attempt, Control, EnhancedStatus, Explanation, Meaning, NoReply, Observation,
    ProbeOutcome, RecipientAnswer, Reply, RuleBasis,
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
    facts(Route::Exchangers([exchanger("mx1.example.test", 10)].into()))
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
        reply: reply(code, text).into(),
        explanation: Explanation::new(meaning, "words"),
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
        observation: Observation::new(answer, None, EPOCH),
    }
}

fn answered(answer: RecipientAnswer) -> Control {
    Control::Answered(Arc::new(answer))
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
        reply: reply(code, "no").into(),
        explanation: Explanation {
            basis: RuleBasis::Code,
            ..Explanation::new(Meaning::MailboxNotFound, "code alone")
        },
    };
    let mut probe = outcome(bare(550));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::MailboxNotFound);
    probe.control = answered(bare(550));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::PolicyRefusal);
    probe.control = answered(bare(551));
    assert_eq!(verdict_of(&one_exchanger(), &probe).reason, Reason::MailboxNotFound);
}

#[test]
fn words_about_the_mailbox_stand_although_the_control_recipient_got_them_too() {
    let mut probe = outcome(at_rcpt(550, Meaning::MailboxNotFound));
    probe.control = answered(at_rcpt(550, Meaning::MailboxNotFound));
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
