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

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

pub use log::{Config, LogFormat};
pub use trace::{TraceConfig, Traces};

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a level.
    #[error(
        "log.level {level:?} cannot be used: {reason}; use one of error, warn, info, debug, trace and \
         off, or directives such as \"warn,mailvet::prober=debug\""
    )]
    Level {
        /// The value given.
        level: String,
        /// Why.
        reason: String,
    },
    /// Not a share.
    #[error("trace.sample_ratio is {0}: give a share between 0.0 and 1.0")]
    Share(f64),
    /// Not a place for traces.
    #[error("trace.endpoint cannot be used: {reason}; give one such as \"http://127.0.0.1:4317\"")]
    Endpoint {
        /// Why. The value is not told: it may hold a password.
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
    let traces = Traces::start(trace)?;
    match subscriber(config, traces.layer(trace.level))?.try_init() {
        Ok(()) => panics::install_hook(),
        Err(_) => tracing::debug!("logging was set up already"),
    }
    Ok(traces)
}

/// What takes spans and events: the log, and a layer of traces if there is one.
fn subscriber<L>(
    config: &Config,
    traces: Option<L>,
) -> Result<impl Subscriber + use<L>, TelemetryError>
where
    L: Layer<Registry> + Send + Sync,
{
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let logs = match config.format {
        LogFormat::Pretty => logs.with_target(false).boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let logs = logs.with_filter(log::filter(config)?).boxed();
    // In a list, since a layer that is not there counts as one that wants every span.
    let layers: Vec<_> = [Some(logs), traces.map(Layer::boxed)].into_iter().flatten().collect();
    Ok(tracing_subscriber::registry().with(layers))
}

/// Everything for which [`init`] would refuse this configuration.
#[must_use]
pub fn problems(config: &Config, trace: &TraceConfig) -> Vec<TelemetryError> {
    let filter = log::filter::<tracing_subscriber::Registry>(config).map(drop);
    filter.err().into_iter().chain(Traces::check(trace).err()).collect()
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
    use tracing::callsite::{Callsite, Identifier};
    use tracing::field::FieldSet;
    use tracing::level_filters::LevelFilter;
    use tracing::metadata::Kind;
    use tracing::subscriber::Interest;
    use tracing::{Level, Metadata};
    use tracing_subscriber::layer::Identity;

    use super::*;

    /// The place of spans that are never opened.
    struct Nowhere;

    static CALL: Metadata<'static> = span("mailvet::grpc", Level::INFO);
    static FRAME: Metadata<'static> = span("h2::proto", Level::TRACE);

    impl Callsite for Nowhere {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            &CALL
        }
    }

    const fn span(target: &'static str, level: Level) -> Metadata<'static> {
        let fields = FieldSet::new(&[], Identifier(&Nowhere));
        Metadata::new("span", target, level, None, None, None, fields, Kind::SPAN)
    }

    #[test]
    fn a_span_that_nobody_wants_is_refused_once_and_for_all() {
        for (level, hint, takes_calls) in [
            ("warn,mailvet=info", LevelFilter::INFO, true),
            ("mailvet=debug", LevelFilter::DEBUG, true),
            ("error", LevelFilter::ERROR, false),
        ] {
            let config = Config { level: level.to_owned(), ..Config::default() };
            let subscriber = subscriber(&config, None::<Identity>).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(hint), "{level}");
            assert_eq!(subscriber.register_callsite(&CALL).is_always(), takes_calls, "{level}");
            assert_eq!(subscriber.register_callsite(&CALL).is_never(), !takes_calls, "{level}");
            assert!(subscriber.register_callsite(&FRAME).is_never(), "{level}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        for level in ["loud=very=much", "loud", "mailvet=loud", "warn,verbose", ""] {
            let config = Config { level: level.to_owned(), ..Config::default() };
            let error = init(&config, &TraceConfig::default()).err().unwrap().to_string();
            assert!(error.contains(&format!("{level:?}")) && error.contains("info"), "{error}");
        }
        for level in ["WARN", "off", "mailvet", "warn,mailvet::prober=debug", "[session]=trace"] {
            let config = Config { level: level.to_owned(), ..Config::default() };
            assert!(problems(&config, &TraceConfig::default()).is_empty(), "{level}");
        }
        let trace = TraceConfig { endpoint: Some("no url".to_owned()), ..TraceConfig::default() };
        let error = init(&Config::default(), &trace).err().unwrap().to_string();
        assert!(error.contains("trace.endpoint") && error.contains("4317"), "{error}");
        let trace = TraceConfig { sample_ratio: 7.0, ..TraceConfig::default() };
        let error = init(&Config::default(), &trace).err().unwrap().to_string();
        assert!(error.contains("trace.sample_ratio is 7"), "{error}");
    }
}
