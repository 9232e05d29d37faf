//! Catch-all, lists, policy.

use super::*;

#[test]
fn an_accepted_control_recipient_makes_the_domain_catch_all() {
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    for (control, reason, catch_all) in [
        (Control::NotAsked, Reason::MailboxAccepted, CatchAll::Unknown),
        (Control::KnownNo, Reason::MailboxAccepted, CatchAll::No),
        (Control::KnownYes, Reason::CatchAll, CatchAll::Yes),
        (answered(at_rcpt(250, Meaning::Accepted)), Reason::CatchAll, CatchAll::Yes),
        (answered(at_rcpt(550, Meaning::MailboxNotFound)), Reason::MailboxAccepted, CatchAll::No),
        (answered(at_rcpt(450, Meaning::Greylisted)), Reason::MailboxAccepted, CatchAll::Unknown),
        (
            answered(replied(smtp::Stage::Mail, 250, "ok", Meaning::Accepted)),
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
fn an_accepted_mailbox_says_so_where_its_domain_was_not_tested() {
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    let hint = Duration::from_secs(90);
    let mut greylisted = at_rcpt(450, Meaning::Greylisted);
    if let RecipientAnswer::Replied { explanation, .. } = &mut greylisted {
        explanation.retry_after = Some(hint);
    }
    let silence = nothing(smtp::Stage::Rcpt, NoReply::Timeout);
    for (control, retry_after) in [
        (Control::NotAsked, None),
        (answered(silence), None),
        (answered(at_rcpt(554, Meaning::AmbiguousPolicy)), None),
        (answered(at_rcpt(450, Meaning::Greylisted)), Some(Duration::from_secs(360))),
        (answered(greylisted), Some(hint)),
    ] {
        probe.control = control;
        let judgement = verdict_of(&one_exchanger(), &probe);
        assert_eq!(judgement.reasons, [Reason::MailboxAccepted, Reason::CatchAllUntested]);
        assert_eq!((judgement.verdict, judgement.action), (Verdict::Deliverable, Action::Send));
        assert_eq!(judgement.retry_after, retry_after);
        assert!(judgement.is_catch_all_untested());
    }
    for control in [Control::KnownNo, Control::KnownYes] {
        probe.control = control;
        assert!(!verdict_of(&one_exchanger(), &probe).is_catch_all_untested());
    }
    let refused = judged(at_rcpt(550, Meaning::MailboxNotFound));
    assert!(!refused.is_catch_all_untested());
}

#[test]
fn a_role_account_is_deliverable_and_reviewed() {
    let mut probe = outcome(at_rcpt(250, Meaning::Accepted));
    probe.control = Control::KnownNo;
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
    let silent = replied(smtp::Stage::Rcpt, 450, "greylisted", Meaning::Greylisted);
    let mut hint = silent.clone();
    if let RecipientAnswer::Replied { explanation, .. } = &mut hint {
        explanation.retry_after = Some(Duration::from_secs(90));
    }
    assert_eq!(judged(hint).retry_after, Some(Duration::from_secs(90)));
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
