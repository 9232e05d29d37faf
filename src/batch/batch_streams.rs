//! The streams of a batch: how it stands, and its results, as they come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};

use super::batches::{Batches, ResultsQuery};
use super::context::WorkerContext;
use super::queue::{QueueError, ResultsPage, ResultsRequest, VerdictSet};
use crate::campaign::id::BatchId;
use crate::campaign::progress::Batch;
use crate::fair;

/// Shortest time between two looks of a watcher or a reader of results.
const NOTIFY_EVERY: Duration = Duration::from_millis(200);

/// Pause of a watcher or a reader while the store cannot be reached.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// Results read at a time.
const RESULTS_AT_ONCE: usize = 500;

/// Pages of results that are read before they are asked for.
const PAGES_AHEAD: usize = 1;

impl Batches {
    /// The batch as it stands, and again whenever it has changed, until it is over.
    pub fn watch(&self, id: BatchId) -> impl Stream<Item = Result<Batch, QueueError>> + use<> {
        let state = Some((self.context.clone(), Arc::clone(&self.forecasts), id, None::<Batch>));
        stream::unfold(state, |state| async move {
            let (context, forecasts, id, last) = state?;
            loop {
                let seen = context.changes.version();
                let batch = match context.queue.batch(&id).await {
                    Ok(batch) => batch,
                    Err(QueueError::Unavailable { .. }) if !context.stop.is_cancelled() => {
                        tokio::time::sleep(STORE_AWAY).await;
                        continue;
                    }
                    Err(error) => return Some((Err(error), None)),
                };
                if batch.state.is_over() {
                    return Some((Ok(batch), None));
                }
                if last.as_ref() != Some(&batch) {
                    let shown = forecasts.add_to(&context, batch.clone()).await;
                    return Some((Ok(shown), Some((context, forecasts, id, Some(batch)))));
                }
                wait(&context, seen).await;
            }
        })
    }

    /// Checks that the place after which `query` begins is one of this batch in this order. Done
    /// before the stream of results begins: later it has been answered with success.
    ///
    /// # Errors
    /// [`QueueError::BadCursor`] alone. What else is wrong the stream tells, which waits for a
    /// store that is away.
    pub async fn check_cursor(&self, id: &BatchId, query: &ResultsQuery) -> Result<(), QueueError> {
        if query.after.0.is_empty() {
            return Ok(());
        }
        let (order, after) = (query.order, query.after.clone());
        let request = ResultsRequest { order, after, verdicts: VerdictSet::default(), limit: 1 };
        match self.context.queue.results(id, request).await {
            Err(error @ QueueError::BadCursor) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The results from a place on, as they come, until the batch is over and all were read.
    pub fn results(
        &self,
        id: BatchId,
        query: ResultsQuery,
    ) -> impl Stream<Item = Result<ResultsPage, QueueError>> + use<> {
        let state = Some((self.context.clone(), id, query));
        let pages = stream::unfold(state, |state| async move {
            let (context, id, mut query) = state?;
            loop {
                match poll_results(&context, &id, &query).await {
                    Err(QueueError::Unavailable { .. }) if !context.stop.is_cancelled() => {
                        tokio::time::sleep(STORE_AWAY).await;
                    }
                    Err(error) => return Some((Err(error), None)),
                    Ok(PolledResults { results, seen, is_over }) => {
                        let has_rows = !results.rows.is_empty();
                        query.after = results.next.clone();
                        let at_end = results.at_end;
                        let next = (!(at_end && is_over))
                            .then(|| (context.clone(), id.clone(), query.clone()));
                        if has_rows || next.is_none() {
                            return Some((Ok(results), next));
                        }
                        if at_end {
                            wait(&context, seen).await;
                        }
                    }
                }
            }
        });
        // The store looks for the next page while the last is told.
        fair::run_ahead(pages, PAGES_AHEAD)
    }
}

/// Some results, whether the batch was over before they were read, and the news before that.
struct PolledResults {
    results: ResultsPage,
    seen: u64,
    is_over: bool,
}

async fn poll_results(
    context: &WorkerContext,
    id: &BatchId,
    query: &ResultsQuery,
) -> Result<PolledResults, QueueError> {
    let seen = context.changes.version();
    // Asked first: what is read after a batch is over, is all there is.
    let is_over = context.queue.batch(id).await?.state.is_over();
    let request = ResultsRequest {
        order: query.order,
        after: query.after.clone(),
        verdicts: query.verdicts,
        limit: RESULTS_AT_ONCE,
    };
    let results = context.queue.results(id, request).await?;
    Ok(PolledResults { results, seen, is_over })
}

/// Waits for news, but not to hear every one.
async fn wait(context: &WorkerContext, seen: u64) {
    tokio::time::sleep(NOTIFY_EVERY).await;
    context.changes.changed_since(seen).await;
}
