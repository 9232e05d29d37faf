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
