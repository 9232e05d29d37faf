//! Claims about the rules, the phrases and the classifier as a whole.

mod charsets;
mod hostile;
mod missing;
mod phrases;
mod quoted;
mod readings;
mod rules;
mod words;

use super::{Classifier, Explanation, Meaning, Ourselves, ReplyLimit, ReplyView};
use crate::smtp::Stage;

/// The explanation of a line of text by our own rules.
fn explain(text: &str) -> Explanation {
    Classifier::builtin().explain(&ReplyView::from_text(text))
}

/// The meaning of a line of text at `RCPT TO`, by our own rules.
fn at_rcpt(text: &str) -> Meaning {
    Classifier::builtin().explain(&ReplyView::from_text(text).at(Stage::Rcpt)).meaning
}

#[test]
fn names_are_read_back() {
    for meaning in Meaning::ALL {
        assert_eq!(Meaning::from_name(meaning.name()), Some(meaning));
        assert_eq!(meaning.to_string(), meaning.name());
    }
    assert_eq!(Meaning::from_name("Mailbox_Not_Found"), None);
}

#[test]
fn a_lying_code_is_overruled_by_plain_words_about_us() {
    for (text, meaning) in [
        ("550 5.1.1 blocked using zen.spamhaus.org", Meaning::SenderBlocked),
        ("550 5.1.1 you are greylisted", Meaning::Greylisted),
        ("550 5.1.1 rate limit exceeded", Meaning::RateLimited),
        ("550 SPF check failed", Meaning::SenderBlocked),
        ("550 no reverse DNS for your address", Meaning::SenderBlocked),
        ("550 5.1.1 sender rejected", Meaning::SenderBlocked),
    ] {
        assert_eq!(at_rcpt(text), meaning, "{text}");
    }
}

#[test]
fn a_bare_550_throws_no_address_away() {
    assert_eq!(at_rcpt("550"), Meaning::AmbiguousPolicy);
    assert_eq!(at_rcpt("550 5.7.1 Access denied"), Meaning::AmbiguousPolicy);
    assert_eq!(at_rcpt("550 5.1.1"), Meaning::MailboxNotFound);
}

#[test]
fn before_rcpt_a_refusal_is_of_us() {
    let banner = ReplyView::from_text("554 no").at(Stage::Banner);
    assert_eq!(Classifier::builtin().explain(&banner).meaning, Meaning::SenderBlocked);
}

#[test]
fn an_enhanced_status_that_is_given_wins_over_one_in_the_text() {
    let mut view = ReplyView::from_text("550 Sorry (5.7.9)");
    view.enhanced = Some(crate::smtp::EnhancedStatus { class: 5, subject: 1, detail: 1 });
    assert_eq!(Classifier::builtin().explain(&view).meaning, Meaning::MailboxNotFound);
}

#[test]
fn code_and_status_are_found_where_logs_put_them() {
    for (text, code, enhanced) in [
        ("550 5.1.1 gone", Some(550), Some("5.1.1")),
        ("550-5.1.1 gone\n550 5.1.1 for good", Some(550), Some("5.1.1")),
        ("host mx.example.org[192.0.2.1] said: 451 4.7.1 later", Some(451), Some("4.7.1")),
        ("smtp;554 5.7.1 no", Some(554), Some("5.7.1")),
        ("sorry, no mailbox here by that name. (#5.1.1)", None, Some("5.1.1")),
        ("550", Some(550), None),
        ("the quota is 500 MB", None, None),
        ("421 deferred - 4.16.50. See 192.0.2.1", Some(421), None),
        ("", None, None),
    ] {
        let view = ReplyView::from_text(text);
        assert_eq!(view.code, code, "{text}");
        assert_eq!(view.enhanced.map(|status| status.to_string()).as_deref(), enhanced, "{text}");
    }
}

#[test]
fn too_many_recipients_is_one_meaning_with_one_limit() {
    for text in [
        "452 4.5.3 Error: too many recipients",
        "452 Too many recipients received",
        "451 too many rcpt",
        "552 Too many recipients in this session",
        "452 4.5.3 max of 100 recipients reached",
        "550 5.5.3 Hm",
    ] {
        let found = Classifier::builtin().explain(&ReplyView::from_text(text).at(Stage::Rcpt));
        assert_eq!(found.limit, Some(ReplyLimit::Recipients), "{text}: {found:?}");
        assert_eq!(found.meaning, Meaning::RateLimited, "{text}");
    }
    for text in [
        "450 4.7.1 Error: too many recipients from 192.0.2.7",
        "452 Too many recipients received this hour",
        "452 4.2.2 Mailbox full",
        "550 5.5.3 Too many invalid recipients",
        "250 2.1.5 Ok",
    ] {
        let found = Classifier::builtin().explain(&ReplyView::from_text(text).at(Stage::Rcpt));
        assert_eq!(found.limit, None, "{text}: {found:?}");
    }
}

#[test]
fn a_mailbox_that_is_sent_too_much_is_no_limit_of_ours() {
    let limit = |text: &str| {
        let found = Classifier::builtin().explain(&ReplyView::from_text(text).at(Stage::Rcpt));
        assert_eq!(found.meaning, Meaning::RateLimited, "{text}: {found:?}");
        found.limit
    };
    let google = "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n\
        450-4.2.1 prevents additional messages from being delivered. Please resend your\n\
        450-4.2.1 message at a later time. If the user is able to receive mail at that\n\
        450-4.2.1 time, your message will be delivered. For more information, go to\n\
        450 4.2.1 https://support.google.com/mail/?p=ReceivingRate a1-2b.34 - gsmtp";
    for text in [
        google,
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
        "450 4.2.1 Too many messages for this recipient",
    ] {
        assert_eq!(limit(text), Some(ReplyLimit::Mailbox), "{text}");
    }
    for text in [
        "450 4.7.1 Recipient address throttled",
        "450 4.7.1 Slow down",
        "450 4.7.1 Too many messages from 192.0.2.7",
        "550 5.4.5 Daily user sending limit exceeded",
    ] {
        assert_eq!(limit(text), None, "{text}");
    }
}

#[test]
fn a_refusal_carries_the_waiting_time_that_it_names() {
    let wait = |text| explain(text).retry_after.map(|wait| wait.as_secs());
    assert_eq!(wait("450 4.2.0 Greylisted, please try again in 300 seconds"), Some(300));
    assert_eq!(wait("450 4.2.0 Greylisted"), None);
    assert_eq!(wait("250 2.1.5 Ok, queued in 3 seconds"), None);
}

/// The meaning of a line of text at `RCPT TO`, said to these names and addresses of ours.
fn said_to_us(text: &str) -> Meaning {
    let ourselves = Ourselves {
        address: Some([192, 0, 2, 7].into()),
        helo: Some("probe.c.example"),
        sender: Some(("bounces", "c.example")),
    };
    let view = ReplyView::from_text(text).at(Stage::Rcpt).to(ourselves);
    Classifier::builtin().explain(&view).meaning
}

#[test]
fn a_reply_that_names_us_is_about_us() {
    for text in [
        "550 no MX record for domain c.example",
        "550 5.1.2 C.Example: domain not found",
        "550 5.1.1 <bounces@c.example>: user unknown",
        "550 <Bounces@C.EXAMPLE> mailbox does not exist",
        "550 probe.c.example does not exist",
        "550 5.1.1 [192.0.2.7] not found",
        "550 host probe.c.example[192.0.2.7]: unknown",
        "550 5.4.4 c.example is unroutable",
        "550 5.1.1 c.example existiert nicht",
        "550 5.1.2 192.0.2.7 不存在",
    ] {
        assert_eq!(said_to_us(text), Meaning::SenderBlocked, "{text}");
    }
}

#[test]
fn a_reply_that_names_somebody_else_is_not_about_us() {
    for (text, meaning) in [
        ("550 no MX record for domain d.example", Meaning::DomainNotFound),
        ("550 5.1.1 <ada@c.example>: user unknown", Meaning::MailboxNotFound),
        ("550 5.1.1 192.0.2.7: No such user: <ada@d.example>", Meaning::MailboxNotFound),
        ("550 there is no such user at c.example", Meaning::MailboxNotFound),
        ("550 5.7.1 Relaying denied for c.example", Meaning::RelayDenied),
        ("530 5.7.0 probe.c.example must issue STARTTLS first", Meaning::AuthOrTlsRequired),
        ("250 2.1.5 probe.c.example, recipient ok", Meaning::Accepted),
    ] {
        assert_eq!(said_to_us(text), meaning, "{text}");
    }
}

#[test]
fn debug_redacts_the_recipient() {
    let view = ReplyView::from_text("550 5.1.1 <ada.lovelace@example.org>: User unknown");
    assert!(!format!("{view:?}").contains("lovelace"), "{view:?}");
}
