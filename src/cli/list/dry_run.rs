//! `--dry-run`: what the list holds, what its spelling and DNS say of it, and how long a run will
//! take. No mail server is asked, and nothing is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::args::ListArgs;
use super::backend::Backend;
use super::digest::Digesting;
use super::job::Job;
use super::new_folder::{self, NewFolder};
use super::page;
use super::submit::{self, BatchSubmission};
use super::watch::{self, Display};
use crate::campaign::eta::DestinationWork;
use crate::campaign::preflight::{Share, grouped};
use crate::campaign::{BatchId, Progress, duration};
use crate::cli::common::Common;
use crate::cli::depth::DepthArg;
use crate::cli::interruption::Interruption;
use crate::cli::render::{self, DIM};
use crate::cli::scratch::{NO_SCRATCH, scratch_folder};
use crate::clock::Clock;
use crate::listfile::Row;
use crate::proto::{TallyKind, from_message};
use crate::report::{GroupCounts, printable};
use crate::verdict::{Reason, Verdict};

/// Number of rows shown of each list.
const SHOWN: usize = 5;

/// Number of domains that are looked up for their providers: the largest.
const DOMAINS: i32 = 500;

/// Number of providers that are named.
const PROVIDERS: usize = 10;

/// Looks, and says what was seen.
pub(super) async fn run(
    args: ListArgs,
    common: Common,
    clock: Clock,
    mut interruption: Interruption,
) -> anyhow::Result<bool> {
    let scratch = scratch_folder().context(NO_SCRATCH)?;
    let (is_quiet, folder) = (args.quiet, scratch.path().join("run"));
    let id = BatchId::new(clock.now()).to_string();
    let begin = move |new: &NewFolder| Job::begin_in(folder, &args, &common, id, new);
    let mut job = new_folder::begin_interruptibly(begin, &mut interruption).await?;
    // A look is not worth a wait for name servers that fail: the run will ask them again.
    job.retry_window = Some(Duration::ZERO);
    for number in 0..job.files.len() {
        show_rows(&job, number)?;
    }
    let mut backend = tokio::select! {
        opened = Backend::open(&job) => opened?,
        () = interruption.wait() => anyhow::bail!("interrupted"),
    };
    let mut display = Display::new(is_quiet, clock);
    let looked = tokio::select! {
        looked = look(&job, &mut backend, &mut display, clock) => looked,
        () = interruption.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    display.clear();
    let _all_closed = interruption.during(backend.close()).await;
    print_text!("{}", looked?);
    Ok(true)
}

/// Shows the first rows: what stands in them, and what is made of it.
fn show_rows(job: &Job, number: usize) -> anyhow::Result<()> {
    let mut reader = submit::open(job, number, Digesting::default())?;
    super::say_layout(&job.files[number].name, reader.layout());
    let mut row = Row::default();
    let mut shown = 0;
    while shown < SHOWN && reader.read(&mut row)? {
        if row.is_blank() {
            continue;
        }
        shown += 1;
        let others = row.others().iter().map(String::as_str);
        let addresses: Vec<&str> = row.address().into_iter().chain(others).collect();
        let addresses =
            if addresses.is_empty() { "no address".into() } else { addresses.join(", ") };
        let note = if row.is_cleaned() { " (cleaned)" } else { "" };
        print_line!("  row {}: {}{DIM}{note}{DIM:#}", row.number(), printable(&addresses));
    }
    Ok(())
}

/// Verifies the list as far as DNS, and says what was found.
async fn look(
    job: &Job,
    backend: &mut Backend,
    display: &mut Display,
    clock: Clock,
) -> anyhow::Result<String> {
    let depth = if job.depth == DepthArg::Syntax { job.depth } else { DepthArg::Domain };
    let submission =
        BatchSubmission { plan: job.plan()?, depth, request_id: job.request_id.clone() };
    let bar = display.reading();
    let on_rows = move |rows| bar.set_position(rows);
    let client = &mut backend.client;
    let submitted = submit::submit(job, submission, client, |_, _| {}, on_rows).await?;
    let Some(submitted) = submitted else {
        return Ok(
            "every address is on your suppression lists: nobody is left to ask about\n".into()
        );
    };
    let batch = watch::watch(client, &submitted.batch.batch_id, display).await?;
    let progress = from_message::progress(&batch)?;
    let mut out = String::new();
    for note in &submitted.read.notes {
        let _ = writeln!(out, "{note}");
    }
    counts(&mut out, &progress, submitted.read.rows, job.depth);
    if job.depth != DepthArg::Mailbox {
        // A run asks no mail server either, and takes no longer than this look.
        return Ok(out);
    }
    let domains = page::breakdown(client, &batch, TallyKind::Domain, DOMAINS).await?;
    let providers = providers(backend, &domains, clock).await;
    if !providers.is_empty() {
        let _ = writeln!(out, "\n{DIM}providers{DIM:#}");
    }
    for DestinationWork { name, open, .. } in providers.iter().take(PROVIDERS) {
        let share = Share { count: *open, of: progress.rows };
        let _ = writeln!(out, "{:>11}  {:>7}  {name}", grouped(*open), share.percent());
    }
    let open = progress.finished.get(&Reason::NotProbed).copied().unwrap_or_default();
    let rows_and_mailboxes = (progress.rows, progress.mailboxes);
    let told = duration::before_start(providers, open, rows_and_mailboxes, backend.pace());
    let _ = writeln!(out, "\n{told}");
    Ok(out)
}

/// The counts by what spelling and DNS decide. A batch counts each address of the `list_rows` as a
/// row.
fn counts(out: &mut String, progress: &Progress, list_rows: u64, depth: DepthArg) {
    let row = |rows| if rows == 1 { "row" } else { "rows" };
    let duplicates = progress.rows.saturating_sub(progress.mailboxes);
    let addresses = match progress.rows > list_rows {
        true => format!("{} addresses, each counted as a row", grouped(progress.rows)),
        false => "an address".to_owned(),
    };
    let _ = writeln!(
        out,
        "{} {} with {addresses}, {} mailboxes, {} {} of a mailbox that an earlier one reaches",
        grouped(list_rows),
        row(list_rows),
        grouped(progress.mailboxes),
        grouped(duplicates),
        row(duplicates)
    );
    let _ = writeln!(out, "\n{DIM}what spelling and DNS say{DIM:#}");
    for (reason, rows) in &progress.finished {
        if *rows == 0 {
            continue;
        }
        let style = render::style(reason.verdict().name());
        let words = match reason {
            Reason::NotProbed if depth == DepthArg::Mailbox => "left to ask their mail servers",
            reason => reason.sentence(),
        };
        let _ = writeln!(out, "{style}{:>11}{style:#}  {words}", grouped(*rows));
    }
}

/// The work at each provider, or at each domain where the provider is not known here; the most
/// first.
async fn providers(
    backend: &Backend,
    domains: &[GroupCounts],
    clock: Clock,
) -> Vec<DestinationWork> {
    let mut found: BTreeMap<String, DestinationWork> = BTreeMap::new();
    for domain in domains {
        let open = domain.with_verdict(Verdict::Unknown);
        if open == 0 || domain.name.is_empty() {
            continue;
        }
        let name = backend.destination(&domain.name, clock).await;
        let name = name.unwrap_or_else(|| domain.name.clone());
        let work = found.entry(name).or_default();
        work.open += open;
        work.domains += 1;
    }
    DestinationWork::list(found)
}
