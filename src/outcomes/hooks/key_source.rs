//! The file with a hook's key, read again as time goes by.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::config::HookConfig;
use super::hook_key::HookKey;

/// Time for which a key is used before its file is read again.
const LASTS: Duration = Duration::from_secs(10);

/// The key of a hook.
pub(super) struct KeySource {
    config: HookConfig,
    /// The key, and the time at which it was read.
    read: Mutex<(SystemTime, Arc<HookKey>)>,
}

impl KeySource {
    /// Reads the key. Blocks on the file system.
    ///
    /// # Errors
    /// Its fault, in words that show none of it.
    pub(super) fn open(config: &HookConfig) -> Result<Self, String> {
        let key = Arc::new(read(config)?);
        Ok(Self { config: config.clone(), read: Mutex::new((SystemTime::UNIX_EPOCH, key)) })
    }

    /// The key as its file has it now. One that cannot be used is logged, and the one before it
    /// stays.
    pub(super) async fn current(&self, now: SystemTime) -> Arc<HookKey> {
        let mut known = self.read.lock().await;
        let is_fresh = now.duration_since(known.0).is_ok_and(|age| age < LASTS);
        if self.config.key_file().is_some() && !is_fresh {
            let config = self.config.clone();
            match tokio::task::spawn_blocking(move || read(&config)).await {
                Ok(Ok(key)) => known.1 = Arc::new(key),
                Ok(Err(error)) => {
                    let hook = &self.config.name;
                    tracing::error!(hook, error, "the key of a hook stays as it was");
                }
                Err(error) => tracing::error!(%error, "the key of a hook cannot be read"),
            }
            known.0 = now;
        }
        Arc::clone(&known.1)
    }
}

fn read(config: &HookConfig) -> Result<HookKey, String> {
    let Some(file) = config.key_file() else { return HookKey::parse(config, None) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    HookKey::parse(config, Some(&text)).map_err(|error| named(&error))
}
