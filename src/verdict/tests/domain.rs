//! Verdicts from DNS and from the address itself.

use super::*;

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
        assert_eq!((judgement.action, judgement.stage), (Action::Suppress, DecisionStage::Dns));
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
fn expired_facts_condemn_nobody_and_what_else_the_exchangers_say_stands() {
    let facts = one_exchanger();
    let reason = |answer| {
        let outcome = outcome(answer);
        let domain = DomainAnswer::Stale(&facts);
        let case = Case { traits: Traits::default(), domain, outcome: Some(&outcome) };
        let judgement = judge(&case, &Policy::default());
        assert_eq!(judgement.decided_by, Some(0));
        judgement.reason
    };
    for meaning in [Meaning::MailboxNotFound, Meaning::MailboxDisabled, Meaning::RelayDenied] {
        assert_eq!(reason(at_rcpt(550, meaning)), Reason::DnsFailure, "{meaning:?}");
    }
    let missing = nothing(smtp::Stage::Connect, NoReply::HostNotFound);
    assert_eq!(reason(missing), Reason::DnsFailure);
    assert_eq!(reason(at_rcpt(250, Meaning::Accepted)), Reason::MailboxAccepted);
    assert_eq!(reason(at_rcpt(552, Meaning::MailboxFull)), Reason::MailboxFull);
    assert_eq!(reason(at_rcpt(450, Meaning::Greylisted)), Reason::Greylisted);
}

#[test]
fn a_host_at_an_expired_address_condemns_nobody_and_what_else_it_says_stands() {
    let facts =
        facts(Route::Exchangers([exchanger("mx1.test", 10), exchanger("mx2.test", 10)].into()));
    let reason = |answers: [(RecipientAnswer, bool); 2]| {
        let attempts = ["mx1.test", "mx2.test"].into_iter().zip(answers).map(|(host, answer)| {
            let mut attempt = attempt(host, 10, answer.0);
            attempt.observation.stale = answer.1;
            attempt
        });
        let outcome = ProbeOutcome { attempts: attempts.collect(), control: Control::NotAsked };
        verdict_of(&facts, &outcome).reason
    };
    let denied = || at_rcpt(550, Meaning::RelayDenied);
    let unknown = || at_rcpt(550, Meaning::MailboxNotFound);
    let accepted = || at_rcpt(250, Meaning::Accepted);
    assert_eq!(reason([(denied(), false), (denied(), false)]), Reason::RelayDenied);
    assert_eq!(reason([(denied(), true), (denied(), false)]), Reason::DnsFailure);
    assert_eq!(reason([(denied(), false), (denied(), true)]), Reason::DnsFailure);
    assert_eq!(reason([(denied(), false), (unknown(), true)]), Reason::DnsFailure);
    assert_eq!(reason([(denied(), true), (unknown(), false)]), Reason::MailboxNotFound);
    assert_eq!(reason([(denied(), true), (accepted(), true)]), Reason::MailboxAccepted);
}

#[test]
fn exchangers_that_all_do_not_exist_are_no_mail_host() {
    let facts =
        facts(Route::Exchangers([exchanger("mx1.test", 10), exchanger("mx2.test", 20)].into()));
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
    let judgement = judge_invalid_syntax(Traits::default(), false, &Policy::default());
    assert_eq!(judgement.reason, Reason::InvalidSyntax);
    assert_eq!((judgement.action, judgement.stage), (Action::Suppress, DecisionStage::Syntax));
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
