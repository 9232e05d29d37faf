//! The same list again, with what was found: its rows and its results side by side.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use super::args::FormatArg;
use super::backend::Client;
use super::columns::{self, NAMES};
use super::digest::Digesting;
use super::job::Job;
use super::{from_proto, submit};
use crate::listfile::{Output, Row, Writer};
use crate::proto::{
    BatchResult, CatchAll, ResultOrder, StreamBatchResultsRequest, StreamBatchResultsResponse,
    Verification,
};
use crate::report::FlagCounts;
use tonic::Streaming;

/// What the results say beside their verdicts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) suggestions: u64,
    pub(super) flags: FlagCounts,
    pub(super) evidence: Option<(SystemTime, SystemTime)>,
    pub(super) from_cache: u64,
    /// Rows that were written.
    pub(super) written: u64,
}

impl Seen {
    fn note(&mut self, verification: &Verification) {
        self.suggestions += u64::from(!verification.suggestion.is_empty());
        if let Some(flags) = &verification.flags {
            self.flags.catch_all += u64::from(flags.catch_all() == CatchAll::Yes);
            self.flags.disposable += u64::from(flags.disposable);
            self.flags.role += u64::from(flags.role);
            self.flags.free_provider += u64::from(flags.free_provider);
        }
        let Some(evidence) = &verification.evidence else { return };
        self.from_cache += u64::from(evidence.from_cache);
        if let Some(at) = evidence.gathered_at.and_then(from_proto::time) {
            let (first, last) = self.evidence.unwrap_or((at, at));
            self.evidence = Some((first.min(at), last.max(at)));
        }
    }
}

/// Writes the output, whole or not at all.
pub(super) async fn write(job: &Job, client: &mut Client, batch_id: &str) -> anyhow::Result<Seen> {
    let mut results = Results::open(client, batch_id).await?;
    let digest = Digesting::default();
    let mut reader = submit::open(job, digest.clone())?;
    let scratch = job.scratch("output");
    let named = || format!("{} cannot be written", scratch.display());
    let file = BufWriter::new(File::create(&scratch).with_context(named)?);
    let output = match job.format {
        None => Output::Same,
        Some(FormatArg::Csv) => Output::Csv,
        Some(FormatArg::Jsonl) => Output::JsonLines,
    };
    let mut writer = Writer::new(file, reader.layout(), output, &NAMES)?;
    let mut row = Row::default();
    let mut seen = Seen::default();
    while reader.read(&mut row)? {
        if row.is_blank() {
            if job.only.is_empty() {
                writer.write(&row, &[])?;
            }
            continue;
        }
        let result = results.next().await?;
        let verification = result.and_then(|result| result.verification);
        let Some(verification) = verification else {
            // A cancelled batch: what was not found out stays empty.
            if job.only.is_empty() {
                writer.write(&row, &[])?;
            }
            continue;
        };
        seen.note(&verification);
        let verdict = columns::verdict(verification.verdict());
        if job.only.is_empty() || job.only.iter().any(|only| only.name() == verdict) {
            let values = columns::values(&verification);
            writer.write(&row, &values.each_ref().map(String::as_str))?;
            seen.written += 1;
        }
    }
    let mut file = writer.finish()?;
    file.flush().with_context(named)?;
    file.get_ref().sync_all().with_context(named)?;
    unchanged(job, &digest)?;
    persist(&scratch, &job.output)?;
    Ok(seen)
}

/// The list must be the one that was sent: its rows and the results stand side by side.
fn unchanged(job: &Job, digest: &Digesting) -> anyhow::Result<()> {
    anyhow::ensure!(
        job.digest.as_ref().is_none_or(|sent| *sent == digest.hex()),
        "{} was changed since it was read: put it back as it was and go on with `{}`",
        job.name(),
        job.how_to_go_on()
    );
    Ok(())
}

/// Gives a finished file its own name, also on another file system.
pub(super) fn persist(scratch: &Path, place: &Path) -> anyhow::Result<()> {
    let named = || format!("{} cannot be written", place.display());
    if fs::rename(scratch, place).is_err() {
        fs::copy(scratch, place).with_context(named)?;
    }
    Ok(())
}

/// The results, one by one, in the list's order.
struct Results<'a> {
    pages: Streaming<StreamBatchResultsResponse>,
    ready: VecDeque<BatchResult>,
    _client: &'a mut Client,
}

impl<'a> Results<'a> {
    async fn open(client: &'a mut Client, batch_id: &str) -> anyhow::Result<Self> {
        let request = StreamBatchResultsRequest {
            batch_id: batch_id.to_owned(),
            order: ResultOrder::Row.into(),
            ..StreamBatchResultsRequest::default()
        };
        let pages = client.stream_batch_results(request).await?.into_inner();
        Ok(Self { pages, ready: VecDeque::new(), _client: client })
    }

    /// `None` at the end.
    async fn next(&mut self) -> anyhow::Result<Option<BatchResult>> {
        loop {
            if let Some(result) = self.ready.pop_front() {
                return Ok(Some(result));
            }
            match self.pages.message().await? {
                Some(page) => self.ready = page.results.into(),
                None => return Ok(None),
            }
        }
    }
}
