//! The corpora of replies: each line of `tests/corpus/replies.txt` is a claim, and so is each line
//! of `tests/corpus/real_servers.jsonl`, the replies of the servers that `tests/real_servers` ran.

use mailvet::smtp::{Classifier, Meaning, ReplyView, Stage};
use serde::Deserialize;

const CORPUS: &str = include_str!("../corpus/replies.txt");
const REAL_SERVERS: &str = include_str!("../corpus/real_servers.jsonl");

/// What a real server said, and what that means.
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
