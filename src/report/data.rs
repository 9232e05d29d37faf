//! The data of the page.

use std::time::SystemTime;

use crate::campaign::calibration::PastSend;
use crate::campaign::preflight::{PercentRange, Share};
use crate::campaign::{DestinationTally, GroupTally, Preflight, Progress, State};
use crate::verdict::{Depth, Reason, Verdict};

/// The data of the page. Counts are of rows, duplicates included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportData {
    /// The name of the list, such as that of its file.
    pub list: String,
    /// The place where its batch is in its life.
    pub state: State,
    /// The depth to which it was verified.
    pub depth: Depth,
    /// Timestamp its batch was submitted.
    pub started_at: SystemTime,
    /// Timestamp it ended, if it has.
    pub ended_at: Option<SystemTime>,
    /// Timestamp the page is written.
    pub written_at: SystemTime,
    /// The counts.
    pub progress: Progress,
    /// The answer.
    pub preflight: Preflight,
    /// The largest domains, the largest first.
    pub domains: Vec<GroupCounts>,
    /// The largest destinations, the largest first.
    pub providers: Vec<GroupCounts>,
    /// The files that were written: the outputs, then their parts.
    pub files: Vec<ReportFile>,
    /// Rows that look mistyped and have a suggestion.
    pub suggestions: u64,
    /// Rows without an address: in no other count.
    pub no_address: u64,
    /// Rows on the caller's own suppression lists, which were not asked: in no other count.
    pub excluded: u64,
    /// Counts of rows by flag.
    pub flags: FlagCounts,
    /// Rows that would be sent to as chosen, and need a step before.
    pub to_send: SendCounts,
    /// Timestamp the oldest and the newest evidence was gathered; `None` if there is none.
    pub evidence: Option<(SystemTime, SystemTime)>,
    /// Rows whose evidence was remembered from before this batch.
    pub from_cache: u64,
    /// The name the servers were given, if it is known: they judge who asks.
    pub asked_as: Option<String>,
    /// The version of mailvet that verified.
    pub version: String,
    /// Rows at which own mail arrived lately.
    pub delivered: u64,
    /// The accuracy of earlier verdicts, where outcomes of mail tell of it.
    pub accuracy: Option<AccuracySummary>,
}

/// The accuracy of earlier verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccuracySummary {
    /// Right verdicts among those that decided and have an outcome.
    pub right: Share,
    /// Verdicts that decided among all.
    pub decided: Share,
    /// Verdicts whose mail came back for a reason that says nothing of the mailbox.
    pub apart: u64,
    /// The definitions of these figures.
    pub definitions: String,
    /// Kinds of verdicts with enough mail, the most first.
    pub kinds: Vec<KindAccuracy>,
    /// Earlier sends, the newest first.
    pub sends: Vec<PastSend>,
}

impl AccuracySummary {
    /// The two figures in one line, which are always told together; `None` where nothing is known.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        let is_known = self.right.of > 0 || !self.sends.is_empty();
        let figure = |share: Share| match share.of {
            0 => "not known yet".to_owned(),
            _ => share.to_string(),
        };
        is_known.then(|| {
            let (right, decided) = (figure(self.right), figure(self.decided));
            format!("earlier verdicts: right among decided {right}, share decided {decided}")
        })
    }
}

/// The accuracy of one kind of verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindAccuracy {
    /// The provider; empty if none answered.
    pub provider: String,
    /// The reason, in lower snake case.
    pub reason: String,
    /// The age of the evidence, in words.
    pub age: &'static str,
    /// Mails with a fate.
    pub mails: u64,
    /// Those that came back as gone.
    pub gone: u64,
    /// Verdicts whose mail came back for other reasons.
    pub apart: u64,
    /// The 95 % interval of the share of gone ones; `None` if they are too few.
    pub interval: Option<PercentRange>,
}

/// Kinds of files that a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFileKind {
    /// Every row of a list.
    Rows,
    /// The first row of each mailbox.
    FirstRows,
    /// The rows with the verdicts that were asked for.
    Chosen,
    /// The rows with one verdict.
    Part(Verdict),
    /// The addresses not to write to, one a line.
    Suppress,
}

impl ReportFileKind {
    /// A few words on what is in it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Rows => "every row with its verdict",
            Self::FirstRows => "the first row of each mailbox, with its verdict",
            Self::Chosen => "the rows that were asked for",
            Self::Part(Verdict::Deliverable) => "send to these",
            Self::Part(Verdict::Risky) => "may arrive, at a cost",
            Self::Part(Verdict::Undeliverable) => "take these off the list",
            Self::Part(Verdict::Unknown) => "nobody could tell",
            Self::Suppress => "addresses not to write to, one a line",
        }
    }
}

/// A file that the page links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// Its name.
    pub name: String,
    /// The kind of its rows.
    pub kind: ReportFileKind,
    /// Number of its rows.
    pub rows: u64,
    /// A relative reference to it from the page.
    pub href: String,
}

/// The number of rows that have a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagCounts {
    /// The domain accepts every recipient.
    pub catch_all: u64,
    /// The domain hands out throw-away addresses.
    pub disposable: u64,
    /// The local part names a function, not a person.
    pub role: u64,
    /// Anybody can get a mailbox there for free.
    pub free_provider: u64,
}

/// Counts of rows that would be sent to: by the chosen policy, and without the undeliverable ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounts {
    /// Those that reach a mailbox that an earlier row already reaches.
    pub duplicates: u64,
    /// Those whose local part names a function, not a person.
    pub role: u64,
}

/// The way in which the rows of one domain or destination fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCounts {
    /// Its name; empty for rows that are no addresses.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Those with a result, by the reason that decided.
    pub finished: Vec<(Reason, u64)>,
    /// The service behind a destination, if it is known.
    pub operator: Option<Operator>,
}

/// The service that operates the mail servers of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name people know it by.
    pub name: String,
    /// `true` if it filters mail for servers behind it.
    pub is_gateway: bool,
}

impl GroupCounts {
    /// The number of its rows that have this verdict.
    #[must_use]
    pub fn with_verdict(&self, verdict: Verdict) -> u64 {
        let rows = self.finished.iter().filter(|(reason, _)| reason.verdict() == verdict);
        rows.map(|(_, rows)| rows).sum()
    }
}

impl From<GroupTally> for GroupCounts {
    fn from(tally: GroupTally) -> Self {
        Self { name: tally.group, rows: tally.rows, finished: tally.finished, operator: None }
    }
}

impl From<DestinationTally> for GroupCounts {
    fn from(tally: DestinationTally) -> Self {
        let rows = tally.finished.iter().map(|(_, rows)| rows).sum();
        Self { name: tally.destination, rows, finished: tally.finished, operator: None }
    }
}
