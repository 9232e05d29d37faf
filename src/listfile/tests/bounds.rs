//! Files that are not lists, and records without an end.

use std::cell::Cell;

use super::*;

#[test]
fn files_that_are_not_text_are_refused_with_a_remedy() {
    for (bytes, what, remedy) in [
        (&b"PK\x03\x04\x14\0\x06\0"[..], "spreadsheet", "save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "old or has a password", "save the sheet as CSV"),
        (b"%PDF-1.7\n", "PDF", "CSV"),
        (b"SQLite format 3\0\x10\0", "SQLite", "export"),
        (b"PAR1\x15\x04\x15", "Parquet", "export"),
        (b"\x28\xb5\x2f\xfd\0\0", "Zstandard", "unpack"),
        (b"BZh91AY&SY\x01", "bzip2", "unpack"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32", "UTF-8"),
        (b"jane@acme.test\n\0\x01\x02\x03", "binary", "CSV"),
        (b"<!DOCTYPE html><table>", "web page", "CSV"),
        (b"{\\rtf1\\ansi jane@acme.test}", "rich-text", "plain text"),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(what) && error.contains(remedy), "{error}");
    }
}

#[test]
fn a_packed_spreadsheet_is_refused_too() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"PK\x03\x04\x14\0\x06\0").unwrap();
    assert!(refusal(&packer.finish().unwrap()).contains("spreadsheet"));
}

#[test]
fn an_empty_file_and_a_lone_header_are_errors() {
    for file in [&b""[..], b"\n\r\n\n", b"\xef\xbb\xbf", b"  \n\t\n"] {
        assert!(refusal(file).contains("the file is empty"), "{file:?}");
    }
    for file in [&b"id,email\n"[..], b"id,email", b"id,email\n\n\n"] {
        let error = refusal(file);
        assert!(error.contains("has a header (id, email) and no rows"), "{error}");
    }
    assert!(refusal(b"email\n").contains("no rows below it"));
}

#[test]
fn a_json_document_is_not_json_lines() {
    for file in [
        &b"[{\"email\":\"a@acme.test\"}]"[..],
        b"[\n  {\"email\":\"a@acme.test\"}\n]",
        b"{\n  \"email\": \"a@acme.test\"\n}\n",
        b"{\"users\": [\n",
    ] {
        assert!(refusal(file).contains("one object on each line"));
    }
}

/// Endless `x`, which counts what is taken of it.
struct Endless<'a>(&'a Cell<u64>);

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        into.fill(b'x');
        self.0.set(self.0.get() + into.len() as u64);
        Ok(into.len())
    }
}

#[test]
fn a_line_without_an_end_is_an_error_after_a_bounded_read() {
    for (head, row, line) in [
        ("a@acme.test\nb@acme.test\n", 3, 3),
        ("email,n\na@acme.test,1\n", 2, 3),
        ("email,n\na@acme.test,\"", 1, 2),
        ("{\"email\":\"a@acme.test\"}\n{\"email\":\"", 2, 2),
    ] {
        let taken = Cell::new(0);
        let input = head.as_bytes().chain(Endless(&taken));
        let rows: Result<Vec<Row>, _> = match Reader::open(input, &ReaderOptions::default()) {
            Ok(reader) => reader.collect(),
            Err(error) => Err(error),
        };
        let error = rows.unwrap_err().to_string();
        let place = format!("row {row}, which begins on line {line}, is longer than 1048576 bytes");
        assert!(error.contains(&place), "{error}");
        assert!(taken.get() < 4 * MAX_RECORD as u64, "{} bytes were read", taken.get());
    }
}

#[test]
fn a_file_that_is_one_endless_line_is_an_error_after_a_bounded_read() {
    for head in ["a@acme.test,", "", "{\"email\":\"", "email,name,"] {
        let taken = Cell::new(0);
        let input = head.as_bytes().chain(Endless(&taken));
        let error =
            Reader::open(input, &ReaderOptions::default()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("line 1, is longer than"), "{error}");
        assert!(taken.get() < 4 * MAX_RECORD as u64);
    }
}

#[test]
fn a_record_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let options = ReaderOptions { max_record: 30, ..ReaderOptions::default() };
    for (length, fits) in [(30, true), (31, false)] {
        for end in ["\n", "\r\n", ""] {
            let line = format!("{:x<length$}", "b@acme.test,");
            let file = format!("a@acme.test,1\n{line}{end}");
            let rows: Result<Vec<Row>, _> =
                Reader::open(file.as_bytes(), &options).unwrap().collect();
            assert_eq!(rows.is_ok(), fits, "{length} bytes and {end:?}");
        }
    }
}

/// One row again and again.
struct Repeated {
    row: &'static [u8],
    left: usize,
}

impl Read for Repeated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || into.len() < self.row.len() {
            return Ok(0);
        }
        self.left -= 1;
        into[..self.row.len()].copy_from_slice(self.row);
        Ok(self.row.len())
    }
}

#[test]
fn the_window_does_not_grow_with_the_file() {
    let row = b"some.user@acme.test,Some,User,Some Street 1,12345,City\n";
    let input = Repeated { row, left: 100_000 };
    let mut window = super::super::window::TextWindow::new(input);
    while !window.is_ended() {
        window.fill().unwrap();
        let count = window.text().len();
        window.consume(count - count % row.len());
        assert!(window.held() <= 192 * 1024, "{} bytes are held", window.held());
    }
}
