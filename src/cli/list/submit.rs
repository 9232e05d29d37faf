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
use crate::listfile::{self, Layout, Reader, Row};
use crate::proto::upload_batch_request::Part;
use crate::proto::{
    self, Batch, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, UploadBatchRequest,
};

/// Number of rows in one message, or a few more.
const PAGE: usize = 1000;

/// Number of pages that are read ahead.
const AHEAD: usize = 4;

/// An accepted list, and the findings of reading it.
pub(super) struct Submitted {
    /// The batch.
    pub(super) batch: Batch,
    /// The SHA-256 of the list.
    pub(super) digest: String,
    /// The findings, in words.
    pub(super) notes: Vec<String>,
}

/// The options for reading the list.
pub(super) fn reading(job: &Job) -> listfile::Options {
    listfile::Options {
        encoding: job.encoding.clone(),
        column: job.column.clone(),
        header: job.header,
        skip_rows: job.skip_rows,
        ..listfile::Options::default()
    }
}

/// The list's rows.
pub(super) type Rows = Reader<Hashing<BufReader<File>>>;

/// Opens the list; `digest` takes in what is read.
pub(super) fn open(job: &Job, digest: Digesting) -> anyhow::Result<Rows> {
    let named = || job.name();
    let file = File::open(&job.input).with_context(named)?;
    Reader::open(Hashing::new(BufReader::new(file), digest), &reading(job)).with_context(named)
}

/// A message of the reading thread.
enum Sent {
    /// Rows.
    Page(Vec<BatchAddress>),
    /// The end of the list.
    End,
}

/// Sends the list. `on_layout` is told what the file is, `on_rows` how many rows have gone.
pub(super) async fn submit(
    job: &Job,
    client: &mut Client,
    on_layout: impl FnOnce(&Layout),
    on_rows: impl Fn(u64) + Send + Sync + 'static,
) -> anyhow::Result<Submitted> {
    let digest = Digesting::default();
    let reader = open(job, digest.clone())?;
    on_layout(reader.layout());
    let plan = job.plan()?;
    let (pages, sent) = mpsc::channel(AHEAD);
    // Reading a file blocks.
    let mut reading = tokio::task::spawn_blocking(move || read(reader, &plan, &pages));
    let mut call = pin!(client.upload_batch(parts(spec(job), sent, on_rows)));
    let mut notes = None;
    let created = tokio::select! {
        created = &mut call => created,
        read = &mut reading => {
            // An error drops the call, which then leaves nothing.
            notes = Some(read?.with_context(|| job.name())?);
            call.await
        }
    };
    let batch = created?.into_inner().batch.context("the service named no batch")?;
    let notes = match notes {
        Some(notes) => notes,
        None => reading.await?.with_context(|| job.name())?,
    };
    Ok(Submitted { batch, digest: digest.hex(), notes })
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

/// Reads all rows into pages; returns what was out of the ordinary.
fn read(
    mut reader: Rows,
    plan: &RowPlan,
    pages: &mpsc::Sender<Sent>,
) -> anyhow::Result<Vec<String>> {
    let mut row = Row::default();
    let mut page = Vec::with_capacity(PAGE);
    let mut row_count: u64 = 0;
    // The list is read to its end also when nobody takes the rows: they were sent before.
    let send = |page: &mut Vec<BatchAddress>| pages.blocking_send(Sent::Page(std::mem::take(page)));
    while reader.read(&mut row)? {
        if row.is_blank() {
            continue;
        }
        if let RowQuestion::Addresses(addresses) = plan.question(&row) {
            page.extend(addresses.iter().map(|address| BatchAddress {
                address: (*address).to_owned(),
                row_id: String::new(),
            }));
        }
        if page.len() >= PAGE {
            row_count += page.len() as u64;
            let _taken = send(&mut page);
        }
    }
    let is_empty = row_count == 0 && page.is_empty();
    anyhow::ensure!(!is_empty, "no row holds an address to verify; is it the right column?");
    if !page.is_empty() {
        let _taken = send(&mut page);
    }
    let _taken = pages.blocking_send(Sent::End);
    Ok(reader.findings().notes())
}

fn spec(job: &Job) -> BatchSpec {
    let depth = match job.depth {
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
        request_id: job.request_id.clone(),
        display_name: name[..name.floor_char_boundary(200)].to_owned(),
        options: Some(BatchOptions {
            depth: depth.into(),
            timeout: job.deadline.and_then(duration),
            retry_window: job.retry_window.and_then(duration),
            max_age: job.max_age.and_then(duration),
            skip_catch_all: job.skip_catch_all,
            send_policy: send_policy.into(),
        }),
    }
}
