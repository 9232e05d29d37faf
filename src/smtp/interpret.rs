//! The reply rules as the dialogue's interpreter.

use std::borrow::Cow;

use super::meaning::QuotingReply;
use super::{
    Classifier, ClientIdentity, Explanation, Interpret, Mailbox, Ourselves, Reply, ReplyView,
    Sender, Stage,
};
use crate::address::DomainName;

impl Interpret for Classifier {
    fn explain(
        &self,
        stage: Stage,
        exchanger: &DomainName,
        us: &ClientIdentity,
        reply: &Reply,
    ) -> Explanation {
        Classifier::explain(
            self,
            &ReplyView {
                code: Some(reply.code),
                enhanced: reply.enhanced,
                text: &words(reply),
                stage: Some(stage),
                exchanger: Some(exchanger.as_str()),
                ourselves: ourselves(us),
            },
        )
    }

    fn explains_alike(
        &self,
        us: &ClientIdentity,
        one: (&Reply, &Mailbox),
        other: (&Reply, &Mailbox),
    ) -> bool {
        (one.0.code, one.0.enhanced) == (other.0.code, other.0.enhanced)
            && quoting(one).reads_like(&quoting(other), &ourselves(us))
    }
}

/// The words of a reply to `RCPT`, and the recipient.
fn quoting<'a>((reply, recipient): (&'a Reply, &'a Mailbox)) -> QuotingReply<'a> {
    let recipient = (recipient.local(), recipient.domain().as_str());
    QuotingReply { lines: &reply.lines, recipient }
}

/// The words of a reply, which most often are one line.
fn words(reply: &Reply) -> Cow<'_, str> {
    match reply.lines.as_slice() {
        [line] => Cow::Borrowed(line),
        _ => Cow::Owned(reply.text()),
    }
}

/// The names that a server can know us by. The null sender has none; the mailbox that stands in
/// for it where it is refused has.
fn ourselves(us: &ClientIdentity) -> Ourselves<'_> {
    let sender: Option<&Mailbox> = match &us.sender {
        Sender::Mailbox(mailbox) => Some(mailbox),
        Sender::Null => us.fallback.as_ref(),
    };
    Ourselves {
        address: Some(us.address),
        helo: Some(us.helo.as_str()),
        sender: sender.map(|mailbox| (mailbox.local(), mailbox.domain().as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{Config, Meaning};

    #[test]
    fn a_refusal_that_names_our_sender_is_about_us_and_one_of_a_stranger_is_not() {
        let config: Config =
            toml::from_str("mail_from = \"bounces@c.example\"").expect("a configuration");
        let us = config.identity([192, 0, 2, 7].into());
        let meaning = |text: &str| {
            let reply = Reply { code: 550, enhanced: None, lines: vec![text.to_owned()] };
            let exchanger = DomainName::from_ascii("mx.example.org");
            Interpret::explain(&**Classifier::builtin(), Stage::Rcpt, &exchanger, &us, &reply)
                .meaning
        };
        assert_eq!(meaning("no MX record for domain c.example"), Meaning::SenderBlocked);
        assert_eq!(meaning("no MX record for domain d.example"), Meaning::DomainNotFound);
        assert_eq!(meaning("<bounces@c.example>: user unknown"), Meaning::SenderBlocked);
        assert_eq!(meaning("192.0.2.7 does not exist"), Meaning::SenderBlocked);
    }
}
