//! The looks for a newer list of the registries' services, and those who wait for one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::Registrations;

/// Time after which a look for a newer bootstrap file that failed is repeated.
const REFRESH_AGAIN: Duration = Duration::from_secs(60 * 60);

/// The state of the looks for a newer bootstrap file.
pub(super) struct BootstrapRefresh {
    state: Mutex<RefreshState>,
    is_under_way: watch::Sender<bool>,
}

struct RefreshState {
    due: SystemTime,
    etag: Option<String>,
}

impl Default for BootstrapRefresh {
    fn default() -> Self {
        let state = Mutex::new(RefreshState { due: SystemTime::UNIX_EPOCH, etag: None });
        Self { state, is_under_way: watch::Sender::new(false) }
    }
}

/// A look that is under way, until this is dropped.
struct RefreshUnderWay(Registrations);

impl Drop for RefreshUnderWay {
    fn drop(&mut self) {
        self.0.0.refresh.is_under_way.send_replace(false);
    }
}

impl Registrations {
    /// Looks for a newer bootstrap file, if it is time to.
    pub(super) fn refresh_bootstrap(&self) {
        let parts = &self.0;
        let every = parts.config.bootstrap_refresh;
        if every.is_zero() || parts.config.bootstrap_file.is_some() || parts.stop.is_cancelled() {
            return;
        }
        let now = parts.clock.now();
        let etag = {
            let mut state = parts.refresh.state.lock();
            // One that is slow is not overtaken by the next.
            if now < state.due || *parts.refresh.is_under_way.borrow() {
                return;
            }
            state.due = now + every.min(REFRESH_AGAIN);
            parts.refresh.is_under_way.send_replace(true);
            state.etag.clone()
        };
        let under_way = RefreshUnderWay(self.clone());
        parts.tasks.spawn(async move {
            let parts = &under_way.0.0;
            let looking = Box::pin(parts.client.newer_bootstrap(etag.as_deref()));
            match parts.stop.run_until_cancelled(looking).await {
                Some(Ok(newer)) => {
                    let mut state = parts.refresh.state.lock();
                    state.due = now + every;
                    if let Some((bootstrap, etag)) = newer {
                        tracing::info!(published = bootstrap.publication(), "registries' services");
                        state.etag = etag;
                        *parts.bootstrap.write() = Arc::new(bootstrap);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(
                        error,
                        "no newer list of registries; the previous one stays in use"
                    );
                }
                None => {}
            }
        });
    }

    /// Waits for the look that is under way, if one is, until `deadline`.
    pub(super) async fn bootstrap_refreshed(&self, deadline: SystemTime) {
        let mut is_under_way = self.0.refresh.is_under_way.subscribe();
        if !*is_under_way.borrow() {
            return;
        }
        let until = self.0.clock.instant(deadline);
        let over = is_under_way.wait_for(|is_under_way| !is_under_way);
        // Late or over: what is known by then is looked at.
        let _ = timeout_at(until, over).await;
    }
}
