//! Cross-origin requests (the Fetch standard, "CORS protocol"): off, or for the listed origins.
//!
//! A browser's question beforehand (`OPTIONS`) is answered without a key, which it does not show;
//! that answer holds nothing but these headers.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;

use super::config::{BadEntry, Config};
use super::timeout;

/// Time that a browser may remember the answer.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Headers that pages may send, beside those that they always may.
const ALLOWED: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    timeout::HEADER,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];

/// Headers of answers that pages may read.
const EXPOSED: [HeaderName; 4] = [
    RETRY_AFTER,
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// The layer for the origins of the configuration; `None` if there are none.
///
/// # Errors
///
/// [`BadEntry`] if one of them is not an origin.
pub fn cors(config: &Config) -> Result<Option<CorsLayer>, BadEntry> {
    config.check()?;
    let origins: Vec<HeaderValue> =
        config.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() || !config.enabled {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE);
    Ok(Some(layer))
}
