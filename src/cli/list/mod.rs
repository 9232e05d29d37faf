//! `mailvet list`: a whole mailing list, vetted, and the answer to "may I send this campaign?".
//!
//! The list is sent to the batch API, in this process or elsewhere; when the batch is over its rows
//! are read a second time and written beside their results. What must outlive an interruption is in
//! the run's folder ([`job`]).

mod args;
mod backend;
mod columns;
mod digest;
pub(super) mod from_proto;
mod job;
mod submit;
mod watch;
mod write;

use std::fs;
use std::time::SystemTime;

use anyhow::Context as _;

use super::args::Common;
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

/// How many domains and providers the report looks at.
const TALLIES: i32 = 50;

/// `true`: the campaign may be sent.
pub(super) async fn run(args: ListArgs, common: &Common) -> anyhow::Result<bool> {
    let clock = Clock::start();
    let mut job = if args.resume {
        Job::resume(&args)?
    } else {
        Job::begin(&args, BatchId::new(clock.now()).to_string())?
    };
    let mut backend = match Backend::open(&job, &args.client, common).await {
        Ok(backend) => backend,
        Err(error) => return Err(unfinished(&job, error)),
    };
    let mut display = Display::new(args.quiet, clock);
    let done = tokio::select! {
        done = vet(&mut job, &mut backend, &mut display, clock) => done,
        interrupted = tokio::signal::ctrl_c() => interrupted
            .map_err(anyhow::Error::from)
            .and_then(|()| Err(anyhow::anyhow!("interrupted"))),
    };
    display.clear();
    backend.close().await;
    match done {
        Ok(decision) => {
            job.remove();
            Ok(decision == Decision::Go)
        }
        Err(error) => Err(unfinished(&job, error)),
    }
}

/// Why a job ended early, and how to go on; one of which nothing was accepted is taken away.
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
    let progress = from_proto::progress(&batch)?;
    let preflight = from_proto::preflight(&batch, &progress)?;
    let seen = write::write(job, client, &batch_id).await?;
    if let Some(place) = &job.report {
        let data = data(job, client, &batch, &progress, &preflight, &seen, clock.now());
        let mut data = data.await?;
        data.asked_as.clone_from(&backend.asked_as);
        let scratch = job.scratch("report");
        fs::write(&scratch, report::render(&data)?)
            .with_context(|| format!("{} cannot be written", scratch.display()))?;
        write::persist(&scratch, place)?;
    }
    anstream::print!("{}", summary::text(&preflight, &progress));
    let rows = grouped(seen.written);
    anstream::println!("\n{DIM}{rows} rows are in{DIM:#} {}", job.output.display());
    if let Some(report) = &job.report {
        anstream::println!("{DIM}the report is in{DIM:#} {}", report.display());
    }
    Ok(preflight.decision())
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

/// What the report is made from.
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
    };
    let tallies = client.list_batch_tallies(request).await?.into_inner().tallies;
    tallies.into_iter().map(from_proto::group_counts).collect()
}
