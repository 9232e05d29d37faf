//! Connections that are used again (RFC 9112 section 9.3): kept while idle, closed in time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::connection::HttpConnection;
use super::idle::{HttpOrigin, IdleConnections};
use crate::clock::Clock;

/// Age from which a connection is not kept: a server that moved is followed.
const LONGEST_LIFE: Duration = Duration::from_secs(5 * 60);

/// The idle connections of a client, and the task that closes them.
pub(super) struct KeepAlive {
    idle: Arc<IdleState>,
    /// Begins with the first connection that is kept, and ends with the client.
    closing: Mutex<JoinSet<()>>,
    clock: Clock,
}

#[derive(Default)]
struct IdleState {
    connections: Mutex<IdleConnections<HttpConnection>>,
    kept: Notify,
}

impl KeepAlive {
    pub(super) fn new(clock: Clock) -> Self {
        Self { idle: Arc::default(), closing: Mutex::default(), clock }
    }

    /// Takes a connection to `origin` that is still open, as far as is known.
    pub(super) fn take(&self, origin: &HttpOrigin) -> Option<HttpConnection> {
        let now = self.clock.now();
        loop {
            let mut connection = self.idle.connections.lock().take(origin, now)?;
            if connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, if it can be used again.
    pub(super) fn keep(&self, origin: HttpOrigin, mut connection: HttpConnection) {
        let now = self.clock.now();
        if now >= connection.opened_at + LONGEST_LIFE || !connection.is_idle() {
            return;
        }
        self.idle.connections.lock().keep(origin, connection, now);
        self.idle.kept.notify_one();
        let mut closing = self.closing.lock();
        if closing.is_empty() {
            closing.spawn(close_in_time(Arc::clone(&self.idle), self.clock));
        }
    }
}

/// Closes connections when they were idle for long enough.
async fn close_in_time(idle: Arc<IdleState>, clock: Clock) {
    loop {
        let next = idle.connections.lock().expire(clock.now());
        match next {
            Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
            None => idle.kept.notified().await,
        }
    }
}
