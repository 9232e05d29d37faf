//! Which column holds the addresses.

use super::*;

fn chosen(bytes: &str) -> (usize, String, ColumnBasis) {
    let address = open(bytes.as_bytes()).layout().address.clone();
    (address.index, address.name, address.basis)
}

#[test]
fn what_the_cells_hold_decides() {
    let file = "mail,who\nyes,jane@acme.test\nno,john@acme.test\n";
    assert_eq!(chosen(file), (1, "who".into(), ColumnBasis::Content));
    assert_eq!(
        chosen("1,jane@acme.test\n2,john@acme.test\n"),
        (1, "".into(), ColumnBasis::Content)
    );
}

#[test]
fn a_name_decides_between_columns_that_hold_addresses_alike() {
    let file =
        "manager,E-Mail-Adresse\nboss@acme.test,jane@acme.test\nboss@acme.test,j@acme.test\n";
    assert_eq!(chosen(file).0, 1);
}

#[test]
fn a_further_column_of_addresses_is_named_and_read_on_demand_alone() {
    for (names, second) in [
        ("mail,mail2", "mail2"),
        ("Email 1,Email 2", "Email 2"),
        ("Email,Secondary Email", "Secondary Email"),
        ("Email,Other Work Email", "Other Work Email"),
        ("E-Mail,Weitere E-Mail-Adressen", "Weitere E-Mail-Adressen"),
        ("email,alternate_emails", "alternate_emails"),
    ] {
        let file = format!("{names}\na@acme.test,b@acme.test\nc@acme.test,d@acme.test\n");
        let told = open(file.as_bytes()).layout().to_string();
        let note = format!("; column 2 {second:?} holds addresses too, and is read if both");
        assert!(told.contains(&note), "{told}");
    }
    let rows = |second: &str| {
        let row = |n| format!("{{\"email\":\"a{n}@acme.test\",\"email2\":\"{second}\"}}\n");
        open((0..9).map(row).collect::<String>().as_bytes()).layout().to_string()
    };
    assert!(rows("b@acme.test").contains("; key \"email2\" holds"), "{}", rows("b@acme.test"));
    assert!(!rows("none").contains("email2"));
    for owner in ["Owner Email", "Second Owner Email"] {
        let owners =
            format!("{owner},Email\nrep@acme.test,a@acme.test\nrep@acme.test,b@acme.test\n");
        let told = open(owners.as_bytes()).layout().to_string();
        assert!(!told.contains("too"), "somebody else's: {told}");
    }
}

#[test]
fn the_address_of_an_owner_is_not_taken_for_that_of_a_customer_however_few_have_one() {
    let mut file = "Name,Email,Owner Email\n".to_owned();
    for n in 0..300 {
        let email = if n % 12 == 0 { format!("c{n}@acme.test") } else { String::new() };
        file += &format!("Customer {n},{email},rep{}@crm.test\n", n % 3);
    }
    assert_eq!(chosen(&file), (1, "Email".into(), ColumnBasis::Content));
    let mut file = "Name,Email,Account Owner\n".to_owned();
    for n in 0..300 {
        let email = if n % 3 == 0 { format!("c{n}@acme.test") } else { "unknown".to_owned() };
        file += &format!("Customer {n},{email},rep{}@crm.test\n", n % 3);
    }
    assert_eq!(chosen(&file), (1, "Email".into(), ColumnBasis::Name));
    let mut file = String::new();
    for n in 0..300 {
        let email = if n % 12 == 0 { format!("\"c{n}@acme.test\"") } else { "null".to_owned() };
        file += &format!("{{\"owner\":{{\"email\":\"rep@crm.test\"}},\"email\":{email}}}\n");
    }
    assert_eq!(chosen(&file).1, "email");
}

#[test]
fn the_address_of_an_owner_is_not_taken_where_those_of_customers_come_later() {
    for owner in ["Contact owner email", "Account Manager"] {
        let mut file = format!("Id,Email,{owner}\n");
        for n in 0..1_001 {
            file += &format!("{n},,rep@crm.test\n");
        }
        file += "1001,jane@acme.test,rep@crm.test\n";
        let all = format!("1 (Id), 2 (Email), 3 ({owner})");
        assert_eq!(
            refusal(file.as_bytes()),
            format!(
                "no address is in the first rows of 2 (Email), and 3 ({owner}) has some; choose \
                 one with --column: {all}"
            )
        );
        assert_eq!(with_column(file.as_bytes(), "Email").unwrap().address.index, 1);
    }
    let file = "Name,Email,Login\n".to_owned() + &"Jane,,jane@acme.test\n".repeat(1_001);
    assert!(refusal(file.as_bytes()).starts_with("no address is in the first rows of 2 (Email)"));
    let options = ReaderOptions { is_known: true, ..ReaderOptions::default() };
    let again = Reader::open(file.as_bytes(), &options).unwrap();
    assert_eq!(again.layout().address.name, "Login", "as it was taken before");
    let file = b"{\"email\":null,\"owner\":{\"email\":\"rep@crm.test\"}}\n";
    assert!(refusal(file).starts_with("no address is in the first rows of 1 (email)"));
}

#[test]
fn a_column_that_is_empty_to_its_end_hides_no_customers() {
    for (header, taken) in [("Name,Email,Login", "Login"), ("First,Work Email,Contact", "Contact")]
    {
        let list = |rows| format!("{header}\n{}", "Jane,,jane@acme.test\n".repeat(rows));
        for rows in [1, 50, 998] {
            assert_eq!(chosen(&list(rows)).1, taken);
        }
        assert!(refusal(list(1_000).as_bytes()).starts_with("no address is in the first rows"));
    }
    for owner in ["Owner Email", "Vendor Email"] {
        let list = format!("Name,Email,{owner}\nJane,,rep@crm.test\n");
        assert!(refusal(list.as_bytes()).starts_with("no address is in the first rows"), "{owner}");
    }
    assert_eq!(chosen("{\"email\":null,\"login\":\"jane@acme.test\"}\n").1, "login");
}

#[test]
fn the_address_of_a_seller_is_not_taken_for_that_of_a_customer_however_few_have_one() {
    for (customer, seller) in
        [("Customer Email", "Vendor Email"), ("Parent Email", "Teacher Email")]
    {
        let mut file = format!("Id,{customer},{seller}\n");
        for n in 0..30 {
            let email = if n % 3 == 0 { format!("c{n}@acme.test") } else { String::new() };
            file += &format!("{n},{email},s{n}@shop.test\n");
        }
        assert_eq!(chosen(&file), (1, customer.into(), ColumnBasis::Content));
        let told = open(file.as_bytes()).layout().to_string();
        assert!(told.contains(&format!("; column 3 \"{seller}\" holds addresses too")), "{told}");
        let mut file = format!("Id,{customer},{seller}\n");
        for n in 0..1_001 {
            file += &format!("{n},,s{n}@shop.test\n");
        }
        assert!(refusal(file.as_bytes()).starts_with("no address is in the first rows of 2"));
    }
    let vendors = "Name,Vendor Email\nShop,s@shop.test\n";
    assert_eq!(chosen(vendors), (1, "Vendor Email".into(), ColumnBasis::Content));
}

#[test]
fn the_staff_or_suppliers_that_a_list_is_about_are_not_given_up_for_a_few_other_addresses() {
    for (about, other) in [
        ("Staff Email", "Personal Email"),
        ("Supplier Email", "Billing Email"),
        ("Partner Email", "Contact Email"),
    ] {
        let list = |share: usize| {
            let row = |n| match n % share {
                0 => format!("{n},s{n}@acme.test,p{n}@home.test\n"),
                _ => format!("{n},s{n}@acme.test,\n"),
            };
            format!("Name,{about},{other}\n{}", (0..90).map(row).collect::<String>())
        };
        assert_eq!(chosen(&list(3)), (1, about.into(), ColumnBasis::Content));
        let error = refusal(list(1).as_bytes());
        assert!(error.starts_with(&format!("2 ({about}), 3 ({other}) hold")), "{error}");
    }
}

#[test]
fn columns_that_say_who_wants_no_mail_are_named() {
    let list = b"Email,Name,Email Opt Out,Unsubscribed,City\njane@acme.test,Jane,1,,Bern\n";
    let named = open(list).layout().opt_out_columns();
    assert_eq!(named, ["column 3 \"Email Opt Out\"", "column 4 \"Unsubscribed\""]);
    let list = b"{\"email\":\"jane@acme.test\",\"HasOptedOutOfEmail\":true}\n";
    assert_eq!(open(list).layout().opt_out_columns(), ["key \"HasOptedOutOfEmail\""]);
    assert_eq!(open(b"email,Status\njane@acme.test,x\n").layout().opt_out_columns(), [""; 0]);
}

#[test]
fn a_stray_address_in_a_column_of_answers_is_for_a_person_to_decide() {
    let mut file = "mail,who\n".to_owned();
    for n in 0..30 {
        let mail = if n == 7 { "u@acme.test" } else { "yes" };
        file += &format!("{mail},user{n}@acme.test\n");
    }
    assert!(refusal(file.as_bytes()).starts_with("1 (mail), 2 (who) hold e-mail addresses"));
}

#[test]
fn a_name_decides_where_no_cell_does() {
    let file = "id,Correo electrónico\n1,jane\n2,\n";
    assert_eq!(chosen(file), (1, "Correo electrónico".into(), ColumnBasis::Name));
}

#[test]
fn a_list_in_a_sorry_state_is_still_read() {
    let file = "a,b\n1,jane at acme\n2,john@acme.test\n3,x\n4,-\n5,none\n";
    assert_eq!(chosen(file).0, 1);
}

#[test]
fn a_column_with_an_address_here_and_there_is_no_rival() {
    let mut file = "who,hint\n".to_owned();
    for n in 0..30 {
        file += &format!("user{n}@acme.test,{}\n", if n == 3 { "u@acme.test" } else { "" });
    }
    assert_eq!(chosen(&file).0, 0);
}

#[test]
fn the_name_that_an_address_book_shows_is_no_rival_of_the_address() {
    for names in [
        "Nome visualizzato posta elettronica,Indirizzo posta elettronica",
        "Nome da mostrare,Indirizzo da usare",
        "Nome de exibição do correio eletrônico,Endereço de correio eletrônico",
        "电子邮件显示名称,电子邮件地址",
        "전자 메일 표시 이름,전자 메일 주소",
    ] {
        let rows = "1,Jane (jane@acme.test),jane@acme.test\n2,Bob (bob@acme.test),bob@acme.test\n";
        assert_eq!(chosen(&format!("n,{names}\n{rows}")).0, 2, "{names}");
    }
}

#[test]
fn two_columns_that_are_equally_good_are_an_error_that_names_them() {
    let error = refusal(b"id,from,to\n1,a@acme.test,b@acme.test\n2,c@acme.test,d@acme.test\n");
    assert_eq!(
        error,
        "2 (from), 3 (to) hold e-mail addresses alike; choose one with --column, or several with \
         commas: 1 (id), 2 (from), 3 (to)"
    );
    assert!(refusal(b"a@acme.test,b@acme.test\n").contains("1, 2 hold"), "no header, no names");
}

#[test]
fn no_column_of_addresses_is_an_error_that_lists_the_columns() {
    let error = refusal(b"id,name\n1,Jane\n2,John\n");
    assert_eq!(error, "no column holds e-mail addresses; name it with --column: 1 (id), 2 (name)");
    assert!(refusal(b"just\nsome\nwords\n").contains("no column holds"));
}

#[test]
fn the_caller_can_name_or_number_the_column() {
    let file = b"id,From,to\n1,a@acme.test,b@acme.test\n";
    for (asked, index) in [("From", 1), ("from", 1), ("TO", 2), ("3", 2), ("1", 0), (" to ", 2)] {
        let address = with_column(file, asked).unwrap().address;
        assert_eq!((address.index, address.basis), (index, ColumnBasis::Asked), "{asked}");
    }
    let error = with_column(file, "cc").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no column \"cc\"; choose one with --column: 1 (id), 2 (From), 3 (to)"
    );
    assert!(with_column(file, "0").is_err() && with_column(file, "4").is_err());
}

#[test]
fn a_name_that_two_columns_have_must_be_a_number() {
    let file = b"mail,n,mail\na@acme.test,1,b@acme.test\n";
    let error = with_column(file, "mail").unwrap_err().to_string();
    assert!(error.contains("2 columns") && error.contains("1 (mail), 3 (mail)"), "{error}");
    assert_eq!(with_column(file, "3").unwrap().address.index, 2);
}

#[test]
fn a_key_in_an_object_is_found_and_can_be_named() {
    let file = br#"{"id":1,"user":{"email":"jane@acme.test","name":"J"}}
{"id":2,"user":{"name":"K","email":"kim@acme.test"}}
"#;
    assert_eq!(open(file).layout().address.name, "user.email");
    assert_eq!(addresses(file), ["jane@acme.test", "kim@acme.test"]);
    assert_eq!(with_column(file, "user.name").unwrap().address.name, "user.name");
    assert!(with_column(file, "user.tel").unwrap_err().to_string().contains("(user.email)"));
}

#[test]
fn more_columns_than_fit_a_message_are_counted() {
    let header: Vec<String> = (0..100).map(|n| format!("x{n}")).collect();
    let row = ["1"; 100].join(",");
    let error = refusal(format!("{}\n{row}\n", header.join(",")).as_bytes());
    assert!(error.ends_with("30 (x29) and 70 more"), "{error}");
}

#[test]
fn several_columns_are_one_cell_with_several_addresses() {
    let list = b"id,work,home\n1,a@acme.test,\n2,,b@acme.test\n3,Jane <c@acme.test>,d@acme.test\n";
    for asked in ["2,3", "work,home", "work, 3"] {
        let options = ReaderOptions { column: Some(asked.to_owned()), ..ReaderOptions::default() };
        let mut reader = Reader::open(&list[..], &options).unwrap();
        let said = reader.layout().to_string();
        assert!(said.ends_with(r#"column 2 "work" and column 3 "home""#), "{said}");
        let rows: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        let first: Vec<_> = rows.iter().map(|row| row.address().unwrap_or_default()).collect();
        assert_eq!(first, ["a@acme.test", "b@acme.test", "c@acme.test"]);
        assert_eq!(rows[2].others(), ["d@acme.test"]);
        let cleaned = reader.layout().with_address(&rows[2], "d@acme.test");
        assert_eq!(cleaned.bytes, b"3,c@acme.test,d@acme.test\n");
    }
    let options = ReaderOptions { column: Some("2,9".to_owned()), ..ReaderOptions::default() };
    let error = Reader::open(&list[..], &options).err().unwrap().to_string();
    assert!(error.contains("\"9\""), "{error}");
}

#[test]
fn the_plainest_name_wins_over_names_that_say_whose_address_it_is() {
    let list =
        b"Order,Email,Attendee Email\n1,a@acme.test,b@acme.test\n2,c@acme.test,d@acme.test\n";
    let reader = Reader::open(&list[..], &ReaderOptions::default()).unwrap();
    assert_eq!(reader.layout().address.name, "Email");
    let list = b"Name,UserPrincipalName,mail\nJane,j@corp.test,a@acme.test\nJo,k@corp.test,\n";
    let reader = Reader::open(&list[..], &ReaderOptions::default()).unwrap();
    assert_eq!(reader.layout().address.name, "mail");
}

#[test]
fn a_delimiter_that_stands_inside_quoted_fields_divides_nothing() {
    let list = b"\"Name\",\"EmailAddresses\"\n\"Jane\",\"SMTP:a@acme.test;smtp:b@acme.test\"\n";
    let mut reader = Reader::open(&list[..], &ReaderOptions::default()).unwrap();
    let row = reader.next().unwrap().unwrap();
    assert_eq!((row.address(), row.others().len()), (Some("a@acme.test"), 1));
    assert_eq!(reader.layout().columns, ["Name", "EmailAddresses"]);
}

#[test]
fn a_column_called_number_sign_is_no_comment() {
    let list = b"#,First name,What's your email address?\nx1,Jane,a@acme.test\n";
    let reader = Reader::open(&list[..], &ReaderOptions::default()).unwrap();
    assert!(reader.layout().has_header(), "{}", reader.layout());
    assert_eq!(reader.layout().address.name, "What's your email address?");
}

#[test]
fn lines_of_words_with_an_address_are_shown_and_not_guessed() {
    let list = b"Jane Doe jane@acme.test\nJohn Smith john@acme.test\n";
    let rows: Vec<_> = Reader::open(&list[..], &ReaderOptions::default()).unwrap().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].as_ref().unwrap().address(), Some("Jane Doe jane@acme.test"));
}

#[test]
fn a_cleaned_address_takes_its_place_in_an_object() {
    let line = "{ \"n\": [1, {\"e\":\"x\"}], \"u\" : {\"emails\": [\"Jane <a@acme.test>\", \"b@acme.test\"]}}\n";
    let options = ReaderOptions { column: Some("u.emails".to_owned()), ..ReaderOptions::default() };
    let mut reader = Reader::open(line.as_bytes(), &options).unwrap();
    let row = reader.next().unwrap().unwrap();
    let cleaned = reader.layout().with_address(&row, "a@acme.test");
    let expected = line.replace("Jane <a@acme.test>", "a@acme.test");
    assert_eq!(String::from_utf8(cleaned.bytes).unwrap(), expected);
}

/// The days of the consents since 1970, row by row.
fn consents(file: &str, column: &str) -> Result<Vec<Option<u64>>, ListFileError> {
    let options =
        ReaderOptions { consent_column: Some(column.to_owned()), ..ReaderOptions::default() };
    let rows: Vec<Row> = Reader::open(file.as_bytes(), &options)?.collect::<Result<_, _>>()?;
    let days = |at: std::time::SystemTime| {
        at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400
    };
    Ok(rows.iter().map(|row| row.consented_at().map(days)).collect())
}

#[test]
fn the_time_of_a_consent_is_read_from_the_column_that_was_named() {
    let csv = "mail;\"Signed up\";n\njane@acme.test;\"2025-01-01 10:00\";1\n\n\
        no address;sometime;2\njohn@acme.test;;3\nkim@acme.test\n";
    for column in ["Signed up", "2", "signed_up"] {
        let days = consents(csv, column).unwrap();
        assert_eq!(days, [Some(20_089), None, None, None, None], "{column}");
    }
    let json = "{\"mail\":\"jane@acme.test\",\"at\":{\"signup\":1735689600}}\n\
        {\"mail\":\"john@acme.test\",\"at\":{\"signup\":\"2025-01-02\"}}\n\
        {\"mail\":\"kim@acme.test\",\"at\":null}\n";
    let days = consents(json, "at.signup").unwrap();
    assert_eq!(days, [Some(20_089), Some(20_090), None]);
}

#[test]
fn a_consent_that_is_not_read_names_its_row_and_shows_no_address() {
    let csv = "mail,since\njane@acme.test,2025-01-01\njohn@acme.test,03/04/2025\n";
    let error = consents(csv, "since").unwrap_err().to_string();
    assert!(error.starts_with("row 2, line 3: \"03/04/2025\" may be 2025-04-03 or 2025-03-04"));
    let error = consents(csv, "mail").unwrap_err().to_string();
    assert!(error.starts_with("row 1, line 2: the cell is no time of a consent"), "{error}");
    let error = consents(csv, "until").unwrap_err().to_string();
    assert!(error.contains("--consent-column: 1 (mail), 2 (since)"), "{error}");
}
