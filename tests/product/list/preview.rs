//! What is said before a list is verified: the dry run, and the sample.

use std::fs;
use std::process::Stdio;

use mailvet::sandbox::{Sandbox, World};

use super::{LIST, folder_with, names, read, run, said};
use crate::process::TIME_LIMIT;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_no_mail_server_and_writes_nothing() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let folder = folder_with("crm.csv", LIST);
    let args = [
        "crm.csv".to_owned(),
        "--dry-run".to_owned(),
        format!("--nameserver={}", sandbox.nameserver()),
        format!("--smtp-port={}", sandbox.smtp_port()),
        format!("--allow-network={}", sandbox.network()),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for words in [
        "addresses in column 2 \"E-Mail\"",
        "row 1: jane.doe@acme.test",
        "row 5: no address",
        "4 rows with an address, 3 mailboxes, 1 row of a mailbox that an earlier one reaches",
        "3 rows are left to ask about: less than a minute's worth at each provider",
    ] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert_eq!(sandbox.counts().total().rcpt, 0, "no question was asked");
    assert_eq!(names(&folder), ["crm.csv"], "nothing is written");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_dry_run_does_not_wait_for_name_servers_that_fail() {
    let folder = folder_with("crm.csv", "email\njane.doe@acme.test\njane@dns-failure.test\n");
    let looking = tokio::process::Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(["list", "crm.csv", "--dry-run", "--sandbox"])
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(TIME_LIMIT, looking).await.expect("it is a quick look");
    let output = output.unwrap();
    assert!(said(&output).contains("the domain could not be looked up"), "{}", said(&output));
}

#[test]
fn a_dry_run_of_a_run_that_asks_no_mail_server_promises_no_questions() {
    let folder = folder_with("crm.csv", LIST);
    for depth in ["syntax", "domain"] {
        let output =
            run(folder.path(), &["crm.csv", "--dry-run", "--sandbox", "--depth", depth], b"");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("4 rows with an address"), "{}", said(&output));
        for words in ["ask their mail servers", "a minute", "providers"] {
            assert!(!said(&output).contains(words), "{depth}, {words}: {}", said(&output));
        }
    }
}

#[test]
fn a_dry_run_names_a_column_of_those_who_want_no_mail() {
    let folder = folder_with("a.csv", "email,Email Opt Out\ninfo@acme.test,1\n");
    let args = ["a.csv", "--dry-run", "--sandbox", "--depth", "syntax"];
    let output = run(folder.path(), &args, b"");
    let told = "a.csv: column 2 \"Email Opt Out\" may say who wants no mail, and is not looked at";
    assert!(said(&output).contains(told), "{}", said(&output));
}

#[test]
fn a_dry_run_tells_rows_from_their_addresses() {
    let list = "id,email\n1,nobody@acme.test; jane.doe@acme.test\n2,info@acme.test\n3,\n";
    let folder = folder_with("a.csv", list);
    let args = ["a.csv", "--dry-run", "--sandbox", "--depth", "syntax"];
    let output = run(folder.path(), &args, b"");
    let counted = "2 rows with 3 addresses, each counted as a row, 3 mailboxes, 0 rows of";
    assert!(said(&output).contains(counted), "{}", said(&output));
}

#[test]
fn a_sample_is_answered_for_first_and_the_rest_waits_for_a_word() {
    let rows: String = (0..30).map(|n| format!("nobody{n}@acme.test\n")).collect();
    let folder = folder_with("list.csv", format!("email\njane.doe@acme.test\n\n{rows}n/a\n"));
    let args = ["list.csv", "--sandbox", "--sample", "10", "--send-to", "all"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for words in ["a sample: 10 of 31 rows", "with 95 % confidence", "--resume list.vetted.csv"] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv.mailvet"], "the rest waits");
    let output = run(folder.path(), &["--resume"], b"");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = read(&folder, "list.vetted.csv");
    assert_eq!(text.lines().filter(|row| row.contains("mailbox_not_found")).count(), 30, "{text}");
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv"]);
}

#[test]
fn a_sample_of_a_smaller_list_is_the_list_and_the_rest_may_be_agreed_to() {
    let folder = folder_with("a.csv", LIST);
    let output = run(folder.path(), &["a.csv", "--sandbox", "--sample", "400"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("a sample:"), "{}", said(&output));
    let args = ["a.csv", "--sandbox", "--sample", "2", "--yes", "-o", "b.csv"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("a sample: 2 of 4 rows"), "{}", said(&output));
    assert_eq!(read(&folder, "b.csv").lines().count(), 6);
}

#[test]
fn a_sample_of_rows_with_several_addresses_is_counted_in_rows() {
    let rows: String =
        (0..30).map(|n| format!("{n},nobody{n}@acme.test; jane.doe@acme.test\n")).collect();
    let folder = folder_with("list.csv", format!("id,email\n{rows}"));
    let args = ["list.csv", "--sandbox", "--sample", "10", "--send-to", "all"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "every row has a good address: {}", said(&output));
    assert!(said(&output).contains("a sample: 10 of 30 rows"), "{}", said(&output));
    assert!(said(&output).contains("deliverable   10 "), "{}", said(&output));
}

#[test]
fn a_sample_tells_nothing_of_bounces_that_nobody_can_count() {
    let folder = folder_with("list.csv", format!("email\n{}", "jane.doe@acme.test\n".repeat(30)));
    let output = run(folder.path(), &["list.csv", "--sandbox", "--sample", "9"], b"");
    for words in [
        "a sample: 9 of 30 rows",
        "hard bounces  none that is known, sent as chosen",
        "An accepted address can still bounce",
    ] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
}

#[test]
fn several_lists_are_vetted_as_one_and_come_back_as_several() {
    let folder = folder_with("a.csv", "id,email\n1,jane.doe@acme.test\n");
    fs::write(folder.path().join("b.txt"), "Jane.Doe@acme.test\nnobody@acme.test\n").unwrap();
    let args = ["a.csv", "b.txt", "--sandbox", "-o", "out", "--split", "parts"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(read(&folder, "out/a.vetted.csv").contains("1,jane.doe@acme.test,deliverable,"));
    let b = read(&folder, "out/b.vetted.csv");
    assert!(b.contains(",Jane.Doe@acme.test,a.csv:1,"), "the row of the other list: {b}");
    assert_eq!(read(&folder, "parts/b/suppress.txt"), "nobody@acme.test\n");
    assert_eq!(names(&folder), ["a.csv", "b.txt", "out", "parts"]);
    let output = run(folder.path(), &["a.csv", "b.txt", "--sandbox", "-o", "a.csv"], b"");
    assert!(said(&output).contains("several lists need one"), "{}", said(&output));
}

#[test]
fn two_outputs_of_one_name_are_refused_before_anything_is_asked() {
    let folder = folder_with("a.csv", "id,email\n1,jane.doe@acme.test\n");
    fs::create_dir(folder.path().join("old")).unwrap();
    fs::copy(folder.path().join("a.csv"), folder.path().join("old/a.csv")).unwrap();
    for args in [["a.csv", "old/a.csv"], ["a.csv", "./a.csv"]] {
        let output = run(folder.path(), &[&args[..], &["--sandbox", "-o", "out"]].concat(), b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(" twice: "), "{}", said(&output));
        assert_eq!(names(&folder), ["a.csv", "old"], "nothing is left behind");
    }
}

#[test]
fn several_columns_are_verified_and_the_best_address_is_taken() {
    let list = "id,work,home\n1,nobody@acme.test,jane.doe@acme.test\n2,,sales@acme.test\n";
    let folder = folder_with("a.csv", list);
    let args = ["a.csv", "--sandbox", "--column", "work,home", "--clean"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("1,nobody@acme.test,jane.doe@acme.test,deliverable,send,"), "{text}");
    assert!(text.contains("2,,sales@acme.test,deliverable,"), "{text}");
}
