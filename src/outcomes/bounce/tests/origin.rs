//! Who wrote a mail: a server returns a message in another way than a person quotes or forwards it.

use super::*;

/// A mail from this sender, with these headers, whose parts are these words and our message.
fn with_part(from: &str, headers: &str, kind: &str, said: &str) -> String {
    format!(
        "{headers}From: {from}\nTo: news@sender.test\nSubject: Hello\nMIME-Version: 1.0\n\
         Content-Type: multipart/{kind}; boundary=b1\n\n\
         --b1\nContent-Type: text/plain\n\n{said}\n\
         --b1\nContent-Type: message/rfc822\n\n{RETURNED}\n--b1--\n"
    )
}

const REFUSED: &str = "It was refused: 550 5.1.1 user unknown\n";

#[test]
fn a_person_who_forwards_our_mail_returns_nothing() {
    for headers in ["", "Return-Path: <joe@acme.test>\n"] {
        let mail = with_part("Joe <joe@acme.test>", headers, "mixed", "No such user here.");
        assert_eq!(notices(&mail), one("-", "not_a_bounce"), "{headers}");
    }
}

#[test]
fn the_receipt_of_a_reader_returns_nothing() {
    let kind = "report; report-type=disposition-notification";
    let mail = with_part("Joe <joe@acme.test>", "", kind, "Deleted: this mailbox is disabled.");
    assert_eq!(notices(&mail), one("-", "not_a_bounce"));
}

#[test]
fn answers_with_the_headers_of_our_mail_return_nothing() {
    let body = format!("This mailbox is no longer in use.\n\n{RETURNED}");
    for header in [
        "In-Reply-To: <1@sender.test>",
        "References: <1@sender.test>",
        "Auto-Submitted: auto-replied (vacation)",
        "X-Autoreply: yes",
    ] {
        let mail = format!("{header}\nFrom: Joe <joe@acme.test>\nTo: news@sender.test\n\n{body}");
        assert_eq!(notices(&mail), one("-", "not_a_bounce"), "{header}");
    }
}

#[test]
fn a_server_of_any_name_returns_a_message_in_a_report_or_from_nobody() {
    for (from, headers, kind) in [
        ("Delivery <delivery@mx.test>", "", "report; report-type=delivery-status"),
        ("Delivery <delivery@mx.test>", "Return-Path: <>\n", "mixed"),
        ("System Administrator <sa@mx.test>", "Return-Path: <MAILER-DAEMON@mx.test>\n", "mixed"),
        ("no-reply@mx.test", "", "mixed"),
    ] {
        let mail = with_part(from, headers, kind, REFUSED);
        assert_eq!(notices(&mail), one("jane@acme.test", "gone"), "{from} {headers} {kind}");
    }
}

#[test]
fn a_server_of_any_name_returns_a_message_with_the_headers_of_its_way() {
    let mail = words(&format!("{REFUSED}\n{RETURNED}")).replacen(
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.sender.test>",
        "<>",
        1,
    );
    assert!(mail.starts_with("From: <>\n"));
    assert_eq!(notices(&mail), one("jane@acme.test", "gone"));
}

#[test]
fn reports_with_the_marks_of_an_answer_are_read() {
    const MARKS: &str = "In-Reply-To: <1@sender.test>\nReferences: <1@sender.test>\n\
                         Auto-Submitted: auto-replied\n";
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 no such user\n";
    for mail in [
        report("Sorry.", fields),
        report("Sorry.", fields).replacen("MAILER-DAEMON@mx.sender.test", "robot@mx.test", 1),
        words(&format!("{REFUSED}\n{RETURNED}")),
        with_part("robot@mx.test", "", "report; report-type=delivery-status", REFUSED),
    ] {
        let mail = format!("{MARKS}{mail}");
        assert_eq!(notices(&mail), one("jane@acme.test", "gone"), "{mail}");
    }
}

#[test]
fn a_part_tells_more_of_the_message_than_what_the_words_quote() {
    let said = format!("{REFUSED}\n{}", QUOTED.replace("jane@", "somebody@"));
    let mail = with_part("MAILER-DAEMON@mx.test", "", "mixed", &said);
    assert_eq!(notices(&mail), one("jane@acme.test", "gone"));
}

#[test]
fn a_bounce_is_no_older_than_the_message_that_it_returns() {
    let at = |mail: &str| read(Classifier::builtin(), mail.as_bytes()).date.unwrap();
    let mail = words(&format!("{REFUSED}\n{RETURNED}"));
    let slow = mail.replacen("28 Nov 2026 09:00:00", "28 Oct 2026 09:00:00", 1);
    let sent = |mail: &str| {
        mail.replacen("Subject: Hello", "Date: Sat, 28 Nov 2026 08:59:00 +0000\nSubject: Hello", 1)
    };
    let minute = Duration::from_secs(60);
    assert_eq!(at(&sent(&mail)), at(&mail));
    assert_eq!(at(&sent(&slow)), at(&mail) - minute);
    let trace = "Received: from mx.acme.test by mx.sender.test with ESMTP id 4A1B2C;\n\
                 \tSat, 28 Nov 2026 10:01:00 +0100\n";
    assert_eq!(at(&format!("{trace}{}", sent(&slow))), at(&mail) + minute);
    assert_eq!(at(&format!("{trace}{}", sent(&mail))), at(&mail), "a date that may be right");
    let part = sent(&with_part("MAILER-DAEMON@mx.test", "", "mixed", REFUSED).replacen(
        "Subject: Hello",
        "Subject: Returned",
        1,
    ));
    assert_eq!(at(&part), at(&mail) - minute);
}

#[test]
fn a_complaint_that_microsoft_sends_without_a_report_is_one() {
    let mail = |from: &str, fields: &str, to: &str| {
        let returned = RETURNED.replace("jane@acme.test", to);
        format!(
            "From: {from}\nSubject:  complaint about message from 192.0.2.9\n\
             To: abuse@sender.test\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=b1\n\n\
             --b1\nContent-Type: message/rfc822\nContent-Disposition: inline\n\n\
             {fields}{returned}\n--b1--\n"
        )
    };
    let field = "X-HmXmrOriginalRecipient: jane@acme.test\n";
    for (fields, to) in [("", "jane@acme.test"), (field, "jane@acme.test"), (field, "j@b.test")] {
        let mail = mail("staff@hotmail.com", fields, to);
        assert_eq!(notices(&mail), one("jane@acme.test", "complaint"), "{fields} {to}");
    }
    let mail = mail("Joe <joe@acme.test>", field, "jane@acme.test");
    assert_eq!(notices(&mail), one("-", "not_a_bounce"));
}

#[test]
fn each_of_several_bounces_that_somebody_forwards_in_one_mail_is_read() {
    let attached = |address: &str, status: &str, boundary: &str| {
        let fields =
            format!("Final-Recipient: rfc822; {address}\nAction: failed\nStatus: {status}\n");
        let bounce = report("Sorry.", &fields).replace("b1", boundary);
        format!("--f1\nContent-Type: message/rfc822\n\n{bounce}\n")
    };
    let mail = format!(
        "From: Joe <joe@sender.test>\nTo: news@sender.test\nSubject: These came\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=f1\n\n\
         --f1\nContent-Type: text/plain\n\nThese came.\n{}{}--f1--\n",
        attached("jane@acme.test", "5.1.1", "b2"),
        attached("ann@acme.test", "5.2.2", "b3"),
    );
    let expected = [("jane@acme.test", "gone"), ("ann@acme.test", "full")];
    assert_eq!(notices(&mail), expected.map(|(address, kind)| (address.to_owned(), kind)));
}

#[test]
fn a_complaint_behind_a_bounce_in_one_mail_is_not_about_whose_mail_bounced() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n";
    let bounce = report("Sorry.", fields).replace("b1", "b2");
    let complaint = format!(
        "From: staff@fbl.test\nTo: abuse@sender.test\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b3\n\n\
         --b3\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n\
         --b3\nContent-Type: message/rfc822\n\n{}\n--b3--\n",
        RETURNED.replace("jane@acme.test", "ann@acme.test")
    );
    let attached = |mail: &str| format!("--f1\nContent-Type: message/rfc822\n\n{mail}\n");
    let forwarded = |first: &str, second: &str| {
        format!(
            "From: Joe <joe@sender.test>\nTo: news@sender.test\nSubject: These came\n\
             MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=f1\n\n\
             --f1\nContent-Type: text/plain\n\nThese came.\n{}{}--f1--\n",
            attached(first),
            attached(second)
        )
    };
    assert_eq!(notices(&forwarded(&bounce, &complaint)), one("jane@acme.test", "gone"));
    assert_eq!(notices(&forwarded(&complaint, &bounce)), one("ann@acme.test", "complaint"));
}
