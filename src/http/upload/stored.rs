//! How a list that is kept beside its batch was read.

use std::io;

use prost::Message as _;

use crate::exclusion::ExclusionMarks;
use crate::listfile::ReaderOptions;
use crate::proto::UploadListRequest;

/// The way in which a list that is kept is read, and goes out again.
#[derive(Debug)]
pub(in crate::http) struct StoredReading {
    /// The request that it was sent with.
    pub(in crate::http) request: StoredRequest,
    /// It came as a workbook.
    pub(in crate::http) is_workbook: bool,
    /// The addresses of it that were left out.
    pub(in crate::http) exclusion: ListExclusion,
}

/// The addresses of a list that suppression files leave out.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListExclusion {
    /// The marks of all its addresses.
    pub(crate) marks: ExclusionMarks,
    /// Rows of which every address is left out.
    pub(crate) rows: u64,
}

/// The request of a list that is kept, as far as it is asked for again.
#[derive(Debug)]
pub(in crate::http) struct StoredRequest {
    /// The name of the list's file.
    pub(in crate::http) filename: String,
    options: ReaderOptions,
}

/// The part that no request has: fields that stand behind those of the request.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct StoredOrigin {
    /// It came as a workbook.
    #[prost(bool, tag = "1000")]
    pub(super) is_workbook: bool,
    /// It is a table that was made here.
    #[prost(bool, tag = "1001")]
    pub(super) is_imported: bool,
    /// The number of the rules by which its column was found; older versions wrote none.
    #[prost(uint32, tag = "1002")]
    pub(super) column_rules: u32,
    /// The number of its rows without an address; older versions wrote none.
    #[prost(uint64, tag = "1003")]
    pub(super) rows_without_address: u64,
}

impl StoredOrigin {
    pub(super) fn encode_behind(self, request: &UploadListRequest) -> Vec<u8> {
        let mut octets = request.encode_to_vec();
        octets.extend(self.encode_to_vec());
        octets
    }
}

/// The part about what was left out: fields that stand behind those of the origin.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredExclusion {
    /// The marks of the list's addresses.
    #[prost(bytes = "vec", tag = "1004")]
    marks: Vec<u8>,
    /// Rows that were left out.
    #[prost(uint64, tag = "1005")]
    rows: u64,
}

impl ListExclusion {
    /// The octets that stand behind those of the origin.
    pub(in crate::http) fn encode(&self) -> Vec<u8> {
        let marks = self.marks.octets().to_vec();
        StoredExclusion { marks, rows: self.rows }.encode_to_vec()
    }

    fn decode(octets: &[u8]) -> io::Result<Self> {
        let StoredExclusion { marks, rows } = StoredExclusion::decode(octets)?;
        Ok(Self { marks: ExclusionMarks::from_octets(marks), rows })
    }
}

/// Number of rows that were left out of the list with this reading.
pub(crate) fn excluded_rows(reading: &[u8]) -> u64 {
    ListExclusion::decode(reading).map_or(0, |exclusion| exclusion.rows)
}

/// Number of rows without an address in the list with this reading.
pub(crate) fn rows_without_address(reading: &[u8]) -> u64 {
    StoredOrigin::decode(reading).map_or(0, |origin| origin.rows_without_address)
}

impl StoredReading {
    /// The reading in these octets; each of the messages passes over the others' fields.
    pub(in crate::http) fn decode(octets: &[u8]) -> io::Result<Self> {
        let request = UploadListRequest::decode(octets)?;
        let origin = StoredOrigin::decode(octets)?;
        // A list that was taken before is not asked about any more.
        let options = ReaderOptions { is_known: true, ..reader_options(&request, origin) };
        let request = StoredRequest { filename: request.filename, options };
        let exclusion = ListExclusion::decode(octets)?;
        Ok(Self { request, is_workbook: origin.is_workbook, exclusion })
    }
}

/// The options by which a list that is kept is read.
pub(in crate::http) fn options(request: &StoredRequest) -> ReaderOptions {
    request.options.clone()
}

pub(super) fn reader_options(request: &UploadListRequest, origin: StoredOrigin) -> ReaderOptions {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ReaderOptions {
        encoding: given(&request.encoding),
        column: given(&request.column),
        consent_column: given(&request.consent_column),
        header: request.header,
        skip_rows: usize::try_from(request.skip_rows).unwrap_or(usize::MAX),
        is_imported: origin.is_imported,
        column_rules: origin.column_rules,
        ..ReaderOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exclusion::ExclusionMark;
    use crate::listfile::{COLUMN_RULES, Reader};

    #[test]
    fn a_reading_that_was_kept_without_its_origin_is_read_as_it_was() {
        let request = UploadListRequest {
            filename: "a.csv".to_owned(),
            skip_rows: 2,
            ..UploadListRequest::default()
        };
        let reading = StoredReading::decode(&request.encode_to_vec()).unwrap();
        let wanted = ReaderOptions {
            skip_rows: 2,
            is_known: true,
            column_rules: 0,
            ..ReaderOptions::default()
        };
        assert_eq!((options(&reading.request), reading.request.filename), (wanted, "a.csv".into()));
    }

    #[test]
    fn what_was_left_out_of_a_list_is_kept_with_how_it_was_read() {
        let request =
            UploadListRequest { filename: "a.csv".to_owned(), ..UploadListRequest::default() };
        let origin = StoredOrigin { column_rules: COLUMN_RULES, ..StoredOrigin::default() };
        let mut marks = ExclusionMarks::default();
        marks.push(ExclusionMark::Asked);
        marks.push(ExclusionMark::Excluded);
        let mut octets = origin.encode_behind(&request);
        assert_eq!(excluded_rows(&octets), 0);
        octets.extend(ListExclusion { marks, rows: 1 }.encode());
        let reading = StoredReading::decode(&octets).unwrap();
        assert_eq!((reading.request.filename.as_str(), excluded_rows(&octets)), ("a.csv", 1));
        assert_eq!(options(&reading.request).column_rules, COLUMN_RULES);
        let marks = reading.exclusion.marks;
        assert_eq!((marks.at(0), marks.at(1)), (ExclusionMark::Asked, ExclusionMark::Excluded));
    }

    #[test]
    fn rows_without_an_address_are_counted_as_they_were_kept() {
        let request = UploadListRequest { filename: "a.csv".to_owned(), ..Default::default() };
        let origin = StoredOrigin { rows_without_address: 7, ..StoredOrigin::default() };
        let kept = origin.encode_behind(&request);
        assert_eq!(rows_without_address(&kept), 7);
        assert_eq!(rows_without_address(&request.encode_to_vec()), 0, "an older one");
        assert_eq!(StoredReading::decode(&kept).unwrap().request.filename, "a.csv");
    }

    #[test]
    fn a_list_that_was_kept_before_vendors_gave_way_is_read_by_the_column_it_was_taken_by() {
        let row = |n| match n % 3 {
            0 => format!("{n},c{n}@acme.test,s{n}@shop.test\n"),
            _ => format!("{n},,s{n}@shop.test\n"),
        };
        let rows: String = (0..30).map(row).collect();
        let list = format!("Id,Customer Email,Vendor Email\n{rows}");
        let request = UploadListRequest::default();
        let origin = StoredOrigin { column_rules: COLUMN_RULES, ..StoredOrigin::default() };
        for (octets, taken) in [
            (request.encode_to_vec(), "Vendor Email"),
            (origin.encode_behind(&request), "Customer Email"),
        ] {
            let reading = StoredReading::decode(&octets).unwrap();
            let reader = Reader::open(list.as_bytes(), &options(&reading.request)).unwrap();
            assert_eq!(reader.layout().address.name, taken);
        }
    }
}
