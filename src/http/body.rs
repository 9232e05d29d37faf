//! Bodies of requests: read whole, bounded in octets, in time, and in memory over all calls.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::body::Body;

use super::octet_budget::{BodyOwner, OctetBudget, OctetRoom};

/// Octets of large bodies that may be in arrival at a time, over all calls.
const BUDGET: usize = 32 * 1024 * 1024;

/// Those of one caller: three pages at a time.
const SHARE: usize = 12 * 1024 * 1024;

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
pub(crate) struct BodyReader(OctetBudget);

impl BodyReader {
    pub(crate) fn new() -> Self {
        Self(OctetBudget::new(BUDGET, SHARE))
    }

    /// The whole body, of at most `largest` octets.
    pub(super) async fn read(
        &self,
        body: Body,
        largest: usize,
        owner: &BodyOwner,
    ) -> Result<ArrivedBody, Status> {
        let read = tokio::time::timeout(ARRIVAL, self.collect(body, largest, owner)).await;
        read.unwrap_or_else(|_| {
            let seconds = ARRIVAL.as_secs();
            let message =
                format!("the body did not arrive within {seconds} seconds; send it again");
            Err(Status::deadline_exceeded(message))
        })
    }

    async fn collect(
        &self,
        mut body: Body,
        largest: usize,
        owner: &BodyOwner,
    ) -> Result<ArrivedBody, Status> {
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
                room = Some(self.room(largest, owner).await?);
            }
            octets.extend_from_slice(&data);
        }
        Ok(ArrivedBody { octets: octets.freeze(), _room: room })
    }

    async fn room(&self, octets: usize, owner: &BodyOwner) -> Result<OctetRoom, Status> {
        let room = self.0.room(&owner.get(), octets).await;
        room.map_err(|_| Status::unavailable("the service is shutting down"))
    }
}

/// A whole body. It keeps its room until it is dropped.
#[derive(Debug)]
pub(super) struct ArrivedBody {
    pub(super) octets: Bytes,
    _room: Option<OctetRoom>,
}

/// The fields of a form (application/x-www-form-urlencoded).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestForm(Vec<(String, String)>);

impl RequestForm {
    /// Largest form, in octets.
    const LARGEST: usize = 16 * 1024;

    /// Reads a form.
    pub(crate) async fn read(reader: &BodyReader, body: Body) -> Result<Self, Status> {
        let body = reader.read(body, Self::LARGEST, &BodyOwner::default()).await?;
        Ok(Self(form_urlencoded::parse(&body.octets).into_owned().collect()))
    }

    /// The value of a field; empty if there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use tonic::Code;

    use super::super::octet_budget::OctetOwner;
    use super::*;

    fn owner(name: &str) -> BodyOwner {
        let owner = BodyOwner::default();
        owner.set(OctetOwner::Caller(name.into()));
        owner
    }

    async fn read(octets: usize, largest: usize) -> Result<usize, Code> {
        let body = Body::new(Full::new(Bytes::from(vec![b' '; octets])));
        let read = BodyReader::new().read(body, largest, &BodyOwner::default()).await;
        read.map(|body| body.octets.len()).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(0, 100).await, Ok(0));
        assert_eq!(read(100, 100).await, Ok(100));
        assert_eq!(read(101, 100).await, Err(Code::OutOfRange));
        assert_eq!(read(FREE + 1, 2 * FREE).await, Ok(FREE + 1));
    }

    #[tokio::test]
    async fn a_body_keeps_its_room_until_it_was_made_use_of() {
        let reader = BodyReader::new();
        let body = Body::new(Full::new(Bytes::from(vec![b' '; FREE + 1])));
        let arrived = reader.read(body, SHARE, &owner("a")).await.unwrap();
        let owner = owner("a");
        assert!(reader.room(1, &owner).now_or_never().is_none());
        drop(arrived);
        assert!(reader.room(1, &owner).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let stalled =
            || Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>()));
        let read = BodyReader::new().read(stalled(), 100, &owner("a")).await;
        assert_eq!(read.unwrap_err().code(), Code::DeadlineExceeded);
        let reader = BodyReader::new();
        let _all = reader.room(SHARE, &owner("a")).await.unwrap();
        let large = || Body::new(Full::new(Bytes::from(vec![b' '; FREE + 1])));
        let read = reader.read(large(), 2 * FREE, &owner("a")).await;
        assert_eq!(read.unwrap_err().code(), Code::DeadlineExceeded, "there is no room for it");
        assert!(reader.read(large(), 2 * FREE, &owner("b")).await.is_ok(), "another caller's");
    }
}
