//! The arguments of `mailvet outcomes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mailvet outcomes`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OutcomesCommand {
    /// Say what bounces mean, and about whom they are; nothing is kept
    Read(ReadArgs),
}

/// `mailvet outcomes read`
#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArgs {
    /// Files with one mail each; `-` reads one from standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print one JSON object a line: {"file","recipient","kind"}, with "original" where the mail
    /// was forwarded
    #[arg(long)]
    pub(super) jsonl: bool,
}
