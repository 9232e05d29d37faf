//! `mailvet.v1.BatchService`.

mod convert;
mod request;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Caller;
use crate::batch::Batches;
use crate::batch::queue::{Results, RowResult, Submission};
use crate::campaign::preflight::Thresholds;
use crate::campaign::{Batch, BatchId, Preflight, State};
use crate::grpc::metered::MeteredVerifier;
use crate::grpc::request::BadField;
use crate::grpc::{caller, refusal};
use crate::proto::batch_service_server::BatchService;
use crate::proto::create_batch_request::Part;
use crate::proto::{
    self, CancelBatchRequest, CancelBatchResponse, CreateBatchRequest, CreateBatchResponse,
    DeleteBatchRequest, DeleteBatchResponse, GetBatchRequest, GetBatchResponse,
    ListBatchTalliesRequest, ListBatchTalliesResponse, ListBatchesRequest, ListBatchesResponse,
    StreamBatchResultsRequest, StreamBatchResultsResponse, WatchBatchRequest, WatchBatchResponse,
};

/// How long a stream that makes a batch may bring nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// What a caller of a stream is told at a shutdown.
const SHUTTING_DOWN: &str = "the service is shutting down; call again, from the last cursor on";

/// The service, cheap to clone.
#[derive(Clone)]
pub(super) struct Service {
    batches: Batches,
    thresholds: Thresholds,
    verifier: MeteredVerifier,
    shutdown: CancellationToken,
}

impl Service {
    pub(super) fn new(
        batches: Batches,
        thresholds: Thresholds,
        verifier: MeteredVerifier,
        shutdown: CancellationToken,
    ) -> Self {
        Self { batches, thresholds, verifier, shutdown }
    }

    /// One of the caller's own batches.
    async fn own(&self, owner: &str, id: &str) -> Result<Batch, Status> {
        let id = request::batch_id(id).map_err(BadField::into_status)?;
        self.batches.batch(owner, &id).await.map_err(|error| request::queue_status(&error))
    }

    fn shown(&self, batch: Batch) -> proto::Batch {
        let policy = batch.spec.options.send_policy;
        let preflight = Preflight::of(&batch.progress, batch.state, policy, &self.thresholds);
        let expires_at = self.batches.expires_at(&batch);
        convert::batch(batch, &preflight, expires_at)
    }

    /// A row for its owner, who thereby learns about a mailbox.
    fn told(&self, caller: &Caller, row: RowResult) -> proto::BatchResult {
        let verification = row.outcome.into_verification(&row.address);
        self.verifier.told(caller, &verification);
        convert::result(row.row, row.row_id, verification)
    }

    /// Takes the rows of a new batch; whatever ends this early leaves nothing.
    async fn receive(
        &self,
        caller: &Caller,
        batch: &Batch,
        mut inbound: Streaming<CreateBatchRequest>,
    ) -> Result<Batch, Status> {
        let (id, depth) = (&batch.id, batch.spec.options.depth);
        let mut rows = 0;
        loop {
            // A caller that goes away looks like one that has no more to say.
            let page = match next(&mut inbound, &self.shutdown).await? {
                Some(Part::Page(page)) => page,
                Some(Part::End(end)) if u64::try_from(end.rows) == Ok(rows) => break,
                Some(Part::End(end)) => {
                    let message =
                        format!("says {}, and {rows} rows came; send all again", end.rows);
                    return Err(bad("end.rows", &message));
                }
                Some(Part::Spec(_)) => return Err(bad("spec", "came again; send it once, first")),
                None => {
                    return Err(bad("end", "is missing; send it last, with the number of rows"));
                }
            };
            let page = request::page(page, rows).map_err(BadField::into_status)?;
            rows += page.len() as u64;
            let subjects = page.iter().map(|(_, subject)| subject);
            let refused = self.verifier.take(caller, subjects, depth);
            refused.map_err(|refused| refusal::status(&refused))?;
            let taken = self.batches.append(id, None, page).await;
            taken.map_err(|error| request::queue_status(&error))?;
        }
        self.batches.seal(id).await.map_err(|error| request::queue_status(&error))
    }
}

/// Removes a batch that was not accepted, also when its caller goes away.
struct Unsealed {
    service: Service,
    id: BatchId,
    is_sealed: bool,
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if !self.is_sealed {
            self.service.batches.discard(self.id.clone());
        }
    }
}

#[tonic::async_trait]
impl BatchService for Service {
    async fn create_batch(
        &self,
        request: Request<Streaming<CreateBatchRequest>>,
    ) -> Result<Response<CreateBatchResponse>, Status> {
        let caller = caller(&request)?;
        let mut inbound = request.into_inner();
        let Some(Part::Spec(spec)) = next(&mut inbound, &self.shutdown).await? else {
            return Err(bad("spec", "is missing; send it first, before the addresses"));
        };
        let spec = request::spec(spec, caller.name.to_string()).map_err(BadField::into_status)?;
        let submitted = self.batches.submit(spec).await;
        let batch = match submitted.map_err(|error| request::queue_status(&error))? {
            Submission::Known(batch) if batch.state == State::Receiving => {
                return Err(Status::aborted(
                    "another call with this request_id is still sending; wait for it, or use another",
                ));
            }
            Submission::Known(batch) => batch,
            Submission::New(batch) => {
                let (service, id) = (self.clone(), batch.id.clone());
                let mut unsealed = Unsealed { service, id, is_sealed: false };
                let batch = self.receive(&caller, &batch, inbound).await?;
                unsealed.is_sealed = true;
                batch
            }
        };
        Ok(Response::new(CreateBatchResponse { batch: Some(self.shown(batch)) }))
    }

    async fn get_batch(
        &self,
        request: Request<GetBatchRequest>,
    ) -> Result<Response<GetBatchResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        Ok(Response::new(GetBatchResponse { batch: Some(self.shown(batch)) }))
    }

    async fn list_batches(
        &self,
        request: Request<ListBatchesRequest>,
    ) -> Result<Response<ListBatchesResponse>, Status> {
        let owner = caller(&request)?.name;
        let request = request.get_ref();
        let limit = request::page_size(request.page_size, 50).map_err(BadField::into_status)?;
        let before = request::page_token(&request.page_token).map_err(BadField::into_status)?;
        let batches = self.batches.list(&owner, before.as_ref(), limit).await;
        let batches = batches.map_err(|error| request::queue_status(&error))?;
        let is_full = batches.len() == limit;
        let next_page_token = match batches.last() {
            Some(last) if is_full => last.id.to_string(),
            _ => String::new(),
        };
        let batches = batches.into_iter().map(|batch| self.shown(batch)).collect();
        Ok(Response::new(ListBatchesResponse { batches, next_page_token }))
    }

    type WatchBatchStream = BoxStream<'static, Result<WatchBatchResponse, Status>>;

    async fn watch_batch(
        &self,
        request: Request<WatchBatchRequest>,
    ) -> Result<Response<Self::WatchBatchStream>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let service = self.clone();
        let states = self.batches.watch(batch.id).map(move |batch| match batch {
            Ok(batch) => Ok(WatchBatchResponse { batch: Some(service.shown(batch)) }),
            Err(error) => Err(request::queue_status(&error)),
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
        let service = self.clone();
        let results = self.batches.results(batch.id, reading).map(move |results| match results {
            Ok(Results { rows, next, .. }) => Ok(StreamBatchResultsResponse {
                results: rows.into_iter().map(|row| service.told(&caller, row)).collect(),
                cursor: next.0,
            }),
            Err(error) => Err(request::queue_status(&error)),
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
        let tallies = match proto::TallyKind::try_from(request.kind) {
            Ok(proto::TallyKind::Unspecified | proto::TallyKind::Domain) => {
                let tallies = self.batches.domains(&batch.id, limit).await;
                tallies.map(|all| all.into_iter().map(convert::domain_tally).collect())
            }
            Ok(proto::TallyKind::Provider) => {
                let tallies = self.batches.providers(&batch.id, limit).await;
                tallies.map(|all| all.into_iter().map(convert::provider_tally).collect())
            }
            Err(_) => return Err(bad("kind", "is not a TallyKind; use 1 or 2")),
        };
        let tallies = tallies.map_err(|error| request::queue_status(&error))?;
        Ok(Response::new(ListBatchTalliesResponse { tallies }))
    }

    async fn cancel_batch(
        &self,
        request: Request<CancelBatchRequest>,
    ) -> Result<Response<CancelBatchResponse>, Status> {
        let batch = self.own(&caller(&request)?.name, &request.get_ref().batch_id).await?;
        let cancelled = self.batches.cancel(&batch.id).await;
        let batch = cancelled.map_err(|error| request::queue_status(&error))?;
        Ok(Response::new(CancelBatchResponse { batch: Some(self.shown(batch)) }))
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

/// The next part of a batch; `None` at the stream's good end.
async fn next(
    inbound: &mut Streaming<CreateBatchRequest>,
    shutdown: &CancellationToken,
) -> Result<Option<Part>, Status> {
    let next = tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            return Err(Status::unavailable(
                "the service is shutting down and keeps nothing of this list; send it again",
            ));
        }
        next = tokio::time::timeout(SILENCE, inbound.message()) => next,
    };
    let Ok(next) = next else {
        let message = format!("nothing came for {} s; send the list again", SILENCE.as_secs());
        return Err(Status::deadline_exceeded(message));
    };
    match next? {
        None => Ok(None),
        Some(CreateBatchRequest { part: Some(part) }) => Ok(Some(part)),
        Some(CreateBatchRequest { part: None }) => {
            Err(bad("part", "is missing; send a spec, a page or an end in each message"))
        }
    }
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
