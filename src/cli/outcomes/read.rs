//! `mailvet outcomes read`: what bounces mean, without keeping anything.

use std::fs::File;
use std::io::{Read, Write as _, stdin, stdout};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use toml::Table;

use super::super::common::Common;
use super::super::render::{self, DIM};
use super::args::ReadArgs;
use crate::outcomes::bounce::{self, MAX_MAIL};
use crate::outcomes::{OutcomeKind, RecipientNotice};
use crate::report::printable;
use crate::verifier::read_reply_rules;

/// One recipient's fate, as a line of JSON.
#[derive(Debug, Serialize)]
struct NoticeJson<'a> {
    file: &'a str,
    recipient: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'a str>,
    kind: &'static str,
}

pub(super) fn run(args: &ReadArgs, common: &Common) -> anyhow::Result<bool> {
    let config = common.load(Table::new())?;
    let classifier = read_reply_rules(config.replies.rules.as_deref())?;
    let mut output = stdout().lock();
    for file in &args.files {
        let mail = read_mail(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        for notice in bounce::read(&classifier, &mail).notices {
            if args.jsonl {
                serde_json::to_writer(&mut output, &json(&name, &notice))?;
                writeln!(output)?;
            } else {
                print(&name, &notice);
            }
        }
    }
    Ok(true)
}

/// The part of a mail that is read; the rest of a large one matters to nobody.
fn read_mail(file: &Path) -> std::io::Result<Vec<u8>> {
    let limit = MAX_MAIL as u64;
    let mut mail = Vec::new();
    if file == Path::new("-") {
        stdin().lock().take(limit).read_to_end(&mut mail)?;
    } else {
        File::open(file)?.take(limit).read_to_end(&mut mail)?;
    }
    Ok(mail)
}

fn json<'a>(file: &'a str, notice: &'a RecipientNotice) -> NoticeJson<'a> {
    NoticeJson {
        file,
        recipient: notice.recipient.as_deref(),
        original: notice.original.as_deref(),
        kind: notice.kind.name(),
    }
}

fn print(file: &str, notice: &RecipientNotice) {
    let recipient = notice.recipient.as_deref().unwrap_or("recipient not stated");
    let style = match notice.kind {
        OutcomeKind::Gone => render::BAD,
        OutcomeKind::Delivered => render::GOOD,
        _ => render::DIM,
    };
    anstream::println!(
        "{DIM}{file}{DIM:#}  {style}{:<12}{style:#}  {recipient}",
        notice.kind.name()
    );
    if !notice.words.is_empty() {
        anstream::println!("    {DIM}{}{DIM:#}", printable(&notice.words));
    }
}
