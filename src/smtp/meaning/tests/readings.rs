//! Claims about the meaning of replies whose words say two things.

use super::{at_rcpt, explain};
use crate::smtp::meaning::Meaning;

#[test]
fn a_server_in_front_that_reached_nobody_has_not_asked_for_the_recipient() {
    let front = "550 5.1.1 <ada@example.org>: Recipient address rejected: undeliverable address: ";
    for reason in [
        "connect to mx.example.org[192.0.2.9]:25: Connection refused",
        "unable to look up host mx.example.org: Name or service not known",
        "conversation with mx.example.org[192.0.2.9] timed out while sending RCPT TO",
        "mail transport unavailable",
        "Cannot start TLS: handshake failure",
    ] {
        assert_eq!(at_rcpt(&format!("{front}{reason}")), Meaning::NetworkOrServerError, "{reason}");
    }
    for reason in [
        "unknown user: \"ada\"",
        "User unknown in virtual mailbox table",
        "host mx.example.org[192.0.2.9] said: 550 No such user (in reply to RCPT TO command)",
    ] {
        assert_eq!(at_rcpt(&format!("{front}{reason}")), Meaning::MailboxNotFound, "{reason}");
    }
}

#[test]
fn a_thing_that_a_mailbox_lacks_is_no_missing_mailbox() {
    for reply in [
        "550 5.7.1 No valid recipient certificate was found, the message cannot be encrypted",
        "550 Recipient's public key unknown",
        "550 5.1.1 User license not found",
        "550 mailbox policy not found",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::AmbiguousPolicy, "{reply}");
    }
    for reply in [
        "550 5.1.1 Unknown user, session closed",
        "550 No such user: key@example.org",
        "550 5.1.1 Recipient filter: unknown recipient",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn an_account_that_may_not_send_or_log_in_is_the_senders() {
    for reply in [
        "550 SMTP access for this account is disabled",
        "550 SmtpClientAuthentication is disabled for the Mailbox",
        "550 Outgoing mail from this account has been suspended",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::AmbiguousPolicy, "{reply}");
    }
    for reply in ["550 authentication failed: no such user", "550 Login failed, user unknown"] {
        assert_eq!(at_rcpt(reply), Meaning::AuthOrTlsRequired, "{reply}");
    }
    for reply in ["550 5.7.1 The sender's account is inactive", "550 sender account has expired"] {
        assert_eq!(at_rcpt(reply), Meaning::SenderBlocked, "{reply}");
    }
    for reply in ["550 This account is disabled", "550 5.2.1 Mailbox disabled"] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    }
}

#[test]
fn a_table_that_could_not_be_read_knows_of_no_missing_mailbox() {
    for reply in [
        "550 5.1.1 User unknown (LDAP server is down)",
        "550 recipient not found: error querying database",
        "550 No such user: SQL query failed",
        "550 5.1.1 User unknown; can't contact LDAP server",
        "550 5.1.1 Address rejected: backend unreachable",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::NetworkOrServerError, "{reply}");
    }
    for reply in [
        "550 5.1.1 User unknown in local directory",
        "550 User not found in LDAP directory",
        "550 No such user in database",
        "550 5.1.1 User not found in LDAP, error 32 (no such object)",
        "550 5.1.1 Recipient not in directory (error 5.1.1)",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn an_unknown_user_who_sends_is_not_the_recipient() {
    for reply in [
        "550 You are not a known user of this system",
        "550 5.7.1 Message from an unknown user is refused",
        "550 Messages from nonexistent users are rejected",
        "554 5.7.1 Envelope sender is an unknown user",
        "550 5.1.1 This address is not valid as a sender",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::SenderBlocked, "{reply}");
    }
    for reply in [
        "550 Mail from bob@example.net to unknown user ada@example.org refused",
        "550 The mailbox that you wrote to is not a valid mailbox",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn what_is_denied_or_one_of_two_reasons_proves_no_missing_mailbox() {
    for reply in [
        "550 This is not a 'user unknown' error, you have been blocked",
        "550 We don't reveal whether a user is unknown",
        "550 The recipient is not unknown",
        "550 5.7.1 Refused for your reputation, not because the user does not exist",
        "550 5.1.1 Unknown user or access denied",
        "550 Mailbox full or does not exist",
        "550 The user does not exist or your IP is blacklisted",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in [
        "550 User unknown or not available",
        "550 User unknown or disabled",
        "550 Mailbox unknown. Either there is no mailbox associated with this name or you do not \
         have authorization to see it. 5.1.1 User unknown",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
}

#[test]
fn attempts_that_a_server_counts_say_nothing_of_this_recipient() {
    for reply in [
        "550 5.7.1 Connection dropped due to invalid recipient attempts",
        "550 Blocked after repeated invalid recipient attempts",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::RateLimited, "{reply}");
    }
}

#[test]
fn a_mailbox_that_takes_no_mail_now_is_not_closed() {
    for reply in [
        "550 The user exists, but cannot receive mail right now",
        "550 5.2.1 The mailbox is not accepting mail today",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::TemporaryFailure, "{reply}");
    }
    for reply in [
        "550 The account is now disabled and does not receive mail",
        "550 5.2.1 The mailbox is not accepting mail",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    }
}

#[test]
fn a_refusal_by_a_gateway_or_a_relay_is_no_relaying_denied() {
    for reply in [
        "550 5.7.1 Message rejected by mail gateway",
        "550 refused by Example Email Gateway",
        "550 5.7.1 Message rejected by our mail relay",
        "550 mail server relay01 refused the message",
        "550 Not accepting messages for now",
        "550 5.7.1 This mailbox can only receive internal mail",
        "550 Only local users may send to this list",
        "550 We do not handle bulk mail",
        "550 relay host not found",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::RelayDenied, "{reply}");
    }
    for reply in [
        "550 Relaying denied by mx.example.org",
        "550 relaying is refused by the gateway",
        "550 Rejected by mx.example.org: relay access denied",
        "550 refused to relay",
        "550 5.7.1 Mail relaying not allowed",
        "550 unauthorized mail relay",
        "550 we do not gateway",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::RelayDenied, "{reply}");
    }
}

#[test]
fn a_limit_of_what_is_sent_is_a_pace_and_no_size() {
    for reply in [
        "450-Requested mail action not taken: mailbox unavailable\n450 Mail send limit exceeded.",
        "450 4.2.121 RESOLVER.RST.RecipientRateLimit",
        "550 RESOLVER.RST.RecipientThreadLimit",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::RateLimited, "{reply}");
    }
}

#[test]
fn who_is_not_yet_authorized_is_greylisted() {
    for reply in [
        "451-192.0.2.7 is not yet authorized to deliver mail from <bob@example.net> to\n\
         451 <ada@example.org>. Please try later.",
        "450 4.7.1 Host not yet whitelisted",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::Greylisted, "{reply}");
    }
}

#[test]
fn an_account_that_is_blocked_from_receiving_is_closed() {
    for reply in [
        "550 5.2.1 User account is inactive or blocked from receiving mail",
        "550 The account was blocked from receiving",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    }
}

#[test]
fn a_client_certificate_is_asked_for_and_blocks_nobody() {
    for reply in [
        "421 4.7.1 Client certificate required",
        "454 4.7.1 client certificate rejected",
        "550 5.7.1 No client certificate was presented",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::AuthOrTlsRequired, "{reply}");
    }
}

#[test]
fn a_reply_of_one_word_names_no_product() {
    let explanation = explain("550 5.7.1 Blocked");
    assert_eq!(explanation.meaning, Meaning::SenderBlocked);
    assert_eq!(&*explanation.rule, "blocked-and-no-more");
}

#[test]
fn a_host_behind_a_server_or_a_thing_of_a_domain_is_not_the_recipients_domain() {
    for reply in [
        "550 Next hop domain not found",
        "550 Backend host not found",
        "550 Domain controller not found",
        "550 5.4.4 Unable to resolve destination host (SERVFAIL)",
        "550 Domain key not found",
        "550 URL domain does not exist",
        "550 The domain example.org does not accept mail at this time",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::DomainNotFound, "{reply}");
    }
    for reply in [
        "550 5.1.2 Domain not found",
        "550 unknown domain",
        "556 5.3.2 The domain example.org does not accept mail",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::DomainNotFound, "{reply}");
    }
}

#[test]
fn what_is_closed_beside_a_mailbox_leaves_it_open() {
    for reply in [
        "550 TLS 1.0 is no longer accepted",
        "550 This protocol is no longer active",
        "550 mailbox server closed",
        "550 User filter removed the message",
        "550 password expired for user",
        "550 user blocked your message",
        "550 this recipient does not accept newsletters",
        "550 mailbox does not accept mail until you confirm",
        "550 Recipient requires confirmation: mail on hold",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    }
    for reply in [
        "550 The address is no longer valid",
        "550 This version 2 mailbox is no longer available",
        "550 Account closed: password expired for user",
        "550 5.2.1 Mailbox disabled, session closed",
        "550 The mailbox is on hold",
        "550 The email account has been closed",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxDisabled, "{reply}");
    }
}

#[test]
fn a_warning_of_a_blacklist_beside_a_missing_mailbox_is_no_listing() {
    for reply in [
        "550 No such user here. Too many of these will get you blacklisted.",
        "550 5.1.1 No such user; your IP may be blacklisted if you continue",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::MailboxNotFound, "{reply}");
    }
    for reply in [
        "550 No such user, you have been blacklisted",
        "550 Your IP will be blacklisted for mailing unknown users",
        "550 User unknown, listed in zen.spamhaus.org",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::SenderBlocked, "{reply}");
    }
}

#[test]
fn a_server_that_delivers_no_mail_for_a_recipient_relays_none() {
    assert_eq!(at_rcpt("550 I cannot deliver mail for {ada@example.org}"), Meaning::RelayDenied);
    for reply in [
        "550 I cannot deliver mail for <ada@example.org>: disk failure",
        "550 We cannot deliver mail right now",
    ] {
        assert_ne!(at_rcpt(reply), Meaning::RelayDenied, "{reply}");
    }
}

#[test]
fn a_recipient_refused_for_a_broken_directory_is_not_greylisted() {
    let reply = "451 #4.7.1 Recipient temporarily rejected, LDAP server unavailable";
    assert_eq!(at_rcpt(reply), Meaning::TemporaryFailure);
    assert_eq!(at_rcpt("450 4.7.1 Recipient temporarily rejected"), Meaning::Greylisted);
}

#[test]
fn a_message_that_expired_on_its_way_is_trouble_and_no_closed_mailbox() {
    for reply in [
        "554 4.4.7 Message expired: unable to deliver in 840 minutes.",
        "550 Message expired in queue for user",
    ] {
        assert_eq!(at_rcpt(reply), Meaning::NetworkOrServerError, "{reply}");
    }
}
