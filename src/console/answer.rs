//! Answers to a browser: pages, redirections and files, with the headers that bound what a page may
//! do.

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;

/// What a page may load and do: what this service serves, and nothing inline.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response<Body> {
    match template.render() {
        Ok(html) => with_body(status, "text/html; charset=utf-8", html.into()),
        // Only for want of memory.
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            let sentence = "the page cannot be rendered; the service's log says why\n";
            with_body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", sentence.into())
        }
    }
}

/// An answer whose body is all here.
pub(super) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<Body> {
    streamed(status, content_type, Body::new(Full::new(body)))
}

/// An answer whose body comes piece by piece.
pub(super) fn streamed(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    guarded(response)
}

/// The answer with the headers that every answer has. Pages hold personal data.
pub(super) fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // With less, browsers hide the origin of a form from us too (Fetch, "append a request
        // `Origin` header").
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Sends the browser to another page, which it gets (RFC 9110 section 15.4.4).
pub(super) fn see_other(path: &str) -> Result<Response<Body>, Status> {
    let mut response = with_body(StatusCode::SEE_OTHER, "text/plain", Bytes::new());
    let place = path.parse().map_err(|_| Status::internal("there is no such path"))?;
    response.headers_mut().insert(LOCATION, place);
    Ok(response)
}
