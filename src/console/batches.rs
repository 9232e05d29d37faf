//! Lists that were started: the table of them, their progress, their reports, their rows.

use std::time::SystemTime;

use http::StatusCode;
use tonic::{Code, Status};

use super::answer::{self, see_other};
use super::pages::{BatchHead, ConsoleReport, HomePage, ProgressPage};
use super::parts::{PREFIX, SiteParts};
use super::progress::ProgressView;
use super::visit::{Answered, Visit};
use crate::campaign::BatchId;
use crate::http::{ListDownload, RowSelection, excluded_rows, rows_without_address};
use crate::proto::{
    Batch, BatchTally, CancelBatchRequest, CancelBatchResponse, DeleteBatchRequest,
    DeleteBatchResponse, GetAccuracyRequest, GetAccuracyResponse, GetBatchRequest,
    GetBatchResponse, ListBatchTalliesRequest, ListBatchTalliesResponse, ListBatchesRequest,
    ListBatchesResponse, ResultOrder, StreamBatchResultsRequest, TallyKind, from_message,
};
use crate::report::{self, AccuracySummary, FlagCounts, GroupCounts, ReportData, SendCounts};

/// Lists of a page of the table.
const PAGE: i32 = 20;

/// Domains and providers that a report looks at.
const TALLIES: i32 = 50;

/// Providers whose progress is shown.
pub(super) const PLACES: i32 = 10;

/// Shows where to begin, and the lists that were started.
pub(super) async fn home(site: &SiteParts, visit: &Visit) -> Answered {
    let waiting = site.drafts.waiting(&visit.session.key, site.clock.now());
    let query = visit.parts.uri.query().unwrap_or_default();
    let before = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "before");
    let request = ListBatchesRequest {
        page_size: PAGE,
        page_token: before.map(|(_, token)| token.into_owned()).unwrap_or_default(),
    };
    let listed: ListBatchesResponse = visit.batches("ListBatches", &request).await?;
    let page = HomePage::new(visit.frame(), &listed, &waiting, site.uploads.is_some());
    Ok(answer::page(StatusCode::OK, &page))
}

async fn batch(visit: &Visit, id: &str) -> Result<Batch, Status> {
    let request = GetBatchRequest { batch_id: id.to_owned() };
    let answer: GetBatchResponse = visit.batches("GetBatch", &request).await?;
    answer.batch.ok_or_else(|| Status::internal("the service named no batch"))
}

/// Shows the progress of a list, or the report once it is over.
pub(super) async fn show(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let batch = batch(visit, id).await?;
    let now = site.clock.now();
    let head = BatchHead::new(&batch, now);
    if !from_message::state(&batch).is_over() {
        let places = tallies(visit, id, TallyKind::Provider, PLACES).await.unwrap_or_default();
        let progress = ProgressView::new(&batch, &places, now);
        return Ok(answer::page(
            StatusCode::OK,
            &ProgressPage { frame: visit.frame(), head, progress },
        ));
    }
    let domains = tallies(visit, id, TallyKind::Domain, TALLIES).await?;
    let providers = tallies(visit, id, TallyKind::Provider, TALLIES).await?;
    // Who may not report outcomes is not told of them.
    let request = GetAccuracyRequest {};
    let accuracy: Option<GetAccuracyResponse> = visit.outcomes("GetAccuracy", &request).await.ok();
    let accuracy = accuracy.and_then(|answer| answer.accuracy);
    let accuracy = accuracy.as_ref().map(from_message::accuracy);
    let kept = kept_reading(site, id).await;
    let mut data = report_data(&batch, domains, providers, accuracy, now)?;
    data.excluded = kept.as_deref().map_or(0, excluded_rows);
    data.no_address = kept.as_deref().map_or(0, rows_without_address);
    let sections = report::render_sections(&data)
        .map_err(|error| Status::internal(format!("the report cannot be rendered: {error}")))?;
    let page = ConsoleReport::new(visit.frame(), head, sections, kept.is_some());
    Ok(answer::page(StatusCode::OK, &page))
}

pub(super) async fn tallies(
    visit: &Visit,
    id: &str,
    kind: TallyKind,
    most: i32,
) -> Result<Vec<GroupCounts>, Status> {
    let request = ListBatchTalliesRequest {
        batch_id: id.to_owned(),
        kind: kind.into(),
        page_size: most,
        ..ListBatchTalliesRequest::default()
    };
    let answer: ListBatchTalliesResponse = visit.batches("ListBatchTallies", &request).await?;
    let tallies: Vec<BatchTally> = answer.tallies;
    Ok(tallies.into_iter().map(from_message::group_counts).collect())
}

fn report_data(
    batch: &Batch,
    domains: Vec<GroupCounts>,
    providers: Vec<GroupCounts>,
    accuracy: Option<AccuracySummary>,
    now: SystemTime,
) -> Result<ReportData, Status> {
    let internal = |error: from_message::IncompleteMessage| Status::internal(error.to_string());
    let time = |at: Option<prost_types::Timestamp>| at.and_then(from_message::time);
    let progress = from_message::progress(batch).map_err(internal)?;
    let oldest = progress.oldest_evidence;
    Ok(ReportData {
        list: batch.display_name.clone(),
        state: from_message::state(batch),
        depth: from_message::depth(batch),
        started_at: time(batch.create_time).unwrap_or(now),
        ended_at: time(batch.end_time),
        written_at: now,
        progress,
        preflight: from_message::preflight(batch).map_err(internal)?,
        domains,
        providers,
        files: Vec::new(),
        suggestions: 0,
        no_address: 0,
        excluded: 0,
        flags: FlagCounts::default(),
        to_send: SendCounts::default(),
        evidence: oldest.zip(time(batch.end_time)),
        from_cache: 0,
        asked_as: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        delivered: 0,
        accuracy,
    })
}

/// How the list was read; `None` if it was not uploaded as a file, whose rows can be given back.
async fn kept_reading(site: &SiteParts, id: &str) -> Option<Vec<u8>> {
    let (store, id) = (site.batches.uploads()?, BatchId::parse(id)?);
    let looked = tokio::task::spawn_blocking(move || store.list(&id)).await;
    Some(looked.ok()?.ok()??.reading)
}

/// Gives back rows of the list with their results.
pub(super) async fn download(site: &SiteParts, visit: &Visit, id: &str, part: &str) -> Answered {
    let selection = RowSelection::ALL.into_iter().find(|selection| selection.name() == part);
    let selection = selection.ok_or_else(|| Status::not_found("no page has this address"))?;
    let request = StreamBatchResultsRequest {
        batch_id: id.to_owned(),
        order: ResultOrder::Row.into(),
        ..StreamBatchResultsRequest::default()
    };
    let results = visit.open("StreamBatchResults", &request).await?;
    let (store, batch_id) = (site.batches.uploads(), id.to_owned());
    let download = ListDownload { store, batch_id, selection, is_csv: false };
    let answer = download.answer(results).await.map_err(|status| match status.code() {
        Code::NotFound => Status::not_found(
            "this list did not come as a file, so that there is none to give back",
        ),
        // It speaks of a header, which nobody sets in a browser.
        Code::ResourceExhausted => Status::resource_exhausted(
            "as many workbooks are being made as may be at a time; try again in a minute",
        ),
        _ => status,
    })?;
    Ok(answer::guarded(answer))
}

pub(super) async fn cancel(visit: &Visit, id: &str) -> Answered {
    let request = CancelBatchRequest { batch_id: id.to_owned() };
    let _: CancelBatchResponse = visit.batches("CancelBatch", &request).await?;
    see_other(&format!("{PREFIX}batches/{}", batch(visit, id).await?.batch_id))
}

pub(super) async fn delete(visit: &Visit, id: &str) -> Answered {
    let request = DeleteBatchRequest { batch_id: id.to_owned() };
    let _: DeleteBatchResponse = visit.batches("DeleteBatch", &request).await?;
    see_other(PREFIX)
}
