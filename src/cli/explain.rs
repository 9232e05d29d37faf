//! `mailvet explain`: what a reply means, and which rule says so.

use std::io::{stdin, stdout};

use serde::{Deserialize, Serialize};
use toml::Table;

use super::args::{Common, ExplainArgs, StageArg};
use super::jsonl;
use super::render::DIM;
use crate::app;
use crate::smtp::{Classifier, Explanation, ReplyView, Stage};

/// A reply that somebody brings.
#[derive(Debug, Deserialize)]
struct Brought {
    id: serde_json::Value,
    reply: String,
    code: Option<u16>,
    enhanced: Option<String>,
    stage: Option<String>,
}

/// What it means.
#[derive(Debug, Serialize)]
struct Explained {
    id: serde_json::Value,
    label: &'static str,
    rule: String,
}

pub(super) fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<bool> {
    let classifier = app::classifier(&common.load(Table::new())?)?;
    if args.jsonl {
        jsonl::map(stdin().lock(), stdout().lock(), |brought| explain_one(&classifier, brought))?;
        return Ok(true);
    }
    let reply = args.reply.as_deref().unwrap_or_default();
    let stage = args.stage.map(StageArg::stage);
    let view =
        ReplyView { stage, exchanger: args.exchanger.as_deref(), ..ReplyView::from_text(reply) };
    let Explanation { meaning, rule, .. } = classifier.explain(&view);
    anstream::println!("{}: {}", meaning.name(), meaning.sentence());
    anstream::println!("{DIM}rule {rule}{DIM:#}");
    if let Some(rule) = classifier.rules().find(|facts| *facts.name == *rule) {
        anstream::println!("{DIM}source: {}{DIM:#}", rule.source);
    }
    Ok(true)
}

fn explain_one(classifier: &Classifier, brought: Brought) -> Explained {
    let enhanced = brought.enhanced.as_deref().and_then(|status| status.parse().ok());
    let stage = brought.stage.as_deref().and_then(Stage::from_name);
    let read = ReplyView::from_text(&brought.reply);
    let view = ReplyView {
        code: brought.code.or(read.code),
        enhanced: enhanced.or(read.enhanced),
        stage,
        ..read
    };
    let Explanation { meaning, rule, .. } = classifier.explain(&view);
    Explained { id: brought.id, label: meaning.name(), rule: rule.to_string() }
}

impl StageArg {
    fn stage(self) -> Stage {
        match self {
            Self::Connect => Stage::Banner,
            Self::Ehlo => Stage::Ehlo,
            Self::Starttls => Stage::StartTls,
            Self::Mail => Stage::Mail,
            Self::Rcpt => Stage::Rcpt,
            Self::Data => Stage::Data,
        }
    }
}
