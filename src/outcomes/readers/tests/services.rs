//! Claims about what a service says beside the words of a server.

use super::*;

#[test]
fn an_answer_that_sparkpost_took_for_a_bounce_is_none() {
    let read = |class: &str| {
        document(&format!(
            r#"{{"msys":{{"message_event":{{"type":"out_of_band","bounce_class":"{class}",
            "rcpt_to":"jane@acme.test","raw_reason":"550 5.1.1 no such user"}}}}}}"#
        ))
    };
    for automatic in ["60", "80", "100"] {
        assert!(read(automatic).is_empty(), "{automatic}");
    }
    assert_eq!(read("90"), one("jane@acme.test", "unsubscribed", "sparkpost"));
    assert_eq!(read("10"), one("jane@acme.test", "gone", "sparkpost"));
}

#[test]
fn what_postmark_says_of_all_hard_bounces_is_no_word_of_a_server() {
    let read = |details: &str| {
        let event = serde_json::json!({ "RecordType": "Bounce", "Type": "HardBounce", "ID": 4,
            "Email": "jane@acme.test", "Details": details,
            "Description": "The server was unable to deliver your message (ex: unknown user, \
                            mailbox not found)." });
        document(&event.to_string())
    };
    assert_eq!(read(""), one("jane@acme.test", "unknown", "postmark"));
    assert_eq!(read("550 5.1.1 no such user"), one("jane@acme.test", "gone", "postmark"));
    assert_eq!(
        read("554 5.7.1 blocked using bl.test"),
        one("jane@acme.test", "blocked", "postmark")
    );
}
