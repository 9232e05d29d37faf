//! Which format a file is in.

use super::*;

fn format(bytes: &str) -> String {
    open(bytes.as_bytes()).layout().format.to_string()
}

#[test]
fn the_delimiter_is_found_by_content() {
    for (delimiter, name) in [
        (",", "comma"),
        ("\t", "tab"),
        (";", "semicolon"),
        ("|", "bar"),
        ("^", "caret"),
        (":", "colon"),
        ("~", "tilde"),
        ("\u{1}", "control-character"),
        ("\u{1f}", "control-character"),
    ] {
        let file = ["id|email|name", "1|jane@acme.test|Jane", "2|john@acme.test|John"].join("\n");
        let file = file.replace('|', delimiter);
        assert_eq!(format(&file), format!("{name}-separated with a header"));
        assert_eq!(addresses(file.as_bytes()), ["jane@acme.test", "john@acme.test"]);
    }
}

#[test]
fn delimiters_inside_fields_do_not_mislead() {
    assert_eq!(
        format("email;name;tags\na@acme.test;Doe, Jane;a, b\nb@acme.test;Roe, John;c, d\n"),
        "semicolon-separated with a header"
    );
    assert_eq!(
        format("email,tags\na@acme.test,\"x;y;z;w\"\nb@acme.test,\"x;y;z;w\"\n"),
        "comma-separated with a header"
    );
    assert_eq!(
        format("a@acme.test\tJane, Dr.\nb@acme.test\tJohn, Prof.\n"),
        "tab-separated without a header"
    );
}

#[test]
fn one_address_a_line_is_plain() {
    assert_eq!(format("jane@acme.test\njohn@acme.test"), "one address a line");
    assert_eq!(format("jane@acme.test"), "one address a line");
    assert_eq!(format("a..b@acme.test\njohn@acme.test\n"), "one address a line");
    assert_eq!(format("Jane <jane@acme.test>\n\"Doe, J\" <j@acme.test>\n"), "one address a line");
}

#[test]
fn plain_lines_with_commas_in_names_are_read_whole() {
    let file = b"Doe, Jane <jane@acme.test>\njohn@acme.test\nkim@acme.test\n";
    assert_eq!(addresses(file), ["jane@acme.test", "john@acme.test", "kim@acme.test"]);
    assert_eq!(open(file).layout().format, Format::Plain);
}

#[test]
fn a_header_over_one_column_makes_it_a_table() {
    assert_eq!(format("email\njane@acme.test\n"), "comma-separated with a header");
    assert_eq!(format("who\njane@acme.test\n"), "comma-separated with a header");
}

#[test]
fn the_header_is_found_by_content_and_can_be_said() {
    assert!(open(b"id,contact\n1,jane@acme.test\n").layout().has_header());
    assert!(!open(b"1,jane@acme.test\n2,john@acme.test\n").layout().has_header());
    let options = ReaderOptions { header: Some(true), ..ReaderOptions::default() };
    let mut reader = Reader::open(&b"1,jane@acme.test\n2,john@acme.test\n"[..], &options).unwrap();
    assert_eq!(reader.layout().columns, ["1", "jane@acme.test"]);
    assert_eq!(reader.next().unwrap().unwrap().address(), Some("john@acme.test"));
    let options = ReaderOptions { header: Some(false), ..ReaderOptions::default() };
    let mut reader = Reader::open(&b"email\njohn@acme.test\n"[..], &options).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().address(), None, "a row, and no address");
}

#[test]
fn json_lines_are_known() {
    assert_eq!(format("{\"email\":\"a@acme.test\"}\n{\"email\":\"b@acme.test\"}\n"), "JSON lines");
}

#[test]
fn excels_sep_line_decides_and_is_no_row() {
    let file = b"sep=;\r\nemail;n\r\njane@acme.test;1\r\n";
    assert_eq!(addresses(file), ["jane@acme.test"]);
    assert_eq!(rows(file)[0].line(), 3);
    let wanted = "sep=;\r\nemail;n;verdict;code\r\njane@acme.test;1;risky;250\r\n";
    assert_eq!(text(written(file)), wanted);
}

#[test]
fn every_line_end_is_known_and_a_last_one_may_be_missing() {
    for (end, name) in [("\n", LineEnd::Lf), ("\r\n", LineEnd::CrLf), ("\r", LineEnd::Cr)] {
        for last in ["", end] {
            let file = ["email,n", "jane@acme.test,1", "john@acme.test,2"].join(end) + last;
            assert_eq!(open(file.as_bytes()).layout().line_end, name);
            assert_eq!(addresses(file.as_bytes()), ["jane@acme.test", "john@acme.test"]);
            let wanted = [
                "email,n,verdict,code",
                "jane@acme.test,1,risky,250",
                "john@acme.test,2,risky,250",
            ];
            assert_eq!(text(written(file.as_bytes())), wanted.join(end) + last);
        }
    }
}

#[test]
fn a_hundred_columns_and_duplicate_headers_are_fine() {
    let mut header: Vec<String> = (0..98).map(|n| format!("x{}", n % 7)).collect();
    header.insert(50, "email".to_owned());
    header.push("email".to_owned());
    let mut row: Vec<String> = (0..98).map(|n| n.to_string()).collect();
    row.insert(50, "jane@acme.test".to_owned());
    row.push("no".to_owned());
    let file = format!("{}\n{}\n", header.join(","), row.join(","));
    let reader = open(file.as_bytes());
    assert_eq!((reader.layout().columns.len(), reader.layout().address.index), (100, 50));
    let wanted = format!("{},verdict,code\n{},risky,250\n", header.join(","), row.join(","));
    assert_eq!(text(written(file.as_bytes())), wanted);
}

#[test]
fn the_layout_says_itself_in_one_line() {
    let layout = open(b"id;E-Mail\r\n1;jane@acme.test\r\n").layout().to_string();
    assert_eq!(
        layout,
        "semicolon-separated with a header, UTF-8; addresses in column 2 \"E-Mail\" (by its content)"
    );
}

#[test]
fn a_colon_divides_nothing_unless_a_header_says_so() {
    assert_eq!(format("SMTP:jane@acme.test\nsmtp:john@acme.test\n"), "one address a line");
    assert_eq!(format("x^jane@acme.test\ny^john@acme.test\n"), "caret-separated without a header");
}

#[test]
fn a_tilde_without_a_header_is_part_of_an_address_and_a_control_character_is_not() {
    assert_eq!(format("bob~x@acme.test\njane~y@acme.test\n"), "one address a line");
    let file = "1\u{1}jane@acme.test\n2\u{1}john@acme.test\n";
    assert_eq!(format(file), "control-character-separated without a header");
    assert_eq!(addresses(file.as_bytes()), ["jane@acme.test", "john@acme.test"]);
    assert_eq!(format("jane@acme.test\njohn@acme.test\u{1f}\n"), "one address a line");
}

#[test]
fn many_control_characters_that_divide_fields_make_no_binary_file() {
    for divider in ["\u{1}", "\u{1f}"] {
        let row = |n: u32| format!("{n}{divider}jane{n}@acme.test{divider}\n");
        let rows: String = (1..=100).map(row).collect();
        let file = format!("id{divider}email{divider}name\n{rows}");
        assert_eq!(addresses(file.as_bytes()).len(), 100);
        assert_eq!(addresses(rows.as_bytes()).len(), 100, "without a header");
        let other = file.replace("jane", "jane\u{2}");
        assert!(refusal(other.as_bytes()).contains("a binary file"));
    }
    let file = "jane@acme.test\n".to_owned() + &"john@acme.test\u{1}\n".repeat(100);
    assert!(refusal(file.as_bytes()).contains("a binary file"), "its first line has none");
}

#[test]
fn the_addresses_of_an_array_stand_in_one_cell() {
    let file = b"{\"id\":1,\"emails\":[\"a@acme.test\",\"b@acme.test\"]}\n\
                 {\"id\":2,\"emails\":[]}\n{\"id\":3,\"emails\":[\"c@acme.test\"]}\n";
    assert_eq!(addresses(file), ["a@acme.test", "-", "c@acme.test"]);
    assert_eq!(rows(file)[0].others(), ["b@acme.test"]);
    let file = b"{\"emails\":[{\"value\":\"a@acme.test\"},{\"value\":\"b@acme.test\"}]}\n";
    assert_eq!(addresses(file), ["a@acme.test"]);
    assert_eq!(rows(file)[0].others(), ["b@acme.test"]);
    let (texts, objects) = (
        "{\"emails\":[\"a@acme.test\"]}\n",
        "{\"emails\":[{\"value\":\"b@acme.test\",\"type\":1}]}\n",
    );
    for (file, wanted) in [
        (format!("{texts}{texts}{objects}"), ["a@acme.test", "a@acme.test", "b@acme.test"]),
        (format!("{objects}{objects}{texts}"), ["b@acme.test", "b@acme.test", "a@acme.test"]),
    ] {
        assert_eq!(addresses(file.as_bytes()), wanted, "the second kind is read like the first");
    }
}

#[test]
fn lines_of_an_address_and_a_name_are_a_list() {
    let file = b"jane@acme.test Jane Doe\njohn@acme.test John\nno address\n";
    assert_eq!(addresses(file), ["jane@acme.test", "john@acme.test", "-"]);
}

#[test]
fn a_table_that_was_made_here_is_read_as_it_was_written() {
    let file = b"emails\n\"a@acme.test; b@acme.test\"\n\"c@acme.test; d@acme.test\"\n";
    let options = ReaderOptions { is_imported: true, ..ReaderOptions::default() };
    let mut reader = Reader::open(&file[..], &options).unwrap();
    assert_eq!(reader.layout().columns, ["emails"]);
    assert_eq!(reader.next().unwrap().unwrap().others(), ["b@acme.test"]);
}

#[test]
fn a_semicolon_in_a_list_of_one_column_divides_addresses_and_not_fields() {
    let file = b"Email\r\nnobody@acme.test; jane.doe@acme.test\r\nbob@acme.test\r\n";
    assert_eq!(open(file).layout().columns, ["Email"]);
    assert_eq!(addresses(file), ["nobody@acme.test", "bob@acme.test"]);
    assert_eq!(rows(file)[0].others(), ["jane.doe@acme.test"]);
    let wanted = "Email,verdict,code\r\nnobody@acme.test; jane.doe@acme.test,risky,250\r\n\
                  bob@acme.test,risky,250\r\n";
    assert_eq!(text(written(file)), wanted);
    for several in
        ["a@acme.test;b@acme.test", "a@acme.test, b@acme.test", "A <a@acme.test>;b@x.test"]
    {
        for file in [
            format!("bob@acme.test\n{several}\n{several}\n"),
            format!("E-Mail\n{several}\n{several}\nbob@acme.test; Bob\n"),
        ] {
            let rows = rows(file.as_bytes());
            assert!(rows.iter().all(|row| row.address().is_some()), "{file}");
            assert_eq!(rows.iter().map(|row| row.others().len()).sum::<usize>(), 2, "{file}");
        }
    }
}

#[test]
fn a_semicolon_divides_fields_where_not_only_addresses_stand_between() {
    for file in [
        "Email\njane@acme.test;Jane\njohn@acme.test;John\n",
        "Email;Copy\njane@acme.test;boss@acme.test\njohn@acme.test\n",
        "jane@acme.test;Jane;boss@acme.test\njohn@acme.test;John\nkim@acme.test\n",
    ] {
        assert!(format(file).starts_with("semicolon-separated"), "{file}");
    }
    let file = "Email\njane@acme.test,Jane\njohn@acme.test,john@home.test\n";
    assert_eq!(addresses(file.as_bytes()), ["jane@acme.test", "john@acme.test"]);
}

#[test]
fn a_document_of_one_line_that_is_not_made_into_a_table_is_refused_and_not_cut() {
    let rows: Vec<String> = (0..150).map(|n| format!("{{\"email\":\"c{n}@acme.test\"}}")).collect();
    for document in [
        format!("{{\"results\":[{}]}}\n", rows.join(",")),
        format!("{{\"data\":{{\"members\":[{}]}}}}", rows.join(",")),
    ] {
        assert!(refusal(document.as_bytes()).contains("a JSON document, not JSON lines"));
    }
    let contact = format!("{{\"email\":\"a@acme.test\",\"friends\":[{}]}}", rows.join(","));
    assert_eq!(addresses(contact.as_bytes()), ["a@acme.test"]);
    let several = format!("{{\"to\":[{}]}}\n", rows[..3].join(",")).repeat(2);
    assert_eq!(addresses(several.as_bytes()).len(), 2);
}
