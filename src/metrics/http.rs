//! The port: HTTP/1.1, one request a connection, few connections, little time for each.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::gather::Sources;
use super::text;

/// Most connections served at a time. When all are taken the oldest makes room: an honest request
/// is
/// over in milliseconds, and clients that send half of one must not keep others from `/readyz`.
const CONNECTIONS: usize = 64;

/// Time limit of a connection, from its beginning to its end.
const CONNECTION_TIME: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted.
const BREATH: Duration = Duration::from_millis(100);

/// The largest request taken, in octets: hyper takes no smaller limit.
const LARGEST: usize = 8 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers on `listener` until `stop`.
pub async fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let connection = timeout(CONNECTION_TIME, converse(stream, sources.clone()));
                oldest_first.push_back(connections.spawn(connection));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on metrics.listen");
                sleep(BREATH).await;
            }
        }
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() > CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
    }
    // A caller that is waiting for an answer may still hear that the service is ending.
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, sources: Sources) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let sources = sources.clone();
        async move { Ok::<_, Infallible>(answer(&request, &sources).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIME)
        .keep_alive(false)
        .max_buf_size(LARGEST)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a metrics connection failed");
    }
}

async fn answer<B>(request: &Request<B>, sources: &Sources) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return said(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is answered\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => match text::render(sources.gather().await) {
            Ok(text) => said(StatusCode::OK, text::CONTENT_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be rendered");
                said(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "see the log\n".to_owned())
            }
        },
        "/healthz" => said(StatusCode::OK, PLAIN, "alive\n".to_owned()),
        "/readyz" => match &sources.readiness.state().obstacles()[..] {
            [] => said(StatusCode::OK, PLAIN, "ready\n".to_owned()),
            obstacles => {
                let text = format!("not ready: {}\n", obstacles.join("; "));
                said(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text)
            }
        },
        _ => {
            let text = "there are /metrics, /healthz and /readyz\n".to_owned();
            said(StatusCode::NOT_FOUND, PLAIN, text)
        }
    }
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;
    use crate::batch::Stats;
    use crate::metrics::gather::in_time;

    #[tokio::test(start_paused = true)]
    async fn batches_that_cannot_be_asked_leave_time_for_the_figures_of_all_else() {
        let gathered = timeout(CONNECTION_TIME / 2, in_time(future::pending())).await;
        assert_eq!(gathered, Ok(None), "the connection would be over");
        let stats = Stats { running: 1, ..Stats::default() };
        assert_eq!(in_time(future::ready(Ok(stats))).await, Some(stats));
    }
}
