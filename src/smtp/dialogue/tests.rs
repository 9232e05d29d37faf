use std::time::Duration;

use super::*;
use crate::smtp::facts::{Certificate, TlsVersion};
use crate::smtp::{Mailbox, Meaning, Sender, StartTlsMode, Transaction, TransactionReport};

/// Goes by the code, as far as these tests need it.
struct ByCode;

impl Interpret for ByCode {
    fn explain(&self, _stage: Stage, _exchanger: &DomainName, reply: &Reply) -> Explanation {
        let meaning = match reply.code {
            200..=299 => Meaning::Accepted,
            530 => Meaning::AuthOrTlsRequired,
            550 => Meaning::MailboxNotFound,
            400..=499 => Meaning::TemporaryFailure,
            _ => Meaning::Unknown,
        };
        Explanation { meaning, rule: "by code".into() }
    }
}

/// A dialogue and the server's side of it, said by hand.
struct Talk {
    dialogue: Dialogue,
    now: SystemTime,
}

fn recipient(text: &str) -> Mailbox {
    let (local, domain) = text.split_once('@').unwrap();
    Mailbox::new(local, &DomainName::from_ascii(domain), None).unwrap()
}

fn recipients(texts: &[&str]) -> Transaction {
    Transaction::new(texts.iter().map(|text| recipient(text)))
}

const THREE: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];
const PIPELINED: &str = "250-mx\n250-PIPELINING\n250 STARTTLS";
const FLIGHT: &str =
    "MAIL FROM:<>|RCPT TO:<a@example.com>|RCPT TO:<b@example.com>|RCPT TO:<c@example.com>|RSET|";

impl Talk {
    fn with(config: Config, hints: Hints) -> Self {
        let now = SystemTime::UNIX_EPOCH;
        let identity = config.identity([192, 0, 2, 1].into());
        let dialogue = Dialogue::new(
            DomainName::from_ascii("mx.example.com"),
            Arc::new(identity),
            Arc::new(config),
            Arc::new(ByCode),
            hints,
            now + Duration::from_secs(3600),
            now,
        );
        Self { dialogue, now }
    }

    fn new() -> Self {
        Self::with(Config::default(), Hints::default())
    }

    /// Ready, with what this EHLO reply offers.
    fn ready(ehlo: &str) -> Self {
        let mut talk = Self::new();
        talk.says(&["220 mx", ehlo]);
        talk.sent();
        assert_eq!(talk.dialogue.step(), Step::Ready);
        talk
    }

    /// The server says these replies, one a second.
    fn says(&mut self, replies: &[&str]) -> &mut Self {
        for text in replies {
            self.now += Duration::from_secs(1);
            self.dialogue.handle_reply(Reply::parse_text(text).unwrap(), self.now);
        }
        self
    }

    /// What was sent since, line endings as bars.
    fn sent(&mut self) -> String {
        let mut out = Vec::new();
        self.dialogue.take_flight(&mut out);
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    fn begin(&mut self, transaction: &Transaction) -> &mut Self {
        let deadline = self.now + Duration::from_secs(3600);
        self.dialogue.begin(transaction, deadline, true, self.now);
        self
    }

    fn tls(&mut self) {
        assert!(matches!(self.dialogue.step(), Step::StartTls { .. }));
        let facts = TlsFacts {
            version: TlsVersion::Tls13,
            cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
            certificate: Certificate::Verified,
        };
        self.dialogue.handle_tls(facts, self.now);
    }

    fn ended_with(&self) -> (Stage, String) {
        match self.dialogue.ended().expect("the session is over") {
            RecipientAnswer::Replied { stage, reply, .. } => (*stage, reply.code.to_string()),
            RecipientAnswer::NoReply { stage, reason } => (*stage, format!("{reason:?}")),
        }
    }
}

/// Index, stage and code of each answer.
fn answers(report: &TransactionReport) -> Vec<(usize, Stage, u16)> {
    let code = |answer: &RecipientAnswer| match answer {
        RecipientAnswer::Replied { stage, reply, .. } => (*stage, reply.code),
        RecipientAnswer::NoReply { stage, .. } => (*stage, 0),
    };
    report.answers.iter().map(|(i, a)| (*i, code(a).0, code(a).1)).collect()
}

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
        assert_eq!((report.unanswered, report.ended), (vec![], None));
    }
    let counters = talk.dialogue.facts().counters;
    assert_eq!((counters.flights, counters.mail, counters.rcpt), (3, 2, 6));
    assert_eq!((counters.accepted, counters.unknown_users, counters.errors), (2, 2, 4));
}

#[test]
fn without_pipelining_commands_go_one_by_one_and_rset_only_before_the_next() {
    let mut talk = Talk::ready("250 mx");
    talk.begin(&recipients(&["a@example.com", "b@example.com"]));
    assert_eq!(talk.sent(), "MAIL FROM:<>|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "RCPT TO:<a@example.com>|");
    assert_eq!(talk.says(&["550 no"]).sent(), "RCPT TO:<b@example.com>|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "");
    assert_eq!(answers(&talk.dialogue.report()), [(0, Stage::Rcpt, 550), (1, Stage::Rcpt, 250)]);
    talk.begin(&recipients(&["c@example.org"]));
    assert_eq!(talk.sent(), "RSET|");
    assert_eq!(talk.says(&["250 ok"]).sent(), "MAIL FROM:<>|");
}

#[test]
fn goodbye_half_way_answers_only_those_before_it() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok", "550 5.1.1 no", "421 too many errors"]);
    assert_eq!(talk.dialogue.step(), Step::Ended);
    let report = talk.dialogue.report();
    assert_eq!(answers(&report), [(0, Stage::Rcpt, 550)]);
    assert_eq!(report.unanswered, [1, 2]);
    assert_eq!(talk.ended_with(), (Stage::Rcpt, "421".to_owned()));
}

#[test]
fn a_close_after_mail_answers_nobody() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok"]);
    talk.dialogue.give_up(NoReply::Closed, talk.now);
    let report = talk.dialogue.report();
    assert_eq!((report.answers, report.unanswered), (vec![], vec![0, 1, 2]));
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
        assert!(report.unanswered.is_empty());
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
        assert_eq!(report.unanswered, [0, 1, 2]);
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
    talk.says(&["250 ok", "550 no", "530 TLS first", "530 TLS first"]);
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
    assert_eq!(answers(&refused.dialogue.report()), [(0, Stage::Mail, 530)]);

    let mut failed = begun();
    failed.says(&["220 go"]);
    failed.dialogue.give_up(NoReply::TlsFailed("bad".to_owned()), failed.now);
    assert_eq!(answers(&failed.dialogue.report()), [(0, Stage::Mail, 530)]);
    assert_eq!(failed.ended_with().0, Stage::StartTls);

    let mut later = begun();
    later.says(&["220 go"]).tls();
    later.dialogue.give_up(NoReply::Timeout, later.now);
    assert_eq!(later.dialogue.report().unanswered, [0], "it has TLS now: the demand is stale");

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
        report.answers.contains(&(
            0,
            RecipientAnswer::NoReply { stage: Stage::Mail, reason: NoReply::Smtputf8Unsupported },
        ))
    };
    talk.says(&["555 SMTPUTF8?", "503 no", "503 no", "250 ok"]);
    assert_eq!(talk.sent(), "MAIL FROM:<>|RCPT TO:<b@example.com>|RSET|");
    talk.says(&["250 ok", "250 ok", "250 ok"]);
    let report = talk.dialogue.report();
    assert!(unsupported(&report));
    assert_eq!(report.answers.len(), 2);

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
        assert_eq!((report.unanswered, report.ended), (vec![1, 2], None));
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
    assert_eq!(talk.dialogue.report().unanswered, [2]);
}

#[test]
fn what_is_no_answer_to_mail_rcpt_or_rset_ends_the_session() {
    let mut mail = Talk::ready(PIPELINED);
    mail.begin(&recipients(&THREE)).says(&["354 go ahead"]);
    assert_eq!(mail.ended_with().0, Stage::Mail);
    assert_eq!(mail.dialogue.report().unanswered, [0, 1, 2]);

    let mut reset = Talk::ready(PIPELINED);
    reset.begin(&recipients(&["a@example.com"])).says(&["250 ok", "250 ok", "502 RSET?"]);
    let report = reset.dialogue.report();
    assert_eq!(answers(&report), [(0, Stage::Rcpt, 250)], "the answer came before");
    assert!(report.ended.is_some());

    let mut leading = Talk::ready("250 mx");
    leading.begin(&recipients(&["a@example.com"])).says(&["250 ok", "250 ok"]);
    leading.dialogue.report();
    leading.begin(&recipients(&["b@example.com"])).says(&["502 RSET?"]);
    assert_eq!(leading.ended_with().0, Stage::Mail);
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

#[test]
fn a_session_left_in_the_middle_is_over() {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&THREE)).says(&["250 ok"]);
    talk.begin(&recipients(&["d@example.com"]));
    assert_eq!(talk.dialogue.report().unanswered, [0]);
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
