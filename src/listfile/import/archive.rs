//! ZIP archives: of text lists, and what workbooks are made of.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use zip::ZipArchive;

use super::{BoundedTable, Container, ImportError};
use crate::listfile::{Reader, ReaderOptions, Row};

/// The most files of an archive that are looked at.
const MAX_FILES: usize = 1000;

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
/// than is taken: all of them together, and each that `is_held` in memory.
pub(super) fn check<R: Read + Seek, W: Write>(
    input: &mut R,
    table: &BoundedTable<W>,
    is_held: impl Fn(&str) -> bool,
) -> Result<(), ImportError> {
    let mut archive = ZipArchive::new(&mut *input).map_err(|error| table.damaged(error))?;
    let mut left = table.limits.unpacked;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| table.damaged(error))?;
        let limit = if is_held(&String::from_utf8_lossy(file.name_raw())) {
            table.limits.document.min(left)
        } else {
            left
        };
        let unpacked = io::copy(&mut file.take(limit + 1), &mut io::sink());
        let unpacked = unpacked.map_err(|error| table.damaged(error))?;
        if unpacked > limit {
            return Err(table.too_large(limit));
        }
        left -= unpacked;
    }
    input.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// Writes the lists of an archive one below the other, each column under its name, and behind
/// each row the name of its file; returns those names.
pub(super) fn convert<R: BufRead + Seek, W: Write>(
    mut input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    check(&mut input, table, |_| false)?;
    let mut archive = ZipArchive::new(input).map_err(|error| table.damaged(error))?;
    let mut lists: Vec<(usize, String, Vec<String>)> = Vec::new();
    for index in 0..archive.len().min(MAX_FILES) {
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
            continue;
        }
        // A file that is no list, such as a read-me, is passed over.
        if let Ok(reader) = Reader::open(file, &ReaderOptions::default()) {
            let layout = reader.layout();
            let mut columns = layout.columns.clone();
            let address = layout.address.index.min(columns.len().saturating_sub(1));
            if let Some(column) = columns.get_mut(address) {
                "Email Address".clone_into(column);
            }
            lists.push((index, name, columns));
        }
    }
    if lists.is_empty() {
        return Err(ImportError::NoList { kind: table.kind, wanted: "file of addresses in it" });
    }
    let mut header: Vec<String> = Vec::new();
    for name in lists.iter().flat_map(|(_, _, columns)| columns) {
        if !header.contains(name) {
            header.push(name.clone());
        }
    }
    header.push(FILE_COLUMN.to_owned());
    table.row(&header)?;
    for (index, name, columns) in &lists {
        let file = archive.by_index(*index).map_err(|error| table.damaged(error))?;
        let mut reader =
            Reader::open(file, &ReaderOptions::default()).map_err(|e| table.damaged(e))?;
        let mut row = Row::default();
        while reader.read(&mut row).map_err(|error| table.damaged(error))? {
            if row.is_blank() {
                continue;
            }
            let mut cells = vec![String::new(); header.len()];
            for (column, field) in columns.iter().zip(reader.layout().fields(&row)) {
                let place = header.iter().position(|known| known == column);
                if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
                    *cell = field;
                }
            }
            if let Some(last) = cells.last_mut() {
                name.clone_into(last);
            }
            table.row(&cells)?;
        }
    }
    let names: Vec<&str> = lists.iter().map(|(_, name, _)| name.as_str()).collect();
    Ok(names.join(", "))
}
