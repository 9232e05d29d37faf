//! What the console holds beyond one request.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tonic::Status;

use super::drafts::{self, Drafts};
use super::sessions::Sessions;
use crate::batch::Batches;
use crate::clock::Clock;
use crate::http::{BodyReader, BrowserGuard, ListUploads};

/// The beginning of every path of the console.
pub(super) const PREFIX: &str = "/console/";

/// Lists that arrive, or are read, at a time.
const ARRIVALS: usize = 8;

/// Lists whose suppression files are read at a time: whom they exclude is in memory meanwhile.
const EXCLUSIONS: usize = 1;

/// What outlives a request.
pub(super) struct SiteParts {
    pub(super) guard: BrowserGuard,
    pub(super) sessions: Arc<Sessions>,
    pub(super) bodies: BodyReader,
    pub(super) drafts: Arc<Drafts>,
    pub(super) batches: Batches,
    pub(super) uploads: Option<ListUploads>,
    pub(super) clock: Clock,
    /// Room for lists that arrive, or are read.
    arrivals: Arc<Semaphore>,
    /// Room for suppression files that are read.
    exclusions: Arc<Semaphore>,
    /// Work that no request waits for, or not to its end. It ends with the site.
    tasks: Mutex<JoinSet<()>>,
}

impl SiteParts {
    pub(super) fn new(
        guard: BrowserGuard,
        is_secure: bool,
        batches: Batches,
        clock: Clock,
    ) -> Self {
        let drafts = Arc::new(Drafts::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(drafts::forget_for_ever(Arc::downgrade(&drafts), clock));
        Self {
            guard,
            sessions: Arc::new(Sessions::new(is_secure)),
            bodies: BodyReader::new(),
            drafts,
            uploads: batches.uploads().map(ListUploads::new),
            batches,
            clock,
            arrivals: Arc::new(Semaphore::new(ARRIVALS)),
            exclusions: Arc::new(Semaphore::new(EXCLUSIONS)),
            tasks: Mutex::new(tasks),
        }
    }

    /// Room for a list that arrives or is read, held until what holds it is done.
    pub(super) fn room(&self) -> Result<OwnedSemaphorePermit, Status> {
        let room = Arc::clone(&self.arrivals).try_acquire_owned();
        room.map_err(|_| {
            Status::resource_exhausted("too many lists are arriving; try again in a minute")
        })
    }

    /// Room for suppression files that are read, once those of others were.
    pub(super) async fn exclusion_room(&self) -> Result<OwnedSemaphorePermit, Status> {
        let room = Arc::clone(&self.exclusions).acquire_owned().await;
        room.map_err(|_| Status::internal("the suppression files were not read"))
    }

    /// Does `work` to its end, also when the browser that waits for it goes away.
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let (sender, done) = oneshot::channel();
        {
            let mut tasks = self.tasks.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let _ = sender.send(work.await);
            });
        }
        done.await.map_err(|_| Status::internal("it was not done to its end"))?
    }
}
