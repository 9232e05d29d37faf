//! Banner, `EHLO`, TLS, time limits.

use super::*;

#[test]
fn ehlo_falls_back_to_helo_only_when_it_is_not_understood() {
    for code in [500, 501, 502, 504] {
        let mut talk = Talk::new();
        talk.says(&["220 mx", &format!("{code} what?")]);
        assert_eq!(talk.sent(), "EHLO [192.0.2.1]|HELO [192.0.2.1]|");
        talk.says(&["250-mx\n250 PIPELINING"]);
        assert_eq!(talk.dialogue.step(), Step::Ready);
        assert!(!talk.dialogue.facts().capabilities.pipelining, "HELO offers nothing");
    }
    for code in [421, 450, 550, 554] {
        let mut talk = Talk::new();
        talk.says(&["220 mx", &format!("{code} go away")]);
        assert_eq!(talk.ended_with(), (Stage::Ehlo, code.to_string()));
    }
}

#[test]
fn a_banner_that_refuses_is_the_answer_for_everybody() {
    for code in [421, 450, 521, 554] {
        let mut talk = Talk::new();
        talk.says(&[&format!("{code} not you")]);
        assert_eq!(talk.ended_with(), (Stage::Banner, code.to_string()));
        let report = {
            talk.begin(&recipients(&THREE));
            talk.dialogue.report()
        };
        assert_eq!(report.unanswered(), [0, 1, 2]);
        assert!(matches!(report.ended, Some(RecipientAnswer::Replied { .. })));
        talk.dialogue.quit(talk.now);
        assert_eq!(talk.sent(), if code == 421 { "" } else { "QUIT|" });
    }
    let mut talk = Talk::new();
    talk.says(&["250 mx"]);
    assert_eq!(talk.ended_with().0, Stage::Banner);
}

#[test]
fn tls_begins_when_the_server_asks_for_it_at_mail() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&["a@example.com"]));
    talk.sent();
    talk.says(&["530 Must issue a STARTTLS command first", "530 no", "530 no"]);
    assert_eq!(talk.sent(), "STARTTLS|");
    talk.says(&["220 go"]).tls();
    assert_eq!(talk.sent(), "EHLO [192.0.2.1]|");
    talk.says(&["250 mx"]);
    assert_eq!(talk.sent(), "MAIL FROM:<>|", "what was offered before TLS is forgotten");
    talk.says(&["250 ok", "250 ok"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 250)]);
    assert!(talk.dialogue.facts().needs_starttls && talk.dialogue.facts().tls.is_some());
}

#[test]
fn only_recipients_that_asked_for_tls_are_asked_again() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&["a@example.com", "b@example.com"]));
    talk.sent();
    talk.says(&["250 ok", "550 no", "530 TLS first", "250 ok"]);
    assert_eq!(talk.sent(), "STARTTLS|");
    talk.says(&["220 go"]).tls();
    talk.sent();
    talk.says(&[PIPELINED]);
    assert_eq!(talk.sent(), "MAIL FROM:<>|RCPT TO:<b@example.com>|RSET|");
    talk.says(&["250 ok", "530 authenticate", "250 ok"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 530)]);
    assert_eq!(talk.dialogue.step(), Step::Ready);
}

#[test]
fn a_demand_for_tls_at_rset_has_everybody_asked_again() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&["a@example.com", "b@example.com"]));
    talk.sent();
    talk.says(&["250 ok", "250 ok", "550 no", "530 TLS first"]);
    assert_eq!(talk.sent(), "STARTTLS|");
    talk.says(&["220 go"]).tls();
    talk.sent();
    talk.says(&[PIPELINED]);
    talk.says(&["250 ok", "550 no", "250 ok", "250 reset"]);
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 250)]);
}

#[test]
fn when_tls_cannot_be_had_the_demand_for_it_is_the_answer() {
    let demand = ["530 TLS first", "503 no", "250 ok"];
    let begun = || {
        let mut talk = Talk::ready(PIPELINED);
        talk.begin(&recipients(&["a@example.com"])).says(&demand);
        talk
    };
    let mut refused = begun();
    refused.says(&["454 not available"]);
    assert_eq!(answers(&refused.dialogue.report()), [(0, Stage::Mail, 530)]);
    assert_eq!(refused.dialogue.step(), Step::Ready);
    refused.begin(&recipients(&["a@example.com"])).says(&demand);
    assert_eq!(refused.dialogue.step(), Step::Ready, "it is not asked for TLS twice");
    assert_eq!(answers(&refused.dialogue.report()), [(0, Stage::Mail, 530)]);

    let mut failed = begun();
    failed.says(&["220 go"]);
    failed.dialogue.give_up(NoReply::TlsFailed("bad".to_owned()), failed.now);
    assert_eq!(answers(&failed.dialogue.report()), [(0, Stage::Mail, 530)]);
    assert_eq!(failed.ended_with().0, Stage::StartTls);

    let mut later = begun();
    later.says(&["220 go"]).tls();
    later.dialogue.give_up(NoReply::Timeout, later.now);
    assert_eq!(later.dialogue.report().unanswered(), [0], "it has TLS now: the demand is stale");

    let mut not_offered = Talk::ready("250-mx\n250 PIPELINING");
    not_offered.begin(&recipients(&["a@example.com"])).says(&demand);
    assert_eq!(answers(&not_offered.dialogue.report()), [(0, Stage::Mail, 530)]);
}

#[test]
fn tls_by_configuration_begins_before_the_first_mail() {
    for (mode, hints) in [
        (StartTlsMode::Always, Hints::default()),
        (StartTlsMode::Opportunistic, Hints::default()),
        (StartTlsMode::OnDemand, Hints { needs_starttls: true, ..Hints::default() }),
    ] {
        let config = Config { starttls: mode, ..Config::default() };
        let start = |ehlo| {
            let mut talk = Talk::with(config.clone(), hints);
            talk.says(&["220 mx", ehlo]);
            talk
        };
        assert!(start(PIPELINED).sent().ends_with("STARTTLS|"), "{mode:?}");
        let always = mode == StartTlsMode::Always;
        assert_eq!(start("250 mx").dialogue.step() == Step::Ended, always, "{mode:?}");
        let mut refused = start(PIPELINED);
        refused.says(&["454 no"]);
        assert_eq!(refused.dialogue.step() == Step::Ended, always, "{mode:?}");
    }
}

#[test]
fn a_reply_that_nothing_asked_for_ends_the_session() {
    let mut talk = Talk::ready(PIPELINED);
    talk.says(&["421 idle for too long"]);
    assert_eq!(talk.ended_with(), (Stage::Mail, "421".to_owned()));
    let mut talk = Talk::ready(PIPELINED);
    talk.says(&["250 ok"]);
    assert!(talk.ended_with().1.starts_with("Protocol"));
}

#[test]
fn patience_is_the_shortest_of_stage_session_and_caller() {
    let until = |talk: &Talk| match talk.dialogue.step() {
        Step::Converse { until } => until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
        step => panic!("{step:?}"),
    };
    let mut talk = Talk::new();
    assert_eq!(until(&talk), 30, "banner");
    talk.says(&["220 mx"]);
    assert_eq!(until(&talk), 1 + 30, "ehlo");
    talk.says(&[PIPELINED]).begin(&recipients(&THREE));
    assert_eq!(until(&talk), 2 + 30, "mail");
    talk.says(&["250 ok"]);
    assert_eq!(until(&talk), 3 + 45, "rcpt");
    talk.says(&["250 ok"]);
    assert_eq!(until(&talk), 4 + 45, "each rcpt anew");
    talk.says(&["250 ok", "250 ok", "250 ok"]);
    talk.dialogue.report();

    talk.now = SystemTime::UNIX_EPOCH + Duration::from_secs(590);
    talk.begin(&recipients(&THREE));
    assert_eq!(until(&talk), 600, "session");
    let mut hurried = Talk::ready(PIPELINED);
    hurried.dialogue.begin(
        &recipients(&THREE),
        hurried.now + Duration::from_secs(3),
        true,
        hurried.now,
    );
    assert_eq!(until(&hurried), 5, "caller");
}
