//! `mailvet list`: a whole mailing list, vetted, and the answer to "may I send this campaign?".
//!
//! The list is sent to the batch API, in this process or elsewhere; when the batch is over its rows
//! are read a second time and written beside their results. What must outlive an interruption is in
//! the run's folder ([`job`]).

mod args;
mod backend;
mod columns;
mod digest;
mod folder;
pub(super) mod from_proto;
mod job;
mod parts;
mod paths;
mod resume;
mod retries;
mod rows;
mod sink;
mod split;
mod submit;
mod watch;
mod write;

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::common::Common;
use super::render::DIM;
use super::summary;
use crate::campaign::preflight::{Decision, grouped};
use crate::campaign::{BatchId, Preflight, Progress};
use crate::clock::Clock;
use crate::proto::{Batch, ListBatchTalliesRequest, TallyKind};
use crate::report;

pub(super) use args::ListArgs;
use backend::{Backend, Client};
use job::Job;
use watch::Display;
use write::Seen;

/// The time that closing sessions may take after Ctrl-C.
const STOPPING: Duration = Duration::from_millis(2500);

/// Number of domains and of providers that the report looks at.
const TALLIES: i32 = 50;

/// `true`: the campaign may be sent.
pub(super) async fn run(args: ListArgs, common: &Common) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let mut job = if args.resume {
        Job::resume(&args, common)?
    } else {
        Job::begin(&args, common, BatchId::new(clock.now()).to_string())?
    };
    let mut backend = match Backend::open(&job).await {
        Ok(backend) => backend,
        Err(error) => return Err(unfinished(&job, error)),
    };
    let mut display = Display::new(args.quiet, clock);
    let done = tokio::select! {
        done = vet(&mut job, &mut backend, &mut display, clock) => Some(done),
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => None,
            Err(error) => Some(Err(error.into())),
        },
    };
    display.clear();
    let Some(done) = done else {
        stop(backend).await;
        return Err(unfinished(&job, anyhow::anyhow!("interrupted")));
    };
    backend.close().await;
    match done {
        Ok(decision) => {
            job.remove();
            Ok(decision == Decision::Go)
        }
        Err(error) => Err(unfinished(&job, error)),
    }
}

/// Closes what is open, for as long as a person waits: the run can be gone on with in any case.
async fn stop(backend: Backend) {
    anstream::eprintln!(
        "{DIM}stopping: {} are being closed; Ctrl-C again leaves at once{DIM:#}",
        backend.sessions()
    );
    tokio::select! {
        _ = tokio::time::timeout(STOPPING, backend.close()) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The error of a job that ended early, with the way to go on; one of which nothing was accepted
/// is taken away.
fn unfinished(job: &Job, error: anyhow::Error) -> anyhow::Error {
    if job.batch_id.is_none() && !job.is_spooled {
        job.remove();
        return error;
    }
    error.context(format!("not finished; go on with `{}`", job.how_to_go_on()))
}

async fn vet(
    job: &mut Job,
    backend: &mut Backend,
    display: &mut Display,
    clock: Clock,
) -> anyhow::Result<Decision> {
    let client = &mut backend.client;
    let batch_id = match &job.batch_id {
        Some(batch_id) => batch_id.clone(),
        None => send(job, client, display).await?,
    };
    let batch = watch::watch(client, &batch_id, display).await?;
    display.clear();
    let seen = write::write(job, client, &batch_id).await?;
    let progress = without_unused(from_proto::progress(&batch)?, &seen);
    let mut preflight = from_proto::preflight(&batch)?;
    if !seen.unused.is_empty() {
        // The service counted every address of a row; the row is sent to one.
        let (state, policy) = (from_proto::state(&batch), preflight.policy);
        preflight = Preflight::of(&progress, state, policy, &preflight.thresholds);
    }
    if let Some(place) = &job.report {
        let data = data(job, client, &batch, &progress, &preflight, &seen, clock.now());
        let mut data = data.await?;
        data.asked_as.clone_from(&backend.asked_as);
        let scratch = job.scratch("report");
        fs::write(&scratch, report::render(&data)?)
            .with_context(|| format!("{} cannot be written", scratch.display()))?;
        paths::persist(&scratch, place, job.force)?;
    }
    say(job, &preflight, &progress, &seen);
    Ok(preflight.decision())
}

/// Says the answer; on standard error where the rows go to standard output.
fn say(job: &Job, preflight: &Preflight, progress: &Progress, seen: &Seen) {
    let mut text = summary::text(preflight, progress);
    let row = |rows| if rows == 1 { "row" } else { "rows" };
    let mut line = |rows: u64, rest: String| {
        text += &format!("{DIM}{} {} {rest}{DIM:#}\n", grouped(rows), row(rows));
    };
    if seen.no_address > 0 {
        line(seen.no_address, "without an address: no verdict, and counted nowhere".to_owned());
    }
    if seen.excluded > 0 {
        line(seen.excluded, "on your suppression lists: not asked, and counted nowhere".to_owned());
    }
    let is_are = if seen.written == 1 { "is" } else { "are" };
    text.push('\n');
    if paths::is_stream(&job.output) {
        anstream::eprint!("{text}");
        return;
    }
    text += &format!(
        "{DIM}{} {} {is_are} in{DIM:#} {}\n",
        grouped(seen.written),
        row(seen.written),
        job.output.display()
    );
    if let Some(report) = &job.report {
        text += &format!("{DIM}the report is in{DIM:#} {}\n", report.display());
    }
    anstream::print!("{text}");
}

/// The progress in rows: of a row with several addresses, only the one that was chosen counts.
fn without_unused(mut progress: Progress, seen: &Seen) -> Progress {
    for (reason, unused) in &seen.unused {
        let rows = progress.finished.entry(*reason).or_default();
        let taken = (*rows).min(*unused);
        *rows -= taken;
        progress.rows -= taken.min(progress.rows);
        progress.mailboxes = progress.mailboxes.min(progress.rows);
    }
    progress
}

/// Sends the list, and remembers its batch.
async fn send(job: &mut Job, client: &mut Client, display: &Display) -> anyhow::Result<String> {
    let bar = display.reading();
    let on_rows = move |rows| bar.set_position(rows);
    let on_layout = |layout: &_| anstream::eprintln!("{DIM}{}: {layout}{DIM:#}", job.name());
    let submitted = submit::submit(job, client, on_layout, on_rows).await?;
    for note in &submitted.notes {
        anstream::eprintln!("{DIM}{note}{DIM:#}");
    }
    job.digest = Some(submitted.digest);
    job.batch_id = Some(submitted.batch.batch_id.clone());
    job.save()?;
    Ok(submitted.batch.batch_id)
}

/// The report's data.
async fn data(
    job: &Job,
    client: &mut Client,
    batch: &Batch,
    progress: &Progress,
    preflight: &Preflight,
    seen: &Seen,
    now: SystemTime,
) -> anyhow::Result<report::ReportData> {
    let time = |at: Option<prost_types::Timestamp>| at.and_then(from_proto::time);
    Ok(report::ReportData {
        list: job.name(),
        state: from_proto::state(batch),
        started_at: time(batch.create_time).unwrap_or(now),
        ended_at: time(batch.end_time),
        written_at: now,
        progress: progress.clone(),
        preflight: preflight.clone(),
        domains: breakdown(client, batch, TallyKind::Domain).await?,
        providers: breakdown(client, batch, TallyKind::Provider).await?,
        suggestions: seen.suggestions,
        no_address: seen.no_address,
        excluded: seen.excluded,
        flags: seen.flags,
        evidence: seen.evidence,
        from_cache: seen.from_cache,
        asked_as: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

async fn breakdown(
    client: &mut Client,
    batch: &Batch,
    kind: TallyKind,
) -> anyhow::Result<Vec<report::GroupCounts>> {
    let request = ListBatchTalliesRequest {
        batch_id: batch.batch_id.clone(),
        kind: kind.into(),
        page_size: TALLIES,
        ..ListBatchTalliesRequest::default()
    };
    let tallies = client.list_batch_tallies(request).await?.into_inner().tallies;
    Ok(tallies.into_iter().map(from_proto::group_counts).collect())
}
