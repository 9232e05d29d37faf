//! Continues the trace that a caller began (W3C trace context in the call's metadata).

use http::HeaderMap;
#[cfg(feature = "otel")]
use opentelemetry::propagation::Extractor;
#[cfg(feature = "otel")]
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
#[cfg(feature = "otel")]
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that names the caller's trace.
#[cfg(feature = "otel")]
const TRACEPARENT: &str = "traceparent";

/// Makes `span` a child of the caller's, if its metadata names one.
#[cfg(feature = "otel")]
pub(super) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key(TRACEPARENT) {
        return;
    }
    let caller = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Metadata(headers))
    });
    if caller.span().span_context().is_valid() {
        // It fails where there are no traces.
        let _ = span.set_parent(caller);
    }
}

/// Does nothing: this program was built without traces.
#[cfg(not(feature = "otel"))]
pub(super) fn continue_trace(_span: &Span, _headers: &HeaderMap) {}

/// The metadata of a call, as the propagator reads it.
#[cfg(feature = "otel")]
struct Metadata<'a>(&'a HeaderMap);

#[cfg(feature = "otel")]
impl Extractor for Metadata<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
