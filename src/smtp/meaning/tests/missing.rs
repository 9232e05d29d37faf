//! Claims about missing mailboxes beside other words: what is missing, and whose the words are.

use super::at_rcpt;
use crate::smtp::meaning::Meaning;

#[test]
fn mail_before_an_unknown_user_is_not_from_him() {
    for reply in [
        "550 5.1.1 Rejected mail: unknown user",
        "550 Email unknown address rejected",
        "550 5.1.1 Message refused, unknown user bob",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in
        ["550 5.7.1 Message from unknown user refused", "550 Refused: mail from an unknown account"]
    {
        assert_eq!(at_rcpt(reply), Meaning::SenderBlocked, "{reply}");
    }
}
