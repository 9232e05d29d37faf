//! Lists that are not text by the line, made here as programs make them.

use std::io::{Cursor, Write as _};

use rust_xlsxwriter::{Format, Workbook};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::listfile::{Reader, ReaderOptions};

mod archives;
mod documents;
mod formulas;
mod hostile;

/// Small limits, so that a bomb for them is made soon.
const LIMITS: ImportLimits = ImportLimits { unpacked: 4 << 20, document: 1 << 20 };

fn imported(bytes: &[u8]) -> (Imported, String) {
    let mut input = Cursor::new(bytes);
    let container = Container::detect(&mut input).unwrap().expect("a container");
    let mut out = Vec::new();
    let imported = container.convert(input, &mut out, ImportLimits::default()).unwrap();
    (imported, String::from_utf8(out).unwrap())
}

fn refused(bytes: &[u8]) -> String {
    let mut input = Cursor::new(bytes);
    let container = Container::detect(&mut input).unwrap().expect("a container");
    container.convert(input, Vec::new(), LIMITS).unwrap_err().to_string()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An ODS workbook with a sheet of these rows.
fn ods(rows: &str) -> Vec<u8> {
    let content = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><office:document-content
            xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
            xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
            xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body>
            <office:spreadsheet><table:table table:name="People">{rows}</table:table>
            </office:spreadsheet></office:body></office:document-content>"#
    );
    let mimetype = b"application/vnd.oasis.opendocument.spreadsheet";
    let manifest = br#"<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"#;
    zipped(&[
        ("mimetype", mimetype),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", content.as_bytes()),
    ])
}

/// A cell of ODS with this text, and with these attributes.
fn ods_cell(attributes: &str, text: &str) -> String {
    let attributes = format!(r#"office:value-type="string" {attributes}"#);
    format!("<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>")
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let notes = book.add_worksheet();
    notes.set_name("Notes").unwrap().write(0, 0, "Customers, \"as of\" May").unwrap();
    let sheet = book.add_worksheet();
    sheet.set_name("Contacts").unwrap();
    for (column, name) in ["id", "E-Mail", "since", "active"].iter().enumerate() {
        sheet.write(0, column as u16, *name).unwrap();
    }
    sheet.write(1, 0, 42).unwrap();
    sheet.write(1, 1, "jane.doe@acme.test").unwrap();
    sheet.write(1, 3, true).unwrap();
    sheet.write(2, 0, 2.5).unwrap();
    sheet.write(2, 1, "Doe, Bob <bob@acme.test>").unwrap();
    sheet.write(4, 2, "a\nb").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_hidden_sheet_is_not_taken_and_every_further_one_with_addresses_is_named() {
    let mut book = Workbook::new();
    for (name, rows, is_hidden) in [("Jan", 2, false), ("Old", 9, true), ("Feb", 1, false)] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap().set_hidden(is_hidden);
        for row in 0..rows {
            sheet.write(row, 0, format!("{name}{row}@acme.test")).unwrap();
        }
    }
    let (imported, csv) = imported(&book.save_to_buffer().unwrap());
    let said = "XLSX workbook, sheet \"Jan\" and not \"Old\" (hidden), \"Feb\", with addresses too";
    assert_eq!(imported.to_string(), said);
    assert!(imported.is_partial);
    assert_eq!(csv, "Jan0@acme.test\nJan1@acme.test\n");
}

#[test]
fn of_sheets_alike_the_first_of_the_workbook_is_taken_and_not_the_first_by_name() {
    let row = |cell: &str| format!("<table:table-row>{}</table:table-row>", ods_cell("", cell));
    let next = r#"</table:table><table:table table:name="Archive">"#;
    let file = ods(&format!("{}{next}{}", row("new@acme.test"), row("old@acme.test")));
    let (imported, csv) = imported(&file);
    assert_eq!(imported.part, "sheet \"People\" and not \"Archive\", with addresses too");
    assert_eq!(csv, "new@acme.test\n");
}

#[test]
fn the_sheet_with_the_addresses_is_found_and_said() {
    let (imported, csv) = imported(&workbook());
    assert_eq!(imported.to_string(), "XLSX workbook, sheet \"Contacts\"");
    assert!(!imported.is_partial);
    assert_eq!(
        csv,
        "id,E-Mail,since,active\n42,jane.doe@acme.test,,TRUE\n2.5,\"Doe, Bob <bob@acme.test>\"\n\
         ,,\"a\nb\"\n"
    );
}

#[test]
fn the_rows_that_a_sheet_shows_above_its_header_can_be_passed_over() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let cells = [(1, "Report,\nof the year"), (3, "as of May"), (5, "who,contact")];
    for (row, text) in cells {
        sheet.write(row, 0, text).unwrap();
    }
    for (row, name) in [(6, "who"), (7, "jane"), (9, "bob")] {
        sheet.write(row, 0, name).unwrap();
        let contact = if row == 6 { "contact".to_owned() } else { format!("{name}@acme.test") };
        sheet.write(row, 1, contact).unwrap();
    }
    let rows = |name: &str| match name {
        "" => "<table:table-row table:number-rows-repeated=\"2\"/>".to_owned(),
        name => format!(
            "<table:table-row>{}{}</table:table-row>",
            ods_cell("", name),
            ods_cell("", if name == "who" { "contact" } else { "jane@acme.test" })
        ),
    };
    let sheet = ["", "who", "jane"].map(rows).concat();
    for (bytes, skip_rows) in [(book.save_to_buffer().unwrap(), 6), (ods(&sheet), 2)] {
        let (_, csv) = imported(&bytes);
        let options = ReaderOptions { skip_rows, is_imported: true, ..ReaderOptions::default() };
        let mut reader = Reader::open(csv.as_bytes(), &options).unwrap();
        assert_eq!(reader.layout().columns, ["who", "contact"], "{csv}");
        assert_eq!(reader.next().unwrap().unwrap().address(), Some("jane@acme.test"));
    }
}

#[test]
fn a_number_keeps_the_zeros_that_its_cell_shows() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let format = Format::new().set_num_format("00000");
    sheet.write(0, 0, "zip").unwrap().write(0, 1, "email").unwrap();
    for (row, zip) in [(1, 7745.0), (2, 90210.0), (3, 0.5), (4, -42.0)] {
        sheet.write_with_format(row, 0, zip, &format).unwrap();
        sheet.write(row, 1, "jane@acme.test").unwrap();
    }
    sheet.write(5, 0, 7745.0).unwrap();
    let (_, csv) = imported(&book.save_to_buffer().unwrap());
    let zips: Vec<&str> = csv.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(zips, ["07745", "90210", "0.5", "-42", "7745"]);
}

#[test]
fn a_time_of_day_is_no_date_and_a_span_of_time_no_number() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "when").unwrap().write(0, 1, "email").unwrap();
    let cells = [
        ("h:mm", 0.4375),
        ("hh:mm:ss", 0.0),
        ("[h]:mm:ss", 1.25),
        ("yyyy-mm-dd", 45_413.0),
        ("yyyy-mm-dd hh:mm", 45_413.437_5),
    ];
    for (row, (format, value)) in (1..).zip(cells) {
        let format = Format::new().set_num_format(format);
        sheet.write_with_format(row, 0, value, &format).unwrap();
        sheet.write(row, 1, "jane@acme.test").unwrap();
    }
    let (_, csv) = imported(&book.save_to_buffer().unwrap());
    let times: Vec<&str> = csv.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    let wanted = ["10:30:00", "00:00:00", "30:00:00", "2024-05-01", "2024-05-01 10:30:00"];
    assert_eq!(times, wanted);
    let row = |time: &str, email: &str| {
        let kind = r#"office:value-type="time" office:time-value"#;
        let time = format!("<table:table-cell {kind}=\"{time}\"><text:p>x</text:p>");
        let cells = format!("{time}</table:table-cell>{}", ods_cell("", email));
        format!("<table:table-row>{cells}</table:table-row>")
    };
    let times = ["PT10H30M00S", "PT30H5M7.250S", "P1D"];
    let rows: String = times.iter().map(|time| row(time, "jane@acme.test")).collect();
    let (_, csv) = imported(&ods(&rows));
    assert_eq!(csv, "10:30:00,jane@acme.test\n30:05:07,jane@acme.test\nP1D,jane@acme.test\n");
}

#[test]
fn an_ods_workbook_that_a_password_protects_is_told_as_such() {
    let manifest = b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>";
    let file = zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", b"\x8f\x01<\x00&"),
        ("META-INF/manifest.xml", manifest),
    ]);
    let limits = ImportLimits { unpacked: 1 << 20, document: 1 << 20 };
    let made = Container::Ods.convert(Cursor::new(file), Vec::new(), limits);
    assert!(matches!(made, Err(ImportError::Protected { .. })), "{:?}", made.err());
}

#[test]
fn an_ods_workbook_is_read() {
    let rows = [["email", "name"], ["jane@acme.test", "Jane"]].map(|cells| {
        let cells = cells.map(|text| ods_cell("", text)).concat();
        // A spreadsheet fills its rows, and its sheet, with nothing.
        let rest = r#"<table:table-cell table:number-columns-repeated="16382"/>"#;
        format!("<table:table-row>{cells}{rest}</table:table-row>")
    });
    let rest = r#"<table:table-row table:number-rows-repeated="1048574"><table:table-cell
        table:number-columns-repeated="16384"/></table:table-row>"#;
    let (imported, csv) = imported(&ods(&(rows.concat() + rest)));
    assert_eq!(imported.to_string(), "ODS workbook, sheet \"People\"");
    assert_eq!(csv, "email,name\njane@acme.test,Jane\n");
}

#[test]
fn cards_give_a_row_each_with_all_their_addresses() {
    let cards = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Jane\\, Dr. Doe\r\nEMAIL;TYPE=WORK:jane@\r\n \
                 acme.test\r\nitem1.EMAIL:j@home.test\r\nPHOTO:AAAA\r\n BBBB\r\nEND:VCARD\r\n\
                 BEGIN:VCARD\r\nVERSION:2.1\r\nN:Roe;John\r\n\
                 EMAIL;INTERNET;ENCODING=QUOTED-PRINTABLE:john=40acme.test\r\nEND:VCARD\r\n\
                 BEGIN:VCARD\r\nFN:Nobody\r\nEND:VCARD\r\n";
    let (imported, csv) = imported(cards.as_bytes());
    assert_eq!((imported.container, imported.rows), (Container::Vcard, 3));
    assert_eq!(
        csv,
        "Name,Email Address\n\"Jane, Dr. Doe\",jane@acme.test; j@home.test\nRoe John,\
         john@acme.test\nNobody,\n"
    );
}

#[test]
fn a_card_within_a_card_takes_no_address_of_it_and_one_without_an_end_is_a_row() {
    let cards = "BEGIN:VCARD\r\nVERSION:2.1\r\nFN:Jane\r\nEMAIL:jane@acme.test\r\nAGENT:\r\n\
                 BEGIN:VCARD\r\nFN:Bob\r\nEMAIL:bob@acme.test\r\nEND:VCARD\r\n\
                 EMAIL:jane@home.test\r\nEND:VCARD\r\n";
    let (_, csv) = imported(cards.as_bytes());
    let wanted = "Name,Email Address\nBob,bob@acme.test\nJane,jane@acme.test; jane@home.test\n";
    assert_eq!(csv, wanted);
    let cards = "BEGIN:VCARD\nFN:Jane\nEMAIL:jane@acme.test\n\
                 BEGIN:VCARD\nFN:Bob\nEMAIL:bob@acme.test\n";
    let (_, csv) = imported(cards.as_bytes());
    assert_eq!(csv, "Name,Email Address\nJane,jane@acme.test\nBob,bob@acme.test\n");
    let open = "BEGIN:VCARD\n".repeat(50_000);
    assert!(refused(open.as_bytes()).contains("more than 1 MiB"));
}

#[test]
fn a_value_of_an_old_card_goes_on_behind_its_soft_line_breaks() {
    let cards = "BEGIN:VCARD\r\nVERSION:2.1\r\n\
        FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=AE=D0=BB=D0=B8=D1=8F=20=\r\n\
        =D0=9F=D0=B5=D1=82=D1=80=D0=BE=\r\n=D0=B2=D0=B0\r\n\
        EMAIL;ENCODING=QUOTED-PRINTABLE:julia=\r\n=40acme.test\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nEMAIL:bob@acme.test\r\n\
        NOTE;ENCODING=QUOTED-PRINTABLE:cut off=\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nKEY;ENCODING=BASE64:AAA=\r\nEMAIL:k@acme.test\r\nEND:VCARD\r\n";
    let (_, csv) = imported(cards.as_bytes());
    assert_eq!(
        csv,
        "Name,Email Address\nЮлия Петрова,julia@acme.test\n,bob@acme.test\n,k@acme.test\n"
    );
}

#[test]
fn a_card_is_read_in_the_encoding_it_names() {
    for (name, read) in [
        (&b";CHARSET=Windows-1252;ENCODING=QUOTED-PRINTABLE:J=F6rg"[..], "Jörg"),
        (&b";CHARSET=ISO-8859-2:\xa9imon"[..], "Šimon"),
        (&b";CHARSET=UTF-8:J\xc3\xb6rg"[..], "Jörg"),
        (&b";CHARSET=nonsense:J\xf6rg"[..], "Jörg"),
        (&b":J\xf6rg"[..], "Jörg"),
    ] {
        let end = &b"\r\nEMAIL:j@acme.test\r\nEND:VCARD\r\n"[..];
        let (_, csv) = imported(&[&b"BEGIN:VCARD\r\nFN"[..], name, end].concat());
        assert_eq!(csv, format!("Name,Email Address\n{read},j@acme.test\n"));
    }
}

#[test]
fn an_encoding_that_is_asked_for_counts_for_every_text() {
    let with =
        |before: &[u8], behind: &[u8]| [before, &b"\xc6\xe0\xed\xed\xe0"[..], behind].concat();
    for file in [
        with(b"", b" <j@a.test>; Bob <b@a.test>\n"),
        with(b"[{\"email\":\"j@a.test\",\"n\":\"", b"\"}]"),
        with(b"BEGIN:VCARD\nFN:", b"\nEMAIL:j@a.test\nEND:VCARD\n"),
        with(b"dn: uid=j\ncn: ", b"\nmail: j@a.test\n"),
        zipped(&[("a.csv", &with(b"email,n\nj@a.test,", b"\n"))]),
    ] {
        let mut input = Cursor::new(&file);
        let container = Container::detect(&mut input).unwrap().expect("a container");
        let convert = |encoding, out: &mut Vec<u8>| {
            container.convert_encoded(Some(encoding), Cursor::new(&file), out, LIMITS)
        };
        let mut csv = Vec::new();
        convert("windows-1251", &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert!(csv.contains("Жанна"), "{container:?}: {csv}");
        let error = convert("klingon", &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no encoding is called \"klingon\""), "{error}");
    }
    let latin = b"[{\"email\":\"j@a.test\",\"n\":\"J\xf6rg\"}]";
    assert!(refused(latin).contains("it is not UTF-8"));
}

#[test]
fn entries_of_a_directory_give_a_row_each() {
    let ldif = "version: 1\n\n# people\ndn: uid=jane,dc=acme\ncn: Jane\nmail: jane@acme.test\n\
                proxyAddresses: smtp:j@acme.test\nproxyAddresses: X400:c=us\n\n\
                dn:: dWlkPWJvYg==\ncn:: QsO2Yg==\nmail:: Ym9iQGFjbWUudGVzdA==\n";
    let (imported, csv) = imported(ldif.as_bytes());
    assert_eq!((imported.container, imported.rows), (Container::Ldif, 2));
    assert_eq!(
        csv,
        "dn,cn,mail\n\"uid=jane,dc=acme\",Jane,jane@acme.test; smtp:j@acme.test\n\
         uid=bob,Böb,bob@acme.test\n"
    );
}

#[test]
fn entries_below_comments_are_entries() {
    let search = "# extended LDIF\n#\n# LDAPv3\n# base <dc=acme> with scope subtree\n#\n\n\
                  # jane, acme\ndn: uid=jane,dc=acme\nmail:: amFuZUBhY21lLnRlc3Q=\n\n\
                  # search result\nsearch: 2\nresult: 0 Success\n\n# numEntries: 1\n";
    for ldif in [search.to_owned(), search.replace("#\n\n", "#\n\nversion: 1\n\n")] {
        let (imported, csv) = imported(ldif.as_bytes());
        assert_eq!((imported.container, imported.rows), (Container::Ldif, 1));
        assert_eq!(csv, "dn,cn,mail\n\"uid=jane,dc=acme\",,jane@acme.test\n");
    }
}

#[test]
fn columns_of_addresses_without_a_header_are_a_table() {
    for table in
        ["jane@a.test,bob@b.test\nc@a.test,d@b.test\n", "a@b.test,c@d.test\r\n".repeat(9).as_str()]
    {
        assert_eq!(Container::detect(&mut Cursor::new(table)).unwrap(), None, "{table}");
    }
    for pasted in [
        "jane@a.test,bob@b.test\n",
        "jane@a.test, bob@b.test\nc@a.test, d@b.test\n",
        "jane@a.test,bob@b.test,\nc@a.test,d@b.test\n",
        "jane@a.test;bob@b.test\nc@a.test;d@b.test\n",
        "jane@a.test,bob@b.test\nc@a.test\n",
    ] {
        let found = Container::detect(&mut Cursor::new(pasted)).unwrap();
        assert_eq!(found, Some(Container::Recipients), "{pasted}");
    }
}

#[test]
fn recipients_out_of_a_message_give_a_row_each_and_a_table_is_none() {
    let pasted = "\"Doe, Jane\" <jane@acme.test>; John Smith <john@acme.test>;\nk@acme.test\n";
    let (imported, csv) = imported(pasted.as_bytes());
    assert_eq!(imported.to_string(), "list of recipients");
    assert_eq!(
        csv,
        "Email Address\n\"\"\"Doe, Jane\"\" <jane@acme.test>\"\nJohn Smith <john@acme.test>\n\
         k@acme.test\n"
    );
    let (_, csv) = self::imported(b"a@acme.test, b@acme.test; C <c@acme.test>");
    assert_eq!(csv, "Email Address\na@acme.test\nb@acme.test\nC <c@acme.test>\n");
    for table in ["a@b.test,Jane\n", "email,x\na@b.test,c@d.test\n", "a@b.test\nc@d.test\n"] {
        assert_eq!(Container::detect(&mut Cursor::new(table)).unwrap(), None, "{table}");
    }
}
