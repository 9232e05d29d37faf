//! Lists whose header is not the first line, or is no name that everybody uses.

use super::*;

#[test]
fn a_header_below_notes_is_found_and_the_notes_stay_where_they_are() {
    for notes in [
        "Customers as of 1 May 2024\n\n",
        "Notes:\n\"When exporting, some of the email addresses may be missing, see help.\"\n\n",
        "#TYPE System.Management.Automation.PSCustomObject\n",
        "# exported on Monday\n# by admin@acme.test\n",
        "Report,May\nGenerated,2024-05-01\n\n",
        "\"Report: Subscribers\",,\n\"Generated 2024-05-01 10:00\",,\n,,\n",
        "Contact,,Address\n",
    ] {
        let file = format!("{notes}id,email,name\n1,jane@acme.test,Jane\n");
        assert_eq!(addresses(file.as_bytes()), ["jane@acme.test"], "{notes}");
        let wanted =
            format!("{notes}id,email,name,verdict,code\n1,jane@acme.test,Jane,risky,250\n");
        assert_eq!(text(written(file.as_bytes())), wanted);
    }
    let file = b"# addresses\njane@acme.test\njohn@acme.test\n";
    assert_eq!(addresses(file), ["jane@acme.test", "john@acme.test"]);
}

#[test]
fn a_line_break_in_the_name_of_a_column_does_not_end_the_header() {
    for header in [
        "Nr.,\"Kunden-\nname\",Owner E-Mail,E-Mail,Ort\r\n",
        "Nr.,\"Ihre\nE-Mail\",Owner E-Mail,E-Mail,Ort\r\n",
        "\"\nNr.\",Name,Owner E-Mail,E-Mail,Ort\n",
        "\"Datum\n(TT.MM.)\",\"Status\nNewsletter\",Owner E-Mail,E-Mail,Ort\n",
    ] {
        let row = "17,Jane,rep@own.test,jane@acme.test,Rom\n";
        for notes in ["", "Customers\n"] {
            let file = format!("{notes}{header}{row}");
            assert_eq!(addresses(file.as_bytes()), ["jane@acme.test"], "{file}");
            let end = if header.ends_with("\r\n") { "\r\n" } else { "\n" };
            let header = header.trim_end_matches(['\r', '\n']);
            let row = row.trim_end();
            let wanted = format!("{notes}{header},verdict,code{end}{row},risky,250\n");
            assert_eq!(text(written(file.as_bytes())), wanted);
        }
    }
    assert_eq!(addresses(b"Nr,\"Your\nE-Mail\"\n1,jane@acme.test\n"), ["jane@acme.test"]);
}

#[test]
fn a_note_as_wide_as_the_header_is_none() {
    for note in ["Exported,2024-05-01", "Customers,1205"] {
        let file = format!("{note}\nName,Email\nJane,jane@acme.test\n");
        let reader = open(file.as_bytes());
        assert_eq!(reader.layout().columns, ["Name", "Email"], "{note}");
        assert_eq!(addresses(file.as_bytes()), ["jane@acme.test"]);
    }
}

#[test]
fn the_header_below_names_of_groups_is_found_whoever_its_addresses_are_of() {
    for whose in ["Vendor", "Supplier", "Partner", "Staff", "Teacher", "Organizer"] {
        let file = format!(
            "Company,,,Contact\nName,City,Phone,{whose} Email\nAcme,Rom,1,jane@acme.test\n"
        );
        assert_eq!(open(file.as_bytes()).layout().columns[1], "City", "{whose}");
        assert_eq!(addresses(file.as_bytes()), ["jane@acme.test"], "{whose}");
    }
}

#[test]
fn a_line_that_reads_like_a_header_in_a_cell_is_a_part_of_its_row() {
    let file = b"Name,E-Mail,Note\nBob,,\"see\nName;E-Mail;Phone;Fax\"\nJane,jane@acme.test,\n";
    assert_eq!(addresses(file), ["-", "jane@acme.test"]);
}

#[test]
fn a_first_line_that_is_a_header_is_no_note() {
    for file in [
        "name,phone,preferred\nBob,555,email\nJane,556,jane@acme.test\nX,1,x@acme.test\n",
        "#email,name\njane@acme.test,Jane\n",
        "jane@acme.test,x\nemail,y,z\n",
        "name,address,preferred\nBob,Main Street,Email\nJane,Side Street,jane@acme.test\n",
    ] {
        let reader = open(file.as_bytes());
        assert_eq!(reader.layout().preamble, b"", "{file}");
    }
}

#[test]
fn words_above_numbers_are_names_whatever_they_are() {
    let rows = "1,jane@acme.test,x\n2,n/a,y\n3,n/a,z\n4,n/a,w\n";
    for header in ["id,Subscriber,notes\n", "no,Owner,remark\n"] {
        let file = format!("{header}{rows}");
        assert!(open(file.as_bytes()).layout().has_header(), "{header}");
    }
    for first in ["n/a,n/a,x\n", "0,n/a,x\n", ",Subscriber,x\n"] {
        let file = format!("{first}{rows}");
        assert!(!open(file.as_bytes()).layout().has_header(), "{first}");
    }
}

#[test]
fn lines_above_the_header_can_be_passed_over() {
    let options = ReaderOptions { skip_rows: 2, ..ReaderOptions::default() };
    let file = b"one,two,three\na@b.test\nwho,contact\n1,jane@acme.test\n";
    let mut reader = Reader::open(&file[..], &options).unwrap();
    assert_eq!(reader.layout().columns, ["who", "contact"]);
    assert_eq!(reader.next().unwrap().unwrap().line(), 4);
    let options = ReaderOptions { skip_rows: usize::MAX, ..ReaderOptions::default() };
    assert!(matches!(Reader::open(&file[..], &options), Err(ListFileError::Empty)));
}

#[test]
fn a_name_that_speaks_of_mail_makes_a_header_whatever_stands_below() {
    for name in ["Attendee Email", "billing_email", "PersonEmail", "E-mail 1 - Value", "Work Mail"]
    {
        let file =
            format!("id,name,{name},notes\n1,a,jane@acme.test,n/a\n2,b,n/a,\n3,c,n/a,\n4,d,n/a,\n");
        let reader = open(file.as_bytes());
        assert!(reader.layout().has_header(), "{name}");
        assert_eq!(reader.layout().address.name, name);
    }
}

#[test]
fn an_at_sign_in_the_name_of_another_column_makes_the_header_no_row() {
    for names in ["Name,Email,Twitter (@handle)", "Name,Email,Owner Email,Instagram @"] {
        for notes in ["", "Customers @ Acme\n"] {
            let file = format!("{notes}{names}\nJane,jane@acme.test,rep@own.test,@jane\n");
            let reader = open(file.as_bytes());
            assert!(reader.layout().has_header(), "{file}");
            assert_eq!(reader.layout().address.name, "Email", "{file}");
        }
    }
}

#[test]
fn a_name_with_an_example_in_it_is_a_name_and_a_cell_with_an_address_is_a_row() {
    for name in ["Your email (e.g. name@gmail.com)", "\"Email, like jane@acme.test\""] {
        for notes in ["", "Answers of May\n"] {
            let file = format!("{notes}Timestamp,{name}\n1/1/2026,jane@acme.test\n");
            assert_eq!(addresses(file.as_bytes()), ["jane@acme.test"], "{file}");
        }
    }
    for first in ["Mail (mail@acme.test)", "Email: mail@acme.test", "Mail Desk mail@acme.test"] {
        let file = format!("{first},1\njane@acme.test,2\n");
        assert!(!open(file.as_bytes()).layout().has_header(), "{first}");
        let file = format!("{first}\njane@acme.test\nbob@acme.test\n");
        assert_eq!(addresses(file.as_bytes()).len(), 3, "{first}");
    }
}
