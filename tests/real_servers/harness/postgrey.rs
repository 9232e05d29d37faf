//! postgrey, the greylisting policy server that Postfix asks.

use std::net::SocketAddr;
use std::time::Duration;

use super::loopback::next_address;
use super::process::{Process, scratch};

/// A running postgrey.
pub(crate) struct Postgrey {
    address: SocketAddr,
    _process: Process,
}

impl Postgrey {
    /// A postgrey that lets a sender through `delay` (whole seconds) after the first attempt.
    pub(crate) async fn start(delay: Duration) -> Self {
        let address = next_address();
        let folder = scratch("postgrey");
        // Its own white lists would let well-known senders through at once.
        let script = format!(
            "chown postgrey {home}
            exec postgrey --inet={address} --dbdir={home} --user=postgrey --group=postgrey \
                --delay={delay} --whitelist-clients=/dev/null --whitelist-recipients=/dev/null",
            home = folder.path().display(),
            delay = delay.as_secs(),
        );
        Self { address, _process: Process::start("postgrey", folder, &script, address).await }
    }

    /// The restriction that makes a Postfix ask it.
    pub(crate) fn restriction(&self) -> String {
        format!("check_policy_service inet:{}", self.address)
    }
}
