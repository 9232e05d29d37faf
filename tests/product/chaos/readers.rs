//! Readers of a list, each on one service after the other: no row is missing, none comes twice.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::{BatchResult, ResultOrder, StreamBatchResultsRequest};
use prost::Message as _;
use tonic::Status;

use crate::addresses::Addresses;

/// How long a reader whose service is gone waits before it asks the next.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What a reader keeps of the results of a list: of each row a hash, and 0 of one not yet read.
pub(super) struct Reader {
    addresses: Addresses,
    request: StreamBatchResultsRequest,
    turn: usize,
    pub(super) digests: Vec<u64>,
    /// Rows read so far.
    pub(super) seen: Arc<AtomicUsize>,
    /// Times it went on at another service.
    pub(super) moves: usize,
}

impl Reader {
    /// A reader of a list of so many rows, which begins at the service `turn`.
    pub(super) fn new(
        addresses: &Addresses,
        batch_id: &str,
        order: ResultOrder,
        rows: usize,
        turn: usize,
    ) -> Self {
        Self {
            addresses: addresses.clone(),
            request: crate::customer::results_of(batch_id, order),
            turn,
            digests: vec![0; rows],
            seen: Arc::default(),
            moves: 0,
        }
    }

    /// Reads to the end of the list, at whatever service answers. `look` sees each result.
    pub(super) async fn read(mut self, mut look: impl FnMut(&BatchResult)) -> Self {
        while self.read_on(&mut look).await.is_err() {
            self.moves += 1;
            self.turn += 1;
            tokio::time::sleep(ASK_AGAIN).await;
        }
        assert!(self.digests.iter().all(|digest| *digest != 0), "a row is missing");
        self
    }

    async fn read_on(&mut self, look: &mut impl FnMut(&BatchResult)) -> Result<(), Status> {
        let channel = self.addresses.connect(self.turn).await;
        let channel = channel.map_err(|_| Status::unavailable("it is gone"))?;
        let mut client = BatchServiceClient::new(channel);
        let mut pages = client.stream_batch_results(self.request.clone()).await?.into_inner();
        while let Some(page) = pages.message().await? {
            for result in &page.results {
                let before = &mut self.digests[usize::try_from(result.row).unwrap()];
                assert_eq!(*before, 0, "row {} came twice", result.row);
                *before = digest(result);
                look(result);
            }
            self.seen.fetch_add(page.results.len(), Ordering::Relaxed);
            self.request.cursor = page.cursor;
        }
        Ok(())
    }
}

/// A number for a result, never 0.
fn digest(result: &BatchResult) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&result.encode_to_vec());
    hasher.finish().max(1)
}
