//! ZIP archives: of text lists, cards and entries, and what workbooks are made of.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};

use zip::ZipArchive;

use super::metered::{MeteredInput, OctetCount, PackedPart};
use super::{BoundedTable, Container, HEAD, ImportError, ImportLimits, MAX_COLUMNS, cards};
use crate::listfile::convert::ObjectTable;
use crate::listfile::{
    Format, Layout, ListFileError, MAX_RECORD, Reader, ReaderOptions, Row, magic,
};

/// The most files of an archive.
const MAX_FILES: usize = 1000;

/// The name of the column of the addresses, whatever a list calls it.
const ADDRESS_COLUMN: &str = "Email Address";

/// The name of the column of what stands in an object under further keys.
const OTHER_COLUMN: &str = "other";

/// The name of the column that says which file a row comes from.
const FILE_COLUMN: &str = "file";

/// The container that a ZIP archive is, by the files in it. What cannot be opened is called an
/// archive: opening it again says why.
pub(super) fn kind<R: Read + Seek>(input: &mut R) -> io::Result<Container> {
    let kind = match ZipArchive::new(&mut *input) {
        Ok(archive) if archive.index_for_name("xl/workbook.xml").is_some() => Container::Xlsx,
        Ok(archive) if archive.index_for_name("content.xml").is_some() => Container::Ods,
        _ => Container::Zip,
    };
    input.seek(SeekFrom::Start(0))?;
    Ok(kind)
}

/// Unpacks the files of an archive once and throws them away, to see that they are not larger
/// than is taken: all of them together, and each that `is_held` in memory. Returns where they lie.
pub(super) fn check<R: Read + Seek, W: Write>(
    input: &mut R,
    table: &BoundedTable<W>,
    is_held: impl Fn(&str) -> bool,
) -> Result<Vec<PackedPart>, ImportError> {
    let read = OctetCount::default();
    let counted = MeteredInput::packed(&mut *input, read.clone());
    let mut archive = ZipArchive::new(counted).map_err(|error| table.damaged(error))?;
    let mut left = table.limits.unpacked;
    let mut parts = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| table.damaged(error))?;
        let limit = if is_held(&String::from_utf8_lossy(file.name_raw())) {
            table.limits.document.min(left)
        } else {
            left
        };
        let (start, before) = (file.data_start().unwrap_or_default(), read.get());
        let unpacked = io::copy(&mut file.take(limit + 1), &mut io::sink());
        let unpacked = unpacked.map_err(|error| table.damaged(error))?;
        if unpacked > limit {
            return Err(table.too_large(limit));
        }
        left -= unpacked;
        // What was read of it: the size that the archive names may be any, and nobody checks it.
        let packed = read.get() - before;
        parts.push(PackedPart { start, packed, unpacked });
    }
    drop(archive);
    input.seek(SeekFrom::Start(0))?;
    Ok(parts)
}

/// Writes the lists of an archive one below the other, each column under its name, and behind
/// each row the name of its file; returns those names.
pub(super) fn convert<R: BufRead + Seek, W: Write>(
    mut input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    check(&mut input, table, |_| false)?;
    let mut archive = ZipArchive::new(input).map_err(|error| table.damaged(error))?;
    let mut found = ArchiveLists::default();
    for index in 0..archive.len() {
        found.look_at(&mut archive, index, table)?;
        if found.lists.len() > MAX_FILES {
            return Err(table.too_many(MAX_FILES, "lists"));
        }
    }
    let ArchiveLists { lists, header: Header { mut names, .. }, passed_over } = found;
    if lists.is_empty() {
        let wanted = "file of addresses in it; of a spreadsheet or a document (.numbers, .xlsb, .docx) \
                      save the table as CSV (UTF-8) and give that";
        return Err(ImportError::NoList { kind: table.kind, wanted });
    }
    names.push(FILE_COLUMN.to_owned());
    table.row(&names)?;
    for list in &lists {
        let file = archive.by_index(list.index).map_err(|error| table.damaged(error))?;
        list.write(file, names.len(), table)?;
    }
    let taken: Vec<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    let mut part = taken.join(", ");
    table.is_partial = !passed_over.is_empty();
    if table.is_partial {
        part += &format!(" and not {}, which may hold addresses too", passed_over.join(", "));
    }
    Ok(part)
}

/// The lists of an archive.
#[derive(Default)]
struct ArchiveLists {
    lists: Vec<MemberList>,
    header: Header,
    /// The names of files that are no lists and may hold addresses.
    passed_over: Vec<String>,
}

impl ArchiveLists {
    /// Adds the file with this number if it is a list.
    fn look_at<R: Read + Seek, W: Write>(
        &mut self,
        archive: &mut ZipArchive<R>,
        index: usize,
        table: &BoundedTable<W>,
    ) -> Result<(), ImportError> {
        let file = archive.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(_) => {
                ImportError::Protected { kind: table.kind }
            }
            error => table.damaged(error),
        })?;
        let name = String::from_utf8_lossy(file.name_raw()).into_owned();
        let is_hidden =
            name.starts_with("__MACOSX/") || name.rsplit('/').any(|n| n.starts_with('.'));
        if file.is_dir() || is_hidden {
            return Ok(());
        }
        let MemberText { text, options } = MemberText::open(file, &name, table)?;
        let error = match Reader::open(text, &options) {
            Ok(reader) => {
                let places = self.header.places(reader.layout(), table)?;
                self.lists.push(MemberList { index, name, places });
                return Ok(());
            }
            Err(error) => error,
        };
        let file = archive.by_index(index).map_err(|error| table.damaged(error))?;
        let has_at_sign = has_at_sign(file).map_err(|error| table.damaged(error))?;
        match Unread::from_error(&error, &name, has_at_sign) {
            Unread::NoList => {}
            Unread::Text => self.passed_over.push(format!("{name:?}")),
            Unread::List => return Err(table.member(&name, error)),
        }
        Ok(())
    }
}

/// The text of a file of an archive, and how it is read.
struct MemberText<'f> {
    text: Box<dyn Read + 'f>,
    options: ReaderOptions,
}

impl<'f> MemberText<'f> {
    /// Opens a file as it is, and one of cards or entries as the table that they are made into: by
    /// the line a part of a folded address would be taken for an address.
    fn open<W: Write>(
        mut file: impl Read + 'f,
        name: &str,
        table: &BoundedTable<W>,
    ) -> Result<Self, ImportError> {
        let mut head = Vec::new();
        let read = file.by_ref().take(HEAD as u64).read_to_end(&mut head);
        read.map_err(|error| table.damaged(error))?;
        let kind = cards::kind(&head);
        let file = Cursor::new(head).chain(file);
        let Some(kind) = kind else {
            let encoding = table.encoding.map(|encoding| encoding.name().to_owned());
            let options = ReaderOptions { encoding, ..ReaderOptions::default() };
            return Ok(Self { text: Box::new(file), options });
        };
        // The table of one file is held in memory, as a document is.
        let limits = ImportLimits { unpacked: table.limits.document, ..table.limits };
        let mut made = Vec::new();
        let mut rows = BoundedTable::new(kind.name(), &mut made, limits, table.encoding);
        let file = BufReader::new(file);
        let written = match kind {
            Container::Vcard => cards::vcards(file, &mut rows),
            _ => cards::ldif(file, &mut rows),
        };
        written.map_err(|error| table.member(name, error))?;
        Ok(Self { text: Box::new(Cursor::new(made)), options: ReaderOptions::default() })
    }
}

/// The endings of the names of tables.
const TABLES: [&str; 6] = ["csv", "tsv", "tab", "jsonl", "ndjson", "gz"];

/// A file of an archive that is not read as a list.
enum Unread {
    /// It holds no address.
    NoList,
    /// Text with an `@` somewhere, such as a read-me, or a file of another kind that may be a list.
    Text,
    /// A list, with a fault.
    List,
}

impl Unread {
    fn from_error(error: &ListFileError, name: &str, has_at_sign: bool) -> Self {
        let (_, ending) = name.rsplit_once('.').unwrap_or_default();
        let is_table = || TABLES.iter().any(|table| ending.eq_ignore_ascii_case(table));
        match error {
            ListFileError::Empty | ListFileError::HeaderOnly { .. } => Self::NoList,
            ListFileError::NotText { what, .. } if magic::may_be_table(what) => Self::Text,
            ListFileError::NotText { .. } => Self::NoList,
            _ if !has_at_sign => Self::NoList,
            ListFileError::NoAddressColumn { columns } if columns.len() <= 1 => Self::Text,
            // A comma makes columns of prose.
            ListFileError::NoAddressColumn { .. } if !is_table() => Self::Text,
            ListFileError::JsonDocument => Self::Text,
            _ => Self::List,
        }
    }
}

/// `true` if an `@` stands in a file.
fn has_at_sign(file: impl Read) -> io::Result<bool> {
    let mut file = BufReader::new(file);
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() || piece.contains(&b'@') {
            return Ok(!piece.is_empty());
        }
        let length = piece.len();
        file.consume(length);
    }
}

/// The columns of all lists of an archive.
#[derive(Default)]
struct Header {
    names: Vec<String>,
    /// Bytes of the names.
    length: usize,
    /// The place of each column: by its name, and by how many of its list have that name before
    /// it. The one of the addresses, whatever its name is, is `None`.
    places: HashMap<Option<(String, usize)>, usize>,
}

impl Header {
    /// The places of the columns of a list.
    fn places<W: Write>(
        &mut self,
        layout: &Layout,
        table: &BoundedTable<W>,
    ) -> Result<Vec<usize>, ImportError> {
        let mut before: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::with_capacity(layout.columns.len());
        for name in columns(layout) {
            let shown = name.unwrap_or(ADDRESS_COLUMN);
            let key = name.map(|name| {
                let number = before.entry(name).or_default();
                *number += 1;
                (name.to_owned(), *number)
            });
            let next = self.names.len();
            let place = *self.places.entry(key).or_insert(next);
            if place == next {
                self.names.push(shown.to_owned());
                self.length += shown.len();
            }
            places.push(place);
        }
        if self.names.len() >= MAX_COLUMNS {
            return Err(table.too_many(MAX_COLUMNS, "columns"));
        }
        if self.length > MAX_RECORD {
            return Err(table.too_many(MAX_RECORD, "bytes of names of columns"));
        }
        Ok(places)
    }
}

/// The names of the columns of a list; that of the addresses has none.
fn columns(layout: &Layout) -> Vec<Option<&str>> {
    let mut columns: Vec<Option<&str>> =
        layout.columns.iter().map(|name| Some(name.as_str())).collect();
    let place = address_place(layout);
    columns.resize(columns.len().max(place + 1), Some(""));
    columns[place] = None;
    if layout.format == Format::JsonLines {
        columns.push(Some(OTHER_COLUMN));
    }
    columns
}

/// The fields of a row, one for each of [`columns`] and further ones behind them.
fn fields(layout: &Layout, objects: &ObjectTable, row: &Row) -> Vec<String> {
    let mut fields = layout.fields(row);
    if layout.format == Format::JsonLines
        && let Some(line) = fields.pop()
    {
        let other;
        (fields, other) = objects.cells(&line);
        let place = address_place(layout);
        fields.resize(fields.len().max(place + 1), String::new());
        fields[place] = layout.addresses_in_object(&line).ok().flatten().unwrap_or_default();
        fields.push(other);
    }
    fields
}

/// The place of the addresses: a key within an object of JSON lines has one behind the columns.
fn address_place(layout: &Layout) -> usize {
    match layout.format {
        Format::JsonLines => {
            let own = layout.columns.iter().position(|key| layout.address.path == [key.as_str()]);
            own.unwrap_or(layout.columns.len())
        }
        Format::Delimited(_) | Format::Plain => layout.address.index,
    }
}

/// A list of an archive.
struct MemberList {
    /// Its number among the files.
    index: usize,
    name: String,
    /// The place of each of its columns among those of all lists.
    places: Vec<usize>,
}

impl MemberList {
    /// Writes its rows, each `width` cells wide. Fields that have no column stand behind them.
    fn write<W: Write>(
        &self,
        file: impl Read,
        width: usize,
        table: &mut BoundedTable<W>,
    ) -> Result<(), ImportError> {
        let MemberText { text, options } = MemberText::open(file, &self.name, table)?;
        let opened = Reader::open(text, &options);
        let mut reader = opened.map_err(|error| table.member(&self.name, error))?;
        let objects = ObjectTable::new(reader.layout());
        let mut row = Row::default();
        while reader.read(&mut row).map_err(|error| table.member(&self.name, error))? {
            // A list may be packed once more, and blank lines come out nowhere.
            if reader.octets() > table.limits.unpacked {
                return Err(table.too_large(table.limits.unpacked));
            }
            if row.is_blank() {
                continue;
            }
            let mut fields = fields(reader.layout(), &objects, &row).into_iter();
            let mut cells = vec![String::new(); width];
            for (place, field) in self.places.iter().zip(fields.by_ref()) {
                cells[*place] = field;
            }
            cells[width - 1].clone_from(&self.name);
            cells.extend(fields);
            table.row(&cells)?;
        }
        Ok(())
    }
}
