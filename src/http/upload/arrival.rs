//! A list file as it arrives: to disk, and from there into the messages of an upload.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use multer::{Field, Multipart};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tonic::Status;
use tonic::body::Body;

use super::parse;
use super::reading::{self, ReceivedList};
use crate::batch::uploads::{SpoolFile, UploadError, UploadStore};
use crate::http::bad_request::BadRequest;
use crate::http::frames;
use crate::proto::upload_batch_request::Part;
use crate::proto::{
    BatchEnd, BatchOptions, BatchPage, BatchSpec, CallbackSpec, UploadBatchRequest,
    UploadListRequest,
};

/// Octets that are gathered before they are written.
const PIECE: usize = 256 * 1024;

/// The longest text of a field of a form, in octets.
const LONGEST_FIELD: usize = 1024;

/// Octets of the head of a field, and what arrives with it.
const LARGEST_HEAD: usize = 1024 * 1024;

/// Most fields of a form before its file.
const MOST_FIELDS: usize = 32;

/// Time within which something must arrive.
const SILENCE: Duration = Duration::from_secs(30);

/// Interval of the empty pages that tell the call that the file is still being taken.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The body of an upload.
pub(super) enum UploadBody {
    /// The file itself.
    File(Body),
    /// A form with the file in it (RFC 7578).
    Form(Box<ListForm>),
}

impl UploadBody {
    pub(super) fn new(content_type: &str, body: Body) -> Result<Self, BadRequest> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return Ok(Self::File(body));
        }
        let boundary = multer::parse_boundary(content_type)
            .map_err(|_| BadRequest::new("", "the form's content type names no boundary"))?;
        Ok(Self::Form(Box::new(ListForm::new(body, boundary))))
    }
}

/// A form that is read part by part, and bounded between two parts.
pub(super) struct ListForm {
    parts: Multipart<'static>,
    /// Octets that were read since the last part came out.
    ahead: Arc<AtomicUsize>,
}

impl ListForm {
    fn new(body: Body, boundary: String) -> Self {
        let ahead = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ahead);
        let stream = body.into_data_stream().map(move |data| {
            let data = data.map_err(|status| status.message().to_owned())?;
            let before = counted.fetch_add(data.len(), Ordering::Relaxed);
            if before + data.len() > LARGEST_HEAD {
                return Err("the head of a field is too long".to_owned());
            }
            Ok(data)
        });
        Self { parts: Multipart::new(stream, boundary), ahead }
    }

    async fn field(&mut self) -> Result<Option<Field<'static>>, Status> {
        let field = arrives(self.parts.next_field()).await?.map_err(broken)?;
        self.ahead.store(0, Ordering::Relaxed);
        Ok(field)
    }

    async fn chunk(&self, field: &mut Field<'static>) -> Result<Option<Bytes>, Status> {
        let chunk = arrives(field.chunk()).await?.map_err(broken)?;
        self.ahead.store(0, Ordering::Relaxed);
        Ok(chunk)
    }

    async fn text(&self, mut field: Field<'static>, name: &str) -> Result<String, Status> {
        let mut text = Vec::new();
        while let Some(data) = self.chunk(&mut field).await? {
            if text.len() + data.len() > LONGEST_FIELD {
                let name: String = name.chars().take(100).collect();
                let message = format!("the field {name} is longer than {LONGEST_FIELD} octets");
                return Err(Status::invalid_argument(message));
            }
            text.extend_from_slice(&data);
        }
        String::from_utf8(text).map_err(|_| Status::invalid_argument("a field is not UTF-8"))
    }
}

/// Takes one file.
pub(super) struct ListArrival {
    pub(super) store: UploadStore,
    pub(super) conversions: Arc<Semaphore>,
    pub(super) messages: mpsc::Sender<Result<Bytes, Status>>,
    /// The list, once it was read.
    pub(super) read: Arc<Mutex<Option<ReceivedList>>>,
}

impl ListArrival {
    /// Takes the file; an error is the last message.
    pub(super) async fn run(self, source: UploadBody, parameters: String) {
        if let Err(status) = self.take(source, parameters).await {
            // The call may be over: then it has its own error.
            let _ = self.messages.send(Err(status)).await;
        }
    }

    async fn take(&self, source: UploadBody, parameters: String) -> Result<(), Status> {
        let (request, spool) = match source {
            UploadBody::File(body) => {
                let request = parse(&parameters).map_err(bad)?;
                self.send(Part::Spec(spec(&request))).await?;
                let mut spool = SpoolWriter::begin(self).await?;
                let mut body = body;
                while let Some(frame) = arrives(body.frame()).await? {
                    let data = frame?.into_data().unwrap_or_default();
                    spool = spool.push(data).await?;
                }
                (request, spool.finish().await?)
            }
            UploadBody::Form(form) => self.take_form(*form, parameters).await?,
        };
        self.read_rows(request, spool).await
    }

    /// Takes a form: its fields, then its file, and nothing behind it.
    async fn take_form(
        &self,
        mut form: ListForm,
        mut parameters: String,
    ) -> Result<(UploadListRequest, SpoolFile), Status> {
        for _ in 0..=MOST_FIELDS {
            let Some(field) = form.field().await? else { break };
            let (name, filename) =
                (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
            if filename.is_none() && name != "file" {
                let text = form.text(field, &name).await?;
                let pair: String = form_urlencoded::Serializer::new(String::new())
                    .append_pair(&name, &text)
                    .finish();
                parameters = format!("{parameters}&{pair}");
                continue;
            }
            let mut request = parse(parameters.trim_start_matches('&')).map_err(bad)?;
            if request.filename.is_empty() {
                request.filename = filename.unwrap_or_default();
            }
            self.send(Part::Spec(spec(&request))).await?;
            let spool = self.spool_field(&form, field).await?;
            return match form.field().await? {
                None => Ok((request, spool)),
                Some(_) => Err(Status::invalid_argument(
                    "the form goes on behind its file; send one file, last",
                )),
            };
        }
        Err(Status::invalid_argument("the form holds no file; send it as the field `file`"))
    }

    async fn spool_field(
        &self,
        form: &ListForm,
        mut field: Field<'static>,
    ) -> Result<SpoolFile, Status> {
        let mut spool = SpoolWriter::begin(self).await?;
        while let Some(data) = form.chunk(&mut field).await? {
            spool = spool.push(data).await?;
        }
        spool.finish().await
    }

    /// Sends the rows of a file that is there.
    async fn read_rows(&self, request: UploadListRequest, spool: SpoolFile) -> Result<(), Status> {
        let (pages, mut read) = mpsc::channel(super::AHEAD);
        let mut signs = signs_of_life();
        let reading = async {
            let room = Arc::clone(&self.conversions).acquire_owned().await;
            let store = self.store.clone();
            // Reading files blocks.
            tokio::task::spawn_blocking(move || {
                let (table, is_imported) = reading::to_table(&store, spool)?;
                drop(room);
                reading::read(table, is_imported, &request, &pages)
            })
            .await
        };
        let (mut reading, mut rows, mut done) = (pin!(reading), 0, None);
        loop {
            tokio::select! {
                biased;
                page = read.recv() => match page {
                    Some(page) => {
                        rows += i64::try_from(page.len()).unwrap_or(i64::MAX);
                        self.send(Part::Page(BatchPage { addresses: page })).await?;
                    }
                    // The reader has ended; all it read was sent.
                    None => break,
                },
                ended = &mut reading, if done.is_none() => done = Some(ended),
                _ = signs.tick() => self.send(Part::Page(BatchPage::default())).await?,
            }
        }
        let ended = match done {
            Some(ended) => ended,
            None => reading.await,
        };
        *self.read.lock() = Some(ended.map_err(|_| Status::internal("the list was not read"))??);
        self.send(Part::End(BatchEnd { rows })).await
    }

    async fn send(&self, part: Part) -> Result<(), Status> {
        let message = UploadBatchRequest { part: Some(part) };
        let frame = frames::frame(&message.encode_to_vec())
            .ok_or_else(|| Status::internal("a page is too long"))?;
        // Nobody reads on: the call is over.
        self.messages.send(Ok(frame)).await.map_err(|_| Status::cancelled("the call is over"))
    }
}

/// A file being written, piece by piece.
struct SpoolWriter<'a> {
    arrival: &'a ListArrival,
    file: SpoolFile,
    gathered: BytesMut,
    signs: Interval,
}

impl<'a> SpoolWriter<'a> {
    async fn begin(arrival: &'a ListArrival) -> Result<Self, Status> {
        let store = arrival.store.clone();
        let file = on_disk(move || store.begin()).await?;
        Ok(Self { arrival, file, gathered: BytesMut::new(), signs: signs_of_life() })
    }

    async fn push(mut self, data: Bytes) -> Result<Self, Status> {
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() >= PIECE {
            self = self.write().await?;
        }
        if self.signs.tick().now_or_never().is_some() {
            self.arrival.send(Part::Page(BatchPage::default())).await?;
        }
        Ok(self)
    }

    async fn write(self) -> Result<Self, Status> {
        let Self { arrival, mut file, mut gathered, signs } = self;
        let (file, gathered) = on_disk(move || {
            file.write(&gathered)?;
            gathered.clear();
            Ok((file, gathered))
        })
        .await?;
        Ok(Self { arrival, file, gathered, signs })
    }

    async fn finish(self) -> Result<SpoolFile, Status> {
        Ok(self.write().await?.file)
    }
}

/// Ticks whenever the call is to be told that the file is still being taken.
fn signs_of_life() -> Interval {
    let mut signs = interval(SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    signs.reset();
    signs
}

/// Does what waits for the disk.
async fn on_disk<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|_| Status::internal("the list cannot be kept"))?.map_err(|e| reading::failed(&e))
}

/// Waits for what is to arrive, but not for ever.
async fn arrives<T>(what: impl Future<Output = T>) -> Result<T, Status> {
    timeout(SILENCE, what).await.map_err(|_| {
        let seconds = SILENCE.as_secs();
        Status::deadline_exceeded(format!("nothing came for {seconds} s; send the list again"))
    })
}

fn broken(error: multer::Error) -> Status {
    Status::invalid_argument(format!("the form cannot be read: {error}"))
}

fn bad(bad: BadRequest) -> Status {
    Status::invalid_argument(bad.sentence())
}

/// The description of the batch.
fn spec(request: &UploadListRequest) -> BatchSpec {
    let name = request.filename.as_str();
    BatchSpec {
        request_id: request.request_id.clone(),
        display_name: name[..name.floor_char_boundary(200)].to_owned(),
        options: Some(BatchOptions {
            depth: request.depth,
            skip_catch_all: request.skip_catch_all,
            send_policy: request.send_policy,
            include_registration: request.include_registration,
            ..BatchOptions::default()
        }),
        callback: (!request.callback_url.is_empty())
            .then(|| CallbackSpec { url: request.callback_url.clone(), events: Vec::new() }),
    }
}
