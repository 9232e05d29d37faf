//! Whatever a server says, and whenever: the dialogue goes on or ends, and never sends a message.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use mailvet::address::DomainName;
use mailvet::smtp::dialogue::{Dialogue, Step};
use mailvet::smtp::wire::ReplyReader;
use mailvet::smtp::{
    Certificate, Classifier, Config, Hints, Mailbox, ReplyLimits, StartTlsMode, TlsFacts,
    TlsVersion, Transaction,
};

/// Commands that may be sent.
const COMMANDS: [&str; 7] = ["EHLO ", "HELO ", "STARTTLS", "MAIL FROM:", "RCPT TO:", "RSET", "QUIT"];

fn tls() -> TlsFacts {
    let (version, cipher) = (TlsVersion::Tls13, "TLS13_AES_128_GCM_SHA256".to_owned());
    TlsFacts { version, cipher, certificate: Certificate::Verified }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (flags, octets) = input;
    let now = SystemTime::UNIX_EPOCH;
    let starttls = [StartTlsMode::OnDemand, StartTlsMode::Opportunistic];
    let config = Config { starttls: starttls[usize::from(flags & 1)], ..Config::default() };
    let mut dialogue = Dialogue::new(
        DomainName::from_ascii("mx.example.com"),
        Arc::new(config.identity([192, 0, 2, 1].into())),
        Arc::new(config),
        Classifier::builtin().clone(),
        Hints { one_transaction: flags & 2 > 0, ..Hints::default() },
        now + Duration::from_secs(3600),
        now,
    );
    let mailbox = |local| Mailbox::new(local, &DomainName::from_ascii("example.com"), None);
    let recipients = Transaction::new(["a", "b", "c"].into_iter().filter_map(|it| mailbox(it).ok()));
    let mut reader = ReplyReader::new(ReplyLimits::default());
    let mut rest = octets;
    let mut begun = 0;
    loop {
        let mut sent = Vec::new();
        dialogue.take_flight(&mut sent);
        for line in String::from_utf8(sent).unwrap().split_terminator("\r\n") {
            assert!(COMMANDS.iter().any(|command| line.starts_with(command)), "{line:?}");
        }
        match dialogue.step() {
            Step::Ended => break,
            Step::Ready if begun == 3 => dialogue.quit(now),
            Step::Ready => {
                begun += 1;
                dialogue.begin(&recipients, now + Duration::from_secs(60), flags & 4 > 0, now);
            }
            Step::StartTls { .. } => dialogue.handle_tls(tls(), now),
            step @ (Step::Converse { .. } | Step::Listen { .. }) => {
                let reply = loop {
                    match reader.next_reply() {
                        Ok(Some(reply)) => break Some(reply),
                        Err(_) => break None,
                        Ok(None) if rest.is_empty() => break None,
                        Ok(None) => {
                            let space = reader.space();
                            let count = rest.len().min(space.len());
                            space[..count].copy_from_slice(&rest[..count]);
                            rest = &rest[count..];
                            reader.filled(count);
                        }
                    }
                };
                match (reply, step) {
                    (Some(reply), Step::Listen { .. }) => dialogue.handle_unsolicited(reply, now),
                    (Some(reply), _) => dialogue.handle_reply(reply, now),
                    (None, Step::Listen { .. }) => dialogue.handle_silence(now),
                    (None, _) => break,
                }
            }
        }
        let report = dialogue.report();
        assert!(report.answers.len() <= 3);
    }
});
