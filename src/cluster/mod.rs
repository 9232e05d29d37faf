//! Replicas behind one egress address: together they look to mail servers like one polite sender.
//!
//! A destination through one identity has one holder at a time, and only the holder asks it; the
//! other replicas ask the holder. The database says who holds what, and nothing else does: no
//! votes, no protocol of our own. Who may ask until when is decided by `tenure` and `holdings`,
//! and what follows when nobody is found by `misses`, which are pure; the others carry it out.
//!
//! Without `cluster.listen` none of this exists, and every process asks for itself.

mod config;
mod credentials;
mod holder_store;
mod holdings;
mod json_codec;
mod misses;
mod peer_connections;
mod peer_service;
mod peers;
mod pending_releases;
mod sharing;
mod tenure;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::Config;
pub use holder_store::{Claim, HolderFault, HolderStore, ReleasedDestination};
pub use tenure::{MAY_ASK_FOR, Tenure};

use crate::clock::Clock;
use crate::prober::{Prober, QuestionRouter};
use credentials::ReplicaCredentials;
use peers::Peers;
use sharing::Sharing;

/// Time for which a destination is kept without use.
const IDLE: Duration = Duration::from_secs(20);

/// Interval at which idle destinations are given up.
const RELEASE_EVERY: Duration = Duration::from_secs(3);

/// Time for the answers to other replicas that are under way at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Egress addresses cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file that the configuration names cannot be used.
    #[error("{key}: {} cannot be used: {reason}", path.display())]
    File {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The certificates cannot be used.
    #[error("cluster.certificate, cluster.key and cluster.ca cannot be used: {0}")]
    Tls(String),
    /// The port cannot be listened on.
    #[error("cluster.listen: {address} cannot be listened on: {reason}; choose another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        reason: std::io::Error,
    },
}

/// Everything for which replicas could not share egress addresses with these settings and the files
/// that they name, in words; `has_store`: `store.url` is set. Blocks on the file system.
#[must_use]
pub fn problems(config: &Config, has_store: bool) -> Vec<String> {
    let mut found = config.problems(has_store);
    if config.listen.is_some() {
        found.extend(ReplicaCredentials::read(config).err().map(|error| error.to_string()));
    }
    found
}

/// The sharing of egress addresses with other replicas, in operation.
pub struct Cluster {
    sharing: Arc<Sharing>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Cluster {
    /// Begins to share: from here on `prober` asks only what this process holds.
    ///
    /// # Errors
    /// If a file cannot be used, or the port is taken.
    pub async fn start(
        config: &Config,
        listen: SocketAddr,
        prober: &Prober,
        store: Arc<dyn HolderStore>,
        clock: Clock,
    ) -> Result<Self, ClusterError> {
        let credentials = Arc::new(ReplicaCredentials::read(config)?);
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|reason| ClusterError::Listen { address: listen, reason })?;
        let peers = Peers::new(Arc::clone(&credentials));
        let tenure = store.tenure();
        let sharing = Arc::new(Sharing::new(prober.clone(), store, peers, clock));
        let router: Arc<dyn QuestionRouter> = Arc::clone(&sharing) as _;
        prober.allow_until(std::time::SystemTime::UNIX_EPOCH);
        prober.share(Arc::downgrade(&router) as Weak<dyn QuestionRouter>);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let serving =
            peer_service::serve(listener, Arc::clone(&sharing), credentials, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "other replicas cannot ask this one");
            }
        });
        tasks.spawn(keep(Arc::clone(&sharing), tenure, clock, stop.clone()));
        tasks.spawn(release_idle(Arc::clone(&sharing), clock, stop.clone()));
        Ok(Self { sharing, tasks, stop })
    }

    /// Takes no question of other replicas any more; before the prober is drained.
    pub fn begin_to_leave(&self) {
        self.sharing.begin_to_leave();
    }

    /// Gives all destinations up, with what their next holders should know, and ends the
    /// membership; after the prober was drained.
    pub async fn leave(&self) {
        // Until then the port says that the destinations are another replica's.
        self.sharing.leave().await;
        self.stop.cancel();
        self.tasks.close();
        if timeout(LAST_ANSWERS, self.tasks.wait()).await.is_err() {
            tracing::debug!("another replica waits for an answer");
        }
    }
}

/// Keeps to the time of the membership, until `stop`.
async fn keep(
    sharing: Arc<Sharing>,
    mut tenure: watch::Receiver<Option<Tenure>>,
    clock: Clock,
    stop: CancellationToken,
) {
    loop {
        let current = *tenure.borrow_and_update();
        if let Some(current) = current {
            sharing.renew(current).await;
        }
        let ends = async {
            match current {
                Some(current) => sleep_until(clock.instant(current.ends_at())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = tenure.changed() => if changed.is_err() { return },
            () = ends => {
                sharing.lapse();
                tracing::warn!("the database is away: mail servers are not asked until it is back");
                let back = stop.run_until_cancelled(tenure.changed()).await;
                if !matches!(back, Some(Ok(()))) {
                    return;
                }
                tracing::info!("the database is back: mail servers are asked again");
            }
        }
    }
}

async fn release_idle(sharing: Arc<Sharing>, clock: Clock, stop: CancellationToken) {
    let mut ticks = interval(RELEASE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(since) = clock.now().checked_sub(IDLE) {
            sharing.release_idle(since).await;
        }
    }
}

#[cfg(test)]
mod tests;
