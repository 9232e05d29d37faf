//! The signals by which a command is ended early.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM: Ctrl-C, and what `timeout`, a supervisor or the end of a container sends.
/// The first process of a container would not be ended by them if nobody listened.
pub(super) struct Interruption {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruption {
    /// From here on they are noticed.
    pub(super) fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for the next one.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Does `work`; `None` if it is left where it is, because one came first.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wait() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn work_is_left_at_either_signal_however_often_one_came_before() {
        // Two that the other tests of this process do not wait for.
        let mut interruption = Interruption {
            interrupt: signal(SignalKind::user_defined1()).unwrap(),
            terminate: signal(SignalKind::user_defined2()).unwrap(),
        };
        assert_eq!(interruption.during(async { 7 }).await, Some(7));
        let process = std::process::id().to_string();
        for signal in ["-USR1", "-USR2", "-USR1"] {
            assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
            assert_eq!(interruption.during(pending::<()>()).await, None, "{signal}");
        }
    }
}
