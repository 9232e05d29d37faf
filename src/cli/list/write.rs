//! The outputs: the lists' rows, read again, beside their results.

use anyhow::Context as _;

use super::backend::Client;
use super::columns::{self, RowAnswer};
use super::digest::Digesting;
use super::job::Job;
use super::row_answers::{RowAnswers, Seen};
use super::sink::{Packed, Sink, WrittenFile};
use super::split::Split;
use super::submit;
use crate::listfile::Row;
use crate::proto::Batch;
use crate::report::ReportFileKind;

/// The files of a run, written, and counts of what they hold.
#[derive(Debug, Default)]
pub(super) struct WrittenRun {
    pub(super) seen: Seen,
    /// The outputs, one for each list.
    pub(super) outputs: Vec<WrittenFile>,
    /// The files of `--split`.
    pub(super) parts: Vec<WrittenFile>,
    /// Sentences about what the suppression lists did.
    pub(super) exclusion_notes: Vec<String>,
}

/// Writes the outputs of all lists, whole or not at all.
pub(super) async fn write(
    job: &mut Job,
    client: &mut Client,
    batch: &Batch,
) -> anyhow::Result<WrittenRun> {
    let mut answers = RowAnswers::new(job, client, batch, job.plan()?);
    let mut written = WrittenRun::default();
    for number in 0..job.files.len() {
        write_list(job, number, &mut answers, &mut written).await?;
    }
    written.exclusion_notes = answers.exclusion_notes();
    written.seen = answers.seen;
    for file in written.parts.iter().chain(&written.outputs) {
        job.place(&file.scratch, &file.path).await?;
    }
    Ok(written)
}

/// Writes the files of one list, under names of their own.
async fn write_list(
    job: &Job,
    number: usize,
    answers: &mut RowAnswers<'_>,
    written: &mut WrittenRun,
) -> anyhow::Result<()> {
    let digest = Digesting::default();
    let mut reader = submit::open(job, number, digest.clone())?;
    let output = &job.files[number].output;
    let scratch = job.scratch(&format!("output-{number}"));
    let named = || format!("{} cannot be written", scratch.display());
    let file = Packed::create(&scratch, output).with_context(named)?;
    let mut sink = Sink::new(job.format, output, file, reader.layout(), &job.folder)?;
    let mut split = Split::begin(job, number, reader.layout())?;
    let (mut row, mut rows) = (Row::default(), 0);
    while reader.read(&mut row)? {
        if row.is_blank() {
            if job.only.is_empty() {
                sink.write_blank(&row)?;
            }
            continue;
        }
        let answer = answers.next(number, &row).await?;
        if let Some(split) = &mut split {
            answer.suppressed.iter().try_for_each(|address| split.suppress(address))?;
        }
        if job.unique && answer.is_duplicate() {
            continue;
        }
        let address = answer.values[columns::ADDRESS].as_str();
        let changed =
            (job.clean && !address.is_empty()).then(|| reader.layout().with_address(&row, address));
        let row = changed.as_ref().unwrap_or(&row);
        if let Some(split) = &mut split {
            split.write(row, &answer)?;
        }
        if is_wanted(job, &answer) {
            sink.write(row, &answer)?;
            rows += 1;
        }
    }
    sink.finish()?.finish().with_context(named)?;
    unchanged(job, number, &digest)?;
    if let Some(split) = split {
        written.parts.extend(split.finish()?);
    }
    let kind = match (job.only.is_empty(), job.unique) {
        (false, _) => ReportFileKind::Chosen,
        (true, true) => ReportFileKind::FirstRows,
        (true, false) => ReportFileKind::Rows,
    };
    written.outputs.push(WrittenFile { scratch, path: output.clone(), kind, rows });
    Ok(())
}

/// `true` if the row goes into the output. Rows that are chosen by their verdict are chosen to be
/// sent to, and who opted out is not.
fn is_wanted(job: &Job, answer: &RowAnswer) -> bool {
    let is_named = || job.only.iter().any(|only| only.name() == answer.values[0]);
    job.only.is_empty() || is_named() && !answer.is_opted_out()
}

/// The list must be the one that was sent: its rows and the results stand side by side.
fn unchanged(job: &Job, number: usize, digest: &Digesting) -> anyhow::Result<()> {
    let file = &job.files[number];
    anyhow::ensure!(
        file.digest.as_ref().is_none_or(|sent| *sent == digest.hex()),
        "{} was changed since it was read: put it back as it was and go on with `{}`",
        file.name,
        job.how_to_go_on()
    );
    Ok(())
}
