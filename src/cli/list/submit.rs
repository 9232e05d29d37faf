//! The list's way to the service: read row by row, sent page by page.

use std::fs::File;
use std::io::BufReader;
use std::pin::pin;

use anyhow::Context as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::args::SendToArg;
use super::backend::Client;
use super::digest::{Digesting, Hashing};
use super::job::Job;
use super::rows::{RowPlan, RowQuestion};
use crate::cli::depth::DepthArg;
use crate::listfile::{self, Layout, ListFileError, Reader, Remedies, Row};
use crate::proto::upload_batch_request::Part;
use crate::proto::{
    self, Batch, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, UploadBatchRequest,
};

/// Number of rows in one message, or a few more.
const PAGE: usize = 1000;

/// Number of pages that are read ahead.
const AHEAD: usize = 4;

/// The lists of a run, accepted.
pub(super) struct Submitted {
    /// The batch.
    pub(super) batch: Batch,
    /// The SHA-256 of each list.
    pub(super) digests: Vec<String>,
    /// The findings of reading them.
    pub(super) read: ReadLists,
}

/// The findings of reading the lists.
#[derive(Debug, Default)]
pub(super) struct ReadLists {
    /// Number of rows that are asked about, each with one address or several.
    pub(super) rows: u64,
    /// What was out of the ordinary, in words.
    pub(super) notes: Vec<String>,
}

/// There is nobody on the lists.
#[derive(Debug, thiserror::Error)]
#[error("no row holds an address to verify; is it the right column?")]
struct NoAddressToVerify;

/// `true` if `error` is about what the lists hold, which another try finds as well.
pub(super) fn is_fault_of_list(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<ListFileError>() {
        // The machine failed, and may have room or a disk again.
        Some(ListFileError::Read { .. } | ListFileError::Write(_)) => false,
        Some(_) => true,
        None => cause.is::<NoAddressToVerify>(),
    })
}

/// The options for reading a list.
fn reading(job: &Job, number: usize) -> listfile::ReaderOptions {
    // A table that was made here is UTF-8 and has no lines to skip but those of its sheet.
    let is_imported = job.files[number].is_imported;
    let encoding = job.encoding.clone().filter(|_| !is_imported);
    listfile::ReaderOptions {
        encoding,
        column: job.column.clone(),
        consent_column: job.consent_column.clone(),
        header: job.header,
        skip_rows: job.skip_rows,
        is_imported,
        // What was asked is read for its answers: it is too late to ask for another column.
        is_known: job.is_accepted(),
        column_rules: job.column_rules,
        ..listfile::ReaderOptions::default()
    }
}

/// The list's rows.
pub(super) type Rows = Reader<Hashing<BufReader<File>>>;

/// Opens the list with this number; `digest` takes in what is read.
pub(super) fn open(job: &Job, number: usize, digest: Digesting) -> anyhow::Result<Rows> {
    let named = || job.files[number].name.clone();
    let file = File::open(job.input(number)).with_context(named)?;
    let file = Hashing::new(BufReader::new(file), digest);
    Reader::open(file, &reading(job, number)).with_context(named)
}

/// A message of the reading thread.
enum Sent {
    /// Rows.
    Page(Vec<BatchAddress>),
    /// The end of the list.
    End,
}

/// The batch that is made of a run's lists.
pub(super) struct BatchSubmission {
    /// The plan of what is asked of each row.
    pub(super) plan: RowPlan,
    /// The depth of the verification.
    pub(super) depth: DepthArg,
    /// Makes it the same one, however often it is tried.
    pub(super) request_id: String,
}

/// Sends the lists; `None` if every address of them is on a suppression list. `on_layout` is told
/// the name and the layout of each, `on_rows` how many rows have gone.
pub(super) async fn submit(
    job: &Job,
    submission: BatchSubmission,
    client: &mut Client,
    mut on_layout: impl FnMut(&str, &Layout),
    on_rows: impl Fn(u64) + Send + Sync + 'static,
) -> anyhow::Result<Option<Submitted>> {
    let digests: Vec<Digesting> = job.files.iter().map(|_| Digesting::default()).collect();
    let mut lists = Vec::with_capacity(digests.len());
    for (number, digest) in digests.iter().enumerate() {
        let name = job.files[number].name.clone();
        let reader = open(job, number, digest.clone())?;
        on_layout(&name, reader.layout());
        lists.push((name, reader));
    }
    let spec = spec(job, &submission);
    let plan = submission.plan;
    let (pages, sent) = mpsc::channel(AHEAD);
    // Reading a file blocks.
    let mut reading = tokio::task::spawn_blocking(move || read(lists, &plan, &pages));
    let mut call = pin!(client.upload_batch(parts(spec, sent, on_rows)));
    let mut found = None;
    let created = tokio::select! {
        created = &mut call => created,
        read = &mut reading => {
            // An error drops the call, which then leaves nothing, and so do lists that ask nothing.
            let Some(read) = read?? else { return Ok(None) };
            found = Some(read);
            call.await
        }
    };
    let batch = created?.into_inner().batch.context("the service named no batch")?;
    let read = match found {
        Some(read) => read,
        None => reading.await??.unwrap_or_default(),
    };
    Ok(Some(Submitted { batch, digests: digests.iter().map(Digesting::hex).collect(), read }))
}

/// The messages of the call. They end only when the whole list was read.
fn parts(
    spec: BatchSpec,
    sent: mpsc::Receiver<Sent>,
    on_rows: impl Fn(u64) + Send + Sync + 'static,
) -> impl Stream<Item = UploadBatchRequest> + Send + 'static {
    let state = Some((sent, 0, on_rows));
    let pages = stream::unfold(state, async |state| {
        let (mut sent, mut rows, on_rows) = state?;
        match sent.recv().await {
            Some(Sent::Page(page)) => {
                rows += page.len() as i64;
                on_rows(rows as u64);
                Some((Part::Page(BatchPage { addresses: page }), Some((sent, rows, on_rows))))
            }
            Some(Sent::End) => Some((Part::End(BatchEnd { rows }), None)),
            // The reader gave up; the task that waits for it has its error.
            None => std::future::pending().await,
        }
    });
    let parts = stream::once(std::future::ready(Part::Spec(spec))).chain(pages);
    parts.map(|part| UploadBatchRequest { part: Some(part) })
}

/// Reads all rows into pages; `None` if all addresses are excluded.
fn read(
    lists: Vec<(String, Rows)>,
    plan: &RowPlan,
    pages: &mpsc::Sender<Sent>,
) -> anyhow::Result<Option<ReadLists>> {
    let is_alone = lists.len() == 1;
    let mut row = Row::default();
    let mut page = Vec::with_capacity(PAGE);
    let mut found = ReadLists::default();
    let mut has_excluded = false;
    // The list is read to its end also when nobody takes the rows: they were sent before.
    let send = |page: &mut Vec<BatchAddress>| pages.blocking_send(Sent::Page(std::mem::take(page)));
    for (number, (name, mut reader)) in lists.into_iter().enumerate() {
        while reader.read(&mut row).with_context(|| name.clone())? {
            if row.is_blank() || !plan.is_chosen((number, row.number())) {
                continue;
            }
            match plan.question(&row) {
                RowQuestion::Addresses(addresses) => {
                    found.rows += 1;
                    page.extend(addresses.iter().map(|address| BatchAddress {
                        address: (*address).to_owned(),
                        row_id: String::new(),
                        consent_time: row.consented_at().map(Into::into),
                    }));
                }
                RowQuestion::Excluded(_) => has_excluded = true,
                RowQuestion::NoAddress => {}
            }
            if page.len() >= PAGE {
                let _taken = send(&mut page);
            }
        }
        let notes = reader.findings().notes(&Remedies::OPTIONS).into_iter();
        let named = |note: String| if is_alone { note } else { format!("{name}: {note}") };
        found.notes.extend(notes.map(named));
    }
    if found.rows == 0 {
        anyhow::ensure!(has_excluded, NoAddressToVerify);
        return Ok(None);
    }
    if !page.is_empty() {
        let _taken = send(&mut page);
    }
    let _taken = pages.blocking_send(Sent::End);
    Ok(Some(found))
}

fn spec(job: &Job, submission: &BatchSubmission) -> BatchSpec {
    let depth = match submission.depth {
        DepthArg::Syntax => proto::Depth::Syntax,
        DepthArg::Domain => proto::Depth::Domain,
        DepthArg::Mailbox => proto::Depth::Mailbox,
    };
    let send_policy = match job.send_to {
        SendToArg::Deliverable => proto::SendPolicy::Deliverable,
        SendToArg::DeliverableAndRisky => proto::SendPolicy::DeliverableAndRisky,
        SendToArg::All => proto::SendPolicy::All,
    };
    let duration = |time: std::time::Duration| prost_types::Duration::try_from(time).ok();
    let name = job.name();
    BatchSpec {
        request_id: submission.request_id.clone(),
        display_name: name[..name.floor_char_boundary(200)].to_owned(),
        options: Some(BatchOptions {
            depth: depth.into(),
            timeout: job.deadline.and_then(duration),
            retry_window: job.retry_window.and_then(duration),
            max_age: job.max_age.and_then(duration),
            skip_catch_all: job.skip_catch_all,
            send_policy: send_policy.into(),
            include_registration: job.registration,
            consent_time: job.consented.map(Into::into),
        }),
        callback: None,
    }
}
