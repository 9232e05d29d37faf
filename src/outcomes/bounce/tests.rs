//! Claims about bounces, in the words of no server's own.

mod limits;
mod origin;

use super::*;

/// A bounce of words alone, from a server, about a message to `jane@acme.test`.
fn words(body: &str) -> String {
    format!(
        "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.sender.test>\nTo: news@sender.test\n\
         Subject: could not send message\nDate: Sat, 28 Nov 2026 09:00:00 +0000\n\n{body}"
    )
}

/// A delivery report with these fields for its recipients.
fn report(notification: &str, fields: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.sender.test\nTo: news@sender.test\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b1\n\n\
         --b1\nContent-Type: text/plain\n\n{notification}\n\
         --b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.sender.test\n\n\
         {fields}\n--b1\nContent-Type: message/rfc822\n\n{RETURNED}\n--b1--\n"
    )
}

const RETURNED: &str = "Received: from app.sender.test by mx.sender.test; Sat, 28 Nov 2026\n\
                        Message-ID: <1@sender.test>\nFrom: News <news@sender.test>\n\
                        To: Jane <jane@acme.test>\nSubject: Hello\n\nHello.\n";

/// Our message as a person's program quotes it below an answer.
const QUOTED: &str = "-----Original Message-----\nFrom: News <news@sender.test>\n\
                      Sent: Saturday, 28 November 2026 09:00\nTo: jane@acme.test\n\
                      Subject: Hello\n\nHello.\n";

/// Recipient and kind of each notice.
fn notices(mail: &str) -> Vec<(String, &'static str)> {
    let read = read(Classifier::builtin(), mail.as_bytes());
    let told = |notice: RecipientNotice| {
        (notice.recipient.unwrap_or_else(|| "-".to_owned()), notice.kind.name())
    };
    read.notices.into_iter().map(told).collect()
}

fn one(recipient: &str, kind: &'static str) -> Vec<(String, &'static str)> {
    vec![(recipient.to_owned(), kind)]
}

#[test]
fn a_report_is_read_by_its_fields() {
    for (diagnostic, status, kind) in [
        ("smtp; 550 5.1.1 <jane@acme.test>: nobody of that name, user unknown", "5.1.1", "gone"),
        ("smtp; 554 5.7.1 Client host [192.0.2.9] blocked using bl.example", "5.7.1", "blocked"),
        ("smtp; 552 5.2.2 The mailbox of jane@acme.test is over its quota", "5.2.2", "full"),
        ("smtp; 554 5.7.0 Message rejected: spam content detected", "5.7.0", "content"),
        ("smtp; 451 4.7.1 Greylisted, come back in 5 minutes", "4.7.1", "temporary"),
        ("smtp; 450 4.1.1 user unknown, at least for now", "4.1.1", "temporary"),
    ] {
        let fields = format!(
            "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: {status}\n\
             Diagnostic-Code: {diagnostic}\n"
        );
        assert_eq!(
            notices(&report("Sorry.", &fields)),
            one("jane@acme.test", kind),
            "{diagnostic}"
        );
    }
}

#[test]
fn each_recipient_of_a_report_has_its_own_fate() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 no such user here\n\n\
                  Final-Recipient: rfc822; joe@acme.test\nAction: delayed\nStatus: 4.4.1\n\n\
                  Final-Recipient: rfc822; ann@acme.test\nAction: relayed\nStatus: 2.0.0\n";
    let expected = [
        ("jane@acme.test".to_owned(), "gone"),
        ("joe@acme.test".to_owned(), "temporary"),
        ("ann@acme.test".to_owned(), "delivered"),
    ];
    assert_eq!(notices(&report("Sorry.", fields)), expected);
}

#[test]
fn the_address_on_the_list_is_kept_where_mail_was_forwarded() {
    let fields = "Original-Recipient: rfc822;jane@acme.test\n\
                  Final-Recipient: rfc822; jd@elsewhere.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 no such user\n";
    let read = read(Classifier::builtin(), report("Sorry.", fields).as_bytes());
    assert_eq!(read.notices[0].recipient.as_deref(), Some("jd@elsewhere.test"));
    assert_eq!(read.notices[0].original.as_deref(), Some("jane@acme.test"));
}

#[test]
fn the_address_on_the_list_is_read_out_of_its_xtext() {
    let of = |original: &str, last: &str| {
        let fields = format!(
            "Original-Recipient: rfc822;{original}\nFinal-Recipient: rfc822; {last}\n\
             Action: failed\nStatus: 5.1.1\n"
        );
        let mut read = read(Classifier::builtin(), report("Sorry.", &fields).as_bytes());
        read.notices.remove(0).original
    };
    let tagged = "jane+news@acme.test";
    assert_eq!(of("jane+2Bnews@acme.test", tagged), None, "it is the same one");
    let forwarded = of("jane+2Bnews@acme.test", "jd@elsewhere.test");
    assert_eq!(forwarded.as_deref(), Some(tagged));
    assert_eq!(of("jane+2Bnews@acme.test", "jane+2Bnews@acme.test"), None, "no escape at all");
    assert_eq!(of(tagged, "jd@elsewhere.test").as_deref(), Some(tagged));
}

#[test]
fn two_addresses_that_are_forwarded_to_one_mailbox_have_their_own_fates() {
    let fate = |original: &str| {
        format!(
            "Original-Recipient: rfc822;{original}\nFinal-Recipient: rfc822; jd@elsewhere.test\n\
             Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n"
        )
    };
    let fields = ["jane@acme.test", "sales@acme.test", "jane@acme.test"].map(fate).concat();
    let read = read(Classifier::builtin(), report("Sorry.", &fields).as_bytes());
    let originals: Vec<_> = read.notices.iter().map(|it| it.original.as_deref()).collect();
    assert_eq!(originals, [Some("jane@acme.test"), Some("sales@acme.test")]);
}

#[test]
fn an_address_of_several_people_is_not_gone_with_one_of_them() {
    let fate = |last: &str, action: &str, status: &str| {
        format!(
            "Original-Recipient: rfc822;team@acme.test\nFinal-Recipient: rfc822; {last}\n\
             Action: {action}\nStatus: {status}\n\n"
        )
    };
    let kinds = |second: &str| {
        let fields = fate("ann@b.test", "failed", "5.1.1") + second;
        let read = read(Classifier::builtin(), report("Sorry.", &fields).as_bytes());
        read.notices.iter().map(|notice| notice.kind.name()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&fate("joe@b.test", "relayed", "2.0.0")), ["unknown", "delivered"]);
    assert_eq!(kinds(&fate("joe@b.test", "failed", "5.2.2")), ["unknown", "full"]);
    assert_eq!(kinds(&fate("joe@b.test", "failed", "5.1.1")), ["gone", "gone"]);
    assert_eq!(kinds(&fate("team@acme.test", "relayed", "2.0.0")), ["unknown", "delivered"]);
}

#[test]
fn a_delay_is_never_a_dead_mailbox() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: delayed\nStatus: 4.2.0\n\
                  Diagnostic-Code: smtp; 550 5.1.1 user unknown\n";
    assert_eq!(notices(&report("Still trying.", fields)), one("jane@acme.test", "temporary"));
}

#[test]
fn a_status_of_a_mailbox_that_exists_beside_words_of_an_unknown_user_is_not_gone() {
    for (diagnostic, kind) in [
        ("550 5.2.1 <jane@acme.test>: user unknown here", "unknown"),
        ("550 <jane@acme.test>: user unknown here", "gone"),
        ("550 5.2.1 the account of jane@acme.test is disabled", "gone"),
        ("550 5.1.1 <jane@acme.test>: user unknown here", "gone"),
    ] {
        let fields = format!(
            "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.2.1\n\
             Diagnostic-Code: smtp; {diagnostic}\n"
        );
        let mail = report("Sorry.", &fields);
        assert_eq!(notices(&mail), one("jane@acme.test", kind), "{diagnostic}");
    }
}

#[test]
fn a_full_mailbox_that_was_refused_as_unknown_is_full() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 user unknown\n";
    let mail = report("The mailbox is full and takes nothing more.", fields);
    assert_eq!(notices(&mail), one("jane@acme.test", "full"));
}

#[test]
fn a_status_that_speaks_against_a_dead_mailbox_counts_more_than_the_words() {
    for (status, kind) in [("5.2.2", "full"), ("5.3.4", "content"), ("5.4.7", "temporary")] {
        let fields = format!(
            "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: {status}\n\
             Diagnostic-Code: smtp; 550 {status} user unknown\n"
        );
        assert_eq!(notices(&report("Sorry.", &fields)), one("jane@acme.test", kind), "{status}");
    }
}

#[test]
fn fields_without_a_mime_structure_are_found() {
    let body = format!(
        "The message came back.\n\nReporting-MTA: dns; mx.sender.test\n\n\
         Final-Recipient: RFC822; <jane@acme.test>\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such mailbox\n\n{RETURNED}"
    );
    assert_eq!(notices(&words(&body)), one("jane@acme.test", "gone"));
}

#[test]
fn lines_of_known_forms_name_the_recipient() {
    for body in [
        "<jane@acme.test>:\nThe host 192.0.2.1 said: 550 5.1.1 no such user\n",
        "These failed:\n\n  jane@acme.test\n    after RCPT TO:<jane@acme.test>:\n    \
         host mx.acme.test [192.0.2.1]: 550 5.1.1 unknown user\n",
        "Recipient: <jane@acme.test>\n>>> RCPT TO:<jane@acme.test>\n<<< 550 user unknown\n",
        ">>> RCPT TO:<jane@acme.test>\n<<< 550 5.1.1 unknown mailbox\n",
        "An error happened while delivering your mail to <jane@acme.test>.\n\n\
         mx.acme.test [192.0.2.1] said:\n550 5.1.1 no such user\n",
        "jane@acme.test refused: 550 5.1.1 <jane@acme.test> user unknown\n",
        "550 5.1.1 <jane@acme.test>... User unknown\n",
    ] {
        let mail = words(&format!("Your mail came back.\n\n{body}\n{RETURNED}"));
        assert_eq!(notices(&mail), one("jane@acme.test", "gone"), "{body}");
    }
}

#[test]
fn a_to_within_prose_names_nobody() {
    let body = "Your message\n\n  To: somebody@acme.test\n  Subject: Hello\n\nwas refused.\n";
    assert_eq!(notices(&words(body))[0].0, "-");
}

#[test]
fn the_message_that_came_back_names_the_recipient_where_nothing_else_does() {
    let body = format!("It was refused: 550 5.1.1 user unknown\n\n{RETURNED}");
    assert_eq!(notices(&words(&body)), one("jane@acme.test", "gone"));
}

#[test]
fn a_message_that_came_back_from_one_of_several_names_nobody() {
    for field in
        ["To: Jane <jane@acme.test>, ann@acme.test", "To: jane@acme.test\nCc: ann@acme.test"]
    {
        let returned = RETURNED.replace("To: Jane <jane@acme.test>", field);
        let body = format!("It was refused: 550 5.1.1 user unknown\n\n{returned}");
        assert_eq!(notices(&words(&body)), one("-", "gone"), "{field}");
    }
}

#[test]
fn failed_recipients_in_the_header_count_before_lines() {
    let mail = words("joe@acme.test\n  550 5.1.1 user unknown\n").replacen(
        "Subject:",
        "X-Failed-Recipients: jane@acme.test\nSubject:",
        1,
    );
    assert_eq!(notices(&mail)[0].0, "jane@acme.test");
}

#[test]
fn addresses_of_the_bounce_itself_are_not_its_recipients() {
    let body = "Write to us:\n\nMAILER-DAEMON@mx.sender.test\n\nnews@sender.test\n";
    assert_eq!(notices(&words(body))[0].0, "-");
}

#[test]
fn a_refusal_of_the_sender_is_no_dead_mailbox() {
    let body = "  jane@acme.test\n    after MAIL FROM:<news@sender.test>:\n    \
                host mx.acme.test [192.0.2.1]: 553 5.1.0 sender.test does not exist\n";
    assert_eq!(notices(&words(body)), one("jane@acme.test", "blocked"));
}

#[test]
fn a_refusal_before_any_recipient_was_named_is_no_dead_mailbox() {
    let exim = "SMTP error from remote mail server after";
    for body in [
        format!("{exim} initial connection: host mx.acme.test [192.0.2.1]: 550 Host unknown"),
        format!("{exim} EHLO mx.sender.test: host mx.acme.test [192.0.2.1]: 550 Host unknown"),
        format!("{exim} pipelined MAIL FROM:<a@b.test>: host mx.acme.test: 550 Host unknown"),
        format!("{exim} initial connection: host mx.acme.test [192.0.2.1]: 521 No"),
        format!("{exim} STARTTLS: host mx.acme.test [192.0.2.1]: 550 Host unknown"),
        "host mx.acme.test[192.0.2.1] refused\n    to talk to me: 550 Host unknown".to_owned(),
        "host mx.acme.test[192.0.2.1] said: 550 Host unknown (in reply to HELO command)".to_owned(),
    ] {
        let told = notices(&words(&format!("<jane@acme.test>: {body}\n")));
        assert!(told[0].0 == "jane@acme.test" && told[0].1 != "gone", "{body}: {told:?}");
    }
    let named =
        format!("{exim} RCPT TO:<jane@acme.test>: host mx.acme.test: 550 5.1.1 no such user");
    let mail = words(&format!("<jane@acme.test>: {named}\n"));
    assert_eq!(notices(&mail), one("jane@acme.test", "gone"));
}

#[test]
fn a_filter_that_calls_the_user_unknown_after_the_message_is_not_believed() {
    let body = "<jane@acme.test>: host mx.acme.test[192.0.2.1] said: 550 Unknown user \
                (in reply to end of DATA command)\n";
    assert_eq!(notices(&words(body)), one("jane@acme.test", "unknown"));
}

#[test]
fn a_recipient_refused_behind_data_in_a_pipeline_is_believed() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.6\n\
                  Diagnostic-Code: smtp; 551 nobody of ours\n";
    let transcript = "<<< 450 busy, try again later\n>>> DATA\n<<< 551 nobody of ours\n";
    assert_eq!(notices(&report(transcript, fields)), one("jane@acme.test", "gone"));
}

#[test]
fn a_queue_that_gave_up_is_temporary() {
    for line in ["Envelope expired", "this message has been in the queue too long"] {
        let body = format!("jane@acme.test: {line}\n");
        assert_eq!(notices(&words(&body)), one("jane@acme.test", "temporary"), "{line}");
    }
}

#[test]
fn what_a_service_did_not_send_is_no_dead_mailbox() {
    for diagnostic in [
        "The message was not sent to this address: it is on the\n suppression list of the account",
        "We have suppressed sending to this address, which bounced as an invalid address",
    ] {
        let fields = format!(
            "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: smtp; {diagnostic}\n"
        );
        let mail = report("Sorry.", &fields);
        let told = notices(&mail);
        assert!(
            ["unknown", "blocked"].iter().any(|kind| told == one("jane@acme.test", kind)),
            "{diagnostic}: {told:?}"
        );
    }
}

/// A complaint of this type with these further fields, about this message.
fn complaint(kind: &str, fields: &str, returned: &str) -> String {
    format!(
        "From: fbl@provider.test\nTo: fbl@sender.test\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b1\n\n\
         --b1\nContent-Type: text/plain\n\nA report.\n\
         --b1\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nVersion: 1\n\
         {fields}\n\
         --b1\nContent-Type: message/rfc822\n\n{returned}\n--b1--\n"
    )
}

#[test]
fn complaints_are_read_by_their_fields() {
    for (kind, expected) in [("abuse", "complaint"), ("opt-out", "unsubscribed")] {
        let mail = complaint(kind, "Original-Rcpt-To: <jane@acme.test>\n", RETURNED);
        assert_eq!(notices(&mail), one("jane@acme.test", expected));
    }
}

#[test]
fn a_complaint_without_a_recipient_is_about_the_only_one_of_its_message_or_nobody() {
    assert_eq!(notices(&complaint("abuse", "", RETURNED)), one("jane@acme.test", "complaint"));
    for field in ["To: jane@acme.test, ann@acme.test", "To: jane@acme.test\nCc: ann@acme.test"] {
        let returned = RETURNED.replace("To: Jane <jane@acme.test>", field);
        assert_eq!(notices(&complaint("abuse", "", &returned)), one("-", "complaint"), "{field}");
    }
}

#[test]
fn letters_and_automatic_answers_are_no_bounces() {
    for (from, body) in [
        ("Joe <joe@acme.test>", "I am on holiday. jane@acme.test: 550 user unknown\n".to_owned()),
        ("Joe <joe@acme.test>", "This mailbox is no longer in use.\n".to_owned()),
        ("Joe <joe@acme.test>", format!("This mailbox is no longer in use.\n\n{QUOTED}")),
    ] {
        let mail = format!("From: {from}\nTo: news@sender.test\nSubject: Re: Hello\n\n{body}");
        assert_eq!(notices(&mail), one("-", "not_a_bounce"), "{body}");
    }
}

#[test]
fn any_bytes_are_read_without_harm() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 no such user\n";
    let mail = report("<jane@acme.test>: host said: 550 5.1.1 no\n", fields).into_bytes();
    let mut seed = 7_u64;
    for round in 0..200 {
        let mut broken = mail.clone();
        for _ in 0..1 + round % 9 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).unwrap_or(0) % broken.len();
            match seed % 3 {
                0 => broken[at] = u8::try_from((seed >> 24) & 0xff).unwrap_or(0),
                1 => broken.truncate(at.max(1)),
                _ => {
                    broken.remove(at);
                }
            }
            if broken.len() < 2 {
                break;
            }
        }
        let _ = read(Classifier::builtin(), &broken);
    }
}

#[test]
fn messages_within_messages_end_somewhere() {
    let mail = "Content-Type: message/rfc822\n\n".repeat(50_000);
    let told = read(Classifier::builtin(), mail.as_bytes());
    assert!(told.notices.iter().all(|notice| notice.kind == OutcomeKind::NotABounce), "{told:?}");
    let mail = words(&"<jane@acme.test>: 550 no\n".repeat(100_000));
    assert_eq!(notices(&mail).len(), 1);
}
