//! Takes lists: as one stream, or in pages that can be sent again.

use std::mem;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{BatchHandler, bad, request};
use crate::access::Caller;
use crate::batch::IncomingRow;
use crate::batch::queue::{QueueError, SubmittedBatch};
use crate::campaign::{Batch, BatchId, Spec, State};
use crate::grpc::metered::MeteredVerifier;
use crate::grpc::request::BadField;
use crate::grpc::{callbacks, refusal};
use crate::proto::upload_batch_request::Part;
use crate::proto::{self, UploadBatchRequest};

/// Time a stream that brings a list may be silent.
const SILENCE: Duration = Duration::from_secs(60);

impl BatchHandler {
    /// Takes a whole list from one stream.
    pub(super) async fn upload(
        &self,
        caller: &Caller,
        mut inbound: Streaming<UploadBatchRequest>,
    ) -> Result<Batch, Status> {
        let Some(Part::Spec(spec)) = next(&mut inbound, &self.shutdown).await? else {
            return Err(bad("spec", "is missing; send it first, before the addresses"));
        };
        let submission = self.batches.submit_upload(self.spec(caller, spec)?).await;
        match submission.map_err(|error| request::queue_status(&error))? {
            SubmittedBatch::Known(batch) if batch.state == State::Receiving => {
                Err(Status::aborted(
                    "the batch of this request_id is still being sent; wait for it, or use another",
                ))
            }
            SubmittedBatch::Known(batch) => Ok(batch),
            SubmittedBatch::New(batch) => {
                let (service, id) = (self.clone(), batch.id.clone());
                let counted = CountedRows::none(&self.verifier, caller);
                let mut unsealed = Unsealed { service, id, counted, rows: 0, is_sealed: false };
                unsealed.receive(&batch, &mut inbound).await?;
                unsealed.seal().await
            }
        }
    }

    /// Creates a batch, or finds the one of the same request id.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        spec: proto::BatchSpec,
    ) -> Result<SubmittedBatch, Status> {
        let submission = self.batches.submit(self.spec(caller, spec)?).await;
        submission.map_err(|error| request::queue_status(&error))
    }

    /// Checks the description of a batch, with the callback that this caller may have.
    fn spec(&self, caller: &Caller, mut spec: proto::BatchSpec) -> Result<Spec, Status> {
        let asked = spec.callback.take();
        let callback = callbacks::callback(&caller.name, asked, self.callbacks.as_ref())?;
        let spec = request::spec(spec, caller.name.to_string()).map_err(BadField::into_status)?;
        Ok(Spec { callback, ..spec })
    }

    /// Appends those of the rows that are not there yet; returns the number of rows then there.
    pub(super) async fn append_rows(
        &self,
        caller: &Caller,
        request: proto::AppendBatchRowsRequest,
    ) -> Result<u64, Status> {
        let first = request::row_number("first_row", request.first_row);
        let first = first.map_err(BadField::into_status)?;
        let mut rows = request::rows(request.rows, first, request::APPEND_PATH)
            .map_err(BadField::into_status)?;
        let batch = self.own(&caller.name, &request.batch_id).await?;
        // Only rows that are not there yet count as the caller's; the store decides which are.
        let there = batch.progress.rows;
        let known = usize::try_from(there.saturating_sub(first)).unwrap_or(usize::MAX);
        if first <= there && known >= rows.len() {
            return Ok(there);
        }
        drop(rows.drain(..known));
        let first = Some(first + known as u64);
        let mut counted = self.count(caller, &batch, &rows).await?;
        let page = self.batches.wait_for_room(&batch.id, first, rows).await;
        let page = page.map_err(|error| request::queue_status(&error))?;
        let batches = self.batches.clone();
        // The store takes what it was given also when the caller goes away, and then it counts.
        let storing = async move {
            let stored = batches.store(page).await?;
            counted.keep(stored.new);
            Ok::<_, QueueError>(stored.rows)
        };
        to_answer(self.batches.run_to_end(storing).await)
    }

    /// Accepts a batch that holds all its rows.
    pub(super) async fn seal(
        &self,
        caller: &Caller,
        request: &proto::SealBatchRequest,
    ) -> Result<Batch, Status> {
        let rows = request::row_number("rows", request.rows).map_err(BadField::into_status)?;
        let batch = self.own(&caller.name, &request.batch_id).await?;
        let there = batch.progress.rows;
        if rows != there {
            return Err(bad("rows", &request::other_count(rows, there)));
        }
        // One that was sealed before is answered again; one that was cancelled before is not.
        let batches = self.batches.clone();
        let sealing = async move { batches.seal(&batch.id).await };
        to_answer(self.batches.run_to_end(sealing).await)
    }

    /// Counts rows as the caller's.
    async fn count(
        &self,
        caller: &Caller,
        batch: &Batch,
        rows: &[IncomingRow],
    ) -> Result<CountedRows, Status> {
        let subjects: Vec<_> = rows.iter().map(|row| &row.subject).collect();
        let refused = self.verifier.take(caller, &subjects, batch.spec.options.depth).await;
        refused.map_err(|refused| refusal::status(&refused))?;
        let mut counted = CountedRows::none(&self.verifier, caller);
        counted.rows = subjects.len() as u64;
        Ok(counted)
    }
}

/// Rows that count as the caller's; those of them that are not kept are given back.
struct CountedRows {
    verifier: MeteredVerifier,
    caller: Caller,
    rows: u64,
}

impl CountedRows {
    fn none(verifier: &MeteredVerifier, caller: &Caller) -> Self {
        Self { verifier: verifier.clone(), caller: caller.clone(), rows: 0 }
    }

    /// Has as many count for good.
    fn keep(&mut self, rows: u64) {
        self.rows = self.rows.saturating_sub(rows);
    }
}

impl Drop for CountedRows {
    fn drop(&mut self) {
        if self.rows > 0 {
            self.verifier.give_back(&self.caller, self.rows);
        }
    }
}

/// Removes a batch that was not accepted, also when its caller goes away, and counts none of its
/// rows.
struct Unsealed {
    service: BatchHandler,
    id: BatchId,
    counted: CountedRows,
    /// Number of rows that were taken.
    rows: u64,
    is_sealed: bool,
}

impl Unsealed {
    /// Receives the rows of a new batch and the end; whatever ends this early leaves nothing.
    async fn receive(
        &mut self,
        batch: &Batch,
        inbound: &mut Streaming<UploadBatchRequest>,
    ) -> Result<(), Status> {
        loop {
            // A caller that goes away looks like one that has no more to say.
            let page = match next(inbound, &self.service.shutdown).await? {
                Some(Part::Page(page)) => page,
                Some(Part::End(end)) if u64::try_from(end.rows) == Ok(self.rows) => return Ok(()),
                Some(Part::End(end)) => {
                    let (says, rows) = (end.rows, self.rows);
                    let message = format!("says {says}, and {rows} rows came; send all again");
                    return Err(bad("end.rows", &message));
                }
                Some(Part::Spec(_)) => return Err(bad("spec", "came again; send it once, first")),
                None => {
                    return Err(bad("end", "is missing; send it last, with the number of rows"));
                }
            };
            let page = request::rows(page.addresses, self.rows, request::PAGE_PATH)
                .map_err(BadField::into_status)?;
            let mut counted = self.service.count(&self.counted.caller, batch, &page).await?;
            self.counted.rows += mem::take(&mut counted.rows);
            let appended = self.service.batches.append(&batch.id, None, page).await;
            self.rows += appended.map_err(|error| request::queue_status(&error))?.new;
        }
    }

    /// Accepts the batch, whose end was checked. That goes on without its caller: a large list
    /// takes longer than some callers wait, who then find it by its request id.
    async fn seal(self) -> Result<Batch, Status> {
        let batches = self.service.batches.clone();
        let sealing = async move {
            let mut unsealed = self;
            let sealed = unsealed.service.batches.seal(&unsealed.id).await;
            unsealed.is_sealed = sealed.is_ok();
            if unsealed.is_sealed {
                unsealed.counted.keep(unsealed.rows);
            }
            sealed
        };
        to_answer(batches.run_to_end(sealing).await)
    }
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if !self.is_sealed {
            self.service.batches.discard(self.id.clone());
        }
    }
}

/// The answer to the caller of what ran to its end; it is `None` if that broke.
fn to_answer<T>(done: Option<Result<T, QueueError>>) -> Result<T, Status> {
    let done = done.ok_or_else(|| Status::internal("the call broke; the log says how"))?;
    done.map_err(|error| request::queue_status(&error))
}

/// The next part of a batch; `None` at the stream's good end.
async fn next(
    inbound: &mut Streaming<UploadBatchRequest>,
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
    match next.map_err(refusal::inbound)? {
        None => Ok(None),
        Some(UploadBatchRequest { part: Some(part) }) => Ok(Some(part)),
        Some(UploadBatchRequest { part: None }) => {
            Err(bad("part", "is missing; send a spec, a page or an end in each message"))
        }
    }
}
