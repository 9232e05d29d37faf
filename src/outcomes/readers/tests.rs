//! Claims about the readers, on samples in the documented forms.

mod logs;
mod opt_outs;
mod services;

use std::time::{Duration, SystemTime};

use super::*;

/// 28 November 2026, 12:00 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_867_200)
}

/// Address and kind of each event in these lines.
fn lines(text: &str) -> Vec<(String, &'static str)> {
    let mut reader = line_reader(text.lines().next().unwrap(), OutcomeKind::Sent).unwrap();
    let classifier = Classifier::builtin();
    let read = text.lines().map(|line| reader.read_line(classifier, line, now()));
    read.flat_map(events).map(|event| (event.address, event.kind.name())).collect()
}

fn events(item: ReadItem) -> Vec<OutcomeEvent> {
    match item {
        ReadItem::Events(events) => events,
        ReadItem::NotUnderstood(why) => panic!("{why}"),
    }
}

fn document(json: &str) -> Vec<(String, &'static str, &'static str)> {
    let value = serde_json::from_str(json).unwrap();
    let told = |event: OutcomeEvent| (event.address, event.kind.name(), event.source);
    let items = read_document(Classifier::builtin(), &value);
    items.into_iter().flat_map(events).map(told).collect()
}

fn one(
    address: &str,
    kind: &'static str,
    source: &'static str,
) -> Vec<(String, &'static str, &'static str)> {
    vec![(address.to_owned(), kind, source)]
}

#[test]
fn a_source_is_recognised_by_its_content() {
    for (start, expected) in [
        ("From MAILER-DAEMON Sat Nov 28\nFrom: x\n", SourceForm::Mbox),
        ("Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\n\n", SourceForm::Mail),
        ("{\"event\":1}", SourceForm::Json),
        ("  [\n{}]", SourceForm::Json),
        ("address,kind\n", SourceForm::Lines),
        ("Nov 28 09:00:00 mx postfix/smtp[1]: A: to=<a@b.test>\n", SourceForm::Lines),
        ("2026-11-28T09:00:00+00:00 mx postfix/smtp[1]: A: to=<a@b.test>\n", SourceForm::Lines),
        ("2026-11-28 09:00:00 1P1ceB-000FL1-4q => a@b.test R=d T=r H=h\n", SourceForm::Lines),
        ("2026-11-28T00:00:03.1+00:00 mx dovecot: imap-login: Login\n", SourceForm::Lines),
    ] {
        assert_eq!(form(start.as_bytes()), expected, "{start}");
    }
    assert!(line_reader("once upon a time", OutcomeKind::Sent).is_none());
}

#[test]
fn an_offset_that_a_source_states_counts() {
    let at = |text: &str| time::from_text(text);
    let stated = at("2026-11-28T18:06:00Z");
    assert!(stated.is_some());
    for text in [
        "2026-11-28 10:06:00 -0800",
        "2026-11-28 10:06:00 -08:00",
        "2026-11-28T10:06:00.123 -0800",
        "2026-11-28 10:06:00-0800",
        "2026-11-28 18:06:00",
        "2026-11-28 18:06:00,123",
        "2026-11-28 18:06:00 UTC",
        "2026-11-28 18:06:00 +0000 UTC",
        "2026-11-28 10:06:00 -0800 PST",
        "2026-11-28 18:06:00 CET",
    ] {
        let second = at(text).unwrap().duration_since(stated.unwrap()).unwrap();
        assert!(second < Duration::from_secs(1), "{text}");
    }
    for text in ["2026-11-28 18:06:00 or so", "2026-11-28 18:06:00 -8", "2026-11-28 06:06:00 PM"] {
        assert_eq!(at(text), None, "{text}");
    }
    for (header, line) in [
        (
            "2026-11-28 10:06:00 -0800 1P1ceB-000FL1-4q Completed",
            "2026-11-28 10:06:00 -0800 1P1ceB-000FL1-4q ** jane@acme.test R=d T=r: 550 no",
        ),
        ("address,time", "jane@acme.test,2026-11-28 10:06:00 -0800"),
    ] {
        let mut reader = line_reader(header, OutcomeKind::Sent).unwrap();
        let mut read = |line| events(reader.read_line(Classifier::builtin(), line, now()));
        let _header = read(header);
        assert_eq!(read(line)[0].at, stated, "{line}");
    }
}

#[test]
fn tables_are_read_by_their_header() {
    let table = "Email;Event;Time;Reason\n\
                 jane@acme.test;bounced;2026-11-28T09:00:00Z;\"550 5.1.1 \"\"jane\"\"; no such user\"\n\
                 joe@acme.test;Unsubscribe;;\nann@acme.test;sent;;\n\
                 bob@acme.test;soft bounce;;552 mailbox full\n";
    let expected = [
        ("jane@acme.test", "gone"),
        ("joe@acme.test", "unsubscribed"),
        ("ann@acme.test", "sent"),
        ("bob@acme.test", "temporary"),
    ]
    .map(|(address, kind)| (address.to_owned(), kind));
    assert_eq!(lines(table), expected);
    let mut reader = line_reader("address,kind", OutcomeKind::Sent).unwrap();
    let mut read = |line| reader.read_line(Classifier::builtin(), line, now());
    let _header = read("address,kind");
    assert_eq!(read("nobody,bounced"), ReadItem::NotUnderstood("no address"));
    let ReadItem::NotUnderstood(why) = read("a@b.test,danced") else { panic!("it is understood") };
    assert!(why.starts_with("a kind that is not known; sent, delivered, bounced"), "{why}");
}

#[test]
fn a_time_that_cannot_be_read_is_never_taken_for_now() {
    let classifier = Classifier::builtin();
    let mut reader = line_reader("address,kind,time", OutcomeKind::Sent).unwrap();
    let mut read = |line: &str| reader.read_line(classifier, line, now());
    let _header = read("address,kind,time");
    let six = time::from_text("2026-11-28T18:06:00Z");
    for written in ["28.11.2026 18:06", "11/28/2026 6:06 PM", "Sat, 28 Nov 2026 18:06:00 +0000"] {
        let line = format!("jane@acme.test,delivered,\"{written}\"");
        assert_eq!(events(read(&line))[0].at, six, "{written}");
    }
    assert_eq!(events(read("jane@acme.test,delivered,"))[0].at, None);
    let unreadable = ReadItem::NotUnderstood("a time that cannot be read");
    assert_eq!(read("jane@acme.test,delivered,03/04/2026"), unreadable);
    assert_eq!(read("jane@acme.test,delivered,soon"), unreadable);
    assert_eq!(events(read("jane@acme.test,unsubscribed,soon"))[0].at, None);
    let line =
        "Smarch 28 09:00:02 mx postfix/smtp[2]: 4B: to=<joe@acme.test>, status=sent (250 Ok)";
    assert_eq!(log_reader(line).unwrap().read_line(classifier, line, now()), unreadable);
    for json in [
        r#"{"address":"jane@acme.test","kind":"delivered","time":"soon"}"#,
        r#"{"event":"delivered","email":"jane@acme.test","message-id":"<1@s>","date":"soon"}"#,
        r#"{"eventType":"Delivery","delivery":{"timestamp":"soon","recipients":["jane@acme.test"]},"mail":{"messageId":"m"}}"#,
    ] {
        let read = read_document(classifier, &serde_json::from_str(json).unwrap());
        assert!(matches!(read[..], [ReadItem::NotUnderstood(_)]), "{json}");
    }
}

#[test]
fn a_plain_list_is_read_as_the_kind_that_the_operator_names() {
    let mut reader = line_reader("jane@acme.test", OutcomeKind::Unsubscribed).unwrap();
    let read = reader.read_line(Classifier::builtin(), "jane@acme.test", now());
    assert_eq!(events(read)[0].kind, OutcomeKind::Unsubscribed);
    let first = "Jane Doe <jane@acme.test>";
    assert!(line_reader(first, OutcomeKind::Unsubscribed).is_some(), "it is no header");
    assert!(line_reader("From: Jane <jane@acme.test>", OutcomeKind::Unsubscribed).is_none());
}

#[test]
fn each_address_of_a_line_of_a_list_is_read_and_of_bounces_the_first_whatever_divides_it() {
    let read = |kind, line| {
        let mut reader = line_reader("a@acme.test, b@acme.test", kind).unwrap();
        let read = events(reader.read_line(Classifier::builtin(), line, now()));
        read.into_iter().map(|event| event.address).collect::<Vec<_>>()
    };
    for line in
        ["a@acme.test, b@acme.test", "a@acme.test;b@acme.test;", "A <a@acme.test>,b@acme.test"]
    {
        for kind in [OutcomeKind::Unsubscribed, OutcomeKind::Sent] {
            assert_eq!(read(kind, line), ["a@acme.test", "b@acme.test"], "{line}");
        }
        // Mail to b did not come back.
        assert_eq!(read(OutcomeKind::Gone, line), ["a@acme.test"], "{line}");
    }
    let line = "a@acme.test,Ann,b@acme.test";
    assert_eq!(read(OutcomeKind::Complaint, line), ["a@acme.test", "b@acme.test"]);
    assert_eq!(read(OutcomeKind::Sent, line), ["a@acme.test"], "b may be somebody else's");
    assert_eq!(read(OutcomeKind::Gone, line), ["a@acme.test"], "and so may it here");
}

#[test]
fn the_year_of_a_syslog_line_is_the_last_one_that_fits() {
    let at = time::from_syslog("Nov 28 09:00:00 mx", now()).unwrap();
    assert_eq!(now().duration_since(at).unwrap(), Duration::from_secs(3 * 3600));
    let at = time::from_syslog("Dec  1 12:00:00 mx", now()).unwrap();
    assert_eq!(now().duration_since(at).unwrap(), Duration::from_secs(362 * 86_400));
}

#[test]
fn amazon_ses_is_read_with_and_without_sns() {
    let bounce = r#"{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General",
        "bouncedRecipients":[{"emailAddress":"jane@acme.test","action":"failed","status":"5.1.1",
        "diagnosticCode":"smtp; 550 5.1.1 no such user"}],"timestamp":"2026-11-28T09:00:00.000Z",
        "feedbackId":"f-1"},"mail":{"messageId":"m-1"}}"#;
    assert_eq!(document(bounce), one("jane@acme.test", "gone", "ses"));
    let wrapped = serde_json::json!({"Type": "Notification", "MessageId": "n", "Message": bounce});
    assert_eq!(document(&wrapped.to_string()), one("jane@acme.test", "gone", "ses"));
    let for_now = bounce.replace("Permanent", "Transient");
    assert_eq!(document(&for_now), one("jane@acme.test", "temporary", "ses"));
    let full = for_now.replace("General", "MailboxFull");
    assert_eq!(document(&full), one("jane@acme.test", "full", "ses"));
    let complaint = r#"{"eventType":"Complaint","complaint":{"complainedRecipients":
        [{"emailAddress":"jane@acme.test"}],"feedbackId":"f-2"},"mail":{"messageId":"m-1"}}"#;
    assert_eq!(document(complaint), one("jane@acme.test", "complaint", "ses"));
}

#[test]
fn what_amazon_ses_never_sent_is_no_bounce() {
    let bounce = |kind: &str| {
        document(&format!(
            r#"{{"notificationType":"Bounce","bounce":{{"bounceType":"Permanent","bounceSubType":"{kind}",
            "bouncedRecipients":[{{"emailAddress":"jane@acme.test","action":"failed","status":"5.1.1",
            "diagnosticCode":"Not sent: this address is on a list"}}]}},"mail":{{"messageId":"m-1"}}}}"#
        ))
    };
    assert!(bounce("OnAccountSuppressionList").is_empty());
    assert!(bounce("Suppressed").is_empty());
    let opted_out = one("jane@acme.test", "unsubscribed", "ses");
    assert_eq!(bounce("UnsubscribedRecipient"), opted_out);
    assert_eq!(bounce("NoEmail"), one("jane@acme.test", "gone", "ses"));
}

#[test]
fn an_event_that_sendgrid_delivers_again_under_another_name_is_the_same_one() {
    let name = |event_id: &str, time: u64| {
        let event = serde_json::json!({ "email": "jane@acme.test", "event": "bounce",
            "sg_event_id": event_id, "sg_message_id": "m1.filter1", "timestamp": time });
        let mut read = read_document(Classifier::builtin(), &event);
        let read = events(read.remove(0));
        read[0].event_id.clone().unwrap()
    };
    assert_eq!(name("first", 1_795_867_200), name("second", 1_795_867_200));
    assert_ne!(name("first", 1_795_867_200), name("first", 1_795_867_201));
}

#[test]
fn the_other_services_are_read() {
    for (json, kind, source) in [
        (
            r#"[{"email":"jane@acme.test","event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 no such user","sg_event_id":"1","timestamp":1795867200}]"#,
            "gone",
            "sendgrid",
        ),
        (
            r#"[{"email":"jane@acme.test","event":"bounce","type":"blocked","reason":"550 5.1.1 no such user","sg_event_id":"1","timestamp":1795867200}]"#,
            "blocked",
            "sendgrid",
        ),
        (
            r#"{"email":"jane@acme.test","event":"spamreport","sg_event_id":"2","timestamp":1795867200}"#,
            "complaint",
            "sendgrid",
        ),
        (
            r#"{"signature":{},"event-data":{"event":"failed","severity":"permanent","reason":"bounce","recipient":"jane@acme.test","id":"x","timestamp":1795867200.1,"delivery-status":{"code":550,"message":"5.1.1 no such user"}}}"#,
            "gone",
            "mailgun",
        ),
        (
            r#"{"signature":{},"event-data":{"event":"failed","severity":"temporary","recipient":"jane@acme.test","id":"x","delivery-status":{"code":550,"message":"5.1.1 no such user"}}}"#,
            "temporary",
            "mailgun",
        ),
        (
            r#"{"RecordType":"Bounce","Type":"HardBounce","Email":"jane@acme.test","Details":"smtp;550 5.1.1 no such user","BouncedAt":"2026-11-28T09:00:00.1234567-05:00","ID":42}"#,
            "gone",
            "postmark",
        ),
        (
            r#"{"RecordType":"Bounce","Type":"Blocked","Email":"jane@acme.test","Details":"user unknown","ID":42}"#,
            "blocked",
            "postmark",
        ),
        (
            r#"{"RecordType":"SubscriptionChange","Recipient":"jane@acme.test","SuppressSending":true,"SuppressionReason":"ManualSuppression","ChangedAt":"2026-11-28T09:00:00Z"}"#,
            "unsubscribed",
            "postmark",
        ),
        (
            r#"{"event":"hard_bounce","email":"jane@acme.test","message-id":"<1@s>","ts_event":1795867200,"reason":"550 5.1.1 no such user"}"#,
            "gone",
            "brevo",
        ),
        (
            r#"{"event":"hard_bounce","email":"jane@acme.test","message-id":"<1@s>","reason":"554 5.7.1 blocked using bl.example"}"#,
            "blocked",
            "brevo",
        ),
        (
            r#"{"event":"bounce","email":"jane@acme.test","MessageID":7,"hard_bounce":true,"error_related_to":"recipient","error":"user unknown","comment":"","time":1795867200}"#,
            "gone",
            "mailjet",
        ),
        (
            r#"{"event":"bounce","email":"jane@acme.test","MessageID":7,"hard_bounce":true,"error_related_to":"policy","error":"preblocked","comment":"user unknown"}"#,
            "blocked",
            "mailjet",
        ),
        (
            r#"[{"msys":{"message_event":{"type":"bounce","bounce_class":"10","rcpt_to":"jane@acme.test","raw_reason":"550 5.1.1 no such user","timestamp":"1795867200","event_id":"9"}}}]"#,
            "gone",
            "sparkpost",
        ),
        (
            r#"[{"msys":{"message_event":{"type":"bounce","bounce_class":"22","rcpt_to":"jane@acme.test","raw_reason":"550 5.1.1 no such user"}}}]"#,
            "full",
            "sparkpost",
        ),
        (
            r#"{"type":"email.bounced","created_at":"2026-11-28T09:00:00.000Z","data":{"email_id":"e","to":["jane@acme.test"],"bounce":{"type":"Permanent","subType":"General","message":"550 5.1.1 no such user"}}}"#,
            "gone",
            "resend",
        ),
        (
            r#"{"type":"email.complained","data":{"email_id":"e","to":["jane@acme.test"]}}"#,
            "complaint",
            "resend",
        ),
        (
            r#"{"type":"Bounce","id":"a","queue":"acme.test","recipient":"jane@acme.test","response":{"code":550,"enhanced_code":{"class":5,"subject":1,"detail":1},"content":"no such user"},"timestamp":1795867200}"#,
            "gone",
            "kumomta",
        ),
        (
            r#"{"type":"TransientFailure","id":"a","queue":"acme.test","recipient":["jane@acme.test"],"response":{"code":550,"content":"no such user"}}"#,
            "temporary",
            "kumomta",
        ),
        (
            r#"{"address":"jane@acme.test","kind":"bounced","words":"552 5.2.2 mailbox full","time":"2026-11-28T09:00:00Z"}"#,
            "full",
            "json",
        ),
    ] {
        assert_eq!(document(json), one("jane@acme.test", kind, source), "{json}");
    }
}

#[test]
fn a_bounce_that_does_not_say_whose_it_is_names_nobody() {
    let several = r#"{"type":"email.bounced","data":{"to":["a@b.test","c@d.test"],"bounce":{"type":"Permanent"}}}"#;
    assert!(document(several).is_empty());
    let mail = b"From: MAILER-DAEMON@mx.test\n\nIt did not work.\n";
    let read = read_mail(Classifier::builtin(), mail);
    assert_eq!(read, ReadItem::NotUnderstood("recipient not stated"));
}

#[test]
fn the_events_of_one_mail_share_the_addresses_that_it_went_to() {
    let mail = b"From: MAILER-DAEMON@mx.test\nTo: news@sender.test\n\
                 X-Failed-Recipients: ann@acme.test, bob@acme.test\n\n550 no\n";
    let read = events(read_mail(Classifier::builtin(), mail));
    let [EventProof::Mail(first), EventProof::Mail(second)] = [&read[0].proof, &read[1].proof]
    else {
        panic!("{read:?}")
    };
    assert!(Arc::ptr_eq(first, second));
    assert_eq!(first[..], ["news@sender.test"]);
}

#[test]
fn a_bounce_whose_clock_is_slow_is_known_again_by_its_own_date() {
    let returned = "--b1\nContent-Type: message/rfc822\n\n\
                    Date: Sat, 28 Nov 2026 08:59:00 +0000\nFrom: news@sender.test\n\
                    To: ann@acme.test\nSubject: Hello\n\nHello\n--b1--\n";
    for (date, own) in [("", None), ("Date: Wed, 28 Oct 2026 09:00:00 +0000\n", Some("2026-10-28"))]
    {
        let mail = format!(
            "From: MAILER-DAEMON@mx.test\n{date}X-Failed-Recipients: ann@acme.test\n\
             MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b1\n\n\
             --b1\nContent-Type: text/plain\n\n550 5.1.1 no such user\n{returned}"
        );
        let read = events(read_mail(Classifier::builtin(), mail.as_bytes()));
        assert_eq!(read[0].at, time::from_text("2026-11-28T08:59:00Z"), "{mail}");
        let own = own.and_then(|day| time::from_text(&format!("{day}T09:00:00Z")));
        let own = own.map_or_else(String::new, milliseconds);
        assert_eq!(read[0].stamp, Some(own), "{mail}");
    }
}

#[test]
fn other_documents_are_not_understood() {
    for json in ["{}", "[{\"a\":1}]", "3", "[[[[[[]]]]]]", "{\"email\":\"a@b.test\"}"] {
        let value = serde_json::from_str(json).unwrap();
        let read = read_document(Classifier::builtin(), &value);
        assert!(matches!(read[..], [ReadItem::NotUnderstood(_)]), "{json}");
    }
}

#[test]
fn an_event_that_nobody_knows_takes_no_other_of_its_array_along() {
    let one = r#"{"email":"jane@acme.test","event":"delivered","sg_event_id":"1"}"#;
    let value = serde_json::from_str(&format!(r#"[{one},{{"a":1}},[{one}]]"#)).unwrap();
    let read = read_document(Classifier::builtin(), &value);
    let is_known = |item: &ReadItem| matches!(item, ReadItem::Events(events) if events.len() == 1);
    assert_eq!(read.iter().map(is_known).collect::<Vec<_>>(), [true, false, true]);
}
