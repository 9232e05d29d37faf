use super::*;
use crate::smtp::{Explanation, Meaning, NoReply, Reply, Speaker, Stage, TranscriptLine};

const HOUR: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn name(n: usize) -> DomainName {
    DomainName::from_ascii(&format!("d{n}.example"))
}

fn memory(capacity: usize) -> Memory {
    Memory::new(capacity, CatchAllLifetimes { known: HOUR, unclear: Duration::from_secs(60) })
}

fn silence() -> RecipientAnswer {
    RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Timeout }
}

#[test]
fn knowledge_holds_for_its_lifetime() {
    let mut memory = memory(100);
    memory.learn_catch_all(&name(1), CatchAllState::Yes, at(0));
    memory.learn_catch_all(&name(2), CatchAllState::Unclear(Arc::new(silence())), at(0));
    assert_eq!(memory.catch_all(&name(1), at(3599)), Some(CatchAllState::Yes));
    assert_eq!(memory.catch_all(&name(1), at(3600)), None);
    assert!(memory.catch_all(&name(2), at(59)).is_some());
    assert_eq!(memory.catch_all(&name(2), at(60)), None);
}

#[test]
fn memory_is_bounded_and_keeps_what_is_used() {
    let mut memory = memory(100);
    memory.learn_catch_all(&name(0), CatchAllState::No, at(0));
    for n in 1..10_000 {
        memory.learn_catch_all(&name(n), CatchAllState::Yes, at(0));
        assert_eq!(memory.catch_all(&name(0), at(1)), Some(CatchAllState::No));
    }
    assert!(memory.domains.values().count() <= 101);
    assert_eq!(memory.catch_all(&name(1), at(1)), None);
}

#[test]
fn others_are_told_of_a_domain_once_and_again_when_it_changes_or_lasts_much_longer() {
    let mut memory = memory(100);
    memory.learn_catch_all(&name(1), CatchAllState::Unclear(Arc::new(silence())), at(0));
    assert_eq!(memory.take_unshared(&name(1), at(0)), None, "that is nothing to tell");
    memory.learn_catch_all(&name(1), CatchAllState::No, at(0));
    assert_eq!(memory.take_unshared(&name(1), at(0)), Some((false, at(3600))));
    memory.learn_catch_all(&name(1), CatchAllState::No, at(3599));
    assert_eq!(memory.take_unshared(&name(1), at(3599)), None);
    memory.learn_catch_all(&name(1), CatchAllState::No, at(3600));
    assert_eq!(memory.take_unshared(&name(1), at(3600)), Some((false, at(7200))));
    memory.learn_catch_all(&name(1), CatchAllState::Yes, at(3600));
    assert_eq!(memory.take_unshared(&name(1), at(3600)), Some((true, at(7200))));
    assert_eq!(memory.take_unshared(&name(1), at(7200)), None, "it is over");
}

#[test]
fn what_another_process_knows_lasts_no_longer_than_there_and_is_not_told_back() {
    let mut memory = memory(100);
    memory.learn_elsewhere(&name(1), true, at(100), at(0));
    assert_eq!(memory.catch_all(&name(1), at(99)), Some(CatchAllState::Yes));
    assert_eq!(memory.take_unshared(&name(1), at(99)), None);
    assert_eq!(memory.catch_all(&name(1), at(100)), None);
    memory.learn_elsewhere(&name(2), false, at(1_000_000), at(0));
    assert_eq!(memory.catch_all(&name(2), at(3600)), None, "nor than here");
}

#[test]
fn a_rest_belongs_to_one_identity_and_ends() {
    let mut memory = memory(100);
    let why = Observation::new(silence(), None, at(0));
    let lengths = (Duration::from_secs(30), HOUR);
    let exchanger = memory.exchanger_mut(&name(1));
    exchanger.rest(0, &why, lengths, at(0));
    assert_eq!(exchanger.rests(0, at(29)).map(|known| &**known), Some(&why));
    assert_eq!(exchanger.rests(1, at(29)), None);
    assert_eq!(exchanger.rests(0, at(30)), None);
    exchanger.rest(0, &why, lengths, at(40));
    assert!(exchanger.rests(0, at(99)).is_some(), "the second rest is longer");
    exchanger.welcome(0);
    assert!(exchanger.rests(0, at(50)).is_none());
    assert!(exchanger.reached);
    assert_eq!(memory.resting(at(50)), 0);
}

#[test]
fn sessions_that_are_refused_side_by_side_lengthen_a_rest_once() {
    let mut memory = memory(100);
    let why = Observation::new(silence(), None, at(0));
    let (unreachable, block) = (Duration::from_secs(30), 2 * HOUR);
    let exchanger = memory.exchanger_mut(&name(1));
    for _ in 0..5 {
        exchanger.rest(0, &why, (unreachable, 10 * unreachable), at(0));
    }
    assert!(exchanger.rests(0, at(29)).is_some());
    assert!(exchanger.rests(0, at(30)).is_none(), "five at once are one");
    exchanger.rest(0, &why, (unreachable, 10 * unreachable), at(30));
    assert!(exchanger.rests(0, at(89)).is_some(), "the next one counts again");
    exchanger.rest(0, &why, (block, block), at(40));
    assert!(exchanger.rests(0, at(7239)).is_some(), "a block lasts as long as a block");
}

#[test]
fn no_more_is_kept_of_a_long_reply_than_of_a_usual_one() {
    let mut memory = memory(100);
    let lines = vec!["go away ".repeat(10); 200];
    let answer = RecipientAnswer::Replied {
        stage: Stage::Rcpt,
        reply: Arc::new(Reply { code: 451, enhanced: None, lines }),
        explanation: Explanation::new(Meaning::TemporaryFailure, "test"),
    };
    let size = |answer: &RecipientAnswer| match answer {
        RecipientAnswer::Replied { reply, .. } => reply.size(),
        RecipientAnswer::NoReply { .. } => panic!("{answer:?}"),
    };
    assert!(size(&answer) > 16_000);
    memory.learn_unclear(&name(1), Arc::new(answer.clone()), HOUR, at(0));
    let Some(CatchAllState::Unclear(known)) = memory.catch_all(&name(1), at(1)) else { panic!() };
    assert!(size(&known) < 1100, "{}", size(&known));
    let line = TranscriptLine { after: HOUR, speaker: Speaker::Server, text: "451".to_owned() };
    let mut why = Observation::new(answer, None, at(0));
    why.transcript = Some([line].into());
    let exchanger = memory.exchanger_mut(&name(1));
    exchanger.rest(0, &why, (HOUR, HOUR), at(0));
    exchanger.set_rest(1, Backoff::resumed(at(9), 1), &why);
    for identity in [0, 1] {
        let known = exchanger.rests(identity, at(1)).unwrap();
        assert!(size(&known.answer) < 1100 && known.transcript.is_none());
    }
}
