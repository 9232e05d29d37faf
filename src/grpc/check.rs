//! Checks of the configuration that `serve` makes before it begins, all of them at once.

use super::config::Config;
use super::keys::KeyFile;
use super::serve_error::ServeError;
use super::tls::Tls;

/// Everything for which [`serve`](super::serve) would refuse this configuration.
#[must_use]
pub fn problems(config: &Config) -> Vec<ServeError> {
    let mut found: Vec<ServeError> = Vec::new();
    found.extend(config.check_listen().err().map(Into::into));
    found.extend(config.check_limits().err().map(Into::into));
    found.extend(config.http.check().err().map(Into::into));
    if let Some(file) = &config.api_keys {
        found.extend(KeyFile::open(file).err().map(Into::into));
    }
    if config.tls.is_wanted() {
        found.extend(Tls::open(&config.tls).err().map(Into::into));
    }
    found
}
