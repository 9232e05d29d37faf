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

#[test]
fn a_name_behind_an_unknown_user_is_no_thing_of_his() {
    for reply in [
        "550 unknown user: manager",
        "550 5.1.1 No such user manager",
        "550 5.1.1 Recipient policy: unknown recipient bob@example.org",
        "550 5.1.1 user filter: unknown user bob",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in ["550 5.7.1 unknown recipient certificate", "550 No such user certificate"] {
        assert_eq!(at_rcpt(reply), Meaning::AmbiguousPolicy, "{reply}");
    }
}

#[test]
fn advice_to_check_whether_a_recipient_is_right_denies_nothing() {
    for reply in [
        "550 User not found, please check whether the recipient is correct",
        "550 5.1.1 <ada@example.org> not found, check whether the user is spelled correctly",
        "550 The address does not exist, please verify whether or not the recipient is right",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in [
        "550 We don't reveal whether a recipient exists",
        "550 This server refuses to say whether the user is unknown",
        "550 It is our policy not to disclose whether or not a user exists",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::AmbiguousPolicy, "{reply}");
    }
}

#[test]
fn a_search_that_failed_for_want_of_the_user_found_none() {
    for reply in [
        "550 5.1.1 LDAP search failed: no such user",
        "550 Directory error: user not found",
        "550 5.1.1 recipient unknown (ldap query failed to find an entry)",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in [
        "550 5.1.1 LDAP bind failed: unknown user",
        "550 MySQL error: unknown user",
        "550 5.1.1 User unknown: LDAP query failed",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::NetworkOrServerError, "{reply}");
    }
}

#[test]
fn a_host_that_may_not_be_used_as_a_relay_is_a_denied_relay() {
    for reply in [
        "550 5.7.1 Rejected: you may not use this host as a relay",
        "550 5.7.1 REJECT: unauthenticated relay",
        "550 prohibited to use as relay",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::RelayDenied, "{reply}");
    }
    let reply = "550 5.7.1 blocked, your host is being used as a relay for spam";
    assert_ne!(at_rcpt(reply), Meaning::RelayDenied, "{reply}");
}

#[test]
fn a_block_of_ours_beside_a_warning_is_a_block() {
    for reply in [
        "550 5.7.1 192.0.2.7 blocked; mail for unknown user may get you on a blacklist",
        "550 5.7.1 Your host tried an unknown user and will be blacklisted",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::SenderBlocked, "{reply}");
    }
    for reply in [
        "550 5.1.1 Recipient unknown. Repeated attempts will get your IP blacklisted",
        "550 5.1.1 unknown user, continuing may lead to blacklisting of 192.0.2.7",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn to_read_on_in_portuguese_is_not_to_find_in_estonian() {
    let reply = "550 5.1.1 Kasutajat ei leia";
    assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    for reply in [
        "550 O usuario nao aceita esta mensagem, leia https://example.com/ajuda",
        "550 Conta nao aceita anexos, leia https://example.com/ajuda",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn a_server_behind_that_knows_no_such_user_was_reached() {
    for reply in [
        "550 5.1.1 Recipient address rejected: undeliverable address: unknown user: \"tls\"",
        "550 5.1.1 Recipient address verification failed: upstream server unknown user",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in ["550 5.4.4 next hop mx.example.org not found", "550 Relay host unknown"] {
        assert_eq!(at_rcpt(reply), Meaning::NetworkOrServerError, "{reply}");
    }
}

#[test]
fn a_recipient_who_is_missing_or_may_not_receive_is_gone() {
    for reply in [
        "550 5.1.1 User unknown or not permitted",
        "550 5.1.1 user not found or not allowed to receive mail",
        "550 Recipient unknown or not authorized to receive mail",
        "553 5.1.1 mailbox name does not exist or is not allowed",
        "550 5.1.1 no such user or account is blocked",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in [
        "550 5.7.1 Recipient unknown or not permitted",
        "550 User unknown or sender not allowed",
        "550 Recipient not found or not allowed to send to recipient",
        "550 Unknown user or not authorized",
        "550 no such user or your host is blocked",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::AmbiguousPolicy, "{reply}");
    }
}

#[test]
fn a_mailbox_on_hold_whose_messages_are_held_is_on_hold() {
    let reply = "550 5.2.1 This user's mailbox is on hold, messages are held";
    assert_eq!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    let reply = "550 Recipient requires confirmation: mail on hold";
    assert_ne!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
}

#[test]
fn who_is_blocked_for_sending_to_missing_users_is_told_of_no_missing_one() {
    for reply in [
        "550 5.7.1 blocked for sending to non-existent users",
        "550 Rejected for mailing to unknown recipients",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn a_certificate_that_is_not_required_is_not_asked_for() {
    let reply = "550 5.1.1 User unknown; client certificate not required";
    assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
}
