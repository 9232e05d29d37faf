//! Traces: their configuration, and what stands in for them in a program built without.

use serde::{Deserialize, Serialize};

#[cfg(feature = "otel")]
pub use super::otlp::Traces;
#[cfg(not(feature = "otel"))]
pub use without::NoTraces as Traces;

/// Configuration of traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// The collector, over OTLP with gRPC, such as `http://127.0.0.1:4317`; over TLS with
    /// `https://`, and a certificate of a public authority. Default none: no traces.
    pub endpoint: Option<String>,
    /// Which share of the traces that begin here is sent, from 0.0 to 1.0. A call that continues
    /// its caller's trace is sent if the caller's is. Default 1.0.
    pub sample_ratio: f64,
    /// Granularity: `info` for calls, verifications and chunks of batches; `debug` for DNS
    /// questions, SMTP sessions and flights too. Default `debug`.
    pub level: TraceLevel,
}

/// Granularity of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceLevel {
    /// Calls, verifications and chunks of batches.
    Info,
    /// And what they ask of others.
    Debug,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { endpoint: None, sample_ratio: 1.0, level: TraceLevel::Debug }
    }
}

/// Traces in a program built without the feature `otel`: there are none.
#[cfg(not(feature = "otel"))]
mod without {
    use tracing_subscriber::layer::Identity;

    use super::{TraceConfig, TraceLevel};
    use crate::telemetry::TelemetryError;

    /// No traces.
    #[derive(Debug)]
    #[must_use = "what waits is lost unless the traces are closed"]
    pub struct NoTraces(());

    impl NoTraces {
        /// Refuses an endpoint: nothing would be sent there.
        pub(in crate::telemetry) fn start(config: &TraceConfig) -> Result<Self, TelemetryError> {
            Self::check(config).map(Self)
        }

        /// The same, without starting anything.
        pub(in crate::telemetry) fn check(config: &TraceConfig) -> Result<(), TelemetryError> {
            let reason = "this program was built without the feature otel".to_owned();
            match &config.endpoint {
                None => Ok(()),
                Some(_) => Err(TelemetryError::Endpoint { reason }),
            }
        }

        /// No layer.
        pub(in crate::telemetry) fn layer(&self, _level: TraceLevel) -> Option<Identity> {
            None
        }

        /// Does nothing.
        pub async fn close(self) {}
    }
}
