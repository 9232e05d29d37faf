use super::*;
use crate::registration::{Registration, RegistrationFacts, RegistrationReport, RegistrationState};

fn seen() -> Verification {
    let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
    Verification {
        input: "jane+x@example.com".to_owned(),
        address: "jane+x@example.com".to_owned(),
        judgement: Judgement {
            verdict: Verdict::Unknown,
            action: Action::RetryLater,
            reason: Reason::Greylisted,
            reasons: vec![Reason::Greylisted],
            catch_all: CatchAll::No,
            stage: DecisionStage::Smtp(smtp::Stage::Rcpt),
            decided_by: None,
            retry_after: Some(Duration::from_secs(360)),
        },
        traits: Traits { tagged: true, free_provider: true, ..Traits::default() },
        canonical: Some("jane+x@example.com".to_owned()),
        suggestion: Some("jane+x@example.org".to_owned()),
        evidence: Evidence {
            exchanger: Some(DomainName::from_ascii("mx1.mail.example.net")),
            exchanger_ip: Some([192, 0, 2, 1].into()),
            reply: Some(Arc::new(Reply {
                code: 450,
                enhanced: Some(EnhancedStatus { class: 4, subject: 2, detail: 0 }),
                lines: vec!["<jane+x@example.com>:".to_owned(), "Greylisted".to_owned()],
            })),
            failure: None,
            rule: Some("greylisting".into()),
            gathered_at: Some(at(1_000)),
            from_cache: true,
            exchangers_asked: 2,
            own_mail: Some(DomainMail { sent: 9, bounced: 2, gone: 1 }),
            delivered: Some(DeliveredMail { at: at(900), source: "postfix".to_owned() }),
            postponed: false,
            registration: Some(Box::new(RegistrationReport {
                registration: Registration {
                    domain: DomainName::from_ascii("example.com"),
                    state: RegistrationState::Registered(Arc::new(RegistrationFacts {
                        registered_at: Some(at(100)),
                        changed_at: None,
                        expires_at: Some(at(200)),
                        statuses: vec!["client hold".into()],
                        registrar: Some("Example Registrar".into()),
                    })),
                    source: Some("rdap.example".into()),
                    asked_at: Some(at(900)),
                },
                note: Some("the registration of example.com ended".to_owned()),
            })),
        },
        retry_at: Some(at(1_360)),
        syntax_error: None,
        transcript: Vec::new(),
        elapsed: Duration::from_millis(12),
    }
}

fn kept(outcome: &Outcome) -> Outcome {
    serde_json::from_str(&serde_json::to_string(outcome).unwrap()).unwrap()
}

#[test]
fn what_is_kept_is_what_was_seen() {
    let seen = seen();
    let again = kept(&Outcome::of(&seen)).into_verification(&seen.address);
    assert!(again == seen, "{again:?}");
    assert_eq!(Outcome::of(&seen).destination().unwrap().as_str(), "example.net");
}

#[test]
fn a_row_with_another_spelling_keeps_its_own() {
    let again = Outcome::of(&seen()).into_verification("Jane@EXAMPLE.com");
    assert_eq!(again.address, "Jane@EXAMPLE.com");
    assert_eq!(again.suggestion.as_deref(), Some("Jane@example.org"));
    assert!(!again.traits.tagged && again.traits.free_provider);
}

#[test]
fn a_row_is_never_told_its_own_address_as_the_one_that_was_meant() {
    let again = Outcome::of(&seen()).into_verification("Jane@example.org");
    assert_eq!(again.suggestion, None);
    let again = Outcome::of(&seen()).into_verification("o\u{2019}brien@example.com");
    assert_eq!(again.suggestion.as_deref(), Some("o'brien@example.com"));
}

#[test]
fn what_is_wrong_with_an_address_is_told_again() {
    let mut seen = seen();
    seen.judgement.reasons = vec![Reason::InvalidSyntax];
    let again = Outcome::of(&seen).into_verification("jane..doe@example.com");
    assert_eq!(again.judgement.verdict, Verdict::Undeliverable);
    assert!(again.syntax_error.is_some() && again.canonical.is_none());
}

#[test]
fn keys_of_a_later_version_are_read_over() {
    let text = r#"{"reasons":["mailbox_accepted"],"action":"send","stage":"rcpt","new":1}"#;
    let outcome: Outcome = serde_json::from_str(text).unwrap();
    assert_eq!(outcome.reason(), Reason::MailboxAccepted);
}

#[test]
fn a_reason_of_a_later_version_was_not_understood() {
    let of = |reasons: [&str; 2]| {
        let text = serde_json::json!({ "reasons": reasons, "action": "review", "stage": "rcpt" });
        let outcome: Outcome = serde_json::from_value(text).unwrap();
        outcome.into_verification("jane@example.com").judgement.reasons
    };
    let deciding = of(["of_tomorrow", "role_account"]);
    assert_eq!(deciding, [Reason::ProtocolError, Reason::RoleAccount]);
    assert_eq!(deciding[0].verdict(), Verdict::Unknown, "it condemns nobody");
    assert_eq!(of(["mailbox_accepted", "of_tomorrow"]), [Reason::MailboxAccepted]);
}

#[test]
fn debug_shows_no_words_of_a_server() {
    let shown = format!("{:?}", Outcome::of(&seen()));
    assert!(!shown.contains("jane"), "{shown}");
}
