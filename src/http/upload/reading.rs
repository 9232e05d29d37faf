//! A list file on disk: made into a table if it is none, and read into pages of rows.

use std::io::{self, BufReader, BufWriter};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tonic::Status;

use super::fault::{ListFault, failed, question, refused, unopened, unreadable, with_parameters};
use super::stored::{ListExclusion, StoredOrigin, reader_options};
use crate::batch::uploads::{SpoolFile, UploadStore};
use crate::campaign::BatchId;
use crate::exclusion::ExclusionMark;
use crate::listfile::import::{Container, ImportError, ImportLimits, Imported};
use crate::listfile::{COLUMN_RULES, Format, Layout, Reader, Remedies, Row};
use crate::proto::{BatchAddress, ListFindings, SendPolicy, UploadListRequest};

/// Number of addresses of a page, or a few more.
const PAGE: usize = 1000;

/// The longest address sent, in octets. What is longer is no address, and its beginning shows it.
const LONGEST_ADDRESS: usize = 1000;

/// The largest document that is read as a whole, in octets.
const LARGEST_DOCUMENT: u64 = 32 * 1024 * 1024;

/// A list on disk that is text by the line, and how it is read.
#[derive(Clone, Debug)]
pub(crate) struct ArrivedList {
    /// The file itself, or the table that was made of it.
    pub(super) table: Arc<SpoolFile>,
    pub(super) request: UploadListRequest,
    /// The most octets that a packed one may have when it is unpacked.
    pub(super) largest: u64,
    pub(super) origin: StoredOrigin,
    /// The part of a workbook or an archive that was taken, in words; empty if there was no choice.
    part: String,
    /// The same, if something was left out that may hold addresses too.
    pub(super) partial: Option<String>,
    /// The addresses of it that are left out.
    exclusion: Option<Arc<ListExclusion>>,
    /// The words for what whoever sent it can do about what was found.
    remedies: Remedies,
}

impl ArrivedList {
    /// The list in `spool`; what is no text becomes a table, as soon as there is room for that.
    pub(super) async fn new(
        store: &UploadStore,
        conversions: &Arc<Semaphore>,
        spool: SpoolFile,
        mut request: UploadListRequest,
    ) -> Result<Arc<Self>, Status> {
        let room = Arc::clone(conversions).acquire_owned().await;
        let store = store.clone();
        // Reading files blocks.
        let made = tokio::task::spawn_blocking(move || {
            let (table, imported) = to_table(&store, spool, &request.encoding)?;
            drop(room);
            if imported.is_some() {
                // A table that was made here is UTF-8.
                request.encoding.clear();
            }
            let origin = StoredOrigin {
                is_workbook: imported.as_ref().is_some_and(|it| it.container.is_workbook()),
                is_imported: imported.is_some(),
                column_rules: COLUMN_RULES,
                rows_without_address: 0,
            };
            let partial = imported.as_ref().filter(|it| it.is_partial).map(ToString::to_string);
            let part = imported.map(|it| it.part).unwrap_or_default();
            let (table, largest) = (Arc::new(table), store.largest());
            let remedies = Remedies::PARAMETERS;
            let exclusion = None;
            let list = Self { table, request, largest, origin, part, partial, exclusion, remedies };
            Ok(Arc::new(list))
        });
        made.await.map_err(|_| Status::internal("the list was not read"))?
    }

    /// The request that it was sent with.
    pub(crate) fn request(&self) -> &UploadListRequest {
        &self.request
    }

    /// The same list, of which a person is told at a page.
    pub(super) fn for_page(&self) -> Self {
        Self { remedies: Remedies::PAGE, ..self.clone() }
    }

    /// The same list, read by another column: its name, or its number from 1.
    pub(crate) fn with_column(&self, column: &str) -> Self {
        let mut list = self.clone();
        column.clone_into(&mut list.request.column);
        list
    }

    /// The same list, of which these addresses are left out.
    pub(crate) fn with_exclusion(&self, exclusion: Option<Arc<ListExclusion>>) -> Self {
        Self { exclusion, ..self.clone() }
    }

    /// `true` if the address at `place`, among all of the list from 0, is asked about.
    fn is_asked(&self, place: usize) -> bool {
        let mark = self.exclusion.as_ref().map(|exclusion| exclusion.marks.at(place));
        mark != Some(ExclusionMark::Excluded)
    }

    /// The same list, for a campaign that is sent by this policy, begun once under this id.
    pub(crate) fn with_send_policy(&self, policy: SendPolicy, request_id: &str) -> Self {
        let mut list = self.clone();
        list.request.set_send_policy(policy);
        request_id.clone_into(&mut list.request.request_id);
        list
    }

    /// Reads every row, and tells what was found. Blocks on the disk.
    pub(crate) fn read(
        &self,
        mut each: impl FnMut(&Layout, &Row) -> Result<(), Status>,
    ) -> Result<ListFindings, ListFault> {
        let file = BufReader::new(self.table.read().map_err(unreadable)?);
        let options = reader_options(&self.request, self.origin);
        let mut reader = Reader::open(file, &options).map_err(unopened)?;
        let mut row = Row::default();
        let mut is_empty = true;
        while reader.read(&mut row).map_err(refused)? {
            if reader.layout().gzip && reader.octets() > self.largest {
                let limit = self.largest / (1024 * 1024);
                let message = format!("the list is larger than {limit} MiB unpacked");
                return Err(Status::out_of_range(format!("{message}; send it in parts")).into());
            }
            is_empty &= row.address().is_none();
            each(reader.layout(), &row)?;
        }
        if is_empty {
            let message = "no row holds an address to verify; is it the right column?";
            let reason = "no row holds an address to verify in this column".to_owned();
            let question = question(reason, reader.layout().choices().to_vec());
            let status = Status::invalid_argument(message);
            return Err(ListFault { status, question, reason: None });
        }
        let mut findings = findings(&reader, &self.remedies);
        if !self.part.is_empty() {
            findings.notes.insert(0, format!("taken: {}", self.part));
        }
        Ok(findings)
    }

    /// Keeps it as the list of a batch, with what was found in it. Blocks on the disk.
    pub(super) fn keep(
        &self,
        store: &UploadStore,
        id: &BatchId,
        findings: &ListFindings,
    ) -> io::Result<()> {
        let rows_without_address = u64::try_from(findings.rows_without_address).unwrap_or_default();
        let origin = StoredOrigin { rows_without_address, ..self.origin };
        let mut reading = origin.encode_behind(&self.request);
        if let Some(exclusion) = &self.exclusion {
            reading.extend(exclusion.encode());
        }
        store.keep(&self.table, id, &reading)
    }
}

/// The part of a cell that is sent as its address.
pub(crate) fn sent_address(address: &str) -> &str {
    &address[..address.floor_char_boundary(LONGEST_ADDRESS)]
}

/// A list that is text by the line: the file itself, or the table that is made of what it came in,
/// whose text is in `encoding` if that is not empty.
fn to_table(
    store: &UploadStore,
    list: SpoolFile,
    encoding: &str,
) -> Result<(SpoolFile, Option<Imported>), Status> {
    let mut input = BufReader::new(list.read().map_err(unreadable)?);
    let Some(container) = Container::detect(&mut input).map_err(unreadable)? else {
        return Ok((list, None));
    };
    let mut table = store.begin().map_err(|error| failed(&error))?;
    let output = BufWriter::new(table.take_file().map_err(unreadable)?);
    let limits = ImportLimits { unpacked: store.largest(), document: LARGEST_DOCUMENT };
    let encoding = (!encoding.is_empty()).then_some(encoding);
    match container.convert_encoded(encoding, input, output, limits) {
        Ok(imported) => Ok((table, Some(imported))),
        Err(ImportError::Io(error)) => Err(unreadable(error)),
        // A list of an archive says which option it needs.
        Err(error) => Err(Status::invalid_argument(with_parameters(&error.to_string()))),
    }
}

/// Sends all rows as pages. Blocks on the disk.
pub(super) fn send_pages(
    list: &ArrivedList,
    pages: &mpsc::Sender<Vec<BatchAddress>>,
) -> Result<ListFindings, Status> {
    let is_over = || Status::cancelled("the call is over");
    let mut page = Vec::with_capacity(PAGE);
    let mut place = 0;
    let findings = list.read(|_, row| {
        // Rows without an address fill no page.
        if pages.is_closed() {
            return Err(is_over());
        }
        for address in row.addresses() {
            if list.is_asked(place) {
                page.push(BatchAddress {
                    address: sent_address(address).to_owned(),
                    row_id: row.number().to_string(),
                    consent_time: row.consented_at().map(Into::into),
                });
            }
            place += 1;
        }
        if page.len() >= PAGE {
            pages.blocking_send(std::mem::take(&mut page)).map_err(|_| is_over())?;
        }
        Ok(())
    })?;
    if !page.is_empty() {
        pages.blocking_send(page).map_err(|_| is_over())?;
    }
    Ok(findings)
}

fn findings<R: io::Read>(reader: &Reader<R>, remedies: &Remedies) -> ListFindings {
    let (layout, found) = (reader.layout(), reader.findings());
    let rows = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let has_columns = matches!(layout.format, Format::Delimited(_));
    ListFindings {
        layout: layout.describe(remedies),
        column: layout.address.name.clone(),
        column_number: match u32::try_from(layout.address.index) {
            Ok(index) if has_columns => index + 1,
            _ => 0,
        },
        rows: rows(found.rows),
        rows_without_address: rows(found.rows - found.addresses),
        rows_with_several: rows(found.several.count),
        notes: found.notes(remedies),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::SystemTime;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tonic::Code;

    use super::*;
    use crate::batch::Config;
    use crate::http::upload::{StoredReading, options};

    /// The list in these octets, where a list may have 1 MiB.
    async fn arrived(octets: &[u8]) -> (tempfile::TempDir, Arc<ArrivedList>) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { megabytes_per_upload: 1, ..Config::default() };
        let store = UploadStore::open(folder.path(), &config).unwrap();
        let mut spool = store.begin().unwrap();
        spool.write(octets).unwrap();
        let conversions = Arc::new(Semaphore::new(1));
        let list = ArrivedList::new(&store, &conversions, spool, UploadListRequest::default());
        (folder, list.await.unwrap())
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    /// An address and 3 MiB of blank lines, packed.
    fn bomb() -> Vec<u8> {
        let bomb = packed(&format!("jane@acme.test\n{}", "\n".repeat(3 << 20)));
        assert!(bomb.len() < 1 << 16);
        bomb
    }

    #[tokio::test]
    async fn a_packed_list_that_unpacks_to_more_than_is_taken_is_refused() {
        let (_folder, list) = arrived(&bomb()).await;
        let refusal = list.read(|_, _| Ok(())).unwrap_err().status;
        assert_eq!(refusal.code(), Code::OutOfRange);
        assert!(refusal.message().contains("1 MiB unpacked"), "{refusal}");
        let whole = format!("jane@acme.test\n{}", "\n".repeat((1 << 20) - 15));
        let (_folder, list) = arrived(&packed(&whole)).await;
        assert_eq!(list.read(|_, _| Ok(())).unwrap().rows, 1);
    }

    #[tokio::test]
    async fn reading_ends_with_the_call_though_no_page_is_full() {
        let (_folder, list) = arrived(&bomb()).await;
        let (pages, read) = mpsc::channel(1);
        drop(read);
        let reading = tokio::task::spawn_blocking(move || send_pages(&list, &pages));
        assert_eq!(reading.await.unwrap().unwrap_err().code(), Code::Cancelled);
    }

    #[tokio::test]
    async fn a_table_that_was_made_of_a_list_is_read_as_it_was_written_also_when_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), &Config::default()).unwrap();
        let mut spool = store.begin().unwrap();
        let document = br#"[{"to; cc":["a@acme.test","b@acme.test"]}]"#;
        spool.write(document).unwrap();
        let (conversions, request) = (Arc::new(Semaphore::new(1)), UploadListRequest::default());
        let list = ArrivedList::new(&store, &conversions, spool, request).await.unwrap();
        let mut found = Vec::new();
        let each = |_: &Layout, row: &Row| {
            found.extend(row.addresses().map(str::to_owned));
            Ok(())
        };
        list.read(each).unwrap();
        assert_eq!(found, ["a@acme.test", "b@acme.test"]);
        let id = BatchId::new(SystemTime::UNIX_EPOCH);
        list.keep(&store, &id, &ListFindings::default()).unwrap();
        let reading = StoredReading::decode(&store.list(&id).unwrap().unwrap().reading).unwrap();
        assert!(options(&reading.request).is_imported && !reading.is_workbook);
        assert_eq!(options(&reading.request).column_rules, COLUMN_RULES);
    }
}
