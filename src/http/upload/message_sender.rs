//! The messages of an upload on their way to its call.

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;

use crate::http::frames;
use crate::proto::UploadBatchRequest;
use crate::proto::upload_batch_request::Part;

/// The way of an upload's messages to its call.
#[derive(Clone)]
pub(super) struct MessageSender(pub(super) mpsc::Sender<Result<Bytes, Status>>);

impl MessageSender {
    pub(super) async fn send(&self, part: Part) -> Result<(), Status> {
        let message = UploadBatchRequest { part: Some(part) };
        let frame = frames::frame(&message.encode_to_vec())
            .ok_or_else(|| Status::internal("a page is too long"))?;
        // Nobody reads on: the call is over.
        self.0.send(Ok(frame)).await.map_err(|_| Status::cancelled("the call is over"))
    }
}
