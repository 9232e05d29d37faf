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
