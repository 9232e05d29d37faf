//! `mailvet outcomes`: what became of mail that was sent.

mod add;
mod args;
mod keep;
mod mails;
mod read;
mod source;

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;

pub(super) use args::OutcomesCommand;

use super::common::Common;
use crate::config::{self, Config};
use crate::outcomes::{OutcomeKind, readers};

pub(super) fn run(command: &OutcomesCommand, common: &Common) -> anyhow::Result<bool> {
    match command {
        OutcomesCommand::Read(args) => read::run(args, common),
        OutcomesCommand::Add(args) => add::run(args, common),
        OutcomesCommand::Export => keep::export(common),
        OutcomesCommand::Import(args) => keep::import(args, common),
        OutcomesCommand::Erase(args) => keep::erase(args, common),
        OutcomesCommand::Forget(args) => keep::forget(args, common),
        OutcomesCommand::Token(args) => keep::print_tokens(args, common),
    }
}

/// The file that holds the outcomes, beside the batches unless the configuration names another.
pub(super) fn file(config: &Config) -> anyhow::Result<PathBuf> {
    if let Some(file) = &config.outcomes.file {
        return Ok(file.clone());
    }
    let folder = config.batch.data_dir.clone().or_else(config::state_dir);
    let folder = folder.context("there is no place for outcomes: name one with outcomes.file")?;
    Ok(folder.join("outcomes.db"))
}

/// A kind on the command line.
fn kind(name: &str) -> Result<OutcomeKind, String> {
    let kept = |kind: &OutcomeKind| *kind != OutcomeKind::NotABounce;
    OutcomeKind::from_name(name).filter(kept).ok_or_else(|| {
        let names = OutcomeKind::ALL.into_iter().filter(kept).map(OutcomeKind::name);
        format!("one of {}", names.collect::<Vec<_>>().join(", "))
    })
}

/// A date on the command line.
fn date(text: &str) -> Result<SystemTime, String> {
    readers::parse_time(text).ok_or_else(|| "a date such as 2026-01-31".to_owned())
}
