//! Formulas of workbooks, as libraries write them that calculate none.

use super::*;

/// An XLSX workbook with one sheet of these rows.
fn book(rows: &str) -> Vec<u8> {
    const SHEETS: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let part = |kind: &str, target: &str| {
        format!(
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
               <Relationship Id="rId1" Type="{OFFICE}/{kind}" Target="{target}"/></Relationships>"#
        )
    };
    let book = format!(
        r#"<workbook xmlns="{SHEETS}" xmlns:r="{OFFICE}"><sheets><sheet name="List" sheetId="1"
           r:id="rId1"/></sheets></workbook>"#
    );
    let sheet = format!(r#"<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>"#);
    zipped(&[
        ("_rels/.rels", part("officeDocument", "xl/workbook.xml").as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", part("worksheet", "worksheets/sheet1.xml").as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// A row with this text and this formula in its cells, and what that came to.
fn row(number: u32, text: &str, formula: &str) -> String {
    let text = format!(r#"<c r="A{number}" t="inlineStr"><is><t>{text}</t></is></c>"#);
    format!(r#"<row r="{number}">{text}<c r="B{number}"{formula}</c></row>"#)
}

#[test]
fn formulas_that_nobody_calculated_are_told_with_the_remedy() {
    let open = "><f>HYPERLINK(C2)</f><v/>";
    let (imported, csv) = imported(&book(&row(1, "jane@acme.test", open)));
    assert!(imported.is_partial);
    let said = imported.to_string();
    assert!(said.starts_with("XLSX workbook, sheet \"List\" without what its formulas"), "{said}");
    assert!(said.contains("save it"), "{said}");
    assert_eq!(csv, "jane@acme.test\n");
}

#[test]
fn a_formula_with_a_result_is_that_result() {
    let text = r#" t="str"><f>C2</f><v>john@acme.test</v>"#;
    let nothing = r#" t="str"><f>C3</f><v></v>"#;
    let rows = row(1, "jane@acme.test", text) + &row(2, "bob@acme.test", nothing);
    let (imported, csv) = imported(&book(&rows));
    assert_eq!(imported.to_string(), "XLSX workbook, sheet \"List\"");
    assert!(!imported.is_partial);
    assert_eq!(csv, "jane@acme.test,john@acme.test\nbob@acme.test\n");
}
