//! The corpora of replies: each line of `tests/corpus/replies.txt` is a claim, and so is each line
//! of `tests/corpus/real_servers.jsonl`, the replies of the servers that `tests/real_servers` ran.

use std::sync::LazyLock;

use mailvet::smtp::{Classifier, Meaning, ReplyView, Stage};
use proptest::prelude::*;
use serde::Deserialize;

const CORPUS: &str = include_str!("../corpus/replies.txt");
const REAL_SERVERS: &str = include_str!("../corpus/real_servers.jsonl");

/// The matrix of subjects and predicates of many languages.
static LANGUAGES: LazyLock<LanguageMatrix> = LazyLock::new(|| {
    toml::from_str(include_str!("../corpus/languages.toml")).expect("a corpus that can be read")
});

/// The file of languages.
#[derive(Deserialize)]
struct LanguageMatrix {
    language: Vec<Language>,
}

/// One language's refusals; `{}` in a predicate is the subject's place.
#[derive(Clone, Debug, Deserialize)]
struct Language {
    name: String,
    ours: Vec<String>,
    mailbox: Vec<String>,
    gone: Vec<String>,
    denied: Vec<String>,
}

/// A reply of a real server, and its meaning.
#[derive(Deserialize)]
struct Seen {
    server: String,
    condition: String,
    stage: String,
    code: u16,
    enhanced: Option<String>,
    text: String,
    label: String,
}

fn meaning(name: &str) -> Meaning {
    Meaning::from_name(name).unwrap_or_else(|| panic!("`{name}` is no meaning"))
}

fn stage(name: &str) -> Option<Stage> {
    match name {
        "connect" => Some(Stage::Banner),
        "ehlo" => Some(Stage::Ehlo),
        "mail" => Some(Stage::Mail),
        "rcpt" => Some(Stage::Rcpt),
        "data" => Some(Stage::Data),
        "unknown" => None,
        _ => panic!("`{name}` is no stage: write connect, ehlo, mail, rcpt, data or unknown"),
    }
}

#[test]
fn every_reply_of_the_corpus_means_what_it_says() {
    let mut wrong = Vec::new();
    for (number, line) in CORPUS.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.splitn(4, " | ").collect();
        let [meaning, at, _source, reply] = fields.as_slice() else {
            panic!("line {} has no four fields: {line}", number + 1);
        };
        let meaning = self::meaning(meaning);
        let reply = reply.replace("\\n", "\n");
        let view = ReplyView { stage: stage(at), ..ReplyView::from_text(&reply) };
        let found = Classifier::builtin().explain(&view);
        if found.meaning != meaning {
            wrong.push(format!(
                "line {}: {meaning}, not {} ({}): {reply}",
                number + 1,
                found.meaning,
                found.rule
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reply_of_a_real_server_means_what_was_set_up() {
    let mut wrong = Vec::new();
    for line in REAL_SERVERS.lines() {
        let seen: Seen = serde_json::from_str(line).unwrap();
        let enhanced = seen.enhanced.as_ref().map(|status| format!(" {status}"));
        let reply = format!("{}{} {}", seen.code, enhanced.unwrap_or_default(), seen.text);
        let view = ReplyView { stage: stage(&seen.stage), ..ReplyView::from_text(&reply) };
        assert_eq!(view.code, Some(seen.code), "{reply}");
        let found = Classifier::builtin().explain(&view);
        if found.meaning != meaning(&seen.label) {
            wrong.push(format!(
                "{}, {}: {}, not {} ({}): {reply}",
                seen.server, seen.condition, seen.label, found.meaning, found.rule
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The meaning of a reply to `RCPT TO`.
fn at_rcpt(reply: &str) -> Meaning {
    Classifier::builtin().explain(&ReplyView::from_text(reply).at(Stage::Rcpt)).meaning
}

/// `true` if a 5yz of this meaning can make a mailbox undeliverable.
fn condemns(meaning: Meaning) -> bool {
    meaning.is_dead() || meaning == Meaning::RelayDenied
}

/// Every subject with every predicate.
fn sentences<'a>(
    subjects: &'a [String],
    predicates: &'a [String],
) -> impl Iterator<Item = String> + 'a {
    subjects
        .iter()
        .flat_map(|subject| predicates.iter().map(move |text| text.replace("{}", subject)))
}

#[test]
fn in_every_language_a_mailbox_that_does_not_exist_is_not_found() {
    let mut wrong = Vec::new();
    for language in &LANGUAGES.language {
        for sentence in sentences(&language.mailbox, &language.gone) {
            for reply in [format!("550 {sentence}"), format!("550 {}", sentence.to_uppercase())] {
                let found = at_rcpt(&reply);
                if found != Meaning::MailboxNotFound {
                    wrong.push(format!("{}: {found}: {reply}", language.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn in_every_language_what_is_said_of_us_condemns_no_mailbox() {
    let mut wrong = Vec::new();
    for language in &LANGUAGES.language {
        let ours = sentences(&language.ours, &language.gone)
            .chain(sentences(&language.ours, &language.denied))
            .chain(sentences(&language.mailbox, &language.denied));
        for sentence in ours {
            for code in ["550", "551", "550 5.1.1", "550 5.1.0", "550 5.2.1", "553 5.1.2", "554"] {
                let reply = format!("{code} {sentence}");
                let found = at_rcpt(&reply);
                if condemns(found) && !(code.contains('.') && language.is_of_a_mailbox(&sentence)) {
                    wrong.push(format!("{}: {found}: {reply}", language.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Language {
    /// `true` if the sentence is about a mailbox, whatever it says of it.
    fn is_of_a_mailbox(&self, sentence: &str) -> bool {
        self.mailbox.iter().any(|subject| sentence.contains(subject.as_str()))
    }
}

proptest! {
    /// Whatever stands around it: a prefix of Postfix, boilerplate, an address, a link.
    #[test]
    fn whatever_stands_around_it_what_is_said_of_us_condemns_no_mailbox(
        language in prop::sample::select(LANGUAGES.language.clone()),
        subject in any::<prop::sample::Index>(),
        predicate in any::<prop::sample::Index>(),
        code in prop::sample::select(vec!["550", "551", "553", "554", "550 5.1.1", "550 5.7.1", "550 5.1.0"]),
        before in prop::sample::select(vec![
            "", "Requested action not taken: ", "<ada@example.org>: Recipient address rejected: ",
            "5.1.0 - Unknown address error 550-'", "Error: ", "[192.0.2.7] ",
        ]),
        after in prop::sample::select(vec![
            "", ".", " - https://example.net/help", " (192.0.2.7)", " <ada@example.org>",
            " [mx1.example.org]", "!",
        ]),
        capitals in any::<bool>(),
    ) {
        let predicates: Vec<&String> = language.gone.iter().chain(&language.denied).collect();
        let subject = subject.get(&language.ours);
        let sentence = predicate.get(&predicates).replace("{}", subject);
        let sentence = if capitals { sentence.to_uppercase() } else { sentence };
        let reply = format!("{code} {before}{sentence}{after}");
        prop_assert!(!condemns(at_rcpt(&reply)), "{}: {reply}", at_rcpt(&reply));
    }
}
