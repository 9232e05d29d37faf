//! `mailvet list`: a whole mailing list, vetted, and the answer to "may I send this campaign?".
//!
//! The list is sent to the batch API, in this process or elsewhere; when the batch is over its rows
//! are read a second time and written beside their results. What must outlive an interruption is in
//! the run's folder ([`job`]).

mod args;
mod backend;
mod begin;
mod columns;
mod digest;
mod dry_run;
mod folder;
mod job;
mod job_file;
mod new_folder;
mod page;
mod parts;
mod paths;
mod placed_file;
mod results;
mod resume;
mod retries;
mod row_answers;
mod rows;
mod sampling;
mod sink;
mod split;
mod submit;
mod watch;
mod write;

use std::time::Duration;

use super::common::Common;
use super::interruption::Interruption;
use super::render::{self, DIM};
use super::summary;
use crate::campaign::preflight::{Decision, grouped};
use crate::campaign::{BatchId, Preflight, Progress};
use crate::clock::Clock;
use crate::listfile::Layout;
use crate::proto::{GetAccuracyRequest, from_message};
use crate::report::AccuracySummary;

pub(super) use args::ListArgs;
use backend::{Backend, Client};
use job::Job;
use new_folder::NewFolder;
use page::RunAnswer;
use submit::BatchSubmission;
use watch::Display;
use write::WrittenRun;

/// The time that closing sessions may take after an interruption.
const STOPPING: Duration = Duration::from_millis(2500);

/// The end of a run that did not fail.
enum Ending {
    /// The lists are vetted.
    Vetted(Decision),
    /// The sample is; the rest is not wanted yet.
    Sampled(Decision),
}

/// `true`: the campaign may be sent.
pub(super) async fn run(args: ListArgs, common: &Common) -> anyhow::Result<bool> {
    let clock = Clock::start();
    // Before anything is made that would be left behind.
    let mut interruption = Interruption::listen()?;
    if args.dry_run {
        return dry_run::run(args, common.clone(), clock, interruption).await;
    }
    let (is_quiet, is_rest_agreed, common) = (args.quiet, args.yes, common.clone());
    let begin = move |folder: &NewFolder| match args.resume {
        true => Job::resume(&args, &common),
        false => Job::begin(&args, &common, BatchId::new(clock.now()).to_string(), folder),
    };
    let mut job = new_folder::begin_interruptibly(begin, &mut interruption).await?;
    let opened = tokio::select! {
        opened = Backend::open(&job) => opened,
        () = interruption.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    let mut backend = match opened {
        Ok(backend) => backend,
        Err(error) => return Err(unfinished(&job, error)),
    };
    let mut display = Display::new(is_quiet, clock);
    let done = tokio::select! {
        done = vet(&mut job, &mut backend, &mut display, is_rest_agreed, clock) => Some(done),
        () = interruption.wait() => None,
    };
    display.clear();
    let Some(done) = done else {
        stop(backend, &mut interruption).await;
        return Err(unfinished(&job, anyhow::anyhow!("interrupted")));
    };
    // Nobody else listens to signals meanwhile.
    let _all_closed = interruption.during(backend.close()).await;
    match done {
        Ok(Ending::Vetted(decision)) => {
            job.remove();
            Ok(decision == Decision::Go)
        }
        Ok(Ending::Sampled(decision)) => {
            anstream::eprintln!("\n{DIM}for the rest go on with{DIM:#} {}", job.how_to_go_on());
            Ok(decision == Decision::Go)
        }
        Err(error) => Err(unfinished(&job, error)),
    }
}

/// Closes what is open, for as long as a person waits: the run can be gone on with in any case.
async fn stop(backend: Backend, interruption: &mut Interruption) {
    anstream::eprintln!(
        "{DIM}stopping, and closing {}; Ctrl-C again leaves at once{DIM:#}",
        backend.sessions()
    );
    let closing = interruption.during(backend.close());
    let _in_time = tokio::time::timeout(STOPPING, closing).await;
}

/// The error of a job that ended early, with the way to go on; one of which nothing was accepted
/// is taken away, unless it holds the only copy of a list with which another try may succeed.
fn unfinished(job: &Job, error: anyhow::Error) -> anyhow::Error {
    let is_only_copy = job.files.iter().any(|file| file.is_spooled);
    if !job.is_accepted() && (!is_only_copy || submit::is_fault_of_list(&error)) {
        job.remove();
        return error;
    }
    if is_batch_gone(&error) {
        return error.context(
            "not finished, and the service has its batch no longer: start anew with --restart",
        );
    }
    error.context(format!("not finished; go on with `{}`", job.how_to_go_on()))
}

/// `true` if the service said that it knows nothing of what was asked for.
fn is_batch_gone(error: &anyhow::Error) -> bool {
    let status = error.chain().find_map(|cause| cause.downcast_ref::<tonic::Status>());
    status.is_some_and(|status| status.code() == tonic::Code::NotFound)
}

async fn vet(
    job: &mut Job,
    backend: &mut Backend,
    display: &mut Display,
    is_rest_agreed: bool,
    clock: Clock,
) -> anyhow::Result<Ending> {
    let client = &mut backend.client;
    if job.batch_id.is_none() && job.sample.as_ref().is_some_and(|sample| !sample.is_done) {
        let decision = sampling::verify_sample(job, client, display).await?;
        if let Some(decision) = decision
            && !sampling::is_rest_wanted(is_rest_agreed).await?
        {
            return Ok(Ending::Sampled(decision));
        }
    }
    let batch_id = match &job.batch_id {
        Some(batch_id) => Some(batch_id.clone()),
        None => send(job, client, display).await?,
    };
    let batch = match &batch_id {
        Some(batch_id) => watch::watch(client, batch_id, display).await?,
        None => row_answers::batch_of_nobody(),
    };
    display.clear();
    let written = write::write(job, client, &batch).await?;
    let (progress, preflight) = match batch_id {
        Some(_) => row_answers::in_rows(&batch, &written.seen)?,
        None => row_answers::about_nobody(job.send_to),
    };
    // Who may not report outcomes is not told of them.
    let told = backend.outcomes.get_accuracy(GetAccuracyRequest {}).await;
    let told = told.ok().and_then(|answer| answer.into_inner().accuracy);
    let accuracy = told.as_ref().map(from_message::accuracy);
    let answer = RunAnswer {
        batch: &batch,
        progress: &progress,
        preflight: &preflight,
        written: &written,
        accuracy: accuracy.as_ref(),
        asked_as: backend.asked_as.clone(),
    };
    page::write_page(job, client, answer, clock.now()).await?;
    say(job, &preflight, &progress, accuracy.as_ref(), &written);
    Ok(Ending::Vetted(preflight.decision()))
}

/// Says the answer; on standard error where the rows go to standard output.
fn say(
    job: &Job,
    preflight: &Preflight,
    progress: &Progress,
    accuracy: Option<&AccuracySummary>,
    written: &WrittenRun,
) {
    let is_stream = written.outputs.iter().any(|output| paths::is_stream(&output.path));
    let width = match is_stream {
        true => render::terminal_width(std::io::stderr()),
        false => render::terminal_width(std::io::stdout()),
    };
    let mut text = summary::text(preflight, progress, width);
    if let Some(line) = accuracy.and_then(AccuracySummary::headline) {
        text += &format!("\n{DIM}{line}{DIM:#}\n");
    }
    let row = |rows| if rows == 1 { "row" } else { "rows" };
    let mut line = |rows: u64, rest: &str| {
        text += &format!("{DIM}{} {} {rest}{DIM:#}\n", grouped(rows), row(rows));
    };
    if written.seen.no_address > 0 {
        line(written.seen.no_address, "without an address: no verdict, and counted nowhere");
    }
    if written.seen.excluded > 0 {
        let shares = written.seen.exclusions.shares();
        let rest = format!("on your suppression lists{shares}: not asked, and counted nowhere");
        line(written.seen.excluded, &rest);
    }
    for note in &written.exclusion_notes {
        text += &format!("{DIM}{note}{DIM:#}\n");
    }
    text.push('\n');
    if is_stream {
        anstream::eprint!("{text}");
        return;
    }
    let parts = written.parts.iter().filter(|part| part.rows > 0);
    for file in written.outputs.iter().chain(parts) {
        let (rows, is_are) = (file.rows, if file.rows == 1 { "is" } else { "are" });
        text += &format!("{DIM}{} {} {is_are} in{DIM:#} ", grouped(rows), row(rows));
        text += &format!("{}\n", file.path.display());
    }
    if let Some(report) = &job.report {
        text += &format!("{DIM}the report is in{DIM:#} {}\n", report.display());
    }
    print_text!("{text}");
}

/// Says what a list was found to be, and which columns of it keep nobody from being written to.
fn say_layout(name: &str, layout: &Layout) {
    anstream::eprintln!("{DIM}{name}: {layout}{DIM:#}");
    for column in layout.opt_out_columns() {
        anstream::eprintln!(
            "{DIM}{name}: {column} may say who wants no mail, and is not looked at: give those \
             addresses with --exclude{DIM:#}"
        );
    }
}

/// Sends the lists, and remembers their batch; `None` if nobody is left to ask about.
async fn send(
    job: &mut Job,
    client: &mut Client,
    display: &Display,
) -> anyhow::Result<Option<String>> {
    let bar = display.reading();
    let on_rows = move |rows| bar.set_position(rows);
    let submission =
        BatchSubmission { plan: job.plan()?, depth: job.depth, request_id: job.request_id.clone() };
    let submitted = submit::submit(job, submission, client, say_layout, on_rows).await?;
    let Some(submitted) = submitted else { return Ok(None) };
    for note in &submitted.read.notes {
        anstream::eprintln!("{DIM}{note}{DIM:#}");
    }
    for (file, digest) in job.files.iter_mut().zip(submitted.digests) {
        file.digest = Some(digest);
    }
    job.batch_id = Some(submitted.batch.batch_id.clone());
    job.save()?;
    Ok(Some(submitted.batch.batch_id))
}
