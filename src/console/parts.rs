//! What the console holds beyond one request.

use tokio::sync::Semaphore;

use super::drafts::Drafts;
use super::sessions::Sessions;
use crate::batch::Batches;
use crate::clock::Clock;
use crate::http::{BodyReader, BrowserGuard, ListUploads};

/// The beginning of every path of the console.
pub(super) const PREFIX: &str = "/console/";

/// Lists that arrive at a time.
const ARRIVALS: usize = 8;

/// What outlives a request.
pub(super) struct SiteParts {
    pub(super) guard: BrowserGuard,
    pub(super) sessions: Sessions,
    pub(super) bodies: BodyReader,
    pub(super) drafts: Drafts,
    pub(super) batches: Batches,
    pub(super) uploads: Option<ListUploads>,
    /// Room for lists that arrive.
    pub(super) arrivals: Semaphore,
    pub(super) clock: Clock,
}

impl SiteParts {
    pub(super) fn new(
        guard: BrowserGuard,
        is_secure: bool,
        batches: Batches,
        clock: Clock,
    ) -> Self {
        Self {
            guard,
            sessions: Sessions::new(is_secure),
            bodies: BodyReader::new(),
            drafts: Drafts::default(),
            uploads: batches.uploads().map(ListUploads::new),
            batches,
            arrivals: Semaphore::new(ARRIVALS),
            clock,
        }
    }
}
