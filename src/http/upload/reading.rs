//! A list file on disk: made into a table if it is none, and read into pages of rows.

use std::io::{self, BufReader, BufWriter};

use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;

use crate::batch::uploads::{SpoolFile, UploadError, UploadStore};
use crate::listfile::import::{Container, ImportError, ImportLimits};
use crate::listfile::{self, Format, ListFileError, Reader, Row};
use crate::proto::{BatchAddress, ListFindings, UploadListRequest};

/// Number of rows of a page.
const PAGE: usize = 1000;

/// The longest address sent, in octets. What is longer is no address, and its beginning shows it.
const LONGEST_ADDRESS: usize = 1000;

/// The largest document that is read as a whole, in octets.
const LARGEST_DOCUMENT: u64 = 32 * 1024 * 1024;

/// A list that was read.
pub(super) struct ReceivedList {
    /// The list, or the table that was made of it.
    pub(super) list: SpoolFile,
    /// The findings.
    pub(super) findings: ListFindings,
    /// The request by which it is read again, encoded.
    pub(super) options: Vec<u8>,
}

/// A list that is text by the line: the file itself, or the table that is made of it. `true`: the
/// latter.
pub(super) fn to_table(store: &UploadStore, list: SpoolFile) -> Result<(SpoolFile, bool), Status> {
    let mut input = BufReader::new(list.read().map_err(unreadable)?);
    let Some(container) = Container::detect(&mut input).map_err(unreadable)? else {
        return Ok((list, false));
    };
    let mut table = store.begin().map_err(|error| failed(&error))?;
    let output = BufWriter::new(table.take_file().map_err(unreadable)?);
    let limits = ImportLimits { unpacked: store.largest(), document: LARGEST_DOCUMENT };
    match container.convert(input, output, limits) {
        Ok(_) => Ok((table, true)),
        Err(ImportError::Io(error)) => Err(unreadable(error)),
        Err(error) => Err(Status::invalid_argument(error.to_string())),
    }
}

/// The options by which a list is read.
pub(in crate::http) fn options(request: &UploadListRequest) -> listfile::ReaderOptions {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    listfile::ReaderOptions {
        encoding: given(&request.encoding),
        column: given(&request.column),
        header: request.header,
        skip_rows: usize::try_from(request.skip_rows).unwrap_or(usize::MAX),
        ..listfile::ReaderOptions::default()
    }
}

/// Reads all rows into pages.
pub(super) fn read(
    list: SpoolFile,
    is_imported: bool,
    request: &UploadListRequest,
    pages: &mpsc::Sender<Vec<BatchAddress>>,
) -> Result<ReceivedList, Status> {
    let mut request = request.clone();
    if is_imported {
        // A table that was made here is UTF-8.
        request.encoding.clear();
    }
    let file = BufReader::new(list.read().map_err(unreadable)?);
    let mut reader = Reader::open(file, &options(&request)).map_err(refused)?;
    let mut row = Row::default();
    let mut page = Vec::with_capacity(PAGE);
    let mut is_empty = true;
    while reader.read(&mut row).map_err(refused)? {
        let Some(address) = row.address() else { continue };
        is_empty = false;
        page.push(BatchAddress {
            address: address[..address.floor_char_boundary(LONGEST_ADDRESS)].to_owned(),
            row_id: row.number().to_string(),
        });
        if page.len() == PAGE && pages.blocking_send(std::mem::take(&mut page)).is_err() {
            return Err(Status::cancelled("the call is over"));
        }
    }
    if is_empty {
        let message = "no row holds an address to verify; is it the right column?";
        return Err(Status::invalid_argument(message));
    }
    if !page.is_empty() && pages.blocking_send(page).is_err() {
        return Err(Status::cancelled("the call is over"));
    }
    let findings = findings(&reader);
    Ok(ReceivedList { list, findings, options: request.encode_to_vec() })
}

fn findings<R: io::Read>(reader: &Reader<R>) -> ListFindings {
    let (layout, found) = (reader.layout(), reader.findings());
    let rows = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let has_columns = matches!(layout.format, Format::Delimited(_));
    ListFindings {
        layout: layout.to_string(),
        column: layout.address.name.clone(),
        column_number: match u32::try_from(layout.address.index) {
            Ok(index) if has_columns => index + 1,
            _ => 0,
        },
        rows: rows(found.rows),
        rows_without_address: rows(found.rows - found.addresses),
        rows_with_several: rows(found.several.count),
        notes: found.notes(),
    }
}

/// The refusal of a list that cannot be read. The parameters have the names of the options of
/// `mailvet list`.
fn refused(error: ListFileError) -> Status {
    match error {
        ListFileError::Read { source, .. } => unreadable(source),
        error => Status::invalid_argument(error.to_string().replace("--", "")),
    }
}

fn unreadable(error: io::Error) -> Status {
    failed(&UploadError::Io(error))
}

/// The status of a failure to keep a list.
pub(super) fn failed(error: &UploadError) -> Status {
    match error {
        UploadError::TooLarge(_) => Status::out_of_range(error.to_string()),
        UploadError::NoRoom => Status::resource_exhausted(error.to_string()),
        UploadError::Io(fault) if fault.kind() == io::ErrorKind::StorageFull => {
            tracing::error!(%error, "an upload was turned away");
            Status::resource_exhausted("the service's disk is full; nothing is lost, try later")
        }
        UploadError::Io(_) => {
            tracing::error!(%error, "an upload failed");
            Status::internal("the list cannot be kept; the service's log says why")
        }
    }
}
