//! `--dry-run`: what the list holds, what its spelling and DNS say of it, and how long a run will
//! take. No mail server is asked, and nothing is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::args::ListArgs;
use super::backend::Backend;
use super::digest::Digesting;
use super::job::Job;
use super::submit::{self, BatchSubmission};
use super::watch::{self, Display};
use super::{from_proto, page};
use crate::campaign::eta::{self, DestinationWork, Pace, TimeEstimate, Workload};
use crate::campaign::preflight::{self, Share, grouped};
use crate::campaign::{BatchId, Progress};
use crate::cli::common::Common;
use crate::cli::depth::DepthArg;
use crate::cli::render::{self, DIM};
use crate::clock::Clock;
use crate::listfile::Row;
use crate::proto::TallyKind;
use crate::report::{GroupCounts, printable};
use crate::verdict::{Reason, Verdict};

/// Number of rows shown of each list.
const SHOWN: usize = 5;

/// Number of domains that are looked up for their providers: the largest.
const DOMAINS: i32 = 500;

/// Number of providers that are named.
const PROVIDERS: usize = 10;

/// Looks, and says what was seen.
pub(super) async fn run(args: &ListArgs, common: &Common, clock: Clock) -> anyhow::Result<bool> {
    let scratch = tempfile::Builder::new().prefix("mailvet-").tempdir()?;
    let id = BatchId::new(clock.now()).to_string();
    let job = Job::begin_in(scratch.path().join("run"), args, common, id)?;
    for number in 0..job.files.len() {
        show_rows(&job, number)?;
    }
    let mut backend = Backend::open(&job).await?;
    let mut display = Display::new(args.quiet, clock);
    let looked = tokio::select! {
        looked = look(&job, &mut backend, &mut display, clock) => looked,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    display.clear();
    backend.close().await;
    anstream::print!("{}", looked?);
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
        anstream::println!("  row {}: {}{DIM}{note}{DIM:#}", row.number(), printable(&addresses));
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
    let batch = watch::watch(client, &submitted.batch.batch_id, display).await?;
    let progress = from_proto::progress(&batch)?;
    let mut out = String::new();
    for note in &submitted.notes {
        let _ = writeln!(out, "{note}");
    }
    counts(&mut out, &progress, job.depth);
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
    let _ = writeln!(out, "\n{}", duration(providers, &progress, backend.pace()));
    Ok(out)
}

/// The counts by what spelling and DNS decide.
fn counts(out: &mut String, progress: &Progress, depth: DepthArg) {
    let row = |rows| if rows == 1 { "row" } else { "rows" };
    let duplicates = progress.rows.saturating_sub(progress.mailboxes);
    let _ = writeln!(
        out,
        "{} {} with an address, {} mailboxes, {} {} of a mailbox that an earlier one reaches",
        grouped(progress.rows),
        row(progress.rows),
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

/// The time that a run will take, with the reason, as a run's own forecast has it.
fn duration(providers: Vec<DestinationWork>, progress: &Progress, pace: Option<Pace>) -> String {
    let open = progress.finished.get(&Reason::NotProbed).copied().unwrap_or_default();
    let are_left = if open == 1 { "is left" } else { "are left" };
    let left = format!("{} {are_left} to ask about", preflight::rows(open));
    let Some(pace) = pace.filter(|_| open > 0) else { return left };
    let work = Workload {
        destinations: providers,
        open,
        finished_lately: 0,
        observed: Duration::ZERO,
        rows_and_mailboxes: (progress.rows, progress.mailboxes),
        pace,
        waiting: None,
    };
    let Some(TimeEstimate { left: time, basis }) = eta::estimate(&work) else {
        return format!(
            "{left}: less than a minute's worth at each provider, so as long as the servers need \
             to answer"
        );
    };
    format!(
        "about {}: {}. Other providers are asked at the same time; servers that say \"not now\" \
         are waited for",
        watch::time_left(time),
        basis.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        recipients: 3000,
        connections: 30,
        recipients_per_session: 1000,
        refused_per_session: 9,
    };

    fn work(name: &str, open: u64) -> DestinationWork {
        DestinationWork { name: name.to_owned(), open, domains: 1, ..DestinationWork::default() }
    }

    fn left(open: u64) -> Progress {
        Progress {
            rows: open,
            mailboxes: open,
            finished: [(Reason::NotProbed, open)].into(),
            ..Progress::default()
        }
    }

    #[test]
    fn the_largest_provider_sets_the_time_and_is_named() {
        let providers = vec![work("google.com", 130_000), work("outlook.com", 9_000)];
        let text = duration(providers, &left(139_000), Some(PACE));
        assert!(
            text.starts_with("about 44m: 130,000 rows at google.com, 3,000 a minute"),
            "{text}"
        );
    }

    #[test]
    fn a_list_without_a_large_provider_takes_as_long_as_its_servers() {
        let text = duration(vec![work("acme.test", 40)], &left(40), Some(PACE));
        assert!(text.starts_with("40 rows are left to ask about: less than a minute's"), "{text}");
        assert_eq!(duration(vec![], &left(1), None), "1 row is left to ask about");
        assert_eq!(duration(vec![], &left(0), Some(PACE)), "0 rows are left to ask about");
    }
}
