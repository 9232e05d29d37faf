//! JSON documents.

use super::*;

#[test]
fn documents_become_tables_and_lines_of_json_stay() {
    let (_, csv) = imported(br#"[{"n":1,"emails":["a@acme.test","b@acme.test"]},{"n":2,"emails":[{"value":"c@acme.test"}]}]"#);
    assert_eq!(csv, "emails,n\na@acme.test; b@acme.test,1\nc@acme.test,2\n");
    let (_, csv) = imported(b"[\n  \"a@acme.test\",\n  \"b@acme.test\"\n]\n");
    assert_eq!(csv, "email\na@acme.test\nb@acme.test\n");
    let (wrapped, csv) = imported(b"{\n \"data\": {\"users\": [{\"email\": \"a@acme.test\"}]}\n}");
    assert_eq!(wrapped.to_string(), "JSON document, key \"data.users\"");
    assert_eq!(csv, "email\na@acme.test\n");
    let (_, csv) =
        imported(b"{\"a\":{\"email\":\"a@acme.test\",\"n\":1},\"b\":{\"email\":\"b@acme.test\"}}");
    assert_eq!(csv, "email,n\na@acme.test,1\nb@acme.test,\n", "objects under their ids");
    for lines in ["{\"email\":\"a@acme.test\"}\n", "email\na@acme.test\n", "[draft] notes\n"] {
        assert_eq!(Container::detect(&mut Cursor::new(lines)).unwrap(), None, "{lines}");
    }
}

#[test]
fn an_envelope_with_a_name_is_none_of_one_contact() {
    let list = r#"{"list_name":"x","members":[{"email":"a@acme.test"},{"email":"b@acme.test"}]}"#;
    let (wrapped, csv) = imported(list.as_bytes());
    assert_eq!((wrapped.part.as_str(), wrapped.rows), ("key \"members\"", 2));
    assert_eq!(csv, "email\na@acme.test\nb@acme.test\n");
    let longer =
        r#"{"list_name":"x","tags":[{"id":1},{"id":2}],"members":[{"email":"a@acme.test"}]}"#;
    assert_eq!(imported(longer.as_bytes()).0.part, "key \"members\"");
    for contact in [
        r#"{"name":"Jane","emails":[{"value":"a@acme.test"}]}"#,
        r#"{"name":"Jane","email":"a@acme.test","friends":[{"email":"b@acme.test"}]}"#,
        r#"{"name":"Jane","mail":"a@acme.test","orders":[{"id":1},{"id":2}]}"#,
    ] {
        let mut input = Cursor::new(contact);
        assert_eq!(Container::detect(&mut input).unwrap(), None, "{contact}");
    }
}

#[test]
fn the_rows_of_a_table_in_an_array_are_rows() {
    let export = r#"[{"type":"header","version":"5.2.1"},{"type":"database","name":"shop"},
        {"type":"table","name":"users","database":"shop","data":
        [{"id":"1","email":"a@acme.test"},{"id":"2","email":"b@acme.test"}]}]"#;
    let (imported, csv) = imported(export.as_bytes());
    assert_eq!(imported.part, "key \"data\"");
    assert_eq!(csv, "email,id\na@acme.test,1\nb@acme.test,2\n");
    let rows = |from: u32| {
        let rows: Vec<String> =
            (from..from + 101).map(|n| format!("{{\"email\":\"a{n}@acme.test\"}}")).collect();
        rows.join(",")
    };
    let groups = format!("[{{\"data\":[{}]}},{{\"data\":[{}]}}]", rows(0), rows(500));
    assert_eq!(self::imported(groups.as_bytes()).0.rows, 202, "no cell has room for them");
    let (_, csv) = self::imported(
        br#"[{"n":1,"buyers":[{"mail":"a@acme.test"}],"sellers":[{"mail":"b@acme.test"}]}]"#,
    );
    assert_eq!(csv, "buyers.mail,n,sellers.mail\na@acme.test,1,b@acme.test\n", "nothing is left");
    let (imported, csv) =
        self::imported(br#"{"users":[null,{"email":"a@acme.test"},{"email":"b@acme.test"}]}"#);
    assert_eq!(imported.part, "key \"users\"");
    assert_eq!(csv, "email\n\"\"\na@acme.test\nb@acme.test\n");
    let (_, csv) = self::imported(
        br#"[{"n":1,"staff":[{"email":"a@acme.test"},{"email":"b@acme.test"}]},
            {"n":2,"staff":[{"email":"c@acme.test"}]}]"#,
    );
    assert_eq!(csv, "n,staff.email\n1,a@acme.test; b@acme.test\n2,c@acme.test\n");
}

#[test]
fn an_item_that_takes_far_more_memory_than_its_text_is_refused() {
    let item = format!("[{{\"a\":[{}1]}}]", "1,".repeat(530_000));
    let limits = ImportLimits { unpacked: 64 << 20, document: 16 << 20 };
    let made = Container::Json.convert(Cursor::new(item), Vec::new(), limits);
    assert!(matches!(made, Err(ImportError::TooLarge { limit: 1, .. })), "{made:?}");
}

/// An export of contacts on one line, with some 120 or 450 bytes for each.
fn export(contacts: usize, note: usize) -> String {
    let note = "x".repeat(note);
    let contact =
        |n| format!(r#"{{"id":"{n}","properties":{{"email":"c{n}@acme.test","note":"{note}"}}}}"#);
    let contacts: Vec<String> = (0..contacts).map(contact).collect();
    format!(r#"{{"results":[{}],"paging":{{"next":null}}}}"#, contacts.join(","))
}

#[test]
fn a_document_on_one_line_is_one_however_long_the_line_is() {
    for (note, at_least) in [(60, 150_000), (400, 650_000), (900, 1_300_000)] {
        let document = export(1_500, note);
        assert!(document.len() > at_least, "{}", document.len());
        for end in ["", "\n", "\r\n\n"] {
            let (imported, csv) = imported(format!("{document}{end}").as_bytes());
            assert_eq!((imported.part.as_str(), imported.rows), ("key \"results\"", 1_500));
            assert!(csv.contains("\n1499,c1499@acme.test,"), "{note}");
        }
    }
}

#[test]
fn long_lines_of_json_are_lines_and_a_long_contact_is_one() {
    let line = format!("{{\"email\":\"a@acme.test\",\"note\":\"{}\"}}", "x".repeat(100_000));
    for lines in [line.clone(), format!("{line}\n"), format!("{line}\n{line}\n")] {
        assert_eq!(Container::detect(&mut Cursor::new(lines)).unwrap(), None);
    }
}

#[test]
fn an_array_of_more_addresses_than_a_cell_holds_is_one_of_rows() {
    let addresses: Vec<String> = (0..1_500).map(|n| format!("\"c{n}@acme.test\"")).collect();
    let list = format!(r#"{{"count":1500,"unsubscribed":[{}]}}"#, addresses.join(","));
    let (imported, csv) = imported(list.as_bytes());
    assert_eq!((imported.part.as_str(), imported.rows), ("key \"unsubscribed\"", 1_500));
    assert!(csv.starts_with("email\nc0@acme.test\n"), "{csv:.80}");
    // Those of one contact stay in its row.
    let contact = format!(r#"{{"email":"boss@acme.test","cc":[{}]}}"#, addresses.join(","));
    assert_eq!(Container::detect(&mut Cursor::new(contact)).unwrap(), None);
}

#[test]
fn an_empty_array_is_a_list_of_nobody() {
    let (imported, csv) = imported(b"[]\n");
    assert_eq!((imported.container, csv.as_str()), (Container::Json, ""));
    assert!(refused(b"[[], []]").contains("no object or text"));
}

#[test]
fn documents_and_recipients_in_utf16_are_read_as_such() {
    let utf16 = |text: &str| -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| unit.to_le_bytes()).collect()
    };
    let array = "[\r\n  {\"email\": \"jane@acme.test\"},\r\n  {\"email\": \"bob@acme.test\"}\r\n]";
    for text in [format!("\u{feff}{array}"), array.to_owned()] {
        let (imported, csv) = imported(&utf16(&text));
        assert_eq!(imported.container, Container::Json);
        assert_eq!(csv, "email\njane@acme.test\nbob@acme.test\n");
    }
    let (imported, csv) = imported(&utf16("\u{feff}jane@acme.test; bob@acme.test"));
    assert_eq!(imported.container, Container::Recipients);
    assert_eq!(csv, "Email Address\njane@acme.test\nbob@acme.test\n");
    let table = utf16("\u{feff}name\temail\r\nJane\tjane@acme.test\r\n");
    assert_eq!(Container::detect(&mut Cursor::new(table)).unwrap(), None);
}

#[test]
fn the_arrays_of_addresses_that_are_left_out_of_a_document_are_named() {
    let contact = |name: &str, n: usize| format!("{{\"email\":\"{name}{n}@acme.test\"}}");
    let array =
        |name: &str, count| (0..count).map(|n| contact(name, n)).collect::<Vec<_>>().join(",");
    let (gone, bounced) = (array("gone", 3), array("bounced", 2));
    let document = format!(
        "{{\"unsubscribed\":[{gone}],\"bounced\":[{bounced}],\"more\":{{\"spam\":[\"s@acme.test\"]}},\
         \"tags\":[\"a\"]}}"
    );
    let (found, csv) = imported(document.as_bytes());
    assert_eq!((found.is_partial, csv.lines().count()), (true, 4));
    assert_eq!(
        found.part,
        "key \"unsubscribed\" and not \"bounced\", \"more.spam\", with addresses too"
    );
    let (found, _) = imported(format!("{{\"users\":[{gone}],\"tags\":[\"a\"]}}").as_bytes());
    assert_eq!((found.is_partial, found.part.as_str()), (false, "key \"users\""));
}

#[test]
fn a_document_with_addresses_under_more_keys_than_are_read_says_so() {
    let keys: Vec<String> = (0..1030).map(|n| format!("\"k{n}\":\"a{n}@acme.test\"")).collect();
    let (found, _) = imported(format!("[\n{{{}}}\n]", keys.join(",")).as_bytes());
    assert!(found.is_partial && found.part.contains("beyond the first 1024"), "{}", found.part);
}
