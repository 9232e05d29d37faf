//! The parts that the worker, its chunks and [`Batches`](super::Batches) have in common.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::address_verifier::AddressVerifier;
use super::answer_listener::AnswerListenerSlot;
use super::change_notifier::ChangeNotifier;
use super::config::Config;
use super::destinations::Destinations;
use super::limits::ArrivalBudget;
use super::queue::Queue;
use super::uploads::UploadStore;
use crate::clock::Clock;
use crate::instruments::Counter;

/// Shared by the worker and its chunks.
#[derive(Clone)]
pub(super) struct WorkerContext {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) verifier: Arc<dyn AddressVerifier>,
    /// Told of each answer.
    pub(super) listener: AnswerListenerSlot,
    /// The lists that were uploaded; `None` if none are taken.
    pub(super) uploads: Option<UploadStore>,
    pub(super) config: Arc<Config>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) changes: Arc<ChangeNotifier>,
    /// Number of addresses that got their result.
    pub(super) results: Arc<Counter>,
    /// Memory for rows that wait for the disk.
    pub(super) arrivals: Arc<ArrivalBudget>,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}
