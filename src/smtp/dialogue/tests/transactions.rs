//! `MAIL`, `RCPT`, `RSET`.

use super::*;

#[test]
fn pipelining_sends_a_transaction_in_one_flight() {
    let mut talk = Talk::ready(PIPELINED);
    for _ in 0..2 {
        talk.begin(&recipients(&THREE));
        assert_eq!(talk.sent(), FLIGHT);
        talk.says(&["250 ok", "250 ok", "550 5.1.1 no", "450 later", "250 reset"]);
        assert_eq!(talk.dialogue.step(), Step::Ready);
        let report = talk.dialogue.report();
        let rcpt = |i, code| (i, Stage::Rcpt, code);
        assert_eq!(answers(&report), [rcpt(0, 250), rcpt(1, 550), rcpt(2, 450)]);
        assert_eq!((report.unanswered(), report.ended), (vec![], None));
    }
    let counters = talk.dialogue.facts().counters;
    assert_eq!((counters.flights, counters.mail, counters.rcpt), (3, 2, 6));
    assert_eq!((counters.accepted, counters.unknown_users, counters.errors), (2, 2, 4));
}

/// A recipient whose owner is meant since a time of 2025.
fn since(text: &str) -> Mailbox {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_601);
    recipient(text).with_valid_since(Some(at))
}

const RRVS: &str = "250-mx\n250-PIPELINING\n250 RRVS";

#[test]
fn the_time_of_a_consent_goes_with_the_recipient_where_the_server_takes_it() {
    let transaction = Transaction::new([since("a@example.com"), recipient("b@example.com")]);
    let mut talk = Talk::ready(RRVS);
    talk.begin(&transaction);
    let flight = "MAIL FROM:<>|RCPT TO:<a@example.com> RRVS=2025-01-01T00:00:01Z|\
                  RCPT TO:<b@example.com>|RSET|";
    assert_eq!(talk.sent(), flight);
    talk.says(&["250 ok", "550 5.7.17 another owner", "250 ok", "250 reset"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 250)]);
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&transaction);
    assert!(!talk.sent().contains("RRVS"), "not offered");
}

#[test]
fn a_server_that_refuses_the_time_is_asked_again_without() {
    for code in ["501", "504", "555"] {
        let transaction = Transaction::new([since("a@example.com"), recipient("b@example.com")]);
        let mut talk = Talk::ready(RRVS);
        talk.begin(&transaction);
        talk.sent();
        talk.says(&["250 ok", &format!("{code} what is RRVS?"), "550 5.1.1 no", "250 reset"]);
        assert_eq!(talk.sent(), "MAIL FROM:<>|RCPT TO:<a@example.com>|RSET|", "{code}");
        talk.says(&["250 ok", "250 ok", "250 reset"]);
        assert_eq!(talk.dialogue.step(), Step::Ready);
        let both = [(0, Stage::Rcpt, 250), (1, Stage::Rcpt, 550)];
        assert_eq!(answers(&talk.dialogue.report()), both);
        talk.begin(&transaction);
        assert!(!talk.sent().contains("RRVS"), "nor is it tried again");
        // Without it, such a reply is about the recipient.
        talk.says(&["250 ok", "501 5.1.3 bad", "250 ok", "250 reset"]);
        assert_eq!(answers(&talk.dialogue.report())[0], (0, Stage::Rcpt, 501));
    }
}

#[test]
fn in_a_flight_of_several_transactions_a_refused_time_leaves_its_recipient_unanswered() {
    let transactions =
        ["a@example.com", "b@example.org"].map(|text| Transaction::new([since(text)]));
    let mut talk = Talk::ready(RRVS);
    let deadline = talk.now + Duration::from_secs(3600);
    talk.begin(&transactions[0]).says(&["250 ok", "250 ok", "250 reset"]);
    talk.sent();
    assert_eq!(talk.dialogue.begin_all(&transactions, deadline, false, talk.now), 2);
    talk.sent();
    talk.says(&["250 ok", "555 no RRVS", "250 reset", "250 ok", "550 5.1.1 no", "250 reset"]);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!((reports[0].unanswered(), reports[0].ended.is_some()), (vec![0], false));
    assert_eq!(answers(&reports[1]), [(0, Stage::Rcpt, 550)]);
    talk.begin(&transactions[0]);
    assert!(talk.sent().contains("RCPT TO:<a@example.com>|"), "asked without");
}

#[test]
fn without_pipelining_commands_go_one_by_one_and_rset_last() {
    let mut talk = Talk::ready("250 mx");
    talk.begin(&recipients(&["a@example.com", "b@example.com"]));
    assert_eq!(talk.sent(), "MAIL FROM:<>|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "RCPT TO:<a@example.com>|");
    assert_eq!(talk.says(&["550 no"]).sent(), "RCPT TO:<b@example.com>|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "RSET|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "");
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 250)]);
    talk.begin(&recipients(&["c@example.org"]));
    assert_eq!(talk.sent(), "MAIL FROM:<>|");
}

#[test]
fn goodbye_half_way_answers_only_those_before_it() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 5.1.1 no", "421 too many errors"]);
    assert_eq!(talk.dialogue.step(), Step::Ended);
    let report = talk.dialogue.report();
    assert_eq!(answers(&report), [(0, Stage::Rcpt, 550)]);
    assert_eq!(report.unanswered(), [1, 2]);
    assert_eq!(talk.ended_with(), (Stage::Rcpt, "421".to_owned()));
}

#[test]
fn a_close_after_mail_answers_nobody() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok"]);
    talk.dialogue.give_up(NoReply::Closed, talk.now);
    let report = talk.dialogue.report();
    assert_eq!((report.answered(), report.unanswered()), (0, vec![0, 1, 2]));
    assert_eq!(talk.ended_with(), (Stage::Rcpt, "Closed".to_owned()));
}

#[test]
fn a_refusal_of_mail_answers_everybody_at_mail_whatever_follows() {
    let rest: [&[&str]; 2] = [&["550 5.1.1 no", "250 ok", "503 no MAIL", "250 reset"], &[]];
    for replies in rest {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&THREE)).says(&["554 5.7.1 blocked"]).says(replies);
        if replies.is_empty() {
            talk.dialogue.give_up(NoReply::Closed, talk.now);
        }
        let report = talk.dialogue.report();
        let mail = |i| (i, Stage::Mail, 554);
        assert_eq!(answers(&report), [mail(0), mail(1), mail(2)]);
        assert!(report.unanswered().is_empty());
        assert_eq!(report.ended.is_some(), replies.is_empty());
        assert_eq!(talk.dialogue.facts().counters.unknown_users, 0);
    }
}

#[test]
fn without_pipelining_a_refusal_of_mail_sends_no_rcpt() {
    let mut talk = Talk::ready("250 mx");
    talk.begin(&recipients(&THREE));
    talk.sent();
    assert_eq!(talk.says(&["451 not now"]).sent(), "");
    assert_eq!(answers(&talk.dialogue.report()).len(), 3);
    assert_eq!(talk.dialogue.step(), Step::Ready);
}

#[test]
fn a_refused_null_sender_is_retried_once_with_the_configured_one() {
    let config = Config { fallback_mail_from: "me@example.net".parse().ok(), ..Config::default() };
    let mut talk = Talk::with(config.clone(), Hints::default());
    talk.says(&["220 mx", PIPELINED]);
    talk.begin(&recipients(&["a@example.com"]));
    talk.sent();
    talk.says(&["550 5.7.1 no bounces here", "503 no", "250 ok"]);
    assert_eq!(talk.sent(), "MAIL FROM:<me@example.net>|RCPT TO:<a@example.com>|RSET|");
    talk.says(&["554 nor you", "503 no", "250 ok"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Mail, 554)]);
    assert!(talk.dialogue.facts().refuses_null_sender);

    let hints = Hints { refuses_null_sender: true, ..Hints::default() };
    let mut knowing = Talk::with(config, hints);
    knowing.says(&["220 mx", PIPELINED]).begin(&recipients(&["a@example.com"]));
    assert!(knowing.sent().contains("MAIL FROM:<me@example.net>|"));

    let mut patient = Talk::ready(PIPELINED);
    patient.begin(&recipients(&["a@example.com"]));
    patient.says(&["550 no bounces", "503 no", "250 ok"]);
    assert_eq!(patient.dialogue.step(), Step::Ready, "there is no other sender");
}

#[test]
fn a_demand_for_tls_or_a_password_is_no_refusal_of_the_null_sender() {
    let config = Config { fallback_mail_from: "me@example.net".parse().ok(), ..Config::default() };
    let mut talk = Talk::with(config, Hints::default());
    talk.says(&["220 mx", "250 mx"]).begin(&recipients(&["a@example.com"]));
    talk.says(&["530 5.7.0 Must issue a STARTTLS command first"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Mail, 530)]);
    assert!(!talk.dialogue.facts().refuses_null_sender);
}

#[test]
fn a_demand_for_tls_after_helo_ends_the_session_and_shows_that_it_knows_ehlo() {
    let hints = Hints { says_helo: true, ..Hints::default() };
    let mut talk = Talk::with(Config::default(), hints);
    talk.says(&["220 mx", "250 mx"]).begin(&recipients(&["a@example.com"]));
    talk.says(&["530 5.7.0 Must issue a STARTTLS command first"]);
    let report = talk.dialogue.report();
    assert_eq!((report.answers, report.ended.is_some()), (vec![None], true));
    assert!(talk.dialogue.facts().needs_starttls);
}

#[test]
fn a_configured_sender_is_used_from_the_start() {
    let config = Config { mail_from: "me@example.net".parse().unwrap(), ..Config::default() };
    assert!(matches!(config.mail_from, Sender::Mailbox(_)));
    let mut talk = Talk::with(config, Hints::default());
    talk.says(&["220 mx", "250 mx"]).begin(&recipients(&["a@example.com"]));
    assert!(talk.sent().ends_with("MAIL FROM:<me@example.net>|"));
}

#[test]
fn smtputf8_is_used_when_needed_and_only_when_offered() {
    let utf8 = "250-mx\n250-PIPELINING\n250 SMTPUTF8";
    let mixed = recipients(&["用户@example.com", "b@example.com"]);
    let mut talk = Talk::ready(utf8);
    talk.begin(&mixed);
    assert_eq!(
        talk.sent(),
        "MAIL FROM:<> SMTPUTF8|RCPT TO:<用户@example.com>|RCPT TO:<b@example.com>|RSET|"
    );
    let unsupported = |report: &TransactionReport| {
        report.answers[0]
            == Some(RecipientAnswer::NoReply {
                stage: Stage::Mail,
                reason: NoReply::Smtputf8Unsupported,
            })
    };
    talk.says(&["555 SMTPUTF8?", "503 no", "503 no", "250 ok"]);
    assert_eq!(talk.sent(), "MAIL FROM:<>|RCPT TO:<b@example.com>|RSET|");
    talk.says(&["250 ok", "250 ok", "250 ok"]);
    let report = talk.dialogue.report();
    assert!(unsupported(&report));
    assert_eq!(report.answered(), 2);

    // RFC 6531 section 3.5 names these for MAIL as well.
    for reply in ["550 5.6.7 no internationalised addresses", "553 5.6.7 no such addresses"] {
        let config =
            Config { fallback_mail_from: "me@example.net".parse().ok(), ..Config::default() };
        let mut talk = Talk::with(config, Hints::default());
        talk.says(&["220 mx", utf8]).begin(&mixed);
        talk.sent();
        talk.says(&[reply, "503 no", "503 no", "250 ok"]);
        assert_eq!(talk.sent(), "MAIL FROM:<>|RCPT TO:<b@example.com>|RSET|", "{reply}");
        assert!(!talk.dialogue.facts().refuses_null_sender, "it is no refusal of the sender");
    }

    let mut plain = Talk::ready(PIPELINED);
    plain.begin(&recipients(&["用户@example.com"]));
    assert_eq!(plain.sent(), "", "nothing is sent for nobody");
    assert_eq!(plain.dialogue.step(), Step::Ready);
    assert!(unsupported(&plain.dialogue.report()));
}

#[test]
fn too_many_recipients_is_not_about_the_recipient() {
    for refusal in ["452 4.5.3 Error: too many recipients", "452 Too many recipients received"] {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&THREE)).says(&["250 ok", "250 ok", refusal, refusal, "250 ok"]);
        let report = talk.dialogue.report();
        assert_eq!(answers(&report), [(0, Stage::Rcpt, 250)]);
        assert_eq!((report.unanswered(), report.ended), (vec![1, 2], None));
        assert_eq!(talk.dialogue.facts().recipients_per_transaction, Some(1));
    }
    let mut first = Talk::ready(PIPELINED);
    first.begin(&recipients(&["a@example.com"]));
    first.says(&["250 ok", "452 4.5.3 too many", "250 ok"]);
    assert_eq!(answers(&first.dialogue.report()).len(), 1, "one is not many");
}

#[test]
fn an_announced_recipient_limit_is_kept() {
    let mut talk = Talk::ready("250-mx\n250-PIPELINING\n250 LIMITS RCPTMAX=2");
    talk.begin(&recipients(&THREE));
    assert!(!talk.sent().contains("<c@example.com>"));
    talk.says(&["250 ok", "250 ok", "250 ok", "250 ok"]);
    assert_eq!(talk.dialogue.report().unanswered(), [2]);
}

#[test]
fn what_is_no_answer_to_mail_rcpt_or_rset_ends_the_session() {
    let mut mail = Talk::ready(PIPELINED);
    mail.begin(&recipients(&THREE)).says(&["354 go ahead"]);
    assert_eq!(mail.ended_with().0, Stage::Mail);
    assert_eq!(mail.dialogue.report().unanswered(), [0, 1, 2]);

    let mut reset = Talk::ready(PIPELINED);
    reset.begin(&recipients(&["a@example.com"])).says(&["250 ok", "250 ok", "502 RSET?"]);
    let report = reset.dialogue.report();
    assert_eq!(answers(&report), [(0, Stage::Rcpt, 250)], "the answer came before");
    assert!(report.ended.is_some());

    let mut plain = Talk::ready("250 mx");
    plain.begin(&recipients(&["a@example.com"])).says(&["250 ok", "250 ok", "502 RSET?"]);
    assert_eq!(answers(&plain.dialogue.report()), [(0, Stage::Rcpt, 250)]);
    assert!(plain.dialogue.ended().is_some());
}

#[test]
fn a_session_left_in_the_middle_is_over() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok"]);
    talk.begin(&recipients(&["d@example.com"]));
    assert_eq!(talk.dialogue.report().unanswered(), [0]);
    assert_eq!(talk.dialogue.step(), Step::Ended);
}

#[test]
fn the_transcript_tells_the_opening_and_the_transaction_redacted() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&["jane@example.com"]));
    talk.says(&["250 ok", "550 5.1.1 <jane@example.com>: unknown", "250 ok"]);
    let text: Vec<_> = talk.dialogue.transcript().into_iter().map(|line| line.text).collect();
    assert_eq!(text[..3], ["connected", "220 mx", "EHLO [192.0.2.1]"]);
    assert!(text.contains(&"RCPT TO:<j***@example.com>".to_owned()), "{text:?}");
    assert!(text.contains(&"550 5.1.1 <j***@example.com>: unknown".to_owned()), "{text:?}");
    assert!(!text.iter().any(|line| line.contains("jane")));
}

#[test]
fn answers_in_the_same_words_are_explained_and_kept_once_whatever_stands_between_them() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&["a@example.com", "b@example.com", "c@example.com", "d@example.com"]));
    talk.says(&["250 sender", "550 no", "250 yes", "550 no", "250 yes", "250 reset"]);
    let report = talk.dialogue.report();
    let words = |index: usize| match &report.answers[index] {
        Some(RecipientAnswer::Replied { reply, explanation, .. }) => (reply, &explanation.rule),
        _ => panic!("everybody was answered"),
    };
    for (first, second) in [(0, 2), (1, 3)] {
        let (first, second) = (words(first), words(second));
        assert!(Arc::ptr_eq(first.0, second.0), "{first:?}");
        assert!(Arc::ptr_eq(first.1, second.1), "{first:?}");
    }
    assert_eq!([0, 1, 2, 3].map(|index| words(index).0.code), [550, 250, 550, 250]);
}
