//! API keys and certificates: the files that decide which callers are admitted, read again when
//! they change.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::config::Config;
use super::keys::KeyFile;
use super::serve_error::ServeError;
use super::tls::Tls;
use crate::access::{Access, Keys};
use crate::clock::Clock;

/// The shortest time between two looks at the files.
pub(super) const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// The rules of access and the files they are read from.
pub(super) struct CredentialFiles {
    pub(super) access: Arc<Access>,
    pub(super) key_file: Option<KeyFile>,
    pub(super) tls: Option<Arc<Tls>>,
}

impl CredentialFiles {
    /// Reads the files.
    pub(super) fn open(config: &Config, address: SocketAddr) -> Result<Self, ServeError> {
        let (key_file, keys) = match config.api_keys.as_deref().map(KeyFile::open).transpose()? {
            Some((file, keys)) => (Some(file), keys),
            None => (None, Keys::default()),
        };
        let tls = config.tls.is_wanted().then(|| Tls::open(&config.tls)).transpose()?;
        if key_file.is_some() && keys.is_empty() {
            tracing::warn!(
                "server.api_keys names a file without a key: no caller can authenticate with one"
            );
        }
        if key_file.is_some() && tls.is_none() && !address.ip().to_canonical().is_loopback() {
            tracing::warn!(
                "API keys travel in the clear without server.tls: anyone on the path can read them"
            );
        }
        let access = Access::new(
            config.protection().admits_anonymous(),
            config.quota,
            config.harvesting.clone(),
            keys,
        );
        Ok(Self { access: Arc::new(access), key_file, tls: tls.map(Arc::new) })
    }

    /// Applies changed files. One that cannot be used is logged, and the state before it stays. A
    /// certificate whose time is over is logged too: clients refuse it, and the service would not
    /// know why they stay away.
    fn reload(&self, now: SystemTime) {
        match self.key_file.as_ref().map_or(Ok(None), KeyFile::read_if_changed) {
            Ok(None) => {}
            Ok(Some(keys)) => {
                tracing::info!(keys = keys.len(), "the API keys were read again");
                self.access.replace_keys(keys);
            }
            Err(error) => tracing::error!(%error, "the API keys stay as they were"),
        }
        match self.tls.as_ref().map_or(Ok(false), |tls| tls.reload_if_changed()) {
            Ok(false) => {}
            Ok(true) => tracing::info!("the certificates were read again"),
            Err(error) => tracing::error!(%error, "the certificates stay as they were"),
        }
        if let Some(fault) = self.tls.as_ref().and_then(|tls| tls.untold_lapse(now)) {
            tracing::error!(fault, "clients refuse the certificate of server.tls.certificate");
        }
    }

    /// Checks the files for changes every `poll`, for ever.
    pub(super) async fn watch(self, poll: Duration, clock: Clock) -> Infallible {
        let files = Arc::new(self);
        let mut ticks = tokio::time::interval(poll.max(SHORTEST_POLL));
        loop {
            ticks.tick().await;
            let (files, now) = (Arc::clone(&files), clock.now());
            // Reading files blocks.
            if let Err(error) = tokio::task::spawn_blocking(move || files.reload(now)).await {
                tracing::error!(%error, "the credential files could not be checked for changes");
            }
        }
    }
}
