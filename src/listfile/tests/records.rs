//! Rows as they are met in the wild.

use super::*;

#[test]
fn quoted_fields_hold_delimiters_quotes_and_line_breaks() {
    let file = b"name,email\n\"Doe, \"\"J\"\"\nJane\",\"jane@acme.test\"\nJohn,john@acme.test\n";
    let rows = rows(file);
    assert_eq!(rows[0].address(), Some("jane@acme.test"));
    assert_eq!((rows[1].number(), rows[1].line()), (2, 4));
    assert_eq!(
        text(written(file)),
        "name,email,verdict,code\n\"Doe, \"\"J\"\"\nJane\",\"jane@acme.test\",risky,250\n\
         John,john@acme.test,risky,250\n"
    );
}

#[test]
fn quotes_escaped_with_a_backslash_are_understood() {
    let file =
        b"name,email\n\"J \\\"Jay\\\" Doe, Jr\",j@acme.test\n\"K \\\"K\\\" L\",k@acme.test\n";
    let reader = open(file);
    let Format::Delimited(dialect) = reader.layout().format else { panic!("not a table") };
    assert_eq!(dialect.quotes, Quotes::Backslash);
    assert_eq!(addresses(file), ["j@acme.test", "k@acme.test"]);
    let paths = b"email,path\nj@acme.test,\"C:\\dir\\\"\nk@acme.test,\"D:\\\"\n";
    assert_eq!(addresses(paths), ["j@acme.test", "k@acme.test"]);
}

#[test]
fn a_quote_that_never_closes_swallows_no_rows() {
    let file = b"email,size\na@acme.test,\"17 inch\nb@acme.test,2\nc@acme.test,3\n";
    assert_eq!(addresses(file), ["a@acme.test", "b@acme.test", "c@acme.test"]);
    let stray = findings(file).stray_quotes;
    assert_eq!((stray.count, stray.first_row, stray.first_line), (1, 1, 2));
    assert_eq!(
        text(written(file)),
        "email,size,verdict,code\na@acme.test,\"\"\"17 inch\",risky,250\n\
         b@acme.test,2,risky,250\nc@acme.test,3,risky,250\n"
    );
}

#[test]
fn a_stray_quote_in_the_first_row_of_a_long_file_does_not_hide_the_rest() {
    let mut file = b"size,who\n\"17 inch,a@acme.test\n".to_vec();
    for n in 0..40_000 {
        file.extend(format!("{n},user{n}@acme.test\n").bytes());
    }
    assert!(file.len() > 2 * SNIFF);
    assert_eq!(open(&file).layout().address.name, "who");
    assert_eq!(findings(&file).addresses, 40_001);
}

#[test]
fn a_quote_that_closes_rows_later_in_midst_of_text_swallows_no_rows() {
    let file = b"size,email\n\"17 inch,a@acme.test\n19,b@acme.test\n\"21,c@acme.test\n";
    assert_eq!(addresses(file), ["a@acme.test", "b@acme.test", "c@acme.test"]);
    assert_eq!(findings(file).stray_quotes.count, 2);
}

#[test]
fn a_quote_that_closes_over_the_limit_swallows_no_rows() {
    let mut file = b"size,email\n\"17 inch,a@acme.test\n".to_vec();
    for n in 0..100 {
        file.extend(format!("{n},b{n}@acme.test\n").bytes());
    }
    file.extend(b"x,\"z@acme.test\"\n");
    let options = ReaderOptions { max_record: 500, ..ReaderOptions::default() };
    let all: Vec<Row> = Reader::open(&*file, &options).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(all.len(), 102);
}

#[test]
fn short_and_long_rows_are_kept_counted_and_keep_the_columns_in_place() {
    let file = b"id,email,name\n1,a@acme.test\n2,b@acme.test,B,x,\"y,z\"\n3\n4,d@acme.test,D\n";
    assert_eq!(addresses(file), ["a@acme.test", "b@acme.test", "-", "d@acme.test"]);
    let found = findings(file);
    assert_eq!((found.short_rows.count, found.short_rows.first_row), (2, 1));
    assert_eq!((found.long_rows.count, found.long_rows.first_line), (1, 3));
    assert_eq!((found.no_address.count, found.no_address.first_row), (1, 3));
    assert_eq!(
        text(written(file)),
        "id,email,name,verdict,code\n1,a@acme.test,,risky,250\n\
         2,b@acme.test,B,risky,250,x,\"y,z\"\n3,,,,\n4,d@acme.test,D,risky,250\n"
    );
}

#[test]
fn without_a_header_the_usual_width_is_the_width() {
    let file = b"1,a@acme.test\n2,b@acme.test\n3,c@acme.test,x\n4,d@acme.test\n";
    assert_eq!(
        text(written(file)),
        "1,a@acme.test,risky,250\n2,b@acme.test,risky,250\n3,c@acme.test,risky,250,x\n\
         4,d@acme.test,risky,250\n"
    );
}

#[test]
fn blank_lines_stay_where_they_are_and_are_no_rows() {
    let file = b"\n\nemail,n\n\na@acme.test,1\n\n\nb@acme.test,2\n\n";
    let rows: Vec<Row> = rows(file);
    let seen: Vec<_> = rows.iter().map(|r| (r.number(), r.line(), r.is_blank())).collect();
    assert_eq!(
        seen,
        [(0, 4, true), (1, 5, false), (1, 6, true), (1, 7, true), (2, 8, false), (2, 9, true)]
    );
    assert_eq!((findings(file).rows, findings(file).blank_lines), (2, 4));
    assert_eq!(
        text(written(file)),
        "\n\nemail,n,verdict,code\n\na@acme.test,1,risky,250\n\n\nb@acme.test,2,risky,250\n\n"
    );
}

#[test]
fn rows_of_nothing_before_the_header_are_not_the_header() {
    let file = b" \n,,\nid,email\n1,a@acme.test\n";
    assert!(open(file).layout().has_header());
    assert_eq!(rows(file)[0].line(), 4);
    assert_eq!(text(written(file)), " \n,,\nid,email,verdict,code\n1,a@acme.test,risky,250\n");
}

#[test]
fn an_empty_cell_is_a_row_without_an_address() {
    let file = b"email,n\n,1\n \xc2\xa0 ,2\n\"\",3\na@acme.test,4\n";
    assert_eq!(addresses(file), ["-", "-", "-", "a@acme.test"]);
    assert_eq!(findings(file).no_address.count, 3);
    assert!(text(written(file)).contains("\"\",3,,\n"));
}

#[test]
fn an_address_beside_a_name_is_taken_and_that_is_said() {
    let file =
        b"n,to\n1,\"Doe, Jane <jane@acme.test>\"\n2,<kim@acme.test>\n3,mailto:li@acme.test\n";
    assert_eq!(addresses(file), ["jane@acme.test", "kim@acme.test", "li@acme.test"]);
    let notes = findings(file).notes(&Remedies::OPTIONS);
    assert_eq!(
        notes,
        ["1 row with words beside the address: the address was taken (first: row 1, line 2)"]
    );
}

#[test]
fn a_line_that_is_not_json_is_kept_and_counted() {
    let file = b"{\"email\":\"a@acme.test\"}\n{\"email\":\n[1]\n\n{\"email\":null}\n{\"email\":\"b@acme.test\"}";
    assert_eq!(addresses(file), ["a@acme.test", "-", "-", "-", "-", "b@acme.test"]);
    let found = findings(file);
    assert_eq!((found.not_json.count, found.not_json.first_line), (2, 2));
    assert_eq!((found.no_address.count, found.blank_lines), (1, 1));
    assert_eq!(
        text(written(file)),
        "{\"email\":\"a@acme.test\",\"verdict\":\"risky\",\"code\":\"250\"}\n{\"email\":\n[1]\n\n\
         {\"email\":null,\"verdict\":\"\",\"code\":\"\"}\n\
         {\"email\":\"b@acme.test\",\"verdict\":\"risky\",\"code\":\"250\"}"
    );
}

#[test]
fn a_row_shows_no_address_when_it_is_debugged() {
    let shown = format!("{:?}", rows(b"jane@acme.test\n"));
    assert!(shown.contains("number: 1") && !shown.contains("jane"), "{shown}");
}

#[test]
fn rows_are_the_same_however_the_source_cuts_them() {
    let file =
        b"email,n\r\n\"a@acme.test\",\"x \"\"y\"\"\r\nz\"\r\nb@acme.test,\"\"\r\n\r\nc@acme.test,3";
    let whole = rows(file);
    for step in 1..12 {
        let reader = Reader::open(Trickle(file, step), &ReaderOptions::default()).unwrap();
        let cut: Vec<Row> = reader.collect::<Result<_, _>>().unwrap();
        assert_eq!(cut, whole, "{step} bytes at a time");
    }
}
