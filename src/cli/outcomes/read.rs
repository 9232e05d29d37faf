//! `mailvet outcomes read`: what bounces mean, without keeping anything.

use std::io::{self, BufRead as _, ErrorKind, Read as _, Write as _, stdin, stdout};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use toml::Table;

use super::super::common::Common;
use super::super::render::{self, DIM};
use super::args::ReadArgs;
use super::source::has_events;
use super::{mails, unpacked};
use crate::outcomes::bounce::{self, MAX_MAIL};
use crate::outcomes::readers::{self, SourceForm};
use crate::outcomes::{OutcomeKind, RecipientNotice};
use crate::report::printable;
use crate::smtp::Classifier;
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
    for file in &args.files {
        let unreadable = || format!("{} cannot be read", file.display());
        if file == Path::new("-") {
            show_input(&classifier, args.jsonl).with_context(unreadable)?;
        } else if file.is_dir() {
            for mail in mails::files_of(file)? {
                let name = mail.display().to_string();
                let shown = show_file(&mail, &classifier, args.jsonl);
                let fault = shown.as_ref().err().and_then(own_fault);
                match fault {
                    Some(fault) => anstream::eprintln!("{} {fault}", printable(&name)),
                    None => shown.with_context(|| format!("{name} cannot be read"))?,
                }
            }
        } else {
            show_file(file, &classifier, args.jsonl).with_context(unreadable)?;
        }
    }
    Ok(true)
}

/// The fault of one file of a folder, with which the others can be read.
fn own_fault(error: &anyhow::Error) -> Option<&'static str> {
    match error.downcast_ref::<io::Error>()?.kind() {
        // A mail program renames the files of a Maildir as it goes.
        ErrorKind::NotFound => Some("was moved meanwhile"),
        kind => unpacked::is_damaged(kind).then_some("is a gzip file that is damaged"),
    }
}

fn show_input(classifier: &Classifier, is_jsonl: bool) -> anyhow::Result<()> {
    let mut input = unpacked::open(stdin().lock())?;
    if readers::form(input.fill_buf()?) == SourceForm::Mbox {
        return mails::split_mbox(input, |_, mail| show("-", mail, classifier, is_jsonl));
    }
    let mut mail = Vec::new();
    input.take(MAX_MAIL as u64).read_to_end(&mut mail)?;
    point_to_add("-", &mail);
    show("-", &mail, classifier, is_jsonl)
}

fn show_file(file: &Path, classifier: &Classifier, is_jsonl: bool) -> anyhow::Result<()> {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let mail = mails::read_mail(file)?;
    if readers::form(&mail) == SourceForm::Mbox {
        let input = unpacked::open(std::fs::File::open(file)?)?;
        return mails::split_mbox(input, |_, mail| show(&name, mail, classifier, is_jsonl));
    }
    point_to_add(&name, &mail);
    show(&name, &mail, classifier, is_jsonl)
}

/// Says of a log, a table or the events of a service that another command takes them: read as a
/// mail, they are an empty answer.
fn point_to_add(name: &str, text: &[u8]) {
    if has_events(text) {
        let name = printable(name);
        anstream::eprintln!("{DIM}{name}: no mail; `mailvet outcomes add` takes it{DIM:#}");
    }
}

fn show(name: &str, mail: &[u8], classifier: &Classifier, is_jsonl: bool) -> anyhow::Result<()> {
    for notice in bounce::read(classifier, mail).notices {
        if is_jsonl {
            let mut output = stdout().lock();
            serde_json::to_writer(&mut output, &json(name, &notice))?;
            writeln!(output)?;
        } else {
            print(name, &notice);
        }
    }
    Ok(())
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
    let (file, recipient) = (printable(file), printable(recipient));
    print_line!("{DIM}{file}{DIM:#}  {style}{:<12}{style:#}  {recipient}", notice.kind.name());
    if !notice.words.is_empty() {
        print_line!("    {DIM}{}{DIM:#}", printable(&notice.words));
    }
}
