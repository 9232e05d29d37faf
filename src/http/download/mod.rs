//! `GET /v1/batches/{batch_id}:download`: the list that was uploaded, with the results beside its
//! rows.
//!
//! The list is read again from where it is kept, page by page of the results, and goes out piece by
//! piece, so that nothing grows with it but a workbook on disk.

mod list_writer;
mod merger;
#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::Status;
use tonic::body::Body;

use self::list_writer::MadeFile;
use self::merger::{ListMerger, MergeRefusal, MergeState};
use super::accept::accepted;
use super::own_call::DecodedStream;
use super::response;
use crate::batch::uploads::UploadStore;
use crate::campaign::BatchId;
use crate::proto::{Action, StreamBatchResultsResponse, Verification};

/// The call that it becomes.
pub(crate) const RPC_PATH: &str = "/mailvet.v1.BatchService/StreamBatchResults";

/// The rows of a list that are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowSelection {
    /// Every row, those without an address too.
    All,
    /// Those to send to.
    Clean,
    /// Those that a person should decide about, or that are to be verified again, with those that
    /// never got a result.
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

    /// `true` if rows go out that have no result, since their batch was cancelled before.
    fn has_unanswered(self) -> bool {
        matches!(self, Self::All | Self::Review)
    }

    /// `true` if rows go out that were left out of their batch: they are not to be sent to.
    fn has_excluded(self) -> bool {
        matches!(self, Self::All | Self::Suppress)
    }

    fn has(self, verification: Option<&Verification>) -> bool {
        let action = verification.map(Verification::action).unwrap_or_default();
        match (self, action) {
            (Self::All, _) => true,
            (Self::Clean, action) => action == Action::Send,
            (Self::Suppress, action) => action == Action::Suppress,
            (Self::Review, Action::Send | Action::Suppress) => false,
            (Self::Review, Action::Review | Action::RetryLater | Action::Unspecified) => true,
        }
    }
}

/// The download of a list.
pub(crate) struct ListDownload {
    /// The lists there are; `None`: the service takes none.
    pub(crate) store: Option<UploadStore>,
    /// The batch's id, as the caller gave it.
    pub(crate) batch_id: String,
    /// The rows to give out.
    pub(crate) selection: RowSelection,
    /// A workbook comes as CSV too.
    pub(crate) is_csv: bool,
}

impl ListDownload {
    /// The answer, given that of the call for the results.
    ///
    /// # Errors
    /// When no list is kept of the batch, it cannot be read, or workbooks are being made.
    pub(crate) async fn answer(self, answer: Response<Body>) -> Result<Response<Body>, Status> {
        let opened = tokio::task::spawn_blocking(move || self.open()).await;
        let merger = opened.unwrap_or_else(|_| Err(unreadable()))?;
        let (content_type, disposition) = (merger.content_type(), merger.disposition());
        let steps =
            DownloadStep::Merge(Box::new(Merge { pages: DecodedStream::new(answer), merger }));
        let pieces = stream::unfold(Some(steps), |step| async move {
            match step?.next().await {
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
        Ok(answer)
    }

    /// Opens the list. Blocks on the disk.
    fn open(self) -> Result<Box<ListMerger>, Status> {
        let none_kept = || {
            let message = "no list is kept of this batch: it was not uploaded as a file, or the \
                 file could not be kept";
            Status::not_found(message)
        };
        let store = self.store.ok_or_else(none_kept)?;
        let id = BatchId::parse(&self.batch_id).ok_or_else(none_kept)?;
        let list = store.list(&id).map_err(MergeRefusal::from).and_then(|list| {
            list.map(|list| ListMerger::open(list, store, self.selection, self.is_csv)).transpose()
        });
        match list {
            Ok(list) => list.ok_or_else(none_kept),
            Err(MergeRefusal::Busy) => Err(Status::resource_exhausted(
                "as many workbooks are being made as may be at a time; try again in a minute, or \
                 send the header `accept: text/csv`",
            )),
            Err(MergeRefusal::Failed(error)) => {
                tracing::error!(%error, "an uploaded list cannot be read");
                Err(unreadable())
            }
        }
    }
}

/// Returns whether the caller asks for a workbook as CSV, and not rather for a workbook.
pub(super) fn accepts_csv(headers: &HeaderMap) -> bool {
    let accepted = accepted(headers);
    let forms = [list_writer::CSV, list_writer::WORKBOOK];
    let form = accepted.iter().find(|media_type| forms.contains(&media_type.as_str()));
    form.is_some_and(|form| form == list_writer::CSV)
}

fn unreadable() -> Status {
    Status::internal("the list cannot be read; the service's log says why")
}

/// The step that a download has come to.
enum DownloadStep {
    /// The results come, and their rows are written.
    Merge(Box<Merge>),
    /// The workbook is made and given out. The call for the results is under way until then.
    Send(MadeFile, ResultPages),
}

/// The results as they come, and the list.
struct Merge {
    pages: ResultPages,
    merger: Box<ListMerger>,
}

type ResultPages = DecodedStream<StreamBatchResultsResponse>;

impl DownloadStep {
    /// The next piece, and what is left.
    async fn next(self) -> Result<(Bytes, Option<Self>), Status> {
        match self {
            Self::Merge(merge) => merge.next().await,
            Self::Send(mut file, pages) => {
                let (file, piece) = in_background(move || {
                    let piece = file.next_piece()?;
                    Ok((file, piece))
                })
                .await?;
                let rest = (!piece.is_empty()).then_some(Self::Send(file, pages));
                Ok((piece, rest))
            }
        }
    }
}

impl Merge {
    async fn next(mut self: Box<Self>) -> Result<(Bytes, Option<DownloadStep>), Status> {
        loop {
            if self.merger.needs_results() {
                let results = self.pages.next().await?.map(|page| page.results);
                self.merger.push(results);
                continue;
            }
            let merger = self.merger;
            let (piece, state) = in_background(move || merger.write_piece()).await?;
            match state {
                MergeState::Over(made) => {
                    let pages = self.pages;
                    return Ok((piece, made.map(|file| DownloadStep::Send(file, pages))));
                }
                MergeState::More(merger) => self.merger = merger,
            }
            if !piece.is_empty() {
                return Ok((piece, Some(DownloadStep::Merge(self))));
            }
        }
    }
}

/// Does what reads files.
async fn in_background<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(job).await.map_err(|_| unreadable())?;
    done.map_err(|error| {
        tracing::error!(%error, "an uploaded list cannot be given back");
        unreadable()
    })
}
