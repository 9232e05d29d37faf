//! A dialogue and the server's side of it, said by hand.

mod early;
mod explained;
mod flights;
mod opening;
mod transactions;
mod trust;

use std::time::Duration;

use super::*;
use crate::smtp::{Mailbox, Meaning, ReplyLimit, Sender, StartTlsMode};

/// Goes by the code, as far as these tests need it.
struct ByCode;

impl Interpret for ByCode {
    fn explain(&self, _: Stage, _: &DomainName, _: &ClientIdentity, reply: &Reply) -> Explanation {
        let meaning = match reply.code {
            200..=299 => Meaning::Accepted,
            530 => Meaning::AuthOrTlsRequired,
            550 => Meaning::MailboxNotFound,
            400..=499 => Meaning::TemporaryFailure,
            _ => Meaning::Unknown,
        };
        let limit = (reply.code == 452).then_some(ReplyLimit::Recipients);
        Explanation { limit, ..Explanation::new(meaning, "by code") }
    }
}

/// A dialogue and the server's side of it, said by hand.
struct Talk {
    dialogue: Dialogue,
    now: SystemTime,
}

fn recipient(text: &str) -> Mailbox {
    let (local, domain) = text.split_once('@').unwrap();
    Mailbox::new(local, &DomainName::from_ascii(domain), None).unwrap()
}

fn said(text: &str) -> Arc<Reply> {
    Arc::new(Reply::parse_text(text).unwrap())
}

fn recipients(texts: &[&str]) -> Transaction {
    Transaction::new(texts.iter().map(|text| recipient(text)))
}

const THREE: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];
const PIPELINED: &str = "250-mx\n250-PIPELINING\n250 STARTTLS";
const FLIGHT: &str =
    "MAIL FROM:<>|RCPT TO:<a@example.com>|RCPT TO:<b@example.com>|RCPT TO:<c@example.com>|RSET|";

impl Talk {
    fn with(config: Config, hints: Hints) -> Self {
        Self::interpreted(config, hints, Arc::new(ByCode))
    }

    fn interpreted(config: Config, hints: Hints, interpreter: Arc<dyn Interpret>) -> Self {
        let now = SystemTime::UNIX_EPOCH;
        let identity = config.identity([192, 0, 2, 1].into());
        let dialogue = Dialogue::new(
            DomainName::from_ascii("mx.example.com"),
            Arc::new(identity),
            Arc::new(config),
            interpreter,
            hints,
            now + Duration::from_secs(3600),
            now,
        );
        Self { dialogue, now }
    }

    fn new() -> Self {
        Self::with(Config::default(), Hints::default())
    }

    /// Ready, with what this EHLO reply offers.
    fn ready(ehlo: &str) -> Self {
        let mut talk = Self::new();
        talk.says(&["220 mx", ehlo]);
        talk.sent();
        assert_eq!(talk.dialogue.step(), Step::Ready);
        talk
    }

    /// The server says these replies, one a second, and then nothing for now.
    fn says(&mut self, replies: &[&str]) -> &mut Self {
        for text in replies {
            self.now += Duration::from_secs(1);
            self.dialogue.handle_reply(said(text), self.now);
        }
        self.dialogue.handle_silence(self.now);
        self
    }

    /// What was sent since, line endings as bars.
    fn sent(&mut self) -> String {
        let mut out = Vec::new();
        self.dialogue.take_flight(&mut out);
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    fn begin(&mut self, transaction: &Transaction) -> &mut Self {
        let deadline = self.now + Duration::from_secs(3600);
        self.dialogue.begin(transaction, deadline, true, self.now);
        self
    }

    fn tls(&mut self) {
        assert!(matches!(self.dialogue.step(), Step::StartTls { .. }));
        let facts = TlsFacts {
            version: TlsVersion::Tls13,
            cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
            certificate: Certificate::Verified,
        };
        self.dialogue.handle_tls(facts, self.now);
    }

    fn ended_with(&self) -> (Stage, String) {
        match self.dialogue.ended().expect("the session is over") {
            RecipientAnswer::Replied { stage, reply, .. } => (*stage, reply.code.to_string()),
            RecipientAnswer::NoReply { stage, reason } => (*stage, format!("{reason:?}")),
        }
    }
}

/// Index, stage and code of each answer.
fn answers(report: &TransactionReport) -> Vec<(usize, Stage, u16)> {
    let code = |answer: &RecipientAnswer| match answer {
        RecipientAnswer::Replied { stage, reply, .. } => (*stage, reply.code),
        RecipientAnswer::NoReply { stage, .. } => (*stage, 0),
    };
    let answered =
        |(i, a): (usize, &Option<RecipientAnswer>)| a.as_ref().map(|a| (i, code(a).0, code(a).1));
    report.answers.iter().enumerate().filter_map(answered).collect()
}
