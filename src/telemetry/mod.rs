//! Telemetry of the process: logs, to standard error, for people or for
//! machines; traces, to a collector, if one is configured; and where it stopped, if it panics.
//!
//! Never an address (see `address::redact`). Ours redact themselves; what other crates say is held
//! to a level at which they do not repeat what they were given; of a panic only what stands in the
//! source is told.

pub mod log;
pub mod trace;

#[cfg(feature = "otel")]
mod exporter;
#[cfg(feature = "otel")]
mod otlp;
mod panics;

use std::io::IsTerminal as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use log::{Config, LogFormat};
pub use trace::{TraceConfig, Traces};

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a level.
    #[error("log.level {level:?} cannot be read: {source}; use a level such as \"info\"")]
    Level {
        /// The value given.
        level: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Not a share.
    #[error("trace.sample_ratio is {0}: give a share between 0.0 and 1.0")]
    Share(f64),
    /// Not a place for traces.
    #[error(
        "trace.endpoint {endpoint:?} cannot be used: {reason}; give one such as \"http://127.0.0.1:4317\""
    )]
    Endpoint {
        /// The value given.
        endpoint: String,
        /// Why.
        reason: String,
    },
}

/// Starts logs and traces for the whole process, and says from then on where it panics. Once
/// started, later calls change nothing. Must be called within the runtime.
///
/// # Errors
///
/// If the configuration cannot be used.
pub fn init(config: &Config, trace: &TraceConfig) -> Result<Traces, TelemetryError> {
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let logs = match config.format {
        LogFormat::Pretty => logs.with_target(false).boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let traces = Traces::start(trace)?;
    let started = tracing_subscriber::registry()
        .with(logs.with_filter(log::filter(config)?))
        .with(traces.layer(trace.level))
        .try_init();
    match started {
        Ok(()) => panics::install_hook(),
        Err(_) => tracing::debug!("logging was set up already"),
    }
    Ok(traces)
}

/// Starts logs alone, as [`init`] would.
///
/// # Errors
///
/// If the level cannot be read.
pub fn init_logs(config: &Config) -> Result<(), TelemetryError> {
    init(config, &TraceConfig::default()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        let config = Config { level: "loud=very=much".to_owned(), ..Config::default() };
        let error = init(&config, &TraceConfig::default()).err().unwrap().to_string();
        assert!(error.contains("loud=very=much") && error.contains("info"), "{error}");
        let trace = TraceConfig { endpoint: Some("no url".to_owned()), ..TraceConfig::default() };
        let error = init(&Config::default(), &trace).err().unwrap().to_string();
        assert!(error.contains("trace.endpoint") && error.contains("4317"), "{error}");
        let trace = TraceConfig { sample_ratio: 7.0, ..TraceConfig::default() };
        let error = init(&Config::default(), &trace).err().unwrap().to_string();
        assert!(error.contains("trace.sample_ratio is 7"), "{error}");
    }
}
