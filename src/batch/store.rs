//! Settings of the place where batches are kept. Pure.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The place where a service keeps batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The PostgreSQL database that several services share, such as
    /// `postgres://mailvet@db.example.com/mailvet`; version 15 or later, reached directly. Default
    /// none: batches are kept in `batch.data_dir`, and no server is needed.
    pub url: Option<String>,
    /// The file with the password. Default none. The URL may not hold one.
    pub password_file: Option<PathBuf>,
    /// The authorities that the database's certificate is checked against, beside the well-known
    /// ones. Default none. Beyond this machine TLS is required, and the name is checked.
    pub ca: Option<PathBuf>,
    /// Connections to the database for batches; two more are for news and for signs of life, up to
    /// two for limits on callers, up to two for what services share of mailboxes and domains, and
    /// up to three for outcomes. Default 4, at least 1.
    pub connections: usize,
    /// Longest time that a verification waits for what other services have found out about a
    /// mailbox or a domain. Default 50 milliseconds; 0: that is neither looked up nor kept.
    #[serde(with = "humantime_serde")]
    pub recall_timeout: Duration,
    /// Accepts a database that may lose what it said was kept: `fsync`, `full_page_writes` or
    /// `synchronous_commit` is off. Default false.
    pub allow_lossy: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            ca: None,
            connections: 4,
            recall_timeout: Duration::from_millis(50),
            allow_lossy: false,
        }
    }
}
