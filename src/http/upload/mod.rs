//! `POST /v1/batches:upload`: a list file as it is becomes a batch.
//!
//! The file is written to disk as it arrives, read there by the reader of `mailvet list`, and its
//! rows are sent through the gate as the messages of an `UploadBatch` call, so that keys, quotas
//! and limits hold for it as for that call. Nothing grows with the file but what is on disk.

mod arrival;
mod exclusions;
mod fault;
mod form;
mod message_sender;
mod reading;
mod spool;
mod stored;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;
use tonic::body::Body;

use self::arrival::{ListArrival, ReceivedList, UploadSource};
pub(crate) use self::fault::{ColumnQuestion, ListFault};
pub(crate) use self::form::FormHead;
use self::form::{ListForm, UploadBody};
use self::message_sender::MessageSender;
pub(crate) use self::reading::{ArrivedList, sent_address};
use self::spool::SpoolWriter;
pub(crate) use self::stored::{ListExclusion, excluded_rows, rows_without_address};
pub(super) use self::stored::{StoredReading, options};
use super::bad_request::BadRequest;
use super::field_names::json_path;
use super::{query, request};
use crate::batch::uploads::UploadStore;
use crate::campaign::BatchId;
use crate::proto::json;
use crate::proto::{ListFindings, UploadBatchResponse, UploadListRequest, UploadListResponse};

/// The call that it becomes.
pub(super) const RPC_PATH: &str = "/mailvet.v1.BatchService/UploadBatch";

/// The refusal of a service that has nowhere to put a list file.
pub(crate) const NO_FOLDER: &str = "this service takes no list files, for it has no folder to keep \
     them in: start it with --data-dir";

/// Pages that are read ahead.
const AHEAD: usize = 2;

/// Files that are made into tables at a time: each may take memory for the texts that it shares.
const CONVERSIONS: usize = 2;

/// Takes list files.
#[derive(Clone, Debug)]
pub(crate) struct ListUploads {
    store: UploadStore,
    conversions: Arc<Semaphore>,
}

/// An upload under way: what it comes to is known once the call was answered.
pub(crate) struct ListUpload {
    store: UploadStore,
    read: Arc<Mutex<Option<ReceivedList>>>,
}

/// The messages of the call, made while they are read.
struct UploadMessages {
    arrival: Option<BoxFuture<'static, ()>>,
    messages: mpsc::Receiver<Result<Bytes, Status>>,
}

impl ListUploads {
    pub(crate) fn new(store: UploadStore) -> Self {
        Self { store, conversions: Arc::new(Semaphore::new(CONVERSIONS)) }
    }

    /// The body of the call for a request, and the upload to finish when it was answered.
    pub(super) fn begin(
        &self,
        parts: &Parts,
        body: Body,
    ) -> Result<(Body, ListUpload), BadRequest> {
        let parameters = parts.uri.query().unwrap_or_default().to_owned();
        // Refused before anything is read.
        parse(&parameters)?;
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let source = UploadBody::new(content_type.unwrap_or_default(), body, parts.version)?;
        Ok(self.messages(UploadSource::Body(source, parameters)))
    }

    /// The body of the call for a list on disk, and the upload to finish when it was answered.
    pub(crate) fn begin_stored(&self, list: Arc<ArrivedList>) -> (Body, ListUpload) {
        self.messages(UploadSource::File(list))
    }

    /// Takes the file of a form to disk, if `may_come` has nothing against what stands before it.
    pub(crate) async fn receive_form(
        &self,
        content_type: &str,
        body: Body,
        may_come: impl FnOnce(&FormHead) -> Result<UploadListRequest, Status>,
    ) -> Result<Arc<ArrivedList>, Status> {
        let boundary = multer::parse_boundary(content_type)
            .map_err(|_| Status::invalid_argument("the body is no form with a file"))?;
        let mut form = ListForm::new(body, boundary);
        let head = form.head().await?;
        let request = may_come(&head)?;
        let spool = SpoolWriter::begin(self.store.clone(), None).await?;
        let spool = form.spool(head, spool).await?;
        let list = ArrivedList::new(&self.store, &self.conversions, spool, request).await?;
        Ok(Arc::new(list.for_page()))
    }

    fn messages(&self, source: UploadSource) -> (Body, ListUpload) {
        let (sender, messages) = mpsc::channel(AHEAD);
        let upload = ListUpload { store: self.store.clone(), read: Arc::default() };
        let arrival = ListArrival {
            store: self.store.clone(),
            conversions: Arc::clone(&self.conversions),
            messages: MessageSender(sender),
            read: Arc::clone(&upload.read),
        };
        let messages = UploadMessages { arrival: Some(arrival.run(source).boxed()), messages };
        let frames = http_body_util::StreamBody::new(messages.into_frames());
        (Body::new(frames), upload)
    }
}

impl UploadMessages {
    fn into_frames(self) -> impl Stream<Item = Result<http_body::Frame<Bytes>, Status>> {
        stream::unfold(self, |mut state| async move {
            loop {
                let Some(arrival) = &mut state.arrival else {
                    let message = state.messages.recv().await?;
                    return Some((message.map(http_body::Frame::data), state));
                };
                tokio::select! {
                    biased;
                    message = state.messages.recv() => {
                        let message = message?;
                        return Some((message.map(http_body::Frame::data), state));
                    }
                    () = arrival => state.arrival = None,
                }
            }
        })
    }
}

impl ListUpload {
    /// The answer as JSON, given that of the call.
    pub(super) async fn finish(self, octets: &[u8]) -> Result<Vec<u8>, Status> {
        let internal = |error: String| Status::internal(error);
        let answer =
            UploadBatchResponse::decode(octets).map_err(|error| internal(error.to_string()))?;
        let answer = self.keep(answer).await;
        let text = json::to_string("UploadListResponse", &answer);
        text.map(String::into_bytes).map_err(|error| internal(error.to_string()))
    }

    /// The answer, given that of the call; the list is kept with its batch.
    pub(crate) async fn keep(self, answer: UploadBatchResponse) -> UploadListResponse {
        let read = self.read.lock().take();
        let mut list: Option<ListFindings> = None;
        if let Some(ReceivedList { list: file, findings }) = read {
            list = Some(findings.clone());
            let id = answer.batch.as_ref().and_then(|batch| BatchId::parse(&batch.batch_id));
            let store = self.store;
            let keep = move || id.map_or(Ok(()), |id| file.keep(&store, &id, &findings));
            // The batch is accepted, whatever becomes of the copy.
            if let Ok(Err(error)) = tokio::task::spawn_blocking(keep).await {
                tracing::error!(%error, "an uploaded list cannot be kept for its download");
            }
        }
        UploadListResponse { batch: answer.batch, list }
    }
}

/// The parameters that stand in a query.
pub(super) fn parse(parameters: &str) -> Result<UploadListRequest, BadRequest> {
    let of = json::descriptors().get_message_by_name("mailvet.v1.UploadListRequest");
    let of = of.ok_or_else(|| BadRequest::new("", "uploads are not known"))?;
    let object = query::object(&of, parameters)?;
    let message = request::deserialize(of, object)?;
    UploadListRequest::decode(message.encode_to_vec().as_slice())
        .map_err(|error| BadRequest::new("", error.to_string()))
}

/// The parameter that was given for the field at this path of the call's messages. A field that
/// none was given for keeps its path.
pub(super) fn parameter(path: &str) -> String {
    let name = match path {
        "spec.callback.url" => "callback_url",
        "spec.display_name" => "filename",
        _ => path.strip_prefix("spec.options.").or(path.strip_prefix("spec.")).unwrap_or(path),
    };
    let of = json::descriptors().get_message_by_name("mailvet.v1.UploadListRequest");
    of.map_or_else(|| path.to_owned(), |of| json_path(&of, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Depth;

    #[test]
    fn a_fault_of_the_batch_is_told_of_the_parameter_that_was_given() {
        for (path, expected) in [
            ("spec.options.depth", "depth"),
            ("spec.options.send_policy", "sendPolicy"),
            ("spec.request_id", "requestId"),
            ("spec.callback.url", "callbackUrl"),
            ("skipRows", "skipRows"),
            ("end.rows", "end.rows"),
        ] {
            assert_eq!(parameter(path), expected);
        }
    }

    #[test]
    fn parameters_are_read_by_name_and_unknown_ones_are_refused() {
        let request = parse("column=e-mail&header=true&skip_rows=2&depth=DEPTH_DOMAIN").unwrap();
        assert_eq!((request.column.as_str(), request.header), ("e-mail", Some(true)));
        assert_eq!((request.skip_rows, request.depth()), (2, Depth::Domain));
        assert_eq!(parse("colum=x").unwrap_err().field, "colum");
        assert!(parse("depth=DEEP").is_err() && parse("skipRows=-1").is_err());
    }
}
