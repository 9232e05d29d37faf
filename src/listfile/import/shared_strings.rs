//! The shared texts of an XLSX workbook, before calamine makes room for as many as it says it has.

use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::{BoundedTable, ImportError};

/// The ending of the name of their part; calamine takes no notice of case.
const PART: &str = "sharedstrings.xml";

/// `true` if the part of this name may be taken for the shared texts, in whatever folder it is.
pub(super) fn is_part(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(PART)
}

/// Refuses a workbook that says it has more texts than memory is held for: the room is made before
/// the first one is read, and an allocation that fails ends the process.
pub(super) fn check<R: Read + Seek, W: Write>(
    input: &mut R,
    table: &BoundedTable<W>,
) -> Result<(), ImportError> {
    let mut archive = ZipArchive::new(&mut *input).map_err(|error| table.damaged(error))?;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| table.damaged(error))?;
        if !is_part(&file.name().map_err(|error| table.damaged(error))?) {
            continue;
        }
        let texts = declared(file).map_err(|error| table.damaged(error))?;
        table.check_held(texts.saturating_mul(size_of::<String>() as u64))?;
    }
    drop(archive);
    input.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// The number of texts that a part says it has; 0 if it says none.
fn declared(part: impl Read) -> quick_xml::Result<u64> {
    let mut xml = quick_xml::Reader::from_reader(BufReader::new(part));
    let mut buffer = Vec::new();
    loop {
        match xml.read_event_into(&mut buffer)? {
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == "sst" => {
                return unique_count(&start);
            }
            Event::Eof => return Ok(0),
            _ => {}
        }
        buffer.clear();
    }
}

fn unique_count(start: &BytesStart<'_>) -> quick_xml::Result<u64> {
    let Some(attribute) = start.try_get_attribute("uniqueCount")? else { return Ok(0) };
    let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
    Ok(value.trim().parse().unwrap_or(0))
}
