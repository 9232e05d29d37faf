//! The corpus of replies: each line of `tests/corpus/replies.txt` is a claim.

use mailvet::smtp::{Classifier, Meaning, ReplyView, Stage};

const CORPUS: &str = include_str!("corpus/replies.txt");

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
        let meaning =
            Meaning::from_name(meaning).unwrap_or_else(|| panic!("`{meaning}` is no meaning"));
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
