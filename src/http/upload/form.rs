//! The body of an upload: the file itself, or a form with the file in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Version;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use multer::{Field, Multipart};
use tonic::Status;
use tonic::body::Body;

use super::spool::{SpoolWriter, arrives};
use crate::batch::uploads::SpoolFile;
use crate::http::bad_request::BadRequest;

/// The longest text of a field of a form, in octets.
const LONGEST_FIELD: usize = 1024;

/// Octets of the head of a field, and what arrives with it.
const LARGEST_HEAD: usize = 1024 * 1024;

/// Most fields of a form before its file.
const MOST_FIELDS: usize = 32;

/// The body of an upload.
pub(super) enum UploadBody {
    /// The file itself.
    File(FileBody),
    /// A form with the file in it (RFC 7578).
    Form(Box<ListForm>),
}

/// The body of a request that is the file itself.
pub(super) struct FileBody {
    body: Body,
    version: Version,
}

impl FileBody {
    /// The octets that come next; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the file broke off. HTTP/2 may end a request with a reset that names no error (RFC 9113
    /// section 7), which proxies send for callers that have gone: the body just ends.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if let Some(frame) = arrives(self.body.frame()).await? {
            return Ok(Some(frame?.into_data().unwrap_or_default()));
        }
        if self.version == Version::HTTP_2 && !self.body.is_end_stream() {
            return Err(Status::cancelled("the file broke off; send the list again"));
        }
        Ok(None)
    }
}

impl UploadBody {
    pub(super) fn new(
        content_type: &str,
        body: Body,
        version: Version,
    ) -> Result<Self, BadRequest> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return Ok(Self::File(FileBody { body, version }));
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
    pub(super) fn new(body: Body, boundary: String) -> Self {
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

    /// The fields before the file, and its name; the file comes next.
    pub(super) async fn head(&mut self) -> Result<FormHead, Status> {
        let mut fields = Vec::new();
        for _ in 0..=MOST_FIELDS {
            let Some(field) = self.field().await? else { break };
            let (name, filename) =
                (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
            if filename.is_none() && name != "file" {
                let text = self.text(field, &name).await?;
                fields.push((name, text));
                continue;
            }
            return Ok(FormHead { fields, filename: filename.unwrap_or_default(), file: field });
        }
        Err(Status::invalid_argument("the form holds no file; send it as the field `file`"))
    }

    /// Takes the file to disk; nothing may stand behind it.
    pub(super) async fn spool(
        &mut self,
        head: FormHead,
        mut spool: SpoolWriter,
    ) -> Result<SpoolFile, Status> {
        let mut field = head.file;
        while let Some(data) = self.chunk(&mut field).await? {
            spool = spool.push(data).await?;
        }
        drop(field);
        match self.field().await? {
            None => spool.finish().await,
            Some(_) => Err(Status::invalid_argument(
                "the form goes on behind its file; send one file, last",
            )),
        }
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

/// What a form says before its file.
pub(crate) struct FormHead {
    /// The fields before the file, by name.
    pub(crate) fields: Vec<(String, String)>,
    /// The name that the form gives the file; empty if it gives none.
    pub(crate) filename: String,
    file: Field<'static>,
}

fn broken(error: multer::Error) -> Status {
    Status::invalid_argument(format!("the form cannot be read: {error}"))
}
