//! The list's way to whoever does the work: read row by row, sent page by page.

use std::fs::File;
use std::io::BufReader;

use anyhow::Context as _;
use futures_util::stream;
use tokio::sync::mpsc;

use super::args::SendToArg;
use super::backend::Client;
use super::job::{Hashing, Job};
use crate::cli::args::DepthArg;
use crate::listfile::{self, Layout, Reader, Row};
use crate::proto::create_batch_request::Part;
use crate::proto::{
    self, Batch, BatchAddress, BatchOptions, BatchPage, BatchSpec, CreateBatchRequest,
};

/// How many rows go in one message.
const PAGE: usize = 1000;

/// How many pages are read ahead.
const AHEAD: usize = 4;

/// The longest address sent, in octets. What is longer is no address, and its beginning shows it.
const LONGEST_ADDRESS: usize = 1000;

/// What reading the whole list showed.
pub(super) struct Submitted {
    /// The batch.
    pub(super) batch: Batch,
    /// The SHA-256 of the list.
    pub(super) digest: String,
    /// What was out of the ordinary, in words.
    pub(super) notes: Vec<String>,
}

/// How the list is to be read.
pub(super) fn reading(job: &Job) -> listfile::Options {
    listfile::Options {
        encoding: job.encoding.clone(),
        column: job.column.clone(),
        header: job.header,
        ..listfile::Options::default()
    }
}

/// Opens the list.
pub(super) fn open(job: &Job) -> anyhow::Result<Reader<Hashing<BufReader<File>>>> {
    let named = || job.name();
    let file = File::open(&job.input).with_context(named)?;
    Reader::open(Hashing::new(BufReader::new(file)), &reading(job)).with_context(named)
}

/// Sends the list. `on_layout` is told what the file is, `on_rows` how many rows have gone.
pub(super) async fn submit(
    job: &Job,
    client: &mut Client,
    on_layout: impl FnOnce(&Layout),
    on_rows: impl Fn(u64) + Send + Sync + 'static,
) -> anyhow::Result<Submitted> {
    let reader = open(job)?;
    on_layout(reader.layout());
    let (pages, sent) = mpsc::channel(AHEAD);
    // Reading a file blocks.
    let reading = tokio::task::spawn_blocking(move || read(reader, &pages));
    let first = CreateBatchRequest { part: Some(Part::Spec(spec(job))) };
    let parts = stream::unfold((Some(first), sent, 0, on_rows), async |state| {
        let (first, mut sent, mut rows, on_rows) = state;
        if let Some(first) = first {
            return Some((first, (None, sent, rows, on_rows)));
        }
        let page: Vec<BatchAddress> = sent.recv().await?;
        rows += page.len() as u64;
        on_rows(rows);
        let part = Part::Page(BatchPage { addresses: page });
        Some((CreateBatchRequest { part: Some(part) }, (None, sent, rows, on_rows)))
    });
    let created = client.create_batch(parts).await;
    // What is wrong with the file says more than that the call was given up.
    let (digest, notes) = reading.await?.with_context(|| job.name())?;
    let batch = created?.into_inner().batch.context("the service named no batch")?;
    Ok(Submitted { batch, digest, notes })
}

/// Reads all rows into pages. An error ends the call before its batch is accepted: the last page,
/// which would end it well, is held back until the whole file was read.
fn read(
    mut reader: Reader<Hashing<BufReader<File>>>,
    pages: &mpsc::Sender<Vec<BatchAddress>>,
) -> anyhow::Result<(String, Vec<String>)> {
    let mut row = Row::default();
    let mut page = Vec::with_capacity(PAGE);
    while reader.read(&mut row)? {
        if row.is_blank() {
            continue;
        }
        let address = beginning(row.address().unwrap_or_default()).to_owned();
        page.push(BatchAddress { address, row_id: String::new() });
        // A receiver that is gone has said why to its caller.
        if page.len() == PAGE && pages.blocking_send(std::mem::take(&mut page)).is_err() {
            break;
        }
    }
    let notes = reader.findings().notes();
    let digest = reader.into_inner().finish()?;
    if !page.is_empty() {
        let _gone = pages.blocking_send(page);
    }
    Ok((digest, notes))
}

/// As much of `address` as is sent.
fn beginning(address: &str) -> &str {
    &address[..address.floor_char_boundary(LONGEST_ADDRESS)]
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
            deadline: job.deadline.and_then(duration),
            patience: job.patience.and_then(duration),
            max_age: job.max_age.and_then(duration),
            skip_catch_all: job.skip_catch_all,
            send_policy: send_policy.into(),
        }),
    }
}
