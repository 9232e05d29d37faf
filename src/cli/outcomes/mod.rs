//! `mailvet outcomes`: what became of mail that was sent.

mod add;
mod args;
mod keep;
mod line;
mod mails;
mod read;
mod source;
mod unpacked;

use std::time::SystemTime;

use anyhow::Context as _;

pub(super) use args::OutcomesCommand;

use super::common::Common;
use crate::config::{self, Config};
use crate::outcomes::{OutcomeKind, OutcomePlace, readers};

pub(super) async fn run(command: &OutcomesCommand, common: &Common) -> anyhow::Result<bool> {
    match command {
        OutcomesCommand::Read(args) => read::run(args, common),
        // Its sources are read piece by piece, and what was read is kept in between.
        OutcomesCommand::Add(args) => tokio::task::block_in_place(|| add::run(args, common)),
        OutcomesCommand::Export => keep::export(common).await,
        OutcomesCommand::Import(args) => keep::import(args, common).await,
        OutcomesCommand::Erase(args) => keep::erase(args, common).await,
        OutcomesCommand::Forget(args) => keep::forget(args, common).await,
        OutcomesCommand::Token(args) => keep::print_tokens(args, common).await,
    }
}

/// The place of the outcomes: the file that the configuration names, else the database that
/// services share, else a file beside the batches.
pub(super) fn place(config: &Config) -> anyhow::Result<OutcomePlace> {
    if let Some(file) = &config.outcomes.file {
        return Ok(OutcomePlace::File(file.clone()));
    }
    if config.store.url.is_some() {
        return Ok(OutcomePlace::Database(config.store.clone()));
    }
    let folder = config.batch.data_dir.clone().or_else(config::state_dir);
    let folder = folder.context("there is no place for outcomes: name one with outcomes.file")?;
    Ok(OutcomePlace::File(folder.join("outcomes.db")))
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
