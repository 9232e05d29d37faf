//! Which replies are believed.

use proptest::prelude::*;

use super::*;

const ONE: [&str; 1] = ["a@example.com"];

/// A session on which the first transaction has come as far as `before`, then gets this code.
fn after(before: &[&str], code: u16) -> TransactionReport {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(before).says(&[&format!("{code} x")]);
    talk.dialogue.report()
}

#[test]
fn each_command_has_its_own_positive_codes() {
    let before: [(&[&str], &[u16]); 3] = [
        (&[], &[250]),
        (&["250 ok"], &[250, 251, 252]),
        (&["250 ok", "550 no", "550 no", "550 no"], &[250]),
    ];
    for (before, allowed) in before {
        for code in 200..400 {
            let over = after(before, code).ended.is_some();
            assert_eq!(over, !allowed.contains(&code), "{code} after {before:?}");
        }
    }
}

#[test]
fn no_other_code_to_rcpt_is_an_acceptance_and_nothing_else_of_the_flight_is_believed() {
    for code in [200, 211, 214, 220, 221, 235, 253, 299, 334, 354] {
        let report = after(&["250 ok", "550 no"], code);
        assert_eq!(report.answers, [None, None, None], "{code}");
    }
}

#[test]
fn the_opening_takes_250_only() {
    for code in [200, 211, 220, 221, 251, 252, 354] {
        let mut ehlo = Talk::new();
        ehlo.says(&["220 mx", &format!("{code} mx")]);
        assert_eq!(ehlo.ended_with().0, Stage::Ehlo, "{code}");
        let mut helo = Talk::new();
        helo.says(&["220 mx", "502 what?", &format!("{code} mx")]);
        assert_eq!(helo.ended_with().0, Stage::Ehlo, "{code}");
    }
}

#[test]
fn a_second_banner_shifts_nothing() {
    let mut talk = Talk::new();
    talk.says(&["220 mx"]).sent();
    talk.says(&["220 mx again"]);
    talk.begin(&recipients(&ONE)).says(&["250 mx", "250 ok", "550 no"]);
    assert_eq!(talk.dialogue.report().answers, [None]);
}

#[test]
fn a_reset_refused_in_other_words_than_unknown_takes_the_flight_with_it() {
    for (refusal, believed) in [
        ("500 what?", true),
        ("502 not implemented", true),
        ("503 bad sequence", false),
        ("550 no such user", false),
        ("450 later", false),
    ] {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&ONE)).says(&["250 ok", "250 ok", refusal]);
        let report = talk.dialogue.report();
        assert_eq!(report.answered() == 1, believed, "{refusal}");
        assert!(report.ended.is_some(), "{refusal}");
        let one = !refusal.contains("no such") && !refusal.contains("later");
        assert_eq!(talk.dialogue.facts().one_transaction, one, "{refusal}");
    }
}

#[test]
fn a_reset_refused_as_one_too_many_leaves_the_answers_and_tells_the_limit() {
    for refusal in ["554 Too many nonmail commands", "421 4.7.0 mx Error: too many commands"] {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&ONE)).says(&["250 ok", "250 ok", "250 reset"]);
        let deadline = talk.now + Duration::from_secs(3600);
        let three = [recipients(&ONE), recipients(&ONE), recipients(&ONE)];
        assert_eq!(talk.dialogue.begin_all(&three, deadline, false, talk.now), 3);
        talk.says(&["250 ok", "550 no", "250 reset", "250 ok", "250 ok", refusal]);
        let reports: Vec<_> = talk.dialogue.reports().collect();
        let codes: Vec<_> = reports.iter().flat_map(answers).map(|(_, _, code)| code).collect();
        assert_eq!(codes, [550, 250], "{refusal}");
        assert_eq!(reports[2].answers, [None], "{refusal}");
        let facts = talk.dialogue.facts();
        assert_eq!(facts.transactions_per_session, Some(2), "{refusal}");
        assert!(!facts.breaks_pipelining && !facts.one_transaction, "{refusal}");
    }
    let mut first = Talk::ready(PIPELINED);
    first.begin(&recipients(&ONE)).says(&["250 ok", "250 ok", "554 Too many nonmail commands"]);
    assert_eq!(answers(&first.dialogue.report()), [(0, Stage::Rcpt, 250)]);
    assert!(first.dialogue.facts().one_transaction);
}

#[test]
fn a_second_mail_answered_503_ends_the_session_and_blames_nobody() {
    for refusal in ["503 nested MAIL command", "503 5.5.1 Issue a reset first"] {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&ONE)).says(&["250 ok", "550 no", "250 reset"]);
        assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550)]);
        talk.begin(&recipients(&ONE)).says(&[refusal]);
        let report = talk.dialogue.report();
        assert_eq!(report.answers, [None]);
        assert!(matches!(
            report.ended,
            Some(RecipientAnswer::NoReply { stage: Stage::Mail, reason: NoReply::Protocol(_) })
        ));
        assert!(talk.dialogue.facts().one_transaction);
    }
    let mut first = Talk::ready(PIPELINED);
    first.begin(&recipients(&ONE)).says(&["503 bad sequence"]);
    assert_eq!(first.dialogue.report().answers, [None]);
    assert!(!first.dialogue.facts().one_transaction, "it was no second one");
}

#[test]
fn where_a_session_carries_one_transaction_no_rset_is_said() {
    for (ehlo, flight) in [
        (PIPELINED, "MAIL FROM:<>|RCPT TO:<a@example.com>|"),
        ("250 mx", "RCPT TO:<a@example.com>|"),
    ] {
        let hints = Hints { one_transaction: true, ..Hints::default() };
        let mut talk = Talk::with(Config::default(), hints);
        talk.says(&["220 mx", ehlo]).sent();
        talk.begin(&recipients(&ONE));
        let sent = if ehlo == PIPELINED {
            talk.sent()
        } else {
            talk.sent();
            talk.says(&["250 ok"]).sent()
        };
        assert_eq!(sent, flight);
        talk.says(if ehlo == PIPELINED { &["250 ok", "250 ok"] } else { &["250 ok"] });
        assert_eq!(talk.sent(), "");
        assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 250)]);
    }
}

#[test]
fn a_pipelined_flight_that_stalls_is_not_believed_and_the_next_goes_one_by_one() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no"]);
    talk.now += Duration::from_secs(45);
    talk.dialogue.give_up(NoReply::Timeout, talk.now);
    assert_eq!(talk.dialogue.report().answers, [None, None, None]);
    assert!(talk.dialogue.facts().breaks_pipelining);

    let hints = Hints { avoid_pipelining: true, ..Hints::default() };
    let mut plain = Talk::with(Config::default(), hints);
    plain.says(&["220 mx", PIPELINED]).begin(&recipients(&THREE));
    assert!(plain.sent().ends_with("|MAIL FROM:<>|"));
    plain.says(&["250 ok", "550 no"]);
    plain.now += Duration::from_secs(45);
    plain.dialogue.give_up(NoReply::Timeout, plain.now);
    assert_eq!(answers(&plain.dialogue.report()), [(0, Stage::Rcpt, 550)], "it answers in turn");
}

#[test]
fn a_goodbye_after_a_stall_is_a_stall_and_a_prompt_one_leaves_the_answers() {
    for (pause, answered) in [(0, 1), (20, 0)] {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&THREE)).says(&["250 ok", "550 no"]);
        talk.now += Duration::from_secs(pause);
        talk.says(&["421 timeout"]);
        assert_eq!(talk.dialogue.report().answered(), answered);
    }
}

#[test]
fn an_end_that_may_be_a_recipients_is_listened_behind() {
    for (ehlo, mail, rcpt, reset, sure) in [
        (PIPELINED, "250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok", true),
        (PIPELINED, "250 OK", "250 Accepted", "250 Reset OK", true),
        (PIPELINED, "250 2.1.0 OK", "250 2.1.5 OK", "250 2.1.5 Flushed", true),
        (PIPELINED, "250 2.1.0 OK", "250 2.1.5 OK", "250 2.1.5 OK", false),
        (PIPELINED, "250 2.1.0 OK", "250 2.0.0 OK", "250 2.0.0 OK", false),
        (PIPELINED, "250 2.1.0 OK", "250 2.0.0 RSET", "250 2.0.0 RSET", true),
        (PIPELINED, "250 ok", "250 ok", "250-ok\n250 sender fLUSHed", true),
        (PIPELINED, "250 ok", "250 ok", "250-re\n250 set", false),
        (PIPELINED, "250 ok", "250 ok", "250 ok", false),
        ("250 mx", "250 ok", "250 ok", "250 ok", false),
    ] {
        let mut talk = Talk::ready(ehlo);
        talk.begin(&recipients(&ONE));
        for reply in [mail, rcpt, reset] {
            talk.now += Duration::from_secs(1);
            talk.dialogue.handle_reply(said(reply), talk.now);
            talk.sent();
        }
        assert_eq!(talk.dialogue.step() == Step::Ready, sure, "{reset}");
        talk.dialogue.handle_unsolicited(said("250 ok"), talk.now);
        assert_eq!(talk.dialogue.report().answers, [None], "{reset}");
    }
}

#[test]
fn a_server_that_hangs_up_on_ehlo_may_know_helo() {
    let mut talk = Talk::new();
    talk.says(&["220 mx"]);
    talk.dialogue.give_up(NoReply::Closed, talk.now);
    assert!(talk.dialogue.may_say_helo());

    let hints = Hints { says_helo: true, ..Hints::default() };
    let mut old = Talk::with(Config::default(), hints);
    assert_eq!(old.says(&["220 mx"]).sent(), "HELO [192.0.2.1]|");
    old.dialogue.give_up(NoReply::Closed, old.now);
    assert!(!old.dialogue.may_say_helo(), "it does not know that either");

    for hints in [
        Hints { knows_ehlo: true, ..Hints::default() },
        Hints { needs_starttls: true, ..Hints::default() },
    ] {
        let mut restarted = Talk::with(Config::default(), hints);
        restarted.says(&["220 mx"]);
        restarted.dialogue.give_up(NoReply::Closed, restarted.now);
        assert!(!restarted.dialogue.may_say_helo(), "it knows EHLO: {hints:?}");
    }

    let mut silent = Talk::new();
    silent.says(&["220 mx"]);
    silent.dialogue.give_up(NoReply::Timeout, silent.now);
    assert!(!silent.dialogue.may_say_helo());
}

/// What goes wrong with one reply of a server.
#[derive(Clone, Debug)]
enum Fault {
    Extra(&'static str),
    Twice,
    Lost,
}

/// A server that knows who exists, speaks in one of three ways, and once gets out of step.
struct Model {
    words: usize,
    exists: Vec<bool>,
    at: usize,
    fault: Fault,
    said: usize,
    on_its_way: VecDeque<Arc<Reply>>,
}

impl Model {
    fn hears(&mut self, commands: &str) {
        for command in commands.lines() {
            let which = |pick: [&'static str; 3]| pick[self.words];
            let text = if command.starts_with("EHLO") {
                PIPELINED
            } else if command.starts_with("MAIL") {
                which(["250 2.1.0 Ok", "250 ok", "250 OK"])
            } else if let Some(rest) = command.strip_prefix("RCPT TO:<u") {
                let number: usize = rest[..rest.find('@').unwrap()].parse().unwrap();
                if self.exists[number] {
                    which(["250 2.1.5 Ok", "250 ok", "250 Accepted"])
                } else {
                    which(["550 5.1.1 unknown", "550 no", "550 Unrouteable"])
                }
            } else {
                which(["250 2.0.0 Ok", "250 ok", "250 Reset OK"])
            };
            self.says(text);
        }
    }

    fn says(&mut self, text: &str) {
        let fault = (self.said == self.at).then(|| self.fault.clone());
        self.said += 1;
        let own = [text; 2];
        let both;
        let texts: &[&str] = match fault {
            None => &own[..1],
            Some(Fault::Twice) => &own,
            Some(Fault::Lost) => &[],
            Some(Fault::Extra(extra)) => {
                both = [extra, text];
                &both
            }
        };
        self.on_its_way.extend(texts.iter().map(|text| said(text)));
    }
}

/// Does what a session does. On a `slow` network a reply too many is never there yet when it is
/// looked for, only when it is listened for.
fn drive(talk: &mut Talk, model: &mut Model, slow: bool) {
    loop {
        talk.now += Duration::from_secs(1);
        let now = talk.now;
        match talk.dialogue.step() {
            Step::Ended => return,
            Step::StartTls { .. } => unreachable!("TLS is not begun on demand"),
            Step::Ready => match model.on_its_way.pop_front().filter(|_| !slow) {
                Some(reply) => talk.dialogue.handle_unsolicited(reply, now),
                None => return,
            },
            Step::Listen { .. } => match model.on_its_way.pop_front() {
                Some(reply) => talk.dialogue.handle_unsolicited(reply, now),
                None => talk.dialogue.handle_silence(now),
            },
            Step::Converse { .. } => {
                if talk.dialogue.has_flight() {
                    if !slow && !model.on_its_way.is_empty() {
                        talk.dialogue.handle_stray_bytes(now);
                        continue;
                    }
                    let commands = talk.sent().replace('|', "\n");
                    model.hears(&commands);
                }
                match model.on_its_way.pop_front() {
                    Some(reply) => talk.dialogue.handle_reply(reply, now),
                    None => {
                        talk.now += Duration::from_secs(60);
                        talk.dialogue.give_up(NoReply::Timeout, talk.now);
                    }
                }
            }
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    let extras = prop::sample::select(vec![
        "220 mx",
        "221 bye",
        "214 help",
        "250 ok",
        "250 2.1.0 Ok",
        "250 2.1.5 Ok",
        "250 2.0.0 Ok",
        "251 will forward",
        "252 will try",
        "250 Reset OK",
        "354 go ahead",
        "421 bye",
        "450 later",
        "500 what?",
        "503 sequence",
        "550 no",
        "550 5.1.1 unknown",
        "554 5.7.1 blocked",
    ]);
    prop_oneof![extras.prop_map(Fault::Extra), Just(Fault::Twice), Just(Fault::Lost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Two flights of up to two transactions, on a server that gets out of step once, anywhere.
    #[test]
    fn a_reply_too_many_or_too_few_never_gives_a_recipient_the_answer_of_another(
        exists in prop::collection::vec(any::<bool>(), 1..7),
        first in 1_usize..4,
        fault in fault(),
        at in 0_usize..16,
        words in 0_usize..3,
        plain in any::<bool>(),
        slow in any::<bool>(),
    ) {
        let hints = Hints { avoid_pipelining: plain, ..Hints::default() };
        let mut talk = Talk::with(Config::default(), hints);
        let mut model = Model {
            words, exists: exists.clone(), at, fault, said: 0, on_its_way: VecDeque::new(),
        };
        model.says("220 mx");
        drive(&mut talk, &mut model, slow);
        let numbers: Vec<usize> = (0..exists.len()).collect();
        let all: Vec<Transaction> = numbers
            .chunks(first)
            .map(|chunk| {
                Transaction::new(chunk.iter().map(|n| recipient(&format!("u{n}@example.com"))))
            })
            .collect();
        let mut reports = Vec::new();
        while reports.len() < all.len() && talk.dialogue.ended().is_none() {
            let deadline = talk.now + Duration::from_secs(3600);
            let next = &all[reports.len()..];
            talk.dialogue.begin_all(&next[..next.len().min(2)], deadline, false, talk.now);
            drive(&mut talk, &mut model, slow);
            reports.extend(talk.dialogue.reports());
        }
        let answers = reports.iter().flat_map(|report| &report.answers);
        for (answer, exists) in answers.zip(exists) {
            if let Some(RecipientAnswer::Replied { stage: Stage::Rcpt, reply, .. }) = answer {
                prop_assert!(!reply.is_positive() || exists, "{:?} to one who is not", reply);
                prop_assert!(reply.code != 550 || !exists, "{:?} to one who is", reply);
            }
        }
    }
}
