//! `mailvet.v1.BatchService`.

mod convert;
mod intake;
pub(super) mod request;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::batch::Batches;
use crate::batch::queue::SubmittedBatch;
use crate::callbacks::Callbacks;
use crate::campaign::preflight::Thresholds;
use crate::campaign::{Batch, Preflight};
use crate::grpc::caller;
use crate::grpc::convert::count;
use crate::grpc::metered::MeteredVerifier;
use crate::grpc::request::BadField;
use crate::grpc::send_history::SendHistory;
use crate::proto::batch_service_server::BatchService;
use crate::proto::{
    self, AppendBatchRowsRequest, AppendBatchRowsResponse, CancelBatchRequest, CancelBatchResponse,
    CreateBatchRequest, CreateBatchResponse, DeleteBatchRequest, DeleteBatchResponse,
    GetBatchRequest, GetBatchResponse, ListBatchTalliesRequest, ListBatchTalliesResponse,
    ListBatchesRequest, ListBatchesResponse, SealBatchRequest, SealBatchResponse,
    StreamBatchResultsRequest, StreamBatchResultsResponse, UploadBatchRequest, UploadBatchResponse,
    WatchBatchRequest, WatchBatchResponse,
};

/// The message that ends a stream at a shutdown.
const SHUTTING_DOWN: &str = "the service is shutting down; call again, from the last cursor on";

/// The service, cheap to clone.
#[derive(Clone)]
pub(super) struct BatchHandler {
    batches: Batches,
    thresholds: Thresholds,
    verifier: MeteredVerifier,
    callbacks: Option<Callbacks>,
    history: SendHistory,
    shutdown: CancellationToken,
}

impl BatchHandler {
    pub(super) fn new(
        batches: Batches,
        thresholds: Thresholds,
        verifier: MeteredVerifier,
        callbacks: Option<Callbacks>,
        history: SendHistory,
        shutdown: CancellationToken,
    ) -> Self {
        Self { batches, thresholds, verifier, callbacks, history, shutdown }
    }

    /// One of the caller's own batches.
    async fn own(&self, owner: &str, id: &str) -> Result<Batch, Status> {
        let id = request::batch_id(id).map_err(BadField::into_status)?;
        self.batches.batch(owner, &id).await.map_err(|error| request::queue_status(&error))
    }

    async fn to_message(&self, batch: Batch) -> proto::Batch {
        let policy = batch.spec.options.send_policy;
        let expected = self.history.expect(&batch.progress, policy).await;
        let preflight = Preflight::of(&batch.progress, batch.state, policy, &self.thresholds)
            .with_expected(expected);
        let expires_at = self.batches.expires_at(&batch);
        convert::batch(batch, &preflight, expires_at)
    }
}

#[tonic::async_trait]
impl BatchService for BatchHandler {
    async fn upload_batch(
        &self,
        request: Request<Streaming<UploadBatchRequest>>,
    ) -> Result<Response<UploadBatchResponse>, Status> {
        let caller = caller(&request)?;
        let batch = self.upload(&caller, request.into_inner()).await?;
        Ok(Response::new(UploadBatchResponse { batch: Some(self.to_message(batch).await) }))
    }

    async fn create_batch(
        &self,
        request: Request<CreateBatchRequest>,
    ) -> Result<Response<CreateBatchResponse>, Status> {
        let caller = caller(&request)?;
        let spec = request.into_inner().spec.unwrap_or_default();
        let (SubmittedBatch::New(batch) | SubmittedBatch::Known(batch)) =
            self.create(&caller, spec).await?;
        Ok(Response::new(CreateBatchResponse { batch: Some(self.to_message(batch).await) }))
    }

    async fn append_batch_rows(
        &self,
        request: Request<AppendBatchRowsRequest>,
    ) -> Result<Response<AppendBatchRowsResponse>, Status> {
        let caller = caller(&request)?;
        let rows = self.append_rows(&caller, request.into_inner()).await?;
        Ok(Response::new(AppendBatchRowsResponse { rows: count(rows) }))
    }

    async fn seal_batch(
        &self,
        request: Request<SealBatchRequest>,
    ) -> Result<Response<SealBatchResponse>, Status> {
        let caller = caller(&request)?;
        let batch = self.seal(&caller, request.get_ref()).await?;
        Ok(Response::new(SealBatchResponse { batch: Some(self.to_message(batch).await) }))
    }

    async fn get_batch(
        &self,
        request: Request<GetBatchRequest>,
    ) -> Result<Response<GetBatchResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        Ok(Response::new(GetBatchResponse { batch: Some(self.to_message(batch).await) }))
    }

    async fn list_batches(
        &self,
        request: Request<ListBatchesRequest>,
    ) -> Result<Response<ListBatchesResponse>, Status> {
        let owner = caller(&request)?.name;
        let request = request.get_ref();
        let limit = request::page_size(request.page_size, 50).map_err(BadField::into_status)?;
        let before = request::page_token(&request.page_token).map_err(BadField::into_status)?;
        // One more than the page holds: whether there is a next one.
        let batches = self.batches.list(&owner, before.as_ref(), limit + 1).await;
        let mut batches = batches.map_err(|error| request::queue_status(&error))?;
        let has_more = batches.len() > limit;
        batches.truncate(limit);
        let next_page_token = match batches.last() {
            Some(last) if has_more => last.id.to_string(),
            _ => String::new(),
        };
        let mut listed = Vec::with_capacity(batches.len());
        for batch in batches {
            listed.push(self.to_message(batch).await);
        }
        Ok(Response::new(ListBatchesResponse { batches: listed, next_page_token }))
    }

    type WatchBatchStream = BoxStream<'static, Result<WatchBatchResponse, Status>>;

    async fn watch_batch(
        &self,
        request: Request<WatchBatchRequest>,
    ) -> Result<Response<Self::WatchBatchStream>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let service = self.clone();
        let states = self.batches.watch(batch.id).then(move |batch| {
            let service = service.clone();
            async move {
                let batch = batch.map_err(|error| request::queue_status(&error))?;
                Ok(WatchBatchResponse { batch: Some(service.to_message(batch).await) })
            }
        });
        Ok(Response::new(until(self.shutdown.clone(), states.boxed())))
    }

    type StreamBatchResultsStream = BoxStream<'static, Result<StreamBatchResultsResponse, Status>>;

    async fn stream_batch_results(
        &self,
        request: Request<StreamBatchResultsRequest>,
    ) -> Result<Response<Self::StreamBatchResultsStream>, Status> {
        let caller = caller(&request)?;
        let batch = self.own(&caller.name, &request.get_ref().batch_id).await?;
        let reading = request::reading(request.get_ref()).map_err(BadField::into_status)?;
        let checked = self.batches.check_cursor(&batch.id, &reading).await;
        checked.map_err(|error| request::queue_status(&error))?;
        let results = self.batches.results(batch.id, reading).flat_map(|page| {
            stream::iter(match page {
                Ok(page) => convert::result_messages(page).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(request::queue_status(&error))],
            })
        });
        Ok(Response::new(until(self.shutdown.clone(), results.boxed())))
    }

    async fn list_batch_tallies(
        &self,
        request: Request<ListBatchTalliesRequest>,
    ) -> Result<Response<ListBatchTalliesResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let request = request.get_ref();
        let limit = request::page_size(request.page_size, 20).map_err(BadField::into_status)?;
        let before = request::tally_token(&request.page_token).map_err(BadField::into_status)?;
        // One more than the page holds: whether there is a next one.
        let read = before + limit + 1;
        let tallies: Result<Vec<proto::BatchTally>, _> =
            match proto::TallyKind::try_from(request.kind) {
                Ok(proto::TallyKind::Unspecified | proto::TallyKind::Domain) => {
                    let tallies = self.batches.domains(&batch.id, read).await;
                    tallies.map(|all| all.into_iter().map(convert::domain_tally).collect())
                }
                Ok(proto::TallyKind::Provider) => {
                    let tallies = self.batches.providers(&batch.id, read).await;
                    tallies.map(|all| all.into_iter().map(convert::provider_tally).collect())
                }
                Err(_) => return Err(bad("kind", "is not a TallyKind; use 1 or 2")),
            };
        let tallies = tallies.map_err(|error| request::queue_status(&error))?;
        let next = before + limit;
        let next_page_token = if tallies.len() > next && next <= request::MOST_TALLIES {
            next.to_string()
        } else {
            String::new()
        };
        let tallies = tallies.into_iter().skip(before).take(limit).collect();
        Ok(Response::new(ListBatchTalliesResponse { tallies, next_page_token }))
    }

    async fn cancel_batch(
        &self,
        request: Request<CancelBatchRequest>,
    ) -> Result<Response<CancelBatchResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let cancelled = self.batches.cancel(&batch.id).await;
        let batch = cancelled.map_err(|error| request::queue_status(&error))?;
        Ok(Response::new(CancelBatchResponse { batch: Some(self.to_message(batch).await) }))
    }

    async fn delete_batch(
        &self,
        request: Request<DeleteBatchRequest>,
    ) -> Result<Response<DeleteBatchResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let deleted = self.batches.delete(&batch.id).await;
        deleted.map_err(|error| request::queue_status(&error))?;
        Ok(Response::new(DeleteBatchResponse {}))
    }
}

fn bad(field: &'static str, message: &str) -> Status {
    BadField::new(field, message).into_status()
}

/// The stream, until the service shuts down; then its caller is told so.
fn until<T: Send + 'static>(
    shutdown: CancellationToken,
    stream: BoxStream<'static, Result<T, Status>>,
) -> BoxStream<'static, Result<T, Status>> {
    stream::unfold(Some((shutdown, stream)), |state| async move {
        let (shutdown, mut stream) = state?;
        match shutdown.run_until_cancelled(stream.next()).await {
            None => Some((Err(Status::unavailable(SHUTTING_DOWN)), None)),
            Some(next) => Some((next?, Some((shutdown, stream)))),
        }
    })
    .boxed()
}
