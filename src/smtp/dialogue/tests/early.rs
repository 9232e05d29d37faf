//! Answers that are told before their flight is over.

use super::*;

/// The transaction, the recipient and the code of each answer that is told by now.
fn told(talk: &mut Talk) -> Vec<(usize, usize, u16)> {
    let code = |answer: &RecipientAnswer| match answer {
        RecipientAnswer::Replied { reply, .. } => reply.code,
        RecipientAnswer::NoReply { .. } => 0,
    };
    let early = talk.dialogue.take_early_answers().into_iter();
    early.map(|early| (early.transaction, early.recipient, code(&early.answer))).collect()
}

fn missing_mailbox() -> RefusalKinds {
    RefusalKinds::from_reply(550, Meaning::MailboxNotFound)
}

/// Returns whether the server was seen to say in one reply that a mailbox is missing.
fn refuses_in_one_reply(talk: &Talk) -> bool {
    talk.dialogue.facts().refuses_in_one_reply.has_any_of(missing_mailbox())
}

/// With a server that is known to keep step; that it refuses in one reply is known or not.
fn known(ehlo: &str, refuses_in_one_reply: bool) -> Talk {
    let refuses_in_one_reply =
        if refuses_in_one_reply { missing_mailbox() } else { RefusalKinds::default() };
    let hints = Hints { keeps_step: true, refuses_in_one_reply, ..Hints::default() };
    let mut talk = Talk::with(Config::default(), hints);
    talk.says(&["220 mx", ehlo]).sent();
    talk
}

fn knowing_refusals() -> Talk {
    known(PIPELINED, true)
}

#[test]
fn nothing_is_told_early_until_the_server_was_seen_to_keep_step() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok", "250 ok", "250 ok"]);
    assert!(told(&mut talk).is_empty());
    talk.says(&["250 ok", "250 reset"]);
    talk.dialogue.report();
    talk.sent();
    talk.begin(&recipients(&THREE)).says(&["250 ok", "250 ok"]);
    assert_eq!(told(&mut talk), [(0, 0, 250)]);
}

#[test]
fn a_server_that_answers_mail_twice_is_never_believed_early() {
    let mut talk = Talk::ready(PIPELINED);
    let replies = ["250 ok", "250 sender ok", "550 no", "250 ok"];
    talk.begin(&recipients(&THREE)).says(&replies);
    assert!(told(&mut talk).is_empty(), "all are those of another recipient");
    talk.says(&["550 no"]);
    assert!(talk.dialogue.ended().is_some());
    assert!(!talk.dialogue.facts().keeps_step);
}

#[test]
fn plain_flights_after_a_broken_one_do_not_show_that_the_server_keeps_step() {
    let hints = Hints { avoid_pipelining: true, ..Hints::default() };
    let mut talk = Talk::with(Config::default(), hints);
    talk.says(&["220 mx", PIPELINED]).sent();
    talk.begin(&recipients(&THREE[..1])).says(&["250 ok", "550 no", "250 reset"]);
    talk.dialogue.report();
    let facts = talk.dialogue.facts();
    assert!(!facts.keeps_step);
    assert!(!refuses_in_one_reply(&talk));
}

#[test]
fn an_answer_is_told_once_before_its_flight_is_over_and_is_in_the_report_too() {
    let mut talk = known(PIPELINED, false);
    talk.begin(&recipients(&THREE)).says(&["250 ok"]);
    assert!(!talk.dialogue.has_early_answers(), "nobody was answered");
    talk.says(&["250 ok"]);
    assert!(talk.dialogue.has_early_answers());
    assert_eq!(told(&mut talk), [(0, 0, 250)]);
    talk.says(&["251 ok"]);
    assert_eq!(told(&mut talk), [(0, 1, 251)]);
    assert!(!talk.dialogue.has_early_answers());
    talk.says(&["550 no", "250 reset"]);
    let codes: Vec<_> = answers(&talk.dialogue.report()).iter().map(|(.., code)| *code).collect();
    assert_eq!(codes, [250, 251, 550]);
}

#[test]
fn what_comes_behind_a_refusal_may_be_the_rest_of_it_until_one_was_seen_to_be_one_reply() {
    let mut talk = known(PIPELINED, false);
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no", "550 see our page"]);
    assert_eq!(told(&mut talk), [(0, 0, 550)]);
    talk.says(&["250 ok"]);
    assert!(told(&mut talk).is_empty());
    talk.says(&["250 reset"]);
    talk.dialogue.report();
    talk.sent();
    assert!(refuses_in_one_reply(&talk));
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no", "250 ok"]);
    assert_eq!(told(&mut talk), [(0, 0, 550), (0, 1, 250)]);
}

#[test]
fn a_refusal_for_now_does_not_show_how_the_server_refuses_for_good() {
    let mut talk = Talk::ready(PIPELINED);
    let replies = ["250 ok", "450 later", "250 ok", "250 ok", "250 reset"];
    talk.begin(&recipients(&THREE)).says(&replies);
    talk.dialogue.report();
    talk.sent();
    assert!(!refuses_in_one_reply(&talk));
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no", "550 see our page"]);
    assert_eq!(told(&mut talk), [(0, 0, 550)]);
}

#[test]
fn a_refusal_does_not_show_how_the_server_refuses_for_another_reason() {
    for other in ["554 refused", "450 later"] {
        let mut talk = knowing_refusals();
        talk.begin(&recipients(&THREE)).says(&["250 ok", other, "550 see our page", "250 ok"]);
        assert_eq!(told(&mut talk).len(), 1, "the second reply to {other} is nobody's answer");
    }
}

#[test]
fn a_refusal_that_is_not_understood_shows_nothing_of_the_next_one() {
    let mut talk = Talk::ready(PIPELINED);
    let replies = ["250 ok", "554 wat", "250 ok", "250 ok", "250 reset"];
    talk.begin(&recipients(&THREE)).says(&replies);
    talk.dialogue.report();
    talk.sent();
    talk.begin(&recipients(&THREE)).says(&["250 ok", "554 refused", "554 see our page"]);
    assert_eq!(told(&mut talk), [(0, 0, 554)]);
}

#[test]
fn nothing_is_told_early_from_where_the_server_may_have_lost_commands() {
    for code in [500, 502, 503] {
        let mut talk = knowing_refusals();
        let lost = format!("{code} what?");
        talk.begin(&recipients(&THREE)).says(&["250 ok", "250 ok", &lost, "550 no"]);
        assert_eq!(told(&mut talk), [(0, 0, 250)], "{code}");
    }
}

#[test]
fn nothing_more_is_told_early_of_a_flight_that_does_not_fit_together() {
    let mut talk = knowing_refusals();
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no", "220 mx"]);
    assert!(told(&mut talk).is_empty());
    assert!(!refuses_in_one_reply(&talk), "nor of the next one behind a refusal");
}

#[test]
fn answers_of_several_transactions_are_told_early_each_with_its_own() {
    let mut talk = known("250-mx\n250 PIPELINING", false);
    let deadline = talk.now + Duration::from_secs(3600);
    let all = [recipients(&THREE[..2]), recipients(&THREE[2..])];
    assert_eq!(talk.dialogue.begin_all(&all, deadline, false, talk.now), 2);
    talk.says(&["250 ok", "250 ok"]);
    assert_eq!(told(&mut talk), [(0, 0, 250)]);
    talk.says(&["250 ok", "250 reset", "250 ok", "252 ok"]);
    assert_eq!(told(&mut talk), [(0, 1, 250), (1, 0, 252)]);
}
