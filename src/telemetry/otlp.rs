//! Traces: our spans, sent to a collector over OTLP (gRPC).
//!
//! A call's span continues its caller's trace (W3C trace context in the call's metadata). Only
//! spans and events of our own are taken. Spans wait in a bounded queue; what a collector does not
//! take is dropped, and no caller waits for it.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tonic::transport::{ClientTlsConfig, Endpoint};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;
use super::exporter::ReportingExporter;
use super::trace::{TraceConfig, TraceLevel};

/// Most spans that wait for the collector; later ones are dropped.
const WAITING: usize = 4096;

/// Most spans sent at a time.
const AT_ONCE: usize = 512;

/// Interval at which waiting spans are sent, if they do not fill a message before.
const SEND_EVERY: Duration = Duration::from_secs(2);

/// Time the collector has for one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);

/// Time the end of the process waits for the last spans.
const FLUSH: Duration = Duration::from_secs(5);

/// The traces of this process, if there are any.
#[derive(Debug)]
#[must_use = "what waits is lost unless the traces are closed"]
pub struct Traces(Option<SdkTracerProvider>);

fn endpoint(url: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| error.to_string())?;
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        // An endpoint speaks TLS only if it is told how, whatever its URL says.
        Some("https") => {
            let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
            let endpoint = endpoint.tls_config(ClientTlsConfig::new().trust_anchors(roots));
            endpoint.map_err(|_| "no certificate can be for the host that it names".to_owned())
        }
        _ => Err("it is no http:// or https:// URL".to_owned()),
    }
}

fn exporter(url: &str) -> Result<SpanExporter, String> {
    let place = endpoint(url)?;
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(place.timeout(SEND_TIMEOUT).connect_timeout(SEND_TIMEOUT).connect_lazy())
        .with_timeout(SEND_TIMEOUT);
    exporter.build().map_err(|error| error.to_string())
}

impl Traces {
    /// Checks what can be checked without a connection.
    pub(super) fn check(config: &TraceConfig) -> Result<(), TelemetryError> {
        if !(0.0..=1.0).contains(&config.sample_ratio) {
            return Err(TelemetryError::Share(config.sample_ratio));
        }
        let Some(url) = &config.endpoint else { return Ok(()) };
        endpoint(url).map(drop).map_err(|reason| TelemetryError::Endpoint { reason })
    }

    /// Starts sending if an endpoint is configured. The collector is connected to with the first
    /// span.
    pub(super) fn start(config: &TraceConfig) -> Result<Self, TelemetryError> {
        Self::check(config)?;
        let Some(url) = &config.endpoint else { return Ok(Self(None)) };
        let exporter = exporter(url).map_err(|reason| TelemetryError::Endpoint { reason })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_max_export_batch_size(AT_ONCE)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(ReportingExporter::new(exporter))
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder_empty()
            .with_attributes([
                opentelemetry::KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
                opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let share = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource)
            .build();
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(Some(provider)))
    }

    /// The layer that exports our spans, down to this level.
    pub(super) fn layer<S>(&self, level: TraceLevel) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.as_ref()?.tracer(env!("CARGO_PKG_NAME"));
        let level = match level {
            TraceLevel::Info => Level::INFO,
            TraceLevel::Debug => Level::DEBUG,
        };
        let ours = Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_filter(ours);
        Some(layer)
    }

    /// Sends what waits, for a few seconds at most, and sends no more.
    pub async fn close(self) {
        let Some(provider) = self.0 else { return };
        // It blocks.
        let closing = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH));
        match closing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans could not be delivered"),
            Err(_) => tracing::warn!("the last spans could not be delivered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// The type of a TLS record of a handshake (RFC 8446 section 5.1).
    const HANDSHAKE: u8 = 22;

    #[tokio::test]
    async fn a_collector_with_an_https_url_is_spoken_to_over_tls() {
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", collector.local_addr().unwrap());
        let first_octet = async {
            let (mut connection, _) = collector.accept().await.unwrap();
            connection.read_u8().await
        };
        let endpoint = endpoint(&url).unwrap();
        let (_, first_octet) = tokio::join!(endpoint.connect(), first_octet);
        assert_eq!(first_octet.unwrap(), HANDSHAKE);
    }
}
