//! How often a reply to a recipient is explained.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::smtp::Classifier;

/// The reply rules, and how often they were asked.
#[derive(Default)]
struct Counting(AtomicU32);

impl Interpret for Counting {
    fn explain(
        &self,
        stage: Stage,
        exchanger: &DomainName,
        us: &ClientIdentity,
        reply: &Reply,
    ) -> Explanation {
        self.0.fetch_add(1, Ordering::Relaxed);
        Interpret::explain(&**Classifier::builtin(), stage, exchanger, us, reply)
    }

    fn explains_alike(
        &self,
        us: &ClientIdentity,
        one: (&Reply, &Mailbox),
        other: (&Reply, &Mailbox),
    ) -> bool {
        Classifier::builtin().explains_alike(us, one, other)
    }
}

/// A session that is ready, and the count of its explanations.
fn counted() -> (Talk, Arc<Counting>) {
    let config: Config = toml::from_str("mail_from = \"bounces@c.example\"").unwrap();
    let counting = Arc::new(Counting::default());
    let mut talk = Talk::interpreted(config, Hints::default(), counting.clone());
    talk.says(&["220 mx", PIPELINED]);
    (talk, counting)
}

/// The texts and the meanings of what `said` says of these recipients in one transaction.
fn asked(talk: &mut Talk, asked: &[&str], said: impl Fn(&str) -> String) -> Vec<(String, Meaning)> {
    talk.begin(&recipients(asked)).says(&["250 2.1.0 Ok"]);
    for recipient in asked {
        talk.says(&[&said(recipient)]);
    }
    talk.says(&["250 2.0.0 Ok"]);
    let answers = talk.dialogue.report().answers.into_iter().flatten();
    let told = answers.map(|answer| match answer {
        RecipientAnswer::Replied { reply, explanation, .. } => (reply.text(), explanation.meaning),
        RecipientAnswer::NoReply { .. } => panic!("a recipient without a reply"),
    });
    told.collect()
}

#[test]
fn a_refusal_that_repeats_each_recipient_is_explained_once_a_session() {
    let (mut talk, counting) = counted();
    for _ in 0..3 {
        let told = asked(&mut talk, &THREE, |who| format!("550 5.1.1 <{who}>: User unknown"));
        for ((text, meaning), recipient) in told.iter().zip(THREE) {
            assert_eq!(text, &format!("<{recipient}>: User unknown"));
            assert_eq!(*meaning, Meaning::MailboxNotFound);
        }
        assert_eq!((told.len(), counting.0.load(Ordering::Relaxed)), (3, 1));
    }
}

#[test]
fn a_refusal_that_repeats_our_sender_or_says_something_else_is_explained_by_itself() {
    let (mut talk, counting) = counted();
    let others = ["a@example.com", "bounces@c.example", "b@example.com"];
    let told = asked(&mut talk, &others, |who| format!("550 5.1.1 <{who}>: user unknown"));
    let meanings: Vec<Meaning> = told.into_iter().map(|(_, meaning)| meaning).collect();
    let (not_found, about_us) = (Meaning::MailboxNotFound, Meaning::SenderBlocked);
    assert_eq!(meanings, [not_found, about_us, not_found]);
    assert_eq!(counting.0.load(Ordering::Relaxed), 2);

    let told = asked(&mut talk, &THREE, |who| match who {
        "b@example.com" => format!("552 5.2.2 <{who}>: mailbox full"),
        "c@example.com" => format!("450 5.1.1 <{who}>: user unknown"),
        _ => format!("550 5.1.1 <{who}>: user unknown"),
    });
    assert_eq!(told[1].1, Meaning::MailboxFull);
    assert_eq!(counting.0.load(Ordering::Relaxed), 4, "the first was explained before");
}

#[test]
fn wordings_in_turn_are_kept_and_no_more_than_a_few() {
    let (mut talk, counting) = counted();
    for _ in 0..3 {
        asked(&mut talk, &THREE, |who| match who {
            "a@example.com" => "250 2.1.5 Ok".to_owned(),
            "b@example.com" => format!("552 5.2.2 <{who}>: mailbox full"),
            _ => format!("550 5.1.1 <{who}>: user unknown"),
        });
        assert_eq!(counting.0.load(Ordering::Relaxed), 3);
    }
    for number in 0..9 {
        asked(&mut talk, &THREE[..1], |who| format!("550 5.1.1 <{who}>: user unknown ({number})"));
    }
    asked(&mut talk, &THREE[..1], |who| format!("552 5.2.2 <{who}>: mailbox full"));
    assert_eq!(counting.0.load(Ordering::Relaxed), 3 + 9 + 1);
}

#[test]
fn an_acceptance_that_was_explained_before_is_still_the_last_one() {
    let (mut talk, _) = counted();
    talk.begin(&recipients(&THREE)).says(&["250 2.1.0 Ok"]);
    for recipient in THREE {
        talk.says(&[&format!("250 2.0.0 <{recipient}> ok")]);
    }
    let reset = said(&format!("250 2.0.0 <{}> ok", THREE[2]));
    talk.dialogue.handle_reply(reset, talk.now);
    assert!(matches!(talk.dialogue.step(), Step::Listen { .. }), "it may be a recipient's");
}
