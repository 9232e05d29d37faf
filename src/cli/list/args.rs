//! The arguments of `mailvet list`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::campaign::SendPolicy;
use crate::cli::client::{ClientArgs, server_url};
use crate::cli::depth::DepthArg;
use crate::cli::values;
use crate::verdict::{Reason, Verdict};

/// `mailvet list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// The list: CSV, TSV, JSON, one address a line, XLSX, ODS, vCard, LDIF, or a ZIP archive of
    /// such text files; gzip or not; `-` is standard input. Several lists are vetted as one
    #[arg(value_name = "FILE", required_unless_present = "resume")]
    pub(super) files: Vec<PathBuf>,
    /// The file to write, or a folder, which several lists need; `-` is standard output [default:
    /// FILE with `.vetted` before its ending]
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The format of the output [default: that of the list; a plain file becomes CSV]
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatArg>,
    /// Write only the rows with these verdicts (repeatable, or with commas), and never one whose
    /// recipient opted out
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) only: Vec<VerdictArg>,
    /// Write the address as it was asked in the place of the cell's own text, as mail services take
    /// it: without a name, quotes or spaces
    #[arg(long)]
    pub(super) clean: bool,
    /// Write only the first row of each mailbox
    #[arg(long)]
    pub(super) unique: bool,
    /// Write a file for each verdict into this folder as well, and suppress.txt: the addresses that
    /// are not to be written to, one a line. Who opted out is in that one alone
    #[arg(long, value_name = "DIR")]
    pub(super) split: Option<PathBuf>,
    /// A list of addresses that are not to be written to, such as unsubscribed or bounced ones, of
    /// whole domains (`@example.com`) or of hashes of addresses (MD5, SHA-1, SHA-256): in whatever
    /// column, they are not asked, and come back as `opted_out` (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(super) exclude: Vec<PathBuf>,
    /// Write a page for people as well: may the campaign be sent, and why
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// The addresses the campaign will be sent to: the pre-flight answer is about them
    #[arg(long, value_enum, default_value = "deliverable")]
    pub(super) send_to: SendToArg,
    /// The column with the addresses: its name, its number from 1, or a JSON key like `user.email`;
    /// several with commas [default: found by its name and what it holds]
    #[arg(long, value_name = "COLUMN")]
    pub(super) column: Option<String>,
    /// The encoding of the list, such as `utf-8` or `latin1` [default: found from its bytes]
    #[arg(long, value_name = "NAME")]
    pub(super) encoding: Option<String>,
    /// Treats the first row as names of columns [default: found from what it holds]
    #[arg(long, value_name = "BOOL")]
    pub(super) header: Option<bool>,
    /// Number of lines, or of rows of a sheet, above the header [default: notes are found]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(super) skip_rows: usize,
    /// Depth of the verification
    #[arg(long, value_enum, default_value = "mailbox")]
    pub(super) depth: DepthArg,
    /// Time limit for the whole list, such as `2h`; what is open then is unknown, and what had no
    /// turn is `not_probed` [default: as long as it needs]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(super) deadline: Option<Duration>,
    /// Time during which a server that says "not now" is asked again (greylisting, rate limits,
    /// temporary
    /// failures) [default: 20m]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(super) retry_window: Option<Duration>,
    /// The oldest remembered evidence to accept [default: any that is still valid]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(super) max_age: Option<Duration>,
    /// Do not ask for a made-up recipient to see whether a domain accepts everything
    #[arg(long)]
    pub(super) skip_catch_all: bool,
    /// Ask the registries of the domains too (RDAP); no row waits for them
    #[arg(long)]
    pub(super) registration: bool,
    /// The day on which the recipients consented to mail, such as `2024-05-01`: rows whose domain
    /// was registered later are flagged
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(super) consented: Option<SystemTime>,
    /// The column with the time at which each recipient consented to mail, named as for `--column`:
    /// it counts for its row, `--consented` for rows without one
    #[arg(long, value_name = "COLUMN")]
    pub(super) consent_column: Option<String>,
    /// Have a running service do the work, http://HOST:PORT or https:// [default: this process does
    /// it]
    #[arg(long, value_name = "URL", value_parser = server_url, conflicts_with = "sandbox")]
    pub(super) server: Option<String>,
    /// Say what the list holds, what DNS says of it and how long a run will take; no mail server is
    /// asked, and nothing is written
    #[arg(long, conflicts_with_all = ["resume", "restart", "sample"])]
    pub(super) dry_run: bool,
    /// Verify this many addresses first, taken at random, and say what they tell of the whole list
    #[arg(long, value_name = "N")]
    pub(super) sample: Option<NonZeroUsize>,
    /// Go on with the rest after the sample without a question
    #[arg(long)]
    pub(super) yes: bool,
    /// Go on with a run that was interrupted: FILE is its list or its folder, or nothing if it is
    /// the only one in this folder
    #[arg(long, conflicts_with = "restart")]
    pub(super) resume: bool,
    /// Throw an unfinished run of this list away, and start anew
    #[arg(long)]
    pub(super) restart: bool,
    /// Write over an output that is already there
    #[arg(long)]
    pub(super) force: bool,
    /// Show no progress
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Ask the sandbox's domains instead of the internet
    #[arg(long)]
    pub(super) sandbox: bool,
    /// Trust and credentials for that service. The last: its heading holds for what comes after it
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum FormatArg {
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// An XLSX workbook; also by the ending of the output
    Xlsx,
}

impl FormatArg {
    /// The ending of a file in this format.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Xlsx => "xlsx",
        }
    }
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum VerdictArg {
    /// The server accepted the address
    Deliverable,
    /// It may arrive, and it has a cost
    Risky,
    /// It takes no mail
    Undeliverable,
    /// No answer that decides, for now
    Unknown,
}

impl VerdictArg {
    /// The verdict's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deliverable => "deliverable",
            Self::Risky => "risky",
            Self::Undeliverable => "undeliverable",
            Self::Unknown => "unknown",
        }
    }
}

/// The addresses a campaign is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum SendToArg {
    /// The deliverable addresses
    Deliverable,
    /// The deliverable and the risky ones
    DeliverableAndRisky,
    /// Every address on the list
    All,
}

impl SendToArg {
    /// The policy that it names.
    pub(super) fn policy(self) -> SendPolicy {
        match self {
            Self::Deliverable => SendPolicy::Deliverable,
            Self::DeliverableAndRisky => SendPolicy::DeliverableAndRisky,
            Self::All => SendPolicy::All,
        }
    }

    /// `true` if a careful sender writes to rows with this reason: in no case to dead ones, and to
    /// nobody who opted out.
    pub(super) fn is_sent_to(self, reason: Reason) -> bool {
        match reason.verdict() {
            _ if reason == Reason::OptedOut => false,
            Verdict::Deliverable => true,
            Verdict::Risky => self != Self::Deliverable,
            Verdict::Unknown => self == Self::All,
            Verdict::Undeliverable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_who_opted_out_and_no_dead_mailbox_is_sent_to() {
        let sent_to = |reason| {
            use SendToArg::{All, Deliverable, DeliverableAndRisky};
            [Deliverable, DeliverableAndRisky, All].map(|send_to| send_to.is_sent_to(reason))
        };
        assert_eq!(sent_to(Reason::MailboxAccepted), [true, true, true]);
        assert_eq!(sent_to(Reason::CatchAll), [false, true, true]);
        assert_eq!(sent_to(Reason::Greylisted), [false, false, true]);
        assert_eq!(sent_to(Reason::MailboxNotFound), [false; 3]);
        assert_eq!(sent_to(Reason::OptedOut), [false; 3]);
    }
}
