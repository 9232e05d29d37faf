//! One mail is bounded work, whatever it holds.

use super::*;

/// That many addresses, each with this before and behind it.
fn many(count: usize, before: &str, behind: &str) -> String {
    (0..count).map(|number| format!("{before}user{number}@acme.test{behind}")).collect()
}

#[test]
fn failed_recipients_are_bounded_and_none_is_named_twice() {
    let header = format!("X-Failed-Recipients: {}\nSubject:", many(3000, "", ",\n "));
    let mail = words("550 5.1.1 user unknown\n").replacen("Subject:", &header, 1);
    assert_eq!(notices(&mail).len(), MAX_RECIPIENTS);
    let header = "X-Failed-Recipients: jane@acme.test, Jane@Acme.test\nSubject:";
    let mail = words("550 5.1.1 user unknown\n").replacen("Subject:", header, 1);
    assert_eq!(notices(&mail), one("jane@acme.test", "gone"));
}

#[test]
fn complaints_name_a_bounded_number_of_recipients() {
    let fields = many(3000, "Original-Rcpt-To: <", ">\n");
    assert_eq!(notices(&complaint("abuse", &fields, RETURNED)).len(), MAX_RECIPIENTS);
    let fields = "Original-Rcpt-To: <jane@acme.test>\n".repeat(2);
    assert_eq!(notices(&complaint("abuse", &fields, RETURNED)), one("jane@acme.test", "complaint"));
}

#[test]
fn a_report_counts_however_many_parts_the_message_has_that_came_back() {
    let fields = "Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
                  Diagnostic-Code: smtp; 550 5.1.1 no such user\n";
    for parts in [10, MAX_PARTS, 20 * MAX_PARTS] {
        let digest = "--d\nContent-Type: text/plain\n\nHello.\n".repeat(parts);
        let mail = report("Sorry.", fields).replacen("\n\nHello.\n", &format!("\n\n{digest}"), 1);
        assert_eq!(notices(&mail), one("jane@acme.test", "gone"), "{parts}");
    }
}

#[test]
fn a_name_longer_than_a_line_is_no_name_of_a_mail() {
    let named = |id: &str| {
        let mail = format!("Message-ID: <{id}@sender.test>\n{}", words("550 no\n"));
        read(Classifier::builtin(), mail.as_bytes()).message_id
    };
    assert_eq!(named("1").as_deref(), Some("1@sender.test"));
    assert_eq!(named(&"1".repeat(2000)), None);
}

#[test]
fn the_words_of_a_complaint_are_cut() {
    let mail = complaint(&"x ".repeat(5000), "Original-Rcpt-To: <jane@acme.test>\n", RETURNED);
    let read = read(Classifier::builtin(), mail.as_bytes());
    assert!(read.notices[0].words.len() <= meaning::MAX_WORDS);
}
