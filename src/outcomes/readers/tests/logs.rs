//! Claims about the logs of mail servers.

use super::*;

#[test]
fn postfix_logs_are_read() {
    let log = "\
Nov 28 09:00:00 mx postfix/qmgr[1]: 4A: from=<news@sender.test>, size=1, nrcpt=1 (queue active)
Nov 28 09:00:01 mx postfix/smtp[2]: 4A: to=<jane@acme.test>, relay=mx.acme.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.acme.test[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))
Nov 28 09:00:02 mx postfix/smtp[2]: 4B: to=<joe@acme.test>, relay=mx.acme.test[192.0.2.1]:25, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 28 09:00:03 mx postfix/smtp[2]: 4C: to=<ann@acme.test>, relay=none, dsn=4.4.1, status=deferred (connect to mx: Connection timed out)
Nov 28 09:00:04 mx postfix/smtp[2]: 4D: to=<j@elsewhere.test>, orig_to=<bob@acme.test>, relay=mx[192.0.2.1]:25, dsn=5.7.1, status=bounced (host mx said: 554 5.7.1 blocked using bl.example)
";
    let expected = [
        ("jane@acme.test", "gone"),
        ("joe@acme.test", "delivered"),
        ("ann@acme.test", "temporary"),
        ("bob@acme.test", "blocked"),
    ]
    .map(|(address, kind)| (address.to_owned(), kind));
    assert_eq!(lines(log), expected);
}

#[test]
fn words_of_postfix_keep_the_brackets_that_are_theirs() {
    let line = "Nov 28 09:00:01 mx postfix/smtp[2]: 4A: to=<jane@acme.test>, dsn=5.1.1, \
                status=bounced (host mx said: 550 5.1.1 no (in reply to RCPT TO command))";
    let read = postfix::PostfixLog.read_line(Classifier::builtin(), line, now());
    assert!(events(read)[0].words.ends_with("no (in reply to RCPT TO command)"));
}

#[test]
fn exim_logs_are_read() {
    let log = "\
2026-11-28 09:00:00 1P1ceB-000FL1-4q <= news@sender.test U=mail P=local S=1000
2026-11-28 09:00:01 1P1ceB-000FL1-4q => jane@acme.test R=dnslookup T=remote_smtp H=mx.acme.test [192.0.2.1] C=\"250 Ok\"
2026-11-28 09:00:02 1P1ceB-000FL1-4q ** joe@acme.test R=dnslookup T=remote_smtp H=mx.acme.test [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<joe@acme.test>: 550 5.1.1 user unknown
2026-11-28 09:00:03 +0000 1P1ceB-000FL1-4q == ann@acme.test R=dnslookup T=remote_smtp defer (110): Connection timed out
2026-11-28 09:00:04 1P1ceB-000FL1-4q Completed
";
    let expected = [
        ("jane@acme.test", "delivered"),
        ("joe@acme.test", "gone"),
        ("ann@acme.test", "temporary"),
    ]
    .map(|(address, kind)| (address.to_owned(), kind));
    assert_eq!(lines(log), expected);
}

#[test]
fn the_offset_and_the_process_before_the_name_of_a_message_are_passed_over() {
    let of_joe = "1P1ceB-000FL1-4q => joe@acme.test R=dnslookup T=remote_smtp H=mx.acme.test";
    for before in ["", "+0000 ", "[1234] ", "+0000 [1234] "] {
        let line = format!("2026-11-28 09:00:01 {before}{of_joe}");
        assert_eq!(lines(&line), [("joe@acme.test".to_owned(), "delivered")], "{line}");
    }
}

#[test]
fn what_is_handed_to_a_filter_of_the_same_host_has_not_arrived() {
    let sent = |relay: &str| {
        lines(&format!(
            "Nov 28 09:00:02 mx postfix/smtp[2]: 4B: to=<joe@acme.test>, relay={relay}, delay=1, \
             dsn=2.0.0, status=sent (250 2.0.0 Ok)"
        ))
    };
    for relay in [
        "127.0.0.1[127.0.0.1]:10024",
        "localhost[127.0.0.1]:10024",
        "localhost[::1]:10024",
        "spamassassin",
        "mx.sender.test[private/dovecot-lmtp]",
    ] {
        assert!(sent(relay).is_empty(), "{relay}");
    }
    for relay in ["mx.acme.test[192.0.2.1]:25", "mx.acme.test[2001:db8::1]:25"] {
        assert_eq!(sent(relay), [("joe@acme.test".to_owned(), "delivered")], "{relay}");
    }
}

#[test]
fn the_address_that_was_tried_is_told_where_mail_was_forwarded() {
    for line in [
        "Nov 28 09:00:04 mx postfix/smtp[2]: 4D: to=<jd@elsewhere.test>, orig_to=<jane@acme.test>, \
         relay=mx[192.0.2.1]:25, dsn=5.1.1, status=bounced (host mx said: 550 User jd unknown)",
        "2026-11-28 09:00:02 1P1ceB-000FL1-4q ** jd@elsewhere.test <jane@acme.test> R=d T=r: 550 no",
    ] {
        let read = log_reader(line).unwrap().read_line(Classifier::builtin(), line, now());
        let [event] = &events(read)[..] else { panic!("{line}") };
        let told = (event.address.as_str(), event.tried.as_deref());
        assert_eq!(told, ("jane@acme.test", Some("jd@elsewhere.test")), "{line}");
    }
}

#[test]
fn a_probe_of_postfix_delivers_nothing_and_is_understood() {
    let line = "Nov 28 09:00:02 mx postfix/smtp[2]: 4B: to=<joe@acme.test>, relay=mx[192.0.2.1]:25, \
                dsn=2.1.5, status=deliverable (250 2.1.5 Ok)";
    let read = postfix::PostfixLog.read_line(Classifier::builtin(), line, now());
    assert_eq!(read, ReadItem::Events(Vec::new()));
}

#[test]
fn the_log_of_postfix_is_read_as_the_syslog_of_solaris_writes_it() {
    let line = "Nov 28 09:00:02 mx postfix/smtp[2]: [ID 197553 mail.info] 4B: to=<joe@acme.test>, \
                relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 2.0.0 Ok)";
    assert_eq!(lines(line), [("joe@acme.test".to_owned(), "delivered")]);
    let forged = line.replace("4B: ", "4B: info: header Subject: 4B: ");
    assert!(lines(&forged).is_empty());
}

#[test]
fn exim_is_read_behind_its_name_in_the_log_of_syslog() {
    let own = "2026-11-28 09:00:02 1P1ceB-000FL1-4q ** joe@acme.test R=dnslookup T=remote_smtp: \
               SMTP error from remote mail server after RCPT TO:<joe@acme.test>: 550 5.1.1 no";
    let read = |line: &str| {
        events(log_reader(line).unwrap().read_line(Classifier::builtin(), line, now()))
    };
    for before in [
        "Nov 28 09:00:02 mx exim[7]: ",
        "Nov  8 09:00:02 mx exim[7]: ",
        "2026-11-28 09:00:02 mx exim[7]: ",
        "2026-11-28T09:00:02+00:00 mx exim4[7]: ",
    ] {
        assert_eq!(read(&format!("{before}{own}")), read(own), "the same event: {before}");
    }
    assert!(log_reader("Nov 28 09:00:02 mx sshd[7]: 2026-11-28 09:00:02 it is late").is_none());
    let subject = format!("2026-11-28 09:00:02 1P1ceB-000FL1-4r <= a@b.test T=\"exim[7]: {own}\"");
    assert!(read(&subject).is_empty(), "a stranger wrote it");
    let line = format!("Nov 28 09:00:02 mx sshd[7]: Invalid user exim[7]: {own}");
    assert!(log_reader(&line).is_none());
}

#[test]
fn what_strangers_write_into_the_log_of_postfix_is_no_delivery() {
    let forged = "to=<jane@acme.test>, dsn=5.1.1, status=bounced (550 5.1.1 no such user)";
    let sent = "relay=mx[192.0.2.1]:25, dsn=2.0.0, status=sent (250 2.0.0 Ok)";
    for line in [
        format!("mx postfix/cleanup[1]: 4A: info: header Subject: Hi {forged} from mx[192.0.2.9]"),
        format!("mx postfix/cleanup[1]: 4A: info: header Subject: 4B: {forged} from mx[192.0.2.9]"),
        format!(
            "mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.9]: 550 <\"x {forged}\"@b.test>"
        ),
        format!("mx sshd[1]: Invalid user postfix/smtp[1]: 4A: {forged} from 192.0.2.9 port 22"),
    ] {
        let read = postfix::PostfixLog.read_line(
            Classifier::builtin(),
            &format!("Nov 28 09:00:02 {line}"),
            now(),
        );
        assert_eq!(read, ReadItem::Events(Vec::new()), "{line}");
    }
    for local in
        ["x orig_to=<jane@acme.test>, ", "x>, orig_to=<jane@acme.test>, status=bounced (no)"]
    {
        let to = format!("\"{local}\"@b.test");
        let line = format!("Nov 28 09:00:02 mx postfix/smtp[2]: 4B: to=<{to}>, {sent}");
        assert_eq!(lines(&line), [(to, "delivered")]);
    }
}

#[test]
fn an_address_in_quotes_is_one_word_of_the_log_of_exim() {
    let failed = "R=relay T=remote_smtp H=mx.b.test [192.0.2.1]: 550 5.1.1 no such user";
    for quoted in ["\"x <jane@acme.test> \"@b.test", "\"x\\\" <jane@acme.test> \"@b.test"] {
        let line = format!("2026-11-28 09:00:02 1P1ceB-000FL1-4q ** {quoted} {failed}");
        assert_eq!(lines(&line), [(quoted.to_owned(), "gone")]);
        let line = format!("2026-11-28 09:00:02 1P1ceB-000FL1-4q ** j@c.test <{quoted}> {failed}");
        assert_eq!(lines(&line), [(quoted.to_owned(), "gone")]);
    }
}
