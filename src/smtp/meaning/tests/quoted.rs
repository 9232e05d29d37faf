//! Claims about replies that differ in the recipient that they repeat.

use proptest::prelude::*;

use super::Classifier;
use crate::smtp::Stage;
use crate::smtp::meaning::words::ReplyWords;
use crate::smtp::meaning::{
    Explanation, MAX_EXAMINED, Ourselves, QuotingReply, ReplyView, retry_hint, view,
};

type Recipient<'a> = (&'a str, &'a str);

const US: Ourselves<'_> = Ourselves {
    address: None,
    helo: Some("probe.c.example"),
    sender: Some(("bounces", "c.example")),
};

/// The lines of `text`, `{}` standing for the recipient.
fn lines(text: &str, (local, domain): Recipient<'_>) -> Vec<String> {
    text.replace("{}", &format!("{local}@{domain}")).lines().map(str::to_owned).collect()
}

/// Whether the same text, said of two recipients, is sure to have one explanation.
fn reads_alike(text: &str, one: Recipient<'_>, other: Recipient<'_>) -> bool {
    let (lines, others) = (lines(text, one), lines(text, other));
    let said = QuotingReply { lines: &lines, recipient: one };
    said.reads_like(&QuotingReply { lines: &others, recipient: other }, &US)
}

/// Everything that the rules can see of a text.
fn seen(lines: &[String], code: u16) -> impl PartialEq + std::fmt::Debug + use<> {
    let text = lines.join(" ");
    let compounds = Default::default();
    let words = ReplyWords::from_text(&text, &compounds, US);
    let view = ReplyView {
        code: Some(code),
        enhanced: None,
        text: &text,
        stage: Some(Stage::Rcpt),
        exchanger: Some("mx.example.org"),
        ourselves: US,
    };
    let explanation: Explanation = Classifier::builtin().explain(&view);
    let hint = retry_hint::retry_after(&text);
    (words.joined, words.breaks, words.count, hint, view::find_enhanced(&text), explanation)
}

#[test]
fn what_is_said_of_two_recipients_alike_has_one_explanation() {
    for text in [
        "<{}>: Recipient address rejected: User unknown in virtual mailbox table",
        "No such user. <{}>\nNot here: <{}>.",
        "RCPT TO:<{}> failed, try again in 5 minutes",
        "550-<{}> is unknown",
        "User unknown",
    ] {
        let (one, other) = (("ada", "example.org"), ("Bob.2_b-x+y", "a-b.example.net"));
        assert!(reads_alike(text, one, other), "{text}");
        assert_eq!(seen(&lines(text, one), 550), seen(&lines(text, other), 550), "{text}");
    }
}

#[test]
fn what_is_said_otherwise_or_not_between_brackets_is_explained_anew() {
    let (ada, bob) = (("ada", "example.org"), ("bob", "example.org"));
    for text in ["{} is unknown", "<{} is unknown", "{}> is unknown", "<<{}", "<mailto:{}>"] {
        assert!(!reads_alike(text, ada, bob), "{text}");
    }
    let said = |text: &str| vec![text.to_owned()];
    for (one, other) in [
        ("<ada@example.org>: unknown", "<bob@example.org>: full"),
        ("<ada@example.org>: unknown", "<bob@example.org>: Unknown"),
        ("<ada@example.org>: unknown", "bob@example.org: unknown"),
        ("<ada@example.org>: unknown", "<eve@example.org>: unknown"),
        ("<ada@example.org>: ada unknown", "<bob@example.org>: bob unknown"),
        ("ada@example.org>: unknown", "bob@example.org>: unknown"),
    ] {
        let (one, other) = (said(one), said(other));
        let said = QuotingReply { lines: &one, recipient: ada };
        let other = QuotingReply { lines: &other, recipient: bob };
        assert!(!said.reads_like(&other, &US), "{said:?} {other:?}");
    }
}

#[test]
fn a_recipient_that_means_more_than_an_address_is_explained_anew() {
    let ada = ("ada", "example.org");
    for other in [
        ("bounces", "c.example"),
        ("BOUNCES", "c.example"),
        ("_bounces", "c.example"),
        ("www.ada", "example.org"),
        ("WWW.ada", "example.org"),
        ("\"ada b\"", "example.org"),
        ("in=300s", "example.org"),
        ("5.1.1#ada", "example.org"),
        ("ada!ada", "example.org"),
        ("o'neil", "example.org"),
        ("ünal", "example.org"),
        ("ada", "[192.0.2.1]"),
        ("", "example.org"),
        ("ada", ""),
        ("ada", "example.org."),
    ] {
        assert!(!reads_alike("<{}>: unknown", ada, other), "{other:?}");
        assert!(!reads_alike("<{}>: unknown", other, ada), "{other:?}");
    }
    // So it is for a reason.
    for (text, other) in [
        ("<{}>: unknown", ("bounces", "c.example")),
        ("<{}>: unknown", ("www.ada", "example.org")),
        ("<{}>: unknown", ("ada!ada", "example.org")),
        ("try <{}>: unknown", ("in=300s", "example.org")),
        ("<{}>: unknown", ("5.1.1#ada", "example.org")),
    ] {
        assert_ne!(seen(&lines(text, ada), 450), seen(&lines(text, other), 450), "{other:?}");
    }
}

#[test]
fn what_reaches_beyond_the_limit_with_one_recipient_is_explained_anew() {
    let (one, other) = (("ada", "example.org"), ("ada.lovelace", "example.org"));
    let text = format!("<{{}}>{} unknown", "x".repeat(MAX_EXAMINED - 40));
    assert!(reads_alike(&text, one, other));
    let text = format!("<{{}}>{} unknown", "x".repeat(MAX_EXAMINED - 24));
    assert!(!reads_alike(&text, one, other));
    assert_ne!(seen(&lines(&text, one), 550), seen(&lines(&text, other), 550));
}

/// Pieces of replies, `{}` standing for the recipient.
const PIECES: [&str; 30] = [
    "<{}>",
    "<{}>:",
    "<{}>...",
    "RCPT:<{}>",
    "550-<{}>",
    "5<{}>",
    "www.<{}>",
    "http://x/<{}>",
    "(<{}>)",
    "<{}",
    "{}>",
    "{}",
    "<{}><{}>",
    "in",
    "wait",
    "for",
    "300",
    "seconds",
    "ada",
    "no.",
    "No",
    "User",
    "unknown",
    "5.1.1",
    "550",
    "c.example",
    "<bounces@c.example>",
    "mail box",
    "<",
    ">",
];

fn recipient() -> impl Strategy<Value = (String, &'static str)> {
    let local = prop_oneof![
        4 => "[a-z0-9A-Z][a-z0-9._+-]{0,8}",
        1 => "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,8}",
        1 => "(www\\.|550-|5\\.1\\.1|300s|in|http|bounces|\"a b\"|é){1,2}[a-z]?",
    ];
    (
        local,
        prop::sample::select(vec!["example.org", "c.example", "a-b.example.net", "[192.0.2.1]"]),
    )
}

proptest! {
    #[test]
    fn what_reads_alike_is_seen_alike(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..12),
        gaps in prop::collection::vec(prop::sample::select(vec![" ", " ", " ", "", "\n"]), 12),
        one in recipient(),
        other in recipient(),
        code in prop::sample::select(vec![250_u16, 450, 550]),
    ) {
        let text: String = pieces.iter().zip(&gaps).flat_map(|(piece, gap)| [*piece, *gap]).collect();
        let (one, other) = ((one.0.as_str(), one.1), (other.0.as_str(), other.1));
        if reads_alike(&text, one, other) {
            prop_assert_eq!(seen(&lines(&text, one), code), seen(&lines(&text, other), code));
        }
    }
}
