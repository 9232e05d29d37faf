//! `mailvet explain`: prints the meaning of a reply, and the rule that found it.

use std::io::{stdin, stdout};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::args::{ExplainArgs, StageArg};
use super::common::Common;
use super::jsonl;
use super::render::DIM;
use crate::smtp::{Classifier, Explanation, Ourselves, ReplyView, Stage};
use crate::verifier::read_reply_rules;

/// A reply to explain.
#[derive(Debug, Deserialize)]
struct ReplyInput {
    id: serde_json::Value,
    reply: String,
    code: Option<u16>,
    enhanced: Option<String>,
    stage: Option<String>,
    /// Our own names and addresses at that time.
    ip: Option<IpAddr>,
    helo: Option<String>,
    mail_from: Option<String>,
}

/// The meaning of one.
#[derive(Debug, Serialize)]
struct Explained {
    id: serde_json::Value,
    label: &'static str,
    rule: String,
}

pub(super) fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<bool> {
    let config = common.load(Table::new())?;
    let classifier = read_reply_rules(config.replies.rules.as_deref())?;
    if args.jsonl {
        jsonl::map(stdin().lock(), stdout().lock(), |input| explain_one(&classifier, input))?;
        return Ok(true);
    }
    let reply = args.reply.as_deref().unwrap_or_default();
    let stage = args.stage.map(StageArg::stage);
    let ourselves = ourselves(args.ip, args.helo.as_deref(), args.mail_from.as_deref());
    let view = ReplyView {
        stage,
        exchanger: args.exchanger.as_deref(),
        ourselves,
        ..ReplyView::from_text(reply)
    };
    let Explanation { meaning, rule, .. } = classifier.explain(&view);
    print_line!("{}: {}", meaning.name(), meaning.sentence());
    print_line!("{DIM}rule {rule}{DIM:#}");
    if let Some(rule) = classifier.rules().find(|facts| *facts.name == *rule) {
        print_line!("{DIM}source: {}{DIM:#}", rule.source);
    }
    Ok(true)
}

fn explain_one(classifier: &Classifier, input: ReplyInput) -> Explained {
    let enhanced = input.enhanced.as_deref().and_then(|status| status.parse().ok());
    let stage = input.stage.as_deref().and_then(Stage::from_name);
    let read = ReplyView::from_text(&input.reply);
    let view = ReplyView {
        code: input.code.or(read.code),
        enhanced: enhanced.or(read.enhanced),
        stage,
        ourselves: ourselves(input.ip, input.helo.as_deref(), input.mail_from.as_deref()),
        ..read
    };
    let Explanation { meaning, rule, .. } = classifier.explain(&view);
    Explained { id: input.id, label: meaning.name(), rule: rule.to_string() }
}

fn ourselves<'a>(
    address: Option<IpAddr>,
    helo: Option<&'a str>,
    mail_from: Option<&'a str>,
) -> Ourselves<'a> {
    Ourselves { address, helo, sender: mail_from.and_then(|sender| sender.rsplit_once('@')) }
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
