//! Waiting for a service that went away: it may come back with all that it had accepted.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

/// The time between two tries to reach a service that went away.
const PAUSE: Duration = Duration::from_secs(2);

/// The number of tries.
const TRIES: u32 = 30;

/// The tries to reach a service that went away.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failures: u32,
}

impl Retries {
    /// The service answered.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits for the next try after a call that ended with `status`.
    ///
    /// # Errors
    ///
    /// The status itself if the service answered with it.
    pub(super) async fn wait_after(&mut self, status: Status) -> anyhow::Result<()> {
        if !is_transport_failure(&status) {
            return Err(status.into());
        }
        self.wait().await
    }

    /// Waits for the next try.
    ///
    /// # Errors
    ///
    /// If it was tried often enough.
    pub(super) async fn wait(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.failures < TRIES, "the service does not come back");
        self.failures += 1;
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// `true` if the call broke on its way, or the service is going away. Only a status that was made
/// here, of an error of the connection, has that error as its source.
fn is_transport_failure(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broken_connection_is_waited_for_and_a_refusal_is_not() {
        let broken = || Status::from_error(Box::new(std::io::Error::other("broken pipe")));
        let mut retries = Retries::default();
        assert_ne!(broken().code(), Code::Unavailable);
        for _ in 0..TRIES {
            retries.wait_after(broken()).await.unwrap();
        }
        let error = retries.wait_after(broken()).await.unwrap_err();
        assert_eq!(error.to_string(), "the service does not come back");
        retries.reset();
        retries.wait_after(Status::unavailable("the service is shutting down")).await.unwrap();
        retries.wait_after(Status::not_found("there is no such batch")).await.unwrap_err();
        retries.wait_after(Status::unknown("said so")).await.unwrap_err();
    }
}
