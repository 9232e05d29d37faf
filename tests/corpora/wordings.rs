//! The wordings of `tests/corpus/wordings.txt`: refusals in many languages and in the words of many
//! products. Each line is a claim, and what surrounds it must not make a good mailbox dead.

use std::sync::LazyLock;

use mailvet::smtp::{Classifier, Meaning, ReplyView, Stage};

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

/// What servers put before a refusal, and after it.
const BEFORE: [&str; 10] = [
    "",
    "Requested action not taken: ",
    "<ada@example.org>: Recipient address rejected: ",
    "5.1.0 - Unknown address error 550-'",
    "Error: ",
    "Sorry, ",
    "[192.0.2.7] ",
    "ada@example.org: ",
    "<ada@example.org> ",
    "RCPT TO:<ada@example.org> ",
];
const AFTER: [&str; 9] = [
    "",
    "!",
    ": user ada",
    " <ada@example.org>",
    " (ada@example.org)",
    " [mx1.example.org]",
    ". See https://example.net/help",
    ". Contact postmaster@example.org",
    " (in reply to RCPT TO command)",
];

/// The wordings that must never condemn. A refusal without a reason is none of them: beside an
/// address it names the recipient and nothing else, which is the rule `address-rejected`.
fn innocent() -> impl Iterator<Item = &'static Wording> {
    WORDINGS.iter().filter(|wording| {
        let words: Vec<&str> = wording.words().split_whitespace().collect();
        wording.is_innocent() && !(words.len() < 4 && words.ends_with(&["rejected"]))
    })
}

/// Each wording with everything before it; codes, ends and capitals take turns.
#[test]
fn what_does_not_speak_of_a_missing_mailbox_condemns_none() {
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (turn, wording) in innocent().enumerate() {
        for (other, before) in BEFORE.iter().enumerate() {
            let code = [550, 551, 553, 554][(turn + other) % 4];
            let after = AFTER[(turn * 2 + other * 4) % AFTER.len()];
            let words = wording.words();
            let words =
                if (turn + other) % 3 == 0 { words.to_uppercase() } else { words.to_owned() };
            let reply = format!("{code} {before}{words}{after}");
            let view = ReplyView::from_text(&reply).at(Stage::Rcpt);
            let found = Classifier::builtin().explain(&view);
            asked += 1;
            if condemns(found.meaning) {
                wrong.push(format!("{} ({}): {reply}", found.meaning, found.rule));
            }
        }
    }
    assert!(asked > 5_000, "only {asked} replies were made");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
