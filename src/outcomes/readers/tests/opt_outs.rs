//! Claims about who wants no mail, as the services tell it.

use super::*;

#[test]
fn who_wants_no_mail_is_known_though_the_time_of_that_cannot_be_read() {
    for (event, kind, source) in [
        (
            r#"{"email":"jane@acme.test","event":"spamreport","sg_event_id":"2","timestamp":"soon"}"#,
            "complaint",
            "sendgrid",
        ),
        (
            r#"{"signature":{},"event-data":{"event":"unsubscribed","recipient":"jane@acme.test","timestamp":-1}}"#,
            "unsubscribed",
            "mailgun",
        ),
        (
            r#"{"event":"spam","email":"jane@acme.test","message-id":"1","ts_event":true}"#,
            "complaint",
            "brevo",
        ),
        (
            r#"{"event":"unsub","email":"jane@acme.test","MessageID":7,"time":{}}"#,
            "unsubscribed",
            "mailjet",
        ),
        (
            r#"{"RecordType":"SpamComplaint","Email":"jane@acme.test","BouncedAt":"soon"}"#,
            "complaint",
            "postmark",
        ),
        (
            r#"{"type":"email.complained","created_at":"soon","data":{"to":["jane@acme.test"]}}"#,
            "complaint",
            "resend",
        ),
        (
            r#"{"eventType":"Complaint","mail":{"messageId":"m"},"complaint":{"timestamp":"soon","complainedRecipients":[{"emailAddress":"jane@acme.test"}]}}"#,
            "complaint",
            "ses",
        ),
        (
            r#"{"msys":{"unsubscribe_event":{"type":"list_unsubscribe","rcpt_to":"jane@acme.test","timestamp":"soon"}}}"#,
            "unsubscribed",
            "sparkpost",
        ),
        (
            r#"{"type":"Feedback","timestamp":"soon","feedback_report":{"feedback_type":"abuse","original_rcpt_to":["<jane@acme.test>"]}}"#,
            "complaint",
            "kumomta",
        ),
    ] {
        assert_eq!(document(event), one("jane@acme.test", kind, source), "{event}");
    }
    let two = r#"{"msys":{"a":{"type":"delivery","rcpt_to":"bob@acme.test","timestamp":"soon"},"b":{"type":"spam_complaint","rcpt_to":"jane@acme.test","timestamp":1795867200}}}"#;
    assert_eq!(document(two), one("jane@acme.test", "complaint", "sparkpost"));
}

#[test]
fn who_leaves_a_campaign_of_brevo_wants_no_mail() {
    for (event, kind) in [
        ("unsubscribe", "unsubscribed"),
        ("spam", "complaint"),
        ("hard_bounce", "gone"),
        ("delivered", "delivered"),
    ] {
        let event = serde_json::json!({ "event": event, "email": "jane@acme.test", "camp_id": 4,
            "ts_event": 1_795_867_200, "reason": "550 5.1.1 no such user" });
        assert_eq!(document(&event.to_string()), one("jane@acme.test", kind, "brevo"));
    }
    let name = |time: u64| {
        let event = serde_json::json!({ "event": "delivered", "email": "jane@acme.test",
            "camp_id": 4, "ts_event": time });
        let mut read = read_document(Classifier::builtin(), &event);
        events(read.remove(0))[0].event_id.clone().unwrap()
    };
    assert_eq!(name(1_795_867_200), name(1_795_867_200));
    assert_ne!(name(1_795_867_200), name(1_795_867_201), "the next mail of the campaign");
}

#[test]
fn who_ends_all_subscriptions_at_amazon_ses_wants_no_mail() {
    let left = |ends_all: bool, to: &[&str]| {
        let event = serde_json::json!({ "eventType": "Subscription",
            "mail": { "messageId": "m-1", "destination": to },
            "subscription": { "timestamp": "2026-11-28T09:00:00.000Z", "source": "UnsubscribeHeader",
                "newTopicPreferences": { "unsubscribeAll": ends_all } } });
        document(&event.to_string())
    };
    let jane = "jane@acme.test";
    assert_eq!(left(true, &[jane]), one(jane, "unsubscribed", "ses"));
    assert!(left(false, &[jane]).is_empty(), "another topic is still wanted");
    assert!(left(true, &[jane, "joe@acme.test"]).is_empty(), "nobody says who it was");
}

#[test]
fn a_contact_of_resend_who_unsubscribed_wants_no_mail() {
    let read = |named: &str, is_unsubscribed: bool| {
        let event = serde_json::json!({ "type": named, "created_at": "2026-11-28T09:00:00.000Z",
            "data": { "id": "c-1", "email": "jane@acme.test", "unsubscribed": is_unsubscribed } });
        document(&event.to_string())
    };
    assert_eq!(read("contact.updated", true), one("jane@acme.test", "unsubscribed", "resend"));
    for passed_over in [read("contact.updated", false), read("domain.updated", true)] {
        assert!(passed_over.is_empty());
    }
}
