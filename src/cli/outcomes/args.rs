//! The arguments of `mailvet outcomes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mailvet outcomes`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OutcomesCommand {
    /// Say what bounces mean, and about whom they are; nothing is kept
    Read(ReadArgs),
    /// Keep outcomes: of bounces, logs, webhooks, tables and lists; the same one twice changes
    /// nothing
    Add(AddArgs),
    /// Print what is kept, one JSON object a line
    Export,
    /// Keep what `export` printed, under the same key
    Import(ImportArgs),
    /// Remove everything that is kept of an address
    Erase(EraseArgs),
    /// Remove what is older than a date; complaints and unsubscriptions stay
    Forget(ForgetArgs),
    /// Print the token for the sender address of mail to an address, so that bounces to it count
    Token(TokenArgs),
}

/// `mailvet outcomes read`
#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArgs {
    /// Mails, mboxes, Maildirs and folders of mails; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print one JSON object a line: {"file","recipient","kind"}, with "original" where the mail
    /// was forwarded
    #[arg(long)]
    pub(super) jsonl: bool,
}

/// `mailvet outcomes add`
#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// Mails, mboxes, Maildirs, logs of Postfix, Exim or KumoMTA, JSON of a sending service,
    /// tables and lists; each is recognised by its content; `-` is standard input
    #[arg(required = true, value_name = "SOURCE")]
    pub(super) sources: Vec<PathBuf>,
    /// The kind of rows that name none: `sent` for addresses that were written to, `unsubscribed`
    /// for a suppression list
    #[arg(long, value_name = "KIND", default_value = "sent", value_parser = super::kind)]
    pub(super) kind: crate::outcomes::OutcomeKind,
    /// Count every bounce, with or without a token, also about addresses that nothing else names;
    /// anyone can write a bounce
    #[arg(long)]
    pub(super) trust_bounces: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mailvet outcomes import`
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// The file that `export` wrote; `-` is standard input
    pub(super) file: PathBuf,
}

/// `mailvet outcomes erase`
#[derive(Debug, Args)]
pub(in crate::cli) struct EraseArgs {
    /// The address
    pub(super) address: String,
}

/// `mailvet outcomes forget`
#[derive(Debug, Args)]
pub(in crate::cli) struct ForgetArgs {
    /// The date, such as 2026-01-31, or a time as RFC 3339 has it
    #[arg(long, value_name = "DATE", value_parser = super::date)]
    pub(super) before: std::time::SystemTime,
}

/// `mailvet outcomes token`
#[derive(Debug, Args)]
pub(in crate::cli) struct TokenArgs {
    /// The addresses that mail is sent to
    #[arg(required = true, value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
}
