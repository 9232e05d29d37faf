//! What goes in comes out, for any file.

use proptest::prelude::*;

use super::*;

/// Text made of what makes tables hard.
fn hard_text(most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\""),
        Just("\"\""),
        Just(","),
        Just(";"),
        Just("\t"),
        Just("|"),
        Just("\r"),
        Just("\n"),
        Just("\r\n"),
        Just("\\"),
        Just("\\\""),
        Just(" "),
        Just("ö"),
        Just("юля"),
        Just("a"),
        Just("b@acme.test"),
        Just("<"),
        Just(">"),
        Just("'"),
        Just("="),
        Just("{}"),
        Just("\u{1f600}"),
        Just("\u{feff}"),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

fn unchanged(file: &[u8], step: usize) -> Result<(), TestCaseError> {
    let Ok(mut reader) = Reader::open(Trickle(file, step), &ReaderOptions::default()) else {
        return Err(TestCaseError::reject("not a list"));
    };
    let mut writer = Writer::new(Vec::new(), reader.layout(), Output::Same, &[]).unwrap();
    let mut row = Row::default();
    while reader.read(&mut row).unwrap() {
        writer.write(&row, &[]).unwrap();
    }
    prop_assert_eq!(writer.finish().unwrap(), file);
    Ok(())
}

/// The records of a table, as another reader sees them.
fn records(table: &[u8], delimiter: u8, has_header: bool) -> Vec<Vec<String>> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(has_header)
        .flexible(true)
        .from_reader(table)
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

proptest! {
    #[test]
    fn any_text_comes_out_as_it_went_in(body in hard_text(60), step in 1_usize..9) {
        unchanged(format!("email,n\na@acme.test,1\n{body}").as_bytes(), step)?;
        unchanged(format!("a@acme.test\n{body}").as_bytes(), step)?;
        unchanged(format!("{{\"email\":\"a@acme.test\"}}\n{body}").as_bytes(), step)?;
    }

    #[test]
    fn any_utf16_comes_out_as_it_went_in(body in hard_text(60), step in 1_usize..9) {
        let text = format!("\u{feff}email,n\na@acme.test,1\n{body}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        unchanged(&little, step)?;
        unchanged(&big, step)?;
    }

    #[test]
    fn any_bytes_come_out_as_they_went_in(body in prop::collection::vec(0x20_u8.., 0..80)) {
        unchanged(&[b"email,n\na@acme.test,1\n", &body[..]].concat(), 7)?;
    }

    #[test]
    fn every_field_is_found_again_beside_what_was_appended(
        fields in prop::collection::vec(prop::collection::vec(hard_text(6), 3), 1..8),
        delimiter in prop::sample::select(b",;\t|".to_vec()),
        always in any::<bool>(),
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut table = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(style)
            .from_writer(Vec::new());
        table.write_record(["x", "email", "y", "z"]).unwrap();
        for _ in 0..20 {
            table.write_record(["1", "jane@acme.test", "2", "3"]).unwrap();
        }
        for row in &fields {
            table.write_record([&row[0], "jane@acme.test", &row[1], &row[2]]).unwrap();
        }
        let input = table.into_inner().unwrap();
        let output = written_as(&input, Output::Same, &["verdict"], &["risky"]);
        let before = records(&input, delimiter, false);
        let after = records(&output, delimiter, false);
        prop_assert_eq!(before.len(), after.len());
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            prop_assert_eq!(before, &after[..4]);
            prop_assert_eq!(&after[4..], [if number == 0 { "verdict" } else { "risky" }]);
        }
    }

    #[test]
    fn ragged_rows_keep_their_fields_and_the_columns_their_place(
        widths in prop::collection::vec(1_usize..8, 1..12),
    ) {
        let mut file = "a,email,c,d\n".to_owned();
        for width in &widths {
            let fields: Vec<String> = (0..*width)
                .map(|n| if n == 1 { "jane@acme.test".to_owned() } else { format!("f{n}") })
                .collect();
            file += &(fields.join(",") + "\n");
        }
        prop_assume!(widths.iter().any(|width| *width > 1));
        let output = written_as(file.as_bytes(), Output::Same, &["v"], &["risky"]);
        let before = records(file.as_bytes(), b',', true);
        let after = records(&output, b',', true);
        for (before, after) in before.iter().zip(&after) {
            let wanted = if before.len() > 1 { "risky" } else { "" };
            prop_assert_eq!(&after[4], wanted);
            let mut kept = after.clone();
            kept.remove(4);
            kept.truncate(before.len().max(4));
            prop_assert_eq!(&kept[..before.len()], &before[..]);
            prop_assert!(kept[before.len()..].iter().all(String::is_empty));
        }
    }

    #[test]
    fn objects_hold_every_field(cells in prop::collection::vec(hard_text(8), 3)) {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["x", "email", "y", "z"]).unwrap();
        table.write_record(["1", "jane@acme.test", "2", "3"]).unwrap();
        table.write_record([&cells[0], "jane@acme.test", &cells[1], &cells[2]]).unwrap();
        let input = table.into_inner().unwrap();
        let output = written_as(&input, Output::JsonLines, &["verdict"], &["risky"]);
        let last = text(output).lines().last().unwrap().to_owned();
        let object: serde_json::Value = serde_json::from_str(&last).unwrap();
        for (key, value) in ["x", "y", "z"].iter().zip(&cells) {
            prop_assert_eq!(&object[key], value);
        }
        prop_assert_eq!(&object["verdict"], "risky");
    }
}
