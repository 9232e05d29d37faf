//! `GET /v1/batches/{batch_id}:download`: the list that was uploaded, with the results beside its
//! rows.
//!
//! The list is read again from where it is kept, page by page of the results, so that nothing grows
//! with it.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use tonic::Status;
use tonic::body::Body;

use super::own_call::DecodedStream;
use super::upload::options;
use super::{csv, response};
use crate::batch::uploads::{StoredList, UploadStore};
use crate::campaign::BatchId;
use crate::listfile::{Format, ListFileError, Output, Reader, Row, Writer};
use crate::proto::{Action, BatchResult, StreamBatchResultsResponse, UploadListRequest};

/// The call that it becomes.
pub(crate) const RPC_PATH: &str = "/mailvet.v1.BatchService/StreamBatchResults";

/// The rows of a list that are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowSelection {
    /// Every row, those without an address too.
    All,
    /// Those to send to.
    Clean,
    /// Those that a person should decide about, or that are to be verified again.
    Review,
    /// Those not to send to.
    Suppress,
}

impl RowSelection {
    pub(crate) const ALL: [Self; 4] = [Self::Clean, Self::Review, Self::Suppress, Self::All];

    /// Its name in a path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Clean => "clean",
            Self::Review => "review",
            Self::Suppress => "suppress",
        }
    }

    fn has(self, result: &BatchResult) -> bool {
        let verification = result.verification.as_ref();
        let action = verification.map(|verification| verification.action()).unwrap_or_default();
        match (self, action) {
            (Self::All, _) => true,
            (Self::Clean, action) => action == Action::Send,
            (Self::Suppress, action) => action == Action::Suppress,
            (Self::Review, Action::Send | Action::Suppress) => false,
            (Self::Review, Action::Review | Action::RetryLater | Action::Unspecified) => true,
        }
    }
}

/// The answer, given that of the call for the results.
pub(crate) async fn answer(
    answer: Response<Body>,
    store: Option<UploadStore>,
    id: &str,
    selection: RowSelection,
) -> Response<Body> {
    let id = BatchId::parse(id);
    let open = move || match (store, id) {
        (Some(store), Some(id)) => {
            store.list(&id)?.map(|list| ListMerger::open(list, selection)).transpose()
        }
        _ => Ok(None),
    };
    let opened = match tokio::task::spawn_blocking(open).await {
        Ok(Ok(Some(opened))) => opened,
        Ok(Ok(None)) => {
            let message = "no list is kept of this batch: it was not uploaded as a file";
            return response::error(&Status::not_found(message));
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "an uploaded list cannot be read");
            return response::error(&unreadable());
        }
        Err(_) => return response::error(&unreadable()),
    };
    let (content_type, disposition) = (opened.content_type(), opened.disposition());
    let merge = DownloadStream { pages: DecodedStream::new(answer), opened };
    let pieces = stream::unfold(Some(merge), |merge| async move {
        match merge?.next().await {
            Ok((piece, rest)) => Some((Ok(Frame::data(piece)), rest)),
            // The answer breaks off: a caller must not take a part for the whole.
            Err(status) => Some((Err(status), None)),
        }
    });
    let body = Body::new(StreamBody::new(pieces));
    let mut answer = response::with_body(StatusCode::OK, content_type, body);
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    }
    answer
}

fn unreadable() -> Status {
    Status::internal("the list cannot be read; the service's log says why")
}

/// The results as they come, and the list.
struct DownloadStream {
    pages: DecodedStream<StreamBatchResultsResponse>,
    opened: ListMerger,
}

impl DownloadStream {
    /// The next piece, and what is left.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), Status> {
        loop {
            let results = self.pages.next().await?.map(|page| page.results);
            let is_end = results.is_none();
            let opened = self.opened;
            let (merged, piece) = in_background(move || opened.merge(results)).await?;
            if is_end {
                return Ok((piece, None));
            }
            self.opened = merged;
            if !piece.is_empty() {
                return Ok((piece, Some(self)));
            }
        }
    }
}

/// Does what reads files.
async fn in_background<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, ListFileError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(job).await.map_err(|_| unreadable())?;
    done.map_err(|error| {
        tracing::error!(%error, "an uploaded list cannot be read");
        unreadable()
    })
}

/// Octets that were written and not sent yet.
#[derive(Clone, Default)]
struct PendingOctets(Arc<Mutex<Vec<u8>>>);

impl Write for PendingOctets {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list between its rows and its results.
struct ListMerger {
    name: String,
    selection: RowSelection,
    reader: Reader<BufReader<File>>,
    writer: Writer<PendingOctets>,
    written: PendingOctets,
}

impl ListMerger {
    fn open(kept: StoredList, selection: RowSelection) -> io::Result<Self> {
        let request = UploadListRequest::decode(kept.reading.as_slice())?;
        let reader = Reader::open(BufReader::new(kept.file), &options(&request));
        let reader = reader.map_err(io::Error::other)?;
        let written = PendingOctets::default();
        let columns = &csv::APPENDED;
        let writer = Writer::new(written.clone(), reader.layout(), Output::Same, columns);
        let writer = writer.map_err(io::Error::other)?;
        Ok(Self { name: request.filename, selection, reader, writer, written })
    }

    /// Writes rows up to those of these results; with none, the rest.
    fn merge(mut self, results: Option<Vec<BatchResult>>) -> Result<(Self, Bytes), ListFileError> {
        let (is_rest, is_whole) = (results.is_none(), self.selection == RowSelection::All);
        let mut row = Row::default();
        for result in results.unwrap_or_default() {
            // Each row is asked about under its number.
            let number: u64 = result.row_id.parse().unwrap_or_default();
            while self.reader.read(&mut row)? {
                if row.number() == number && !row.is_blank() {
                    if !self.selection.has(&result) {
                        break;
                    }
                    let cells = csv::appended(&result);
                    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                    self.writer.write(&row, &cells)?;
                    break;
                }
                if is_whole {
                    self.writer.write(&row, &[])?;
                }
            }
        }
        while is_rest && is_whole && self.reader.read(&mut row)? {
            self.writer.write(&row, &[])?;
        }
        let octets = std::mem::take(&mut *self.written.0.lock());
        Ok((self, octets.into()))
    }

    fn content_type(&self) -> &'static str {
        match self.reader.layout().format {
            Format::JsonLines => "application/x-ndjson",
            Format::Delimited(_) | Format::Plain => "text/csv",
        }
    }

    /// A file name for whoever saves it (RFC 6266).
    fn disposition(&self) -> String {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        let stem = if stem.is_empty() { "list" } else { stem };
        let ending = match self.reader.layout().format {
            Format::JsonLines => "jsonl",
            Format::Delimited(_) | Format::Plain => "csv",
        };
        let name = utf8_percent_encode(stem, NON_ALPHANUMERIC);
        let part = match self.selection {
            RowSelection::All => "vetted",
            RowSelection::Clean | RowSelection::Review | RowSelection::Suppress => {
                self.selection.name()
            }
        };
        format!("attachment; filename*=UTF-8''{name}.{part}.{ending}")
    }
}
