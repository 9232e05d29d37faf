//! The output: the list's rows, read again, beside their results.

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use anyhow::Context as _;
use tonic::{Status, Streaming};

use super::backend::Client;
use super::columns::{self, RowFacts, Values};
use super::digest::Digesting;
use super::job::Job;
use super::retries::Retries;
use super::rows::{FirstRows, RowPlan, RowQuestion};
use super::sink::{Packed, Sink};
use super::split::Split;
use super::{from_proto, paths, submit};
use crate::listfile::Row;
use crate::proto::{
    BatchResult, CatchAll, ResultOrder, StreamBatchResultsRequest, StreamBatchResultsResponse,
    Verdict, Verification,
};
use crate::report::FlagCounts;
use crate::verdict::Reason;

/// Counts of what the results hold beside their verdicts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) suggestions: u64,
    pub(super) flags: FlagCounts,
    pub(super) evidence: Option<(SystemTime, SystemTime)>,
    pub(super) from_cache: u64,
    /// Rows without an address.
    pub(super) no_address: u64,
    /// Rows that a suppression list kept from being asked.
    pub(super) excluded: u64,
    /// Results of addresses whose row took the answer of another one.
    pub(super) unused: BTreeMap<Reason, u64>,
    /// Rows that were written.
    pub(super) written: u64,
}

impl Seen {
    fn note(&mut self, verification: &Verification) {
        self.suggestions += u64::from(verification.suggestion.is_some());
        if let Some(flags) = &verification.flags {
            self.flags.catch_all += u64::from(flags.catch_all() == CatchAll::Yes);
            self.flags.disposable += u64::from(flags.disposable);
            self.flags.role += u64::from(flags.role);
            self.flags.free_provider += u64::from(flags.free_provider);
        }
        let Some(evidence) = &verification.evidence else { return };
        self.from_cache += u64::from(evidence.from_cache);
        if let Some(at) = evidence.gather_time.and_then(from_proto::time) {
            let (first, last) = self.evidence.unwrap_or((at, at));
            self.evidence = Some((first.min(at), last.max(at)));
        }
    }
}

/// Writes the output, whole or not at all.
pub(super) async fn write(job: &Job, client: &mut Client, batch_id: &str) -> anyhow::Result<Seen> {
    let mut results = Results::new(client, batch_id);
    let digest = Digesting::default();
    let mut reader = submit::open(job, digest.clone())?;
    let plan = job.plan()?;
    let scratch = job.scratch("output");
    let named = || format!("{} cannot be written", scratch.display());
    let file = Packed::create(&scratch, &job.output).with_context(named)?;
    let mut sink = Sink::new(job, file, reader.layout())?;
    let mut split = Split::begin(job, reader.layout())?;
    let mut row = Row::default();
    let mut seen = Seen::default();
    let mut first_rows = FirstRows::default();
    while reader.read(&mut row)? {
        if row.is_blank() {
            if job.only.is_empty() {
                sink.write(&row, &[])?;
            }
            continue;
        }
        let answer = answer(&row, &plan, &mut results, &mut first_rows, &mut seen).await?;
        if job.unique && answer.is_duplicate {
            continue;
        }
        let address = answer.values[columns::ADDRESS].as_str();
        let changed =
            (job.clean && !address.is_empty()).then(|| reader.layout().with_address(&row, address));
        let row = changed.as_ref().unwrap_or(&row);
        if let Some(split) = &mut split {
            split.write(row, &answer.values)?;
        }
        if is_wanted(job, &answer) {
            sink.write(row, &answer.values.each_ref().map(String::as_str))?;
            seen.written += 1;
        }
    }
    sink.finish()?.finish().with_context(named)?;
    unchanged(job, &digest)?;
    if let Some(split) = split {
        split.finish(job)?;
    }
    paths::persist(&scratch, &job.output, job.force)?;
    Ok(seen)
}

/// The answer of a row.
struct RowAnswer {
    /// The verdict's name; empty if there is none.
    verdict: String,
    is_duplicate: bool,
    values: Values,
}

/// Reads the results of `row` and makes its answer of them.
async fn answer(
    row: &Row,
    plan: &RowPlan,
    results: &mut Results<'_>,
    first_rows: &mut FirstRows,
    seen: &mut Seen,
) -> anyhow::Result<RowAnswer> {
    let mut facts = RowFacts { is_cleaned: row.is_cleaned(), ..RowFacts::default() };
    let addresses = match plan.question(row) {
        RowQuestion::NoAddress => {
            seen.no_address += 1;
            let values = columns::without_address();
            return Ok(RowAnswer { verdict: String::new(), is_duplicate: false, values });
        }
        RowQuestion::Excluded(address) => {
            seen.excluded += 1;
            address.clone_into(&mut facts.address);
            facts.duplicate_of = first_rows.earlier(address, row.number());
            let (values, is_duplicate) = (columns::excluded(&facts), facts.duplicate_of.is_some());
            return Ok(RowAnswer { verdict: "risky".to_owned(), is_duplicate, values });
        }
        RowQuestion::Addresses(addresses) => addresses,
    };
    let mut found: Vec<(&str, Verification)> = Vec::with_capacity(addresses.len());
    for address in &addresses {
        let result = results.next().await?;
        found.extend(result.and_then(|result| result.verification).map(|v| (*address, v)));
    }
    // Of a cancelled batch some rows have no result: what was not found out stays empty.
    let chosen = (0..found.len()).min_by_key(|index| rank(found[*index].1.verdict()));
    let Some((address, verification)) = chosen.map(|chosen| found.swap_remove(chosen)) else {
        let values = Values::default();
        return Ok(RowAnswer { verdict: String::new(), is_duplicate: false, values });
    };
    seen.note(&verification);
    for (_, unused) in &found {
        *seen.unused.entry(from_proto::reason(unused.reason, unused.verdict())).or_default() += 1;
    }
    address.clone_into(&mut facts.address);
    let others = addresses.iter().filter(|other| **other != address);
    facts.others = others.map(|other| (*other).to_owned()).collect();
    facts.duplicate_of = first_rows.earlier(address, row.number());
    Ok(RowAnswer {
        verdict: columns::verdict(verification.verdict()),
        is_duplicate: facts.duplicate_of.is_some(),
        values: columns::values(&verification, &facts),
    })
}

/// The order in which a row's address is chosen: the first deliverable one, else the worst.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deliverable => 0,
        Verdict::Undeliverable => 1,
        Verdict::Unknown | Verdict::Unspecified => 2,
        Verdict::Risky => 3,
    }
}

fn is_wanted(job: &Job, answer: &RowAnswer) -> bool {
    job.only.is_empty() || job.only.iter().any(|only| only.name() == answer.verdict)
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

/// The results, one by one, in the list's order. A service that went away for a while is asked
/// again, from the last cursor on.
struct Results<'a> {
    client: &'a mut Client,
    request: StreamBatchResultsRequest,
    /// `None` until the service was asked, and after its connection broke.
    pages: Option<Streaming<StreamBatchResultsResponse>>,
    ready: VecDeque<BatchResult>,
    retries: Retries,
}

impl<'a> Results<'a> {
    fn new(client: &'a mut Client, batch_id: &str) -> Self {
        let request = StreamBatchResultsRequest {
            batch_id: batch_id.to_owned(),
            order: ResultOrder::Row.into(),
            ..StreamBatchResultsRequest::default()
        };
        Self { client, request, pages: None, ready: VecDeque::new(), retries: Retries::default() }
    }

    /// `None` at the end.
    async fn next(&mut self) -> anyhow::Result<Option<BatchResult>> {
        loop {
            if let Some(result) = self.ready.pop_front() {
                return Ok(Some(result));
            }
            match self.next_page().await {
                Ok(Some(page)) => {
                    self.retries.reset();
                    self.request.cursor = page.cursor;
                    self.ready = page.results.into();
                }
                Ok(None) => return Ok(None),
                Err(status) => {
                    self.pages = None;
                    self.retries.wait_after(status).await?;
                }
            }
        }
    }

    async fn next_page(&mut self) -> Result<Option<StreamBatchResultsResponse>, Status> {
        let pages = match &mut self.pages {
            Some(pages) => pages,
            None => {
                let opened = self.client.stream_batch_results(self.request.clone()).await?;
                self.pages.insert(opened.into_inner())
            }
        };
        pages.message().await
    }
}
