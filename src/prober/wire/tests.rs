use super::*;
use crate::address::Address;
use crate::prober::disposition::tests::replied;

fn now() -> SystemTime {
    from_millis(1_700_000_000_123)
}

fn question() -> LaneQuestion {
    LaneQuestion {
        address: Address::parse("j\u{e4}ne@xn--bcher-kva.example").unwrap(),
        exchanger: DomainName::from_ascii("mx.example.net"),
        identity: "a".into(),
        max_age: Some(Duration::from_secs(7)),
        test_catch_all: true,
        transcript: false,
        patient: true,
        backup: true,
        consented_at: Some(now()),
        deadline: now() + Duration::from_secs(30),
        retry_until: now() + Duration::from_secs(10),
    }
}

/// Through the text and back.
fn travel<T: Serialize + for<'a> Deserialize<'a>>(message: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(message).unwrap()).unwrap()
}

#[test]
fn a_question_arrives_as_it_was_asked_with_the_time_that_is_left() {
    let margin = Duration::from_millis(500);
    let sent = travel(&WireQuestion::new(&question(), margin, now()));
    assert_eq!(sent.time_limit(), Duration::from_millis(29_500));
    let there = now() - Duration::from_secs(1000);
    let arrived = sent.into_question(there).unwrap();
    let expected = LaneQuestion {
        deadline: there + Duration::from_millis(29_500),
        retry_until: there + Duration::from_millis(9_500),
        ..question()
    };
    assert_eq!(arrived, expected);
}

#[test]
fn a_question_of_a_replica_that_knows_no_backup_exchangers_is_read() {
    let mut text =
        serde_json::to_value(WireQuestion::new(&question(), Duration::ZERO, now())).unwrap();
    assert!(text.as_object_mut().unwrap().remove("backup").is_some());
    let old: WireQuestion = serde_json::from_value(text).unwrap();
    assert!(!old.into_question(now()).unwrap().backup);
}

#[test]
fn a_question_that_no_caller_could_ask_is_refused() {
    let good = WireQuestion::new(&question(), Duration::ZERO, now());
    let no_address = WireQuestion { address: "a\r\nDATA@example.com".to_owned(), ..good.clone() };
    assert!(no_address.into_question(now()).is_err());
    for exchanger in ["", "[127.0.0.1", "[mx.example.net]", &"x".repeat(300)] {
        let odd = WireQuestion { exchanger: exchanger.to_owned(), ..good.clone() };
        assert!(odd.into_question(now()).is_err(), "{exchanger}");
    }
    let for_ever = WireQuestion { deadline: u64::MAX, ..good };
    assert_eq!(for_ever.into_question(now()).unwrap().deadline, now() + Duration::from_secs(3600));
}

#[test]
fn every_outcome_arrives_as_it_was_seen() {
    let mut refused =
        replied(Stage::Rcpt, 550, "5.1.1", "no such user", Meaning::MailboxNotFound, "words");
    if let RecipientAnswer::Replied { explanation, .. } = &mut refused {
        explanation.retry_after = Some(Duration::from_secs(300));
        explanation.limit = Some(ReplyLimit::Messages);
        explanation.basis = RuleBasis::EnhancedStatus;
    }
    let line = TranscriptLine {
        after: Duration::from_millis(7),
        speaker: Speaker::Server,
        text: "550 5.1.1 no such user".to_owned(),
    };
    let mut observation = Observation::new(refused.clone(), Some([192, 0, 2, 1].into()), now());
    observation.transcript = Some([line].into());
    observation.stale = true;
    let mut answer = LaneAnswer::new(observation.clone(), Control::Answered(Arc::new(refused)));
    answer.blocked = true;
    let mut all = vec![LaneOutcome::Answered(answer)];
    for name in NoReply::NAMES {
        let reason = NoReply::from_name(name, "why".to_owned()).unwrap();
        assert_eq!(reason.name(), name);
        let silent = RecipientAnswer::NoReply { stage: Stage::Banner, reason };
        let mut answer = LaneAnswer::new(Observation::new(silent, None, now()), Control::KnownYes);
        answer.may_answer_later = true;
        all.push(LaneOutcome::Answered(answer));
    }
    for evidence in [None, Some(observation)] {
        let (control, stage) = (Control::NotAsked, Stage::Mail);
        all.push(LaneOutcome::TimedOut { evidence, control, stage });
    }
    for outcome in all {
        let arrived = travel(&WireOutcome::from(&outcome)).into_outcome().unwrap();
        assert_eq!(arrived, outcome);
    }
}

#[test]
fn what_a_later_version_says_is_an_error_and_no_answer() {
    let answer = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Timeout };
    let answer = LaneAnswer::new(Observation::new(answer, None, now()), Control::NotAsked);
    let text = serde_json::to_string(&WireOutcome::from(&LaneOutcome::Answered(answer))).unwrap();
    let later = text.replace("\"timeout\"", "\"tired\"");
    assert!(later != text);
    assert!(serde_json::from_str::<WireOutcome>(&later).unwrap().into_outcome().is_err());
}
