//! `--sample`: some addresses of the list, taken at random and verified before the rest, and what
//! they tell of the whole.

use std::collections::{BinaryHeap, HashSet};
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use foldhash::quality::FixedState;

use super::backend::Client;
use super::digest::Digesting;
use super::job::Job;
use super::row_answers::{self, RowAnswers, Seen};
use super::rows::{RowId, RowPlan, RowQuestion};
use super::submit::{self, BatchSubmission};
use super::watch::{self, Display};
use crate::campaign::preflight::words::NOT_IN_THE_BOUNDS;
use crate::campaign::preflight::{Decision, Share, grouped};
use crate::campaign::{Preflight, Progress, SampleInterval, SendPolicy};
use crate::cli::render::{self, DIM};
use crate::cli::summary;
use crate::listfile::Row;
use crate::proto::Batch;
use crate::verdict::Verdict;

/// The widest text that is set.
const TEXT: usize = 96;

/// Verifies the sample of `job` and says what it tells; returns the answer about it. `None` if the
/// list has no more rows than the sample: then all of it is verified.
pub(super) async fn verify_sample(
    job: &mut Job,
    client: &mut Client,
    display: &mut Display,
) -> anyhow::Result<Option<Decision>> {
    let Some(size) = job.sample.as_ref().map(|sample| sample.size) else { return Ok(None) };
    let plan = job.plan()?;
    let (rows, whole) = tokio::task::block_in_place(|| choose(job, &plan, size))?;
    let plan = plan.of_rows(rows);
    if whole <= size as u64 {
        job.sample = None;
        job.save()?;
        return Ok(None);
    }
    let known = job.sample.as_ref().and_then(|sample| sample.batch_id.clone());
    let batch_id = match known {
        Some(batch_id) => batch_id,
        None => {
            let submission = BatchSubmission {
                plan: plan.clone(),
                depth: job.depth,
                request_id: format!("{}-sample", job.request_id),
            };
            let submitted =
                submit::submit(job, submission, client, super::say_layout, |_| {}).await?;
            let submitted = submitted.context("the sample holds no address to verify")?;
            if let Some(sample) = &mut job.sample {
                sample.batch_id = Some(submitted.batch.batch_id.clone());
            }
            job.save()?;
            submitted.batch.batch_id
        }
    };
    let batch = watch::watch(client, &batch_id, display).await?;
    display.clear();
    let seen = read_answers(job, client, &batch, plan).await?;
    let (progress, preflight) = row_answers::in_rows(&batch, &seen)?;
    anstream::eprint!("{}", text(&progress, &preflight, whole));
    if let Some(sample) = &mut job.sample {
        sample.is_done = true;
    }
    job.save()?;
    Ok(Some(preflight.decision()))
}

/// Reads what was found of the rows that were chosen.
async fn read_answers(
    job: &Job,
    client: &mut Client,
    batch: &Batch,
    plan: RowPlan,
) -> anyhow::Result<Seen> {
    let mut answers = RowAnswers::new(job, client, batch, plan);
    let mut row = Row::default();
    for number in 0..job.files.len() {
        let mut reader = submit::open(job, number, Digesting::default())?;
        while reader.read(&mut row)? {
            if !row.is_blank() && answers.is_chosen((number, row.number())) {
                answers.next(number, &row).await?;
            }
        }
    }
    Ok(answers.seen)
}

/// Takes `size` rows at random of those with a question; returns them and how many there are. The
/// run's own id seeds the choice, so that a second look makes the same one.
fn choose(job: &Job, plan: &RowPlan, size: usize) -> anyhow::Result<(HashSet<RowId>, u64)> {
    let order = FixedState::with_seed(FixedState::default().hash_one(&job.request_id));
    let mut lowest: BinaryHeap<(u64, RowId)> = BinaryHeap::new();
    let (mut row, mut whole) = (Row::default(), 0);
    for number in 0..job.files.len() {
        let mut reader = submit::open(job, number, Digesting::default())?;
        while reader.read(&mut row)? {
            if row.is_blank() || !matches!(plan.question(&row), RowQuestion::Addresses(_)) {
                continue;
            }
            whole += 1;
            let id = (number, row.number());
            lowest.push((order.hash_one(id), id));
            if lowest.len() > size {
                lowest.pop();
            }
        }
    }
    Ok((lowest.into_iter().map(|(_, id)| id).collect(), whole))
}

/// The answer about the sample, and what it tells of the whole list.
fn text(progress: &Progress, preflight: &Preflight, whole: u64) -> String {
    let width = render::terminal_width(std::io::stderr());
    let mut out = format!(
        "{DIM}a sample: {} of {} rows, taken at random{DIM:#}\n",
        grouped(progress.rows),
        grouped(whole)
    );
    out += &summary::text(preflight, progress, width);
    let of = |count| SampleInterval::of_share(Share { count, of: progress.rows }, whole);
    let _ = writeln!(out, "\n{DIM}of the whole list, with 95 % confidence{DIM:#}");
    for verdict in Verdict::ALL {
        let style = render::style(verdict.name());
        let interval = of(progress.with_verdict(verdict));
        let _ = writeln!(out, "{style}{:<14}{style:#}{interval}", verdict.name());
    }
    let chosen = preflight.chosen();
    if chosen.sent_now > 0 && preflight.policy == SendPolicy::Deliverable {
        // Their number is 0 by its definition, and no sample tells more of it.
        let _ = writeln!(out, "hard bounces  none that is known, sent as chosen");
        for line in render::wrapped(NOT_IN_THE_BOUNDS, width.min(TEXT)) {
            let _ = writeln!(out, "{DIM}{line}{DIM:#}");
        }
    } else if chosen.sent_now > 0 {
        let share = |share: Share| SampleInterval::of_share(share, whole.max(share.of));
        let bounces = share(chosen.at_least.share).to(share(chosen.at_most.share));
        let _ = writeln!(out, "hard bounces  {bounces}, sent as chosen");
    }
    out
}

/// Asks on a terminal whether to go on with the rest; elsewhere the answer is no.
pub(super) async fn is_rest_wanted(is_agreed: bool) -> anyhow::Result<bool> {
    if is_agreed {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    anstream::eprint!("\ngo on with the rest? [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    Ok(answer.await??.trim().to_ascii_lowercase().starts_with('y'))
}
