//! Columns appended.

use super::*;

const ALL: [&str; 7] =
    ["verdict", "action", "reason", "suggestion", "flags", "code", "evidence_time"];

#[test]
fn a_plain_file_becomes_a_table_with_a_header() {
    let file = b"jane@acme.test\nDoe, Jane <j@acme.test>\n\n \"kim@acme.test\"\n\"li@acme.test\"";
    assert_eq!(
        text(written(file)),
        "address,verdict,code\njane@acme.test,risky,250\n\"Doe, Jane <j@acme.test>\",risky,250\n\n\
         \" \"\"kim@acme.test\"\"\",risky,250\n\"li@acme.test\",risky,250"
    );
}

#[test]
fn quoting_delimiter_and_line_ends_stay_byte_for_byte() {
    let file =
        b"\"id\"\t'n'\t\"E-Mail\"\r\n\"1\"\t\tjane@acme.test\n\"2\"\t\" x\"\t\"j@acme.test\"\r\n";
    assert_eq!(
        text(written(file)),
        "\"id\"\t'n'\t\"E-Mail\"\tverdict\tcode\r\n\"1\"\t\tjane@acme.test\trisky\t250\n\
         \"2\"\t\" x\"\t\"j@acme.test\"\trisky\t250\r\n"
    );
}

#[test]
fn a_table_without_a_header_gets_none() {
    assert_eq!(text(written(b"1,a@acme.test\n")), "1,a@acme.test,risky,250\n");
}

#[test]
fn rows_that_are_not_written_leave_no_trace() {
    let mut reader = open(b"email,n\na@acme.test,1\nb@acme.test,2\nc@acme.test,3");
    let mut writer = Writer::new(Vec::new(), reader.layout(), Output::Same, &["verdict"]).unwrap();
    for row in reader.by_ref().map(Result::unwrap).filter(|row| row.number() != 3) {
        writer.write(&row, &["ok"]).unwrap();
    }
    let wanted = "email,n,verdict\na@acme.test,1,ok\nb@acme.test,2,ok\n";
    assert_eq!(text(writer.finish().unwrap()), wanted);
}

#[test]
fn values_are_quoted_where_they_must_be() {
    let out =
        written_as(b"email;n\na@acme.test;1\n", Output::Same, &["x", "y"], &["p;q", "say \"h\""]);
    assert_eq!(text(out), "email;n;x;y\na@acme.test;1;\"p;q\";\"say \"\"h\"\"\"\n");
}

#[test]
fn missing_values_are_empty() {
    let out = written_as(b"email,n\na@acme.test,1\n", Output::Same, &ALL, &["risky"]);
    assert!(text(out).ends_with("a@acme.test,1,risky,,,,,,\n"));
}

#[test]
fn a_formula_cannot_be_appended() {
    for value in ["=1+1", "+x@acme.test", "-x@acme.test", "@x", "\tx", "\rx"] {
        let out = text(written_as(b"email,n\na@acme.test,1\n", Output::Same, &["hint"], &[value]));
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(&row[2], format!("'{value}"));
    }
    let json = b"{\"email\":\"a@acme.test\"}\n";
    let out = text(written_as(json, Output::Same, &["hint"], &["=1"]));
    assert_eq!(out, "{\"email\":\"a@acme.test\",\"hint\":\"=1\"}\n");
}

#[test]
fn a_name_that_is_taken_gets_ours_before_it() {
    let once =
        written_as(b"email,Code\na@acme.test,1\n", Output::Same, &COLUMNS, &["risky", "250"]);
    assert_eq!(text(once), "email,Code,verdict,mailvet_code\na@acme.test,1,risky,250\n");
    let reader = open(b"email,Code\na@acme.test,1\n");
    let writer = Writer::new(Vec::new(), reader.layout(), Output::Same, &COLUMNS).unwrap();
    assert_eq!(writer.columns(), ["verdict", "mailvet_code"]);
}

#[test]
fn our_own_output_can_be_verified_again_and_again() {
    let values = ["risky", "review", "catch_all", "jane@acme.test", "", "250", "2026-01-01"];
    let mut file = b"jane@acme.tset\nkim@acme.tset\n".to_vec();
    for _ in 0..3 {
        file = written_as(&file, Output::Same, &ALL, &values);
        assert_eq!(addresses(&file), ["jane@acme.tset", "kim@acme.tset"]);
        assert!(open(&file).layout().has_header());
    }
    let header = text(file).lines().next().unwrap().to_owned();
    let names: Vec<&str> = header.split(',').collect();
    assert_eq!(
        (names[0], names[1], names[8], names[15]),
        ("address", "verdict", "mailvet_verdict", "mailvet_verdict_2")
    );
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn keys_are_added_to_objects_and_other_bytes_stay() {
    let file = b"{ \"id\": 1.50, \"email\" : \"a@acme.test\" , \"x\":{} }\r\n{\"verdict\":null,\"email\":\"b@acme.test\"}\r\n";
    assert_eq!(
        text(written(file)),
        "{ \"id\": 1.50, \"email\" : \"a@acme.test\" , \"x\":{} ,\"mailvet_verdict\":\"risky\",\"code\":\"250\"}\r\n\
         {\"verdict\":null,\"email\":\"b@acme.test\",\"mailvet_verdict\":\"risky\",\"code\":\"250\"}\r\n"
    );
    let empty = b"{\"email\":\"a@acme.test\"}\n{}\n{ }\n";
    assert!(
        text(written(empty))
            .ends_with("{\"verdict\":\"\",\"code\":\"\"}\n{ \"verdict\":\"\",\"code\":\"\"}\n")
    );
}

#[test]
fn what_the_encoding_does_not_have_is_not_lost() {
    let file =
        b"email,name\na@acme.test,J\xf6rg Stra\xdfe M\xfcller\nb@acme.test,Z\xe9 Fran\xe7ois\n";
    let values = ["jane@bücher.test", "юля@пошта.test", "jane@пошта.test"];
    let out = written_as(file, Output::Same, &["a", "b", "c"], &values);
    let first = out.split(|b| *b == b'\n').nth(1).unwrap();
    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(first);
    assert_eq!(
        text,
        "a@acme.test,Jörg Straße Müller,jane@bücher.test,\
         \\u{44e}\\u{43b}\\u{44f}@xn--80a1acn3a.test,jane@xn--80a1acn3a.test"
    );
}

#[test]
fn what_the_encoding_does_not_have_is_escaped_in_json() {
    let file = b"{\"email\":\"a@acme.test\",\"n\":\"J\xf6rg Stra\xdfe M\xfcller\"}\n";
    let out = written_as(file, Output::Same, &["s"], &["ю\u{1f600}"]);
    assert!(out.ends_with(b"\xfcller\",\"s\":\"\\u044e\\ud83d\\ude00\"}\n"));
}

#[test]
fn a_full_disk_is_an_error_with_a_remedy() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let reader = open(b"email,n\na@acme.test,1\n");
    let begun = Writer::new(Full, reader.layout(), Output::Same, &COLUMNS).map(|_| ());
    let error = begun.unwrap_err().to_string();
    assert!(error.contains("writing failed") && error.contains("--output"), "{error}");
}
