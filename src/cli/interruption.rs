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
}
