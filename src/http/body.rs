//! Bodies of requests: read whole, bounded in octets, in time, and in memory over all calls.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;

/// Octets of large bodies that may be in arrival at a time, over all calls.
const BUDGET: usize = 32 * 1024 * 1024;

/// Bodies up to this many octets need no room in the budget.
const FREE: usize = 64 * 1024;

/// Time a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Largest bodies, in octets: as large as the messages of gRPC that they become.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Of a call with a page of rows.
    pub page: usize,
    /// Of any other call.
    pub request: usize,
    /// `true` if the method at this path of gRPC takes pages of rows.
    pub is_paged: fn(&str) -> bool,
}

impl BodyLimits {
    pub(super) fn largest(&self, rpc_path: &str) -> usize {
        if (self.is_paged)(rpc_path) { self.page } else { self.request }
    }
}

/// Reads bodies. Clones share the budget.
#[derive(Clone, Debug)]
pub(crate) struct BodyReader(Arc<Semaphore>);

impl BodyReader {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET)))
    }

    /// The whole body, of at most `largest` octets.
    pub(crate) async fn read(&self, body: Body, largest: usize) -> Result<Bytes, Status> {
        let read = tokio::time::timeout(ARRIVAL, self.collect(body, largest)).await;
        read.unwrap_or_else(|_| {
            let seconds = ARRIVAL.as_secs();
            let message =
                format!("the body did not arrive within {seconds} seconds; send it again");
            Err(Status::deadline_exceeded(message))
        })
    }

    async fn collect(&self, mut body: Body, largest: usize) -> Result<Bytes, Status> {
        let mut octets = BytesMut::new();
        let mut room = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            let length = octets.len() + data.len();
            if length > largest {
                let message =
                    format!("the body is longer than {largest} octets; send less at a time");
                return Err(Status::out_of_range(message));
            }
            if length > FREE && room.is_none() {
                room = Some(self.room(largest).await?);
            }
            octets.extend_from_slice(&data);
        }
        Ok(octets.freeze())
    }

    async fn room(&self, octets: usize) -> Result<OwnedSemaphorePermit, Status> {
        let octets = u32::try_from(octets.min(BUDGET)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0).acquire_many_owned(octets).await;
        room.map_err(|_| Status::unavailable("the service is shutting down"))
    }
}

/// The fields of a form (application/x-www-form-urlencoded).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestForm(Vec<(String, String)>);

impl RequestForm {
    /// Largest form, in octets.
    const LARGEST: usize = 16 * 1024;

    /// Reads a form.
    pub(crate) async fn read(reader: &BodyReader, body: Body) -> Result<Self, Status> {
        let octets = reader.read(body, Self::LARGEST).await?;
        Ok(Self(form_urlencoded::parse(&octets).into_owned().collect()))
    }

    /// The value of a field; empty if there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use tonic::Code;

    use super::*;

    async fn read(octets: usize, largest: usize) -> Result<usize, Code> {
        let body = Body::new(Full::new(Bytes::from(vec![b' '; octets])));
        let read = BodyReader::new().read(body, largest).await;
        read.map(|octets| octets.len()).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(0, 100).await, Ok(0));
        assert_eq!(read(100, 100).await, Ok(100));
        assert_eq!(read(101, 100).await, Err(Code::OutOfRange));
        assert_eq!(read(FREE + 1, 2 * FREE).await, Ok(FREE + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let stalled =
            || Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>()));
        let read = BodyReader::new().read(stalled(), 100).await;
        assert_eq!(read.unwrap_err().code(), Code::DeadlineExceeded);
        let reader = BodyReader::new();
        let _all = reader.room(BUDGET).await.unwrap();
        let large = Body::new(Full::new(Bytes::from(vec![b' '; FREE + 1])));
        let read = reader.read(large, 2 * FREE).await;
        assert_eq!(read.unwrap_err().code(), Code::DeadlineExceeded, "there is no room for it");
    }
}
