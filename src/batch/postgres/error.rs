//! Errors of the database: when it is opened, and while it is used.
//!
//! Of what the database says only the SQLSTATE and the constraint are told: its words may hold
//! addresses.

use std::path::PathBuf;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::batch::queue::QueueError;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL is none, or holds something that does not belong there.
    #[error("store.url: {0}")]
    Url(String),
    /// A file that the configuration names cannot be read.
    #[error("{key}: {} cannot be read: {reason}", path.display())]
    File {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// It cannot be reached, or does not let us in.
    #[error("the database {place} cannot be used: {reason}")]
    Unusable {
        /// The database.
        place: String,
        /// The cause.
        reason: String,
    },
    /// It may lose what it said was kept.
    #[error(
        "the database {place} may lose what it said was kept ({settings}): change that, or accept \
         it with --allow-lossy-store"
    )]
    Lossy {
        /// The database.
        place: String,
        /// The settings.
        settings: String,
    },
    /// It was written by a later mailvet.
    #[error(
        "the tables in {place} are of version {found}, and this mailvet knows version {known}: use \
         the newer mailvet"
    )]
    Newer {
        /// The database.
        place: String,
        /// Its version.
        found: i32,
        /// The last version that is known.
        known: i32,
    },
    /// It was written by an earlier mailvet.
    #[error(
        "the tables in {place} are of version {found}, and this mailvet needs version {known}: run \
         `mailvet store migrate`"
    )]
    Older {
        /// The database.
        place: String,
        /// Its version.
        found: i32,
        /// The version that is needed.
        known: i32,
    },
}

/// An error while the database is used, before it is mapped for the caller.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFault {
    /// An error to return to the caller unchanged.
    #[error(transparent)]
    Caller(#[from] QueueError),
    /// The database, or the way to it, failed.
    #[error("{}", described(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// No connection was free in time.
    #[error("no connection is free: {0}")]
    Busy(&'static str),
    /// A row is not what was written.
    #[error("what is kept cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Something is not there that has to be.
    #[error("{0}")]
    Unexpected(&'static str),
}

impl From<PoolError> for DatabaseFault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Sql(error),
            PoolError::Timeout(_) => Self::Busy("the wait took too long"),
            _ => Self::Busy("the pool is closed"),
        }
    }
}

impl DatabaseFault {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Sql(error) => error.code(),
            _ => None,
        }
    }

    /// `true` if the same may succeed in a moment: the connection was lost, another server has
    /// taken over, or two transactions were in each other's way.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        if let Some(state) = self.state() {
            let code = state.code();
            return code.starts_with("08")
                || code.starts_with("57P0")
                || ["40001", "40P01", "25006", "53300"].contains(&code);
        }
        match self {
            Self::Sql(error) => error.is_closed() || is_of_the_connection(error),
            Self::Busy(_) => true,
            _ => false,
        }
    }

    /// `true` if the server takes no writes: it is not the primary any more.
    #[must_use]
    pub fn is_of_a_standby(&self) -> bool {
        self.state() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    /// `true` if a table was not there: its batch is being removed.
    pub(super) fn is_missing_table(&self) -> bool {
        self.state() == Some(&SqlState::UNDEFINED_TABLE)
    }

    /// `true` if what was to be locked was not free in time.
    pub(super) fn is_locked_out(&self) -> bool {
        self.state() == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// The error for the caller; `place` is the database.
    pub(super) fn into_queue_error(self, place: &str) -> QueueError {
        let place = place.to_owned();
        let is_late = [&SqlState::QUERY_CANCELED, &SqlState::LOCK_NOT_AVAILABLE];
        match self {
            Self::Caller(error) => error,
            fault if fault.state() == Some(&SqlState::DISK_FULL) => QueueError::Full { place },
            fault
                if fault.is_transient()
                    || fault.state().is_some_and(|state| is_late.contains(&state)) =>
            {
                QueueError::Unavailable { place, reason: fault.to_string() }
            }
            fault => QueueError::Broken { place, reason: fault.to_string() },
        }
    }
}

/// `true` for an error of the network or of TLS.
fn is_of_the_connection(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The error without the database's own words.
pub(super) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        let constraint = error.constraint().map(|name| format!(", constraint {name}"));
        let code = error.code().code();
        let told = format!("SQLSTATE {code}{}", constraint.unwrap_or_default());
        return match sentence(code) {
            Some(sentence) => format!("{sentence} ({told})"),
            None => told,
        };
    }
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = cause.source();
    }
    // The driver's words for a server that asks.
    if words.contains("password missing") {
        return "it wants a password: name the file that holds it with store.password_file".into();
    }
    words
}

/// The meaning of a code that a new setup meets, and what to do.
fn sentence(code: &str) -> Option<&'static str> {
    match code {
        "28P01" => Some(
            "it does not take the user of store.url with the password in the file of \
             store.password_file",
        ),
        "28000" => Some(
            "it does not let the user of store.url in: CREATE USER, or allow the user and this \
             machine in its pg_hba.conf",
        ),
        "3D000" => Some("there is no database of this name: CREATE DATABASE"),
        "25006" => Some(
            "it takes no writes: name the host that does in store.url, or all hosts, of which the \
             one that does is used",
        ),
        "53300" => Some(
            "it has no connection left: raise max_connections or the user's CONNECTION LIMIT, or \
             lower store.connections",
        ),
        "42501" => Some("the user of store.url lacks a right: make it the database's OWNER"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_setup_fails_at_is_told_with_its_remedy() {
        for (state, remedy) in [
            (SqlState::INVALID_PASSWORD, "store.password_file"),
            (SqlState::INVALID_AUTHORIZATION_SPECIFICATION, "CREATE USER"),
            (SqlState::INVALID_CATALOG_NAME, "CREATE DATABASE"),
            (SqlState::INSUFFICIENT_PRIVILEGE, "OWNER"),
            (SqlState::READ_ONLY_SQL_TRANSACTION, "store.url"),
            (SqlState::TOO_MANY_CONNECTIONS, "max_connections"),
        ] {
            let code = state.code();
            assert!(sentence(code).is_some_and(|sentence| sentence.contains(remedy)), "{code}");
        }
        assert_eq!(sentence(SqlState::UNIQUE_VIOLATION.code()), None);
    }
}
