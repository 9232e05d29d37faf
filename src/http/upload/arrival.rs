//! A list file as it arrives: to disk, and from there into the messages of an upload.

use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;

use super::form::{ListForm, UploadBody};
use super::message_sender::MessageSender;
use super::parse;
use super::reading::{self, ArrivedList};
use super::spool::{SpoolWriter, signs_of_life};
use crate::batch::uploads::{SpoolFile, UploadStore};
use crate::proto::upload_batch_request::Part;
use crate::proto::{
    BatchEnd, BatchOptions, BatchPage, BatchSpec, CallbackSpec, ListFindings, UploadListRequest,
};

/// A list that was read.
pub(super) struct ReceivedList {
    /// The list.
    pub(super) list: Arc<ArrivedList>,
    /// The findings.
    pub(super) findings: ListFindings,
}

/// The place that a list comes from.
pub(super) enum UploadSource {
    /// The caller, with the parameters of the request.
    Body(UploadBody, String),
    /// The disk.
    File(Arc<ArrivedList>),
}

/// Takes one file.
pub(super) struct ListArrival {
    pub(super) store: UploadStore,
    pub(super) conversions: Arc<Semaphore>,
    pub(super) messages: MessageSender,
    /// The list, once it was read.
    pub(super) read: Arc<Mutex<Option<ReceivedList>>>,
}

impl ListArrival {
    /// Takes the file; an error is the last message.
    pub(super) async fn run(self, source: UploadSource) {
        let taken = match source {
            UploadSource::Body(body, parameters) => self.take(body, parameters).await,
            UploadSource::File(list) => self.take_stored(list).await,
        };
        if let Err(status) = taken {
            // The call may be over: then it has its own error.
            let _ = self.messages.0.send(Err(status)).await;
        }
    }

    async fn take_stored(&self, list: Arc<ArrivedList>) -> Result<(), Status> {
        self.messages.send(Part::Spec(spec(list.request()))).await?;
        self.send_rows(async || Ok(list)).await
    }

    async fn take(&self, source: UploadBody, parameters: String) -> Result<(), Status> {
        let (request, spool) = match source {
            UploadBody::File(mut file) => {
                let request = parse(&parameters)?;
                self.messages.send(Part::Spec(spec(&request))).await?;
                let mut spool = self.begin_spool().await?;
                while let Some(data) = file.next().await? {
                    spool = spool.push(data).await?;
                }
                (request, spool.finish().await?)
            }
            UploadBody::Form(form) => self.take_form(*form, parameters).await?,
        };
        self.send_rows(async || {
            ArrivedList::new(&self.store, &self.conversions, spool, request).await
        })
        .await
    }

    /// Takes a form: its fields, then its file, and nothing behind it.
    async fn take_form(
        &self,
        mut form: ListForm,
        mut parameters: String,
    ) -> Result<(UploadListRequest, SpoolFile), Status> {
        let head = form.head().await?;
        for (name, text) in &head.fields {
            let pair: String =
                form_urlencoded::Serializer::new(String::new()).append_pair(name, text).finish();
            parameters = format!("{parameters}&{pair}");
        }
        let mut request = parse(parameters.trim_start_matches('&'))?;
        if request.filename.is_empty() {
            request.filename.clone_from(&head.filename);
        }
        self.messages.send(Part::Spec(spec(&request))).await?;
        let spool = self.begin_spool().await?;
        Ok((request, form.spool(head, spool).await?))
    }

    async fn begin_spool(&self) -> Result<SpoolWriter, Status> {
        SpoolWriter::begin(self.store.clone(), Some(self.messages.clone())).await
    }

    /// Sends the rows of a file that is there once `open` is done.
    async fn send_rows(
        &self,
        open: impl AsyncFnOnce() -> Result<Arc<ArrivedList>, Status>,
    ) -> Result<(), Status> {
        let (pages, mut read) = mpsc::channel(super::AHEAD);
        let mut signs = signs_of_life();
        let reading = async {
            let list = open().await?;
            // Reading files blocks.
            let reading = tokio::task::spawn_blocking(move || {
                let findings = reading::send_pages(&list, &pages)?;
                Ok::<_, Status>(ReceivedList { list, findings })
            });
            reading.await.map_err(|_| Status::internal("the list was not read"))?
        };
        let (mut reading, mut rows, mut done) = (pin!(reading), 0, None);
        loop {
            tokio::select! {
                biased;
                page = read.recv() => match page {
                    Some(page) => {
                        rows += i64::try_from(page.len()).unwrap_or(i64::MAX);
                        let page = Part::Page(BatchPage { addresses: page });
                        self.messages.send(page).await?;
                    }
                    // The reader has ended; all it read was sent.
                    None => break,
                },
                ended = &mut reading, if done.is_none() => done = Some(ended),
                _ = signs.tick() => self.messages.send(Part::Page(BatchPage::default())).await?,
            }
        }
        let ended = match done {
            Some(ended) => ended,
            None => reading.await,
        };
        *self.read.lock() = Some(ended?);
        self.messages.send(Part::End(BatchEnd { rows })).await
    }
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
