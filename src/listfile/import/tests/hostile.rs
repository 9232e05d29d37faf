//! Files that are damaged, or made to cost more than they weigh.

use super::*;

#[test]
fn damaged_and_hostile_files_are_refused_with_a_reason() {
    let book = workbook();
    assert!(refused(&book[..book.len() / 2]).contains("cannot be read"));
    assert!(refused(&zipped(&[("a.bin", b"\0\x01")])).contains("no file of addresses"));
    assert!(refused(b"[{\"email\": \"a@b").contains("cannot be read"));
    let deep = "[".repeat(100_000);
    assert!(refused(format!("[{deep}").as_bytes()).contains("cannot be read"));
    let bomb = vec![b'a'; 2 << 20];
    let bomb = zipped(&[("content.xml", &bomb)]);
    assert!(bomb.len() < 1 << 16);
    assert!(refused(&bomb).contains("more than 1 MiB"));
    let lists = zipped(&[("a.csv", &[b'a'; 3 << 20][..]), ("b.csv", &[b'a'; 3 << 20][..])]);
    assert!(refused(&lists).contains("unpacked"));
    // One shared text in every cell of a row.
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let text = "a".repeat(30_000);
    for column in 0..40 {
        sheet.write(0, column, &text).unwrap();
    }
    let book = book.save_to_buffer().unwrap();
    assert!(book.len() < 1 << 14);
    assert!(refused(&book).contains("more than 1 MiB"));
}

/// A row of ODS with these attributes.
fn ods_row(attributes: &str, cells: &str) -> String {
    format!("<table:table-row {attributes}>{cells}</table:table-row>")
}

#[test]
fn a_sheet_that_unfolds_from_a_few_bytes_is_refused() {
    let long = "a".repeat(1000);
    let columns = |number: u32| format!("table:number-columns-repeated=\"{number}\"");
    let rows = |number: &str| format!("table:number-rows-repeated=\"{number}\"");
    let cell = ods_cell("", "a@acme.test");
    let gap = format!("<table:table-cell {}/>", columns(16_000));
    for sheet in [
        ods_row("", &ods_cell(&columns(10_000), "a")).repeat(14),
        ods_row("", &ods_cell(&columns(10_000), "")).repeat(14),
        ods_row("", &ods_cell(&columns(2000), &long)),
        ods_row("", &format!("{gap}{cell}")).repeat(10),
        ods_row(&rows("140000"), &cell),
        ods_row(&rows("1&#52;0000"), &cell),
        cell_rows_with_gap(&cell, &rows("1000000")),
        ods_row("", &ods_cell("", "<text:s text:c=\"2000000000\"/>")),
        ods_row("", &ods_cell(&columns(2000), "<text:s text:c=\"1000\"/>")),
    ] {
        let file = ods(&sheet);
        assert!(file.len() < 1 << 14);
        let said = refused(&file);
        assert!(said.contains("more than 1 MiB"), "{said}: {}", &sheet[..sheet.len().min(300)]);
    }
    // As much as that is a workbook.
    let rows = ods_row("", &ods_cell(&columns(2), "a@acme.test")).repeat(1000);
    let (imported, csv) = imported(&ods(&rows));
    assert_eq!((imported.rows, csv.len()), (999, 24_000));
}

/// A cell, very many empty rows, and a cell.
fn cell_rows_with_gap(cell: &str, repeats: &str) -> String {
    let row = ods_row("", cell);
    format!("{row}{}{row}", ods_row(repeats, "<table:table-cell/>"))
}

#[test]
fn a_sheet_that_is_not_well_formed_is_refused() {
    let cell = ods_cell("", "a@acme.test");
    let row = ods_row("", &cell);
    for sheet in [
        // The rows of another row, and cells of another cell, are counted by nobody.
        ods_row("", &row),
        ods_row("", &ods_cell("", &cell)),
        cell.clone(),
        format!("{row}</table:table-row>"),
        format!("{row}<table:table-row>"),
    ] {
        let said = refused(&ods(&sheet));
        assert!(said.contains("cannot be read"), "{said}: {sheet}");
    }
    // It ends within a sheet.
    let end = "<a><table:table table:name=\"People\">";
    let file = zipped(&[("content.xml", end.as_bytes())]);
    assert!(refused(&file).contains("it ends too soon"));
}

#[test]
fn a_card_and_an_entry_without_an_end_are_refused() {
    let card = format!("BEGIN:VCARD\n{}END:VCARD\n", "EMAIL:a\n".repeat(50_000));
    assert!(refused(card.as_bytes()).contains("more than 1 MiB"));
    let entry = format!("dn: uid=a\n{}", format!("mail: {}\n", "a".repeat(1000)).repeat(1100));
    assert!(refused(entry.as_bytes()).contains("more than 1 MiB"));
}

/// An XLSX workbook of these sheets, shared texts and cells, where every sheet is the same part.
fn xlsx(sheets: &[&str], shared: &str, rows: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relationship = |id: &str, kind: &str, target: &str| {
        format!(r#"<Relationship Id="{id}" Type="{office}/{kind}" Target="{target}"/>"#)
    };
    let relationships =
        |of: &str| format!(r#"<Relationships xmlns="{package}">{of}</Relationships>"#);
    let sheets: String =
        sheets.iter().map(|name| format!(r#"<sheet name="{name}" r:id="s"/>"#)).collect();
    let book = format!(
        r#"<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{sheets}</sheets></workbook>"#
    );
    let sheet = format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#);
    let of_book = relationship("s", "worksheet", "worksheets/sheet1.xml")
        + &relationship("t", "sharedStrings", "sharedStrings.xml");
    let of_package = relationship("b", "officeDocument", "xl/workbook.xml");
    zipped(&[
        ("_rels/.rels", relationships(&of_package).as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relationships(&of_book).as_bytes()),
        ("xl/sharedStrings.xml", shared.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// A row of XLSX with an address in its first cell.
fn xlsx_row(number: u64) -> String {
    let text = "<is><t>a@acme.test</t></is>";
    format!(r#"<row r="{number}"><c r="A{number}" t="inlineStr">{text}</c></row>"#)
}

#[test]
fn a_workbook_that_says_it_has_more_shared_texts_than_are_held_is_refused() {
    let shared = |count: u64| format!(r#"<sst uniqueCount="{count}"><si><t>x</t></si></sst>"#);
    for count in [50_000, 10_000_000_000_000, u64::MAX] {
        let said = refused(&xlsx(&["People"], &shared(count), &xlsx_row(1)));
        assert!(said.contains("more than 1 MiB"), "{count}: {said}");
    }
    // Wherever the workbook has its parts.
    let bomb = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(2 << 20));
    let elsewhere: (&str, &[u8]) = ("xl/worksheets/SharedStrings.xml", bomb.as_bytes());
    let file = zipped(&[("xl/workbook.xml", b""), elsewhere]);
    assert!(refused(&file).contains("more than 1 MiB"));
    // More than there are cost little, and programs write it.
    let (_, csv) = imported(&xlsx(&["People"], &shared(40_000), &xlsx_row(1)));
    assert_eq!(csv, "a@acme.test\n");
}

#[test]
fn a_cell_below_the_last_row_that_a_sheet_has_is_refused_and_fills_no_rows() {
    let book = |number: u64| xlsx(&["People"], "<sst/>", &xlsx_row(number));
    for number in [1_048_577, 1_000_000_000, 4_000_000_000] {
        let said = refused(&book(number));
        assert!(said.contains("a row that no sheet has"), "{number}: {said}");
    }
    let (_, csv) = imported(&book(1_048_576));
    assert!(csv.ends_with("\n\na@acme.test\n"));
}

/// Writes another size of a packed part into the table of contents of an archive.
fn claim_size(archive: &mut [u8], part: &str, size: u32) {
    const SIZE: usize = 20;
    const NAME: usize = 46;
    let is_entry = |entry: &[u8]| {
        entry.starts_with(b"PK\x01\x02")
            && entry.get(NAME..).is_some_and(|name| name.starts_with(part.as_bytes()))
    };
    let at = (0..archive.len()).find(|&at| is_entry(&archive[at..])).expect("an entry");
    archive[at + SIZE..at + SIZE + 4].copy_from_slice(&size.to_le_bytes());
}

#[test]
fn sheets_that_are_all_the_same_part_and_very_many_sheets_are_refused() {
    let rows = "<row/>".repeat(200_000) + &xlsx_row(1);
    let said = refused(&xlsx(&["A", "B", "C"], "<sst/>", &rows));
    assert!(said.contains("one and the same"), "{said}");
    // Also if the part says that it is longer than it is, so that less comes of each octet.
    let mut file = xlsx(&["A", "B", "C"], "<sst/>", &rows);
    claim_size(&mut file, "xl/worksheets/sheet1.xml", u32::MAX - 1);
    let said = refused(&file);
    assert!(said.contains("one and the same"), "{said}");
    let names: Vec<String> = (0..=1000).map(|number| format!("S{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let said = refused(&xlsx(&names, "<sst/>", &xlsx_row(1)));
    assert!(said.contains("more than 1000 sheets"), "{said}");
    let (_, csv) = imported(&xlsx(&["A"], "<sst/>", &xlsx_row(1)));
    assert_eq!(csv, "a@acme.test\n");
}

#[test]
fn an_ods_workbook_of_very_many_sheets_is_refused() {
    let rows = ods_row("", &ods_cell("", "a@acme.test"));
    let next = |name: usize| format!(r#"</table:table><table:table table:name="{name}">"#);
    let book = |sheets: usize| {
        let further: String = (1..sheets).map(|name| next(name) + &rows).collect();
        ods(&(rows.clone() + &further))
    };
    let said = refused(&book(1001));
    assert!(said.contains("more than 1000 sheets"), "{said}");
    assert_eq!(imported(&book(1000)).1, "a@acme.test\n");
}
