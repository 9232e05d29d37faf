//! The wordings of `tests/corpus/wordings.txt`: refusals in many languages and in the words of many
//! products. Each line is a claim, and what surrounds it must not make a good mailbox dead.

use std::sync::LazyLock;

use mailvet::smtp::{Classifier, Meaning, ReplyView, Stage};
use proptest::prelude::*;

static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    include_str!("../corpus/wordings.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(Wording::read)
        .collect()
});

/// One reply, and the meanings that are right for it.
#[derive(Clone, Debug)]
struct Wording {
    meanings: Vec<Meaning>,
    stage: Option<Stage>,
    reply: String,
}

impl Wording {
    fn read(line: &str) -> Self {
        let fields: Vec<&str> = line.splitn(4, " | ").collect();
        let [meanings, stage, _source, reply] = fields.as_slice() else {
            panic!("no four fields: {line}");
        };
        let meaning = |name| Meaning::from_name(name).unwrap_or_else(|| panic!("{name}: {line}"));
        Self {
            meanings: meanings.split('/').map(meaning).collect(),
            stage: match *stage {
                "connect" => Some(Stage::Banner),
                stage => Stage::from_name(stage),
            },
            reply: reply.replace("\\n", "\n"),
        }
    }

    /// The words, without code and status.
    fn words(&self) -> &str {
        let rest = self.reply.get(4..).unwrap_or_default();
        match rest.split_once(' ') {
            Some((status, words)) if status.starts_with(['4', '5']) => words,
            _ => rest,
        }
    }

    /// `true` if no right meaning can make a mailbox undeliverable.
    fn is_innocent(&self) -> bool {
        !self.meanings.iter().copied().any(condemns)
    }
}

/// `true` if a 5yz of this meaning can make a mailbox undeliverable.
fn condemns(meaning: Meaning) -> bool {
    meaning.is_dead() || meaning == Meaning::RelayDenied
}

#[test]
fn every_wording_means_what_it_says() {
    let mut wrong = Vec::new();
    for Wording { meanings, stage, reply } in WORDINGS.iter() {
        let view = ReplyView { stage: *stage, ..ReplyView::from_text(reply) };
        let found = Classifier::builtin().explain(&view);
        if !meanings.contains(&found.meaning) {
            wrong.push(format!("{meanings:?}, not {} ({}): {reply}", found.meaning, found.rule));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), WORDINGS.len(), wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever code it has and whatever stands around it, as servers put it there.
    #[test]
    fn what_does_not_speak_of_a_missing_mailbox_condemns_none(
        wording in any::<prop::sample::Index>(),
        code in prop::sample::select(vec!["550", "551", "553", "554"]),
        before in prop::sample::select(vec![
            "", "Requested action not taken: ", "<ada@example.org>: Recipient address rejected: ",
            "5.1.0 - Unknown address error 550-'", "Error: ", "Sorry, ", "[192.0.2.7] ",
            "ada@example.org: ", "<ada@example.org> ", "RCPT TO:<ada@example.org> ",
        ]),
        after in prop::sample::select(vec![
            "", "!", ": user ada", " <ada@example.org>", " (ada@example.org)", " [mx1.example.org]",
            ". See https://example.net/help", ". Contact postmaster@example.org",
            " (in reply to RCPT TO command)",
        ]),
        capitals in any::<bool>(),
    ) {
        let innocent: Vec<&Wording> = WORDINGS.iter().filter(|w| w.is_innocent()).collect();
        let words = wording.get(&innocent).words();
        let words = if capitals { words.to_uppercase() } else { words.to_owned() };
        let reply = format!("{code} {before}{words}{after}");
        let view = ReplyView::from_text(&reply).at(Stage::Rcpt);
        let found = Classifier::builtin().explain(&view);
        prop_assert!(!condemns(found.meaning), "{} ({}): {reply}", found.meaning, found.rule);
    }
}
