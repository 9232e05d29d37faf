//! Logs: to standard error, for people or for machines. Never an address (see `address::redact`).

use std::io::IsTerminal as _;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which events: a level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `warn,mailvet::prober=debug`. Default `warn,mailvet=info`: our own, and what goes wrong
    /// elsewhere.
    pub level: String,
    /// `pretty` for people, `json` for machines. Default `pretty`.
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "warn,mailvet=info".to_owned(), format: Format::Pretty }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One line of text an event.
    Pretty,
    /// One JSON object an event.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("log.level {level:?} cannot be read: {source}; use a level such as \"info\"")]
pub struct TelemetryError {
    level: String,
    source: ParseError,
}

/// Starts logging for the whole process. Once started, later calls change nothing.
///
/// # Errors
///
/// If the level cannot be read.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&config.level)
        .map_err(|source| TelemetryError { level: config.level.clone(), source })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match config.format {
        Format::Pretty => logs.with_target(false).try_init(),
        Format::Json => logs.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was set up already");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_cannot_be_read_is_named() {
        let config = Config { level: "loud=very=much".to_owned(), ..Config::default() };
        let error = init(&config).unwrap_err().to_string();
        assert!(error.contains("loud=very=much") && error.contains("info"), "{error}");
    }
}
