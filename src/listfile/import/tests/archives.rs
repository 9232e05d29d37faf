//! The lists of a ZIP archive.

use super::*;

#[test]
fn the_lists_of_an_archive_come_one_below_the_other() {
    let file = zipped(&[
        ("subscribed.csv", b"Email Address,Name\r\na@acme.test,A\r\n"),
        ("__MACOSX/._subscribed.csv", b"\0\0\0"),
        ("readme.txt", b"Your export is complete. Thank you for using us."),
        ("cleaned.csv", b"E-Mail;Reason\nb@acme.test;gone\n"),
    ]);
    let (imported, csv) = imported(&file);
    assert_eq!(imported.to_string(), "ZIP archive, subscribed.csv, cleaned.csv");
    assert_eq!(
        csv,
        "Email Address,Name,Reason,file\na@acme.test,A,,subscribed.csv\n\
         b@acme.test,,gone,cleaned.csv\n"
    );
}

/// The names of the columns, and the rows, of an archive of these files.
fn merged(files: &[(&str, &[u8])]) -> String {
    imported(&zipped(files)).1
}

#[test]
fn cards_and_entries_of_an_archive_are_a_row_each_and_no_lines() {
    let cards = b"BEGIN:VCARD\r\nFN:Jane\r\nEMAIL:jane@ac\r\n me.test\r\n\
                  EMAIL;ENCODING=QUOTED-PRINTABLE:j=40home.test\r\nEND:VCARD\r\n";
    let entries = b"dn: cn=Bob,dc=acme\ncn: Bob\nmail:: Ym9iQGFjbWUudGVzdA==\n";
    let csv = merged(&[
        ("All Contacts.vcf", cards),
        ("staff.ldif", entries),
        ("more.csv", b"Email,Name\nk@acme.test,Kim\n"),
    ]);
    assert_eq!(
        csv,
        "Name,Email Address,dn,cn,file\nJane,jane@acme.test; j@home.test,,,All Contacts.vcf\n\
         ,bob@acme.test,\"cn=Bob,dc=acme\",Bob,staff.ldif\nKim,k@acme.test,,,more.csv\n"
    );
    let long = format!("BEGIN:VCARD\n{}END:VCARD\n", "EMAIL:a@acme.test\n".repeat(50_000));
    let said = refused(&zipped(&[("long.vcf", long.as_bytes())]));
    assert!(said.contains("long.vcf") && said.contains("more than 1 MiB"), "{said}");
}

#[test]
fn a_list_of_an_archive_that_cannot_be_read_is_told() {
    let good: (&str, &[u8]) = ("cleaned.csv", b"E-Mail,Reason\nb@acme.test,gone\n");
    let two = b"Work Email,Home Email\na@acme.test,a@home.test\nb@acme.test,b@home.test\n";
    let said = refused(&zipped(&[good, ("subscribed.csv", two)]));
    assert!(said.contains("subscribed.csv") && said.contains("alike"), "{said}");
    let long = format!("email,note\na@acme.test,\"{}\n", "x".repeat(2 << 20));
    let said = refused(&zipped(&[good, ("long.csv", long.as_bytes())]));
    assert!(said.contains("long.csv") && said.contains("longer than"), "{said}");
    let unnamed = b"id,note\n1,call a@acme.test soon\n2,\n3,\n4,\n";
    let said = refused(&zipped(&[good, ("notes.csv", unnamed)]));
    assert!(said.contains("notes.csv") && said.contains("no column"), "{said}");
    let many: Vec<String> = (0..1001).map(|n| format!("{n}.csv")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), good.1)).collect();
    assert!(refused(&zipped(&many)).contains("more than 1000 lists"));
}

#[test]
fn a_file_of_an_archive_that_is_no_list_is_passed_over_and_named_if_it_may_hold_addresses() {
    let file = zipped(&[
        ("subscribed.csv", b"Email Address\na@acme.test\n"),
        ("unsubscribed.csv", b"Email Address\n"),
        ("empty.csv", b""),
        ("numbers.csv", b"id,count\n1,2\n"),
        ("logo.png", b"\x89PNG\r\n@"),
        (
            "readme.txt",
            b"Thank you, your export is complete.\nThe files are UTF-8.\nQuestions?\n\
              Write to help@acme.test.\n",
        ),
        ("more.xlsx", b"PK\x03\x04\0\0"),
    ]);
    let (imported, csv) = imported(&file);
    let said = "subscribed.csv and not \"readme.txt\", \"more.xlsx\", which may hold addresses too";
    assert_eq!(imported.part, said);
    assert_eq!(csv, "Email Address,file\na@acme.test,subscribed.csv\n");
}

#[test]
fn unnamed_and_repeated_columns_of_an_archive_all_come_out() {
    let csv = merged(&[("a.csv", b"1,jane@acme.test,Jane\n2,bob@acme.test,Bob\n")]);
    assert_eq!(
        csv,
        ",Email Address,,file\n1,jane@acme.test,Jane,a.csv\n2,bob@acme.test,Bob,a.csv\n"
    );
    let csv = merged(&[
        ("a.csv", b"tel,E-Mail,tel\n1,jane@acme.test,2\n"),
        ("b.csv", b"tel,tel,tel,E-Mail\n3,4,5,bob@acme.test\n"),
    ]);
    assert_eq!(
        csv,
        "tel,Email Address,tel,tel,file\n1,jane@acme.test,2,,a.csv\n3,bob@acme.test,4,5,b.csv\n"
    );
    // A column that is called as ours is.
    let csv = merged(&[("a.csv", b"Mail,Email Address\njane@acme.test,\nbob@acme.test,\n")]);
    assert_eq!(
        csv,
        "Email Address,Email Address,file\njane@acme.test,,a.csv\nbob@acme.test,,a.csv\n"
    );
    // What has no column stands behind all of them.
    let csv = merged(&[("a.csv", b"email,name\njane@acme.test,Jane,more\nb@acme.test,Bob\n")]);
    assert!(csv.contains("\njane@acme.test,Jane,a.csv,more\n"), "{csv}");
}

#[test]
fn lines_of_json_in_an_archive_give_a_column_for_each_key() {
    let flat = b"{\"n\":1,\"email\":\"a@acme.test\"}\n{\"email\":\"b@acme.test\",\"x\":2}\n";
    let deep = b"{\"n\":3,\"user\":{\"email\":\"c@acme.test\"}}\n";
    let csv = merged(&[("flat.jsonl", flat), ("deep.jsonl", deep)]);
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = header.iter().position(|name| *name == "Email Address").unwrap();
    let number = header.iter().position(|name| *name == "n").unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let found = |column: usize| rows.iter().map(|row| row[column]).collect::<Vec<_>>();
    assert_eq!(found(place), ["a@acme.test", "b@acme.test", "c@acme.test"]);
    assert_eq!(found(number), ["1", "", "3"]);
}

#[test]
fn a_list_that_is_packed_within_an_archive_is_bounded_too() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(format!("a@acme.test\n{}", "\n".repeat(5 << 20)).as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    assert!(refused(&zipped(&[("a.csv.gz", &packed)])).contains("more than 4 MiB"));
}

#[test]
fn lists_with_more_columns_than_a_table_has_are_refused() {
    let wide = |prefix: &str, columns: usize| {
        let names: Vec<String> = (0..columns).map(|n| format!("{prefix}{n}")).collect();
        format!("email,{}\na@acme.test\n", names.join(","))
    };
    let files = |columns| ["a", "b"].map(|prefix| wide(prefix, columns));
    for columns in [20_000, 10_000] {
        let [a, b] = files(columns);
        let file = zipped(&[("a.csv", a.as_bytes()), ("b.csv", b.as_bytes())]);
        let said = refused(&file);
        assert!(said.contains("more than 16384 columns"), "{columns}: {said}");
    }
    let [a, _] = files(16_000);
    let csv = merged(&[("a.csv", a.as_bytes()), ("b.csv", a.as_bytes())]);
    assert_eq!(csv.lines().next().unwrap().split(',').count(), 16_002);
}
