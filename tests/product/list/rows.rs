//! The rows that come back, and the answer about them.

use std::fs;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::{CancelBatchRequest, ListBatchesRequest};
use mailvet::sandbox::{Sandbox, World};
use tonic::transport::Channel;

use super::{LIST, folder_with, names, read, run, said, vet};
use crate::process::{self, Service};

#[test]
fn a_list_comes_back_with_columns_behind_its_own() {
    let folder = folder_with("crm.csv", LIST);
    let output = vet(folder.path(), &["crm.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("Go: send to the deliverable addresses"), "{}", said(&output));
    assert_eq!(read(&folder, "crm.csv"), LIST, "the list itself is never touched");
    let text = read(&folder, "crm.vetted.csv");
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "id,E-Mail,note,verdict,action,reason,suggestion,flags,code,evidence_time,address,\
         duplicate_of,problem,other_addresses"
    );
    assert!(lines[1].starts_with("1,jane.doe@acme.test,\"a, b\",deliverable,send,"), "{text}");
    assert!(lines[2].starts_with("2,nobody@acme.test,,undeliverable,suppress,mailbox_not_found,"));
    assert!(lines[3].contains(",jane.doe@gmail.com,"), "the suggestion: {text}");
    assert!(lines[4].starts_with("4,Jane.Doe@acme.test,twice,deliverable,"));
    assert!(lines[4].ends_with(",Jane.Doe@acme.test,1,,"), "the row before it: {text}");
    assert_eq!(lines[5], "5,,none,,,,,,,,,,no_address,", "nothing to verify");
    assert_eq!(names(&folder), ["crm.csv", "crm.vetted.csv"], "nothing else is left behind");
}

#[test]
fn the_exit_status_is_the_pre_flight_answer() {
    let folder = folder_with("crm.csv", LIST);
    let output = vet(folder.path(), &["crm.csv", "--send-to", "all"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("No go"), "{}", said(&output));
}

#[test]
fn a_plain_file_becomes_a_table_and_only_some_verdicts_may_be_kept() {
    let folder = folder_with("list.txt", "jane.doe@acme.test\nnobody@acme.test\n\n");
    vet(folder.path(), &["list.txt", "--only", "deliverable", "-o", "good.csv"]);
    let text = read(&folder, "good.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("address,verdict,"), "{text}");
    assert!(lines[1].starts_with("jane.doe@acme.test,deliverable,"), "{text}");
    assert_eq!(lines.len(), 2, "{text}");
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else_and_names_nobody() {
    let folder = folder_with("crm.csv", LIST);
    vet(folder.path(), &["crm.csv", "--report", "report.html"]);
    let page = read(&folder, "report.html");
    assert!(page.starts_with("<!DOCTYPE html>") || page.starts_with("<!doctype html>"));
    assert!(page.contains("crm.csv") && page.contains("acme.test"));
    assert!(!page.contains("jane.doe") && !page.contains("http://") && !page.contains("<script"));
}

#[test]
fn rows_without_an_address_bounce_nowhere() {
    let list = format!("First,Email,Tag\nJane,jane.doe@acme.test,a\n{}", ",,\n".repeat(20));
    let folder = folder_with("a.csv", list);
    let output = vet(folder.path(), &["a.csv", "--send-to", "all", "--report", "r.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("20 rows without an address"), "{}", said(&output));
    assert!(read(&folder, "r.html").contains("without an address"));
    let text = read(&folder, "a.vetted.csv");
    assert_eq!(text.lines().filter(|row| *row == ",,,,,,,,,,,,no_address,").count(), 20, "{text}");
}

#[test]
fn each_address_of_a_cell_is_asked_and_the_first_deliverable_one_is_taken() {
    let list = "id,email\n1,\"No <nobody@acme.test>, Jane <jane.doe@acme.test>\"\n\
                2,nobody@acme.test;jane.doe@acme.test\n3,nobody@acme.test / none@acme.test\n";
    let folder = folder_with("a.csv", list);
    let output = vet(folder.path(), &["a.csv", "--send-to", "all"]);
    let text = read(&folder, "a.vetted.csv");
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[1].contains(",deliverable,send,"), "{text}");
    assert!(
        rows[1].contains("several") && rows[1].contains(",jane.doe@acme.test,,,nobody@acme.test")
    );
    assert!(rows[2].contains(",deliverable,send,") && rows[2].contains(",jane.doe@acme.test,1,"));
    assert!(rows[3].contains(",undeliverable,suppress,mailbox_not_found,"), "{text}");
    assert!(said(&output).contains("deliverable   2  "), "counted in rows: {}", said(&output));
}

#[test]
fn an_exclusion_list_keeps_its_addresses_from_being_asked() {
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\nnobody@acme.test\n");
    fs::write(folder.path().join("bounced.txt"), "NOBODY@acme.test\n").unwrap();
    let output = vet(folder.path(), &["a.csv", "--exclude", "bounced.txt", "--send-to", "all"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("nobody@acme.test,risky,suppress,opted_out,"), "{text}");
}

#[test]
fn each_address_of_a_cell_of_an_exclusion_list_is_excluded() {
    for (name, list) in [
        ("gone.csv", "Email\nnone@acme.test; nobody@acme.test\nno@acme.test\n"),
        // Of two readings neither gets mail.
        ("odd.csv", "Email\nMary_ nobody@acme.test\n"),
        ("gone.json", "[{\"to; cc\":[\"none@acme.test\",\"nobody@acme.test\"]}]"),
    ] {
        let folder = folder_with("a.csv", "email\njane.doe@acme.test\nnobody@acme.test\n");
        fs::write(folder.path().join(name), list).unwrap();
        vet(folder.path(), &["a.csv", "--exclude", name]);
        let text = read(&folder, "a.vetted.csv");
        assert!(text.contains("nobody@acme.test,risky,suppress,opted_out,"), "{name}: {text}");
    }
}

#[test]
fn a_document_of_one_long_line_excludes_everybody_in_it() {
    let gone = |n| format!(r#"{{"email":"gone{n}@acme.test","reason":"{}"}}"#, "x".repeat(80));
    let mut gone: Vec<String> = (0..1_499).map(gone).collect();
    gone.push(r#"{"email":"nobody@acme.test","reason":""}"#.to_owned());
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\nnobody@acme.test\n");
    let unsubscribed = format!(r#"{{"total":1500,"results":[{}]}}"#, gone.join(","));
    fs::write(folder.path().join("unsub.json"), unsubscribed).unwrap();
    vet(folder.path(), &["a.csv", "--exclude", "unsub.json"]);
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("nobody@acme.test,risky,suppress,opted_out,"), "{text}");
}

#[test]
fn a_cell_of_an_exclusion_list_that_is_not_read_to_its_end_is_refused_by_its_row() {
    let cell: Vec<String> = (0..300).map(|n| format!("g{n}@acme.test")).collect();
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\n");
    let list = format!("day,email\n1,none@acme.test\n2,{}\n", cell.join("/"));
    fs::write(folder.path().join("gone.csv"), list).unwrap();
    let output = run(folder.path(), &["a.csv", "--sandbox", "--exclude", "gone.csv"], b"");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("gone.csv: row 2, line 3, has a cell"), "{}", said(&output));
    assert_eq!(names(&folder), ["a.csv", "gone.csv"]);
}

#[test]
fn nobody_who_opted_out_is_suggested() {
    let folder = folder_with("a.csv", "email\njane.doe@gmial.com\njohn.doe@gmial.com\n");
    fs::write(folder.path().join("gone.txt"), "jane.doe@gmail.com\n").unwrap();
    vet(folder.path(), &["a.csv", "--exclude", "gone.txt"]);
    let text = read(&folder, "a.vetted.csv");
    assert!(!text.contains("jane.doe@gmail.com"), "{text}");
    assert!(text.contains(",john.doe@gmail.com,"), "{text}");
}

#[test]
fn a_list_of_which_everybody_is_excluded_comes_back() {
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\nn/a\n");
    fs::write(folder.path().join("gone.txt"), "jane.doe@acme.test\n").unwrap();
    let exclude = ["a.csv", "--exclude", "gone.txt"];
    let looked = run(folder.path(), &[&exclude[..], &["--dry-run", "--sandbox"]].concat(), b"");
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    assert!(said(&looked).contains("nobody is left to ask about"), "{}", said(&looked));
    let output =
        vet(folder.path(), &[&exclude[..], &["--split", "parts", "--report", "r.html"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("No go: nobody on the list can be sent to"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("1 row on your suppression lists"), "{}", said(&output));
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("\njane.doe@acme.test,risky,suppress,opted_out,"), "{text}");
    assert_eq!(read(&folder, "parts/suppress.txt"), "jane.doe@acme.test\n");
    assert!(read(&folder, "r.html").contains("suppression lists"));
}

#[test]
fn a_workbook_to_exclude_of_which_a_sheet_would_be_left_out_is_refused() {
    let mut book = rust_xlsxwriter::Workbook::new();
    for (name, address) in [("Unsubscribed", "jane.doe@acme.test"), ("Bounced", "no@acme.test")] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap().write(0, 0, address).unwrap();
    }
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\n");
    fs::write(folder.path().join("gone.xlsx"), book.save_to_buffer().unwrap()).unwrap();
    let output = run(folder.path(), &["a.csv", "--sandbox", "--exclude", "gone.xlsx"], b"");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = "gone.xlsx: XLSX workbook, sheet \"Unsubscribed\" and not \"Bounced\"";
    assert!(said(&output).contains(told), "{}", said(&output));
    assert_eq!(names(&folder), ["a.csv", "gone.xlsx"]);
}

#[test]
fn an_exclusion_list_of_nobody_excludes_nobody_and_one_that_is_none_is_named() {
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\n");
    let empty = ["", "\n", "Email Address,Reason\n", "[]"];
    for (number, list) in empty.into_iter().enumerate() {
        let name = format!("gone{number}.csv");
        fs::write(folder.path().join(&name), list).unwrap();
        vet(folder.path(), &["a.csv", "--exclude", &name, "--force"]);
        let text = read(&folder, "a.vetted.csv");
        assert!(text.contains("jane.doe@acme.test,deliverable,send,"), "{list:?}: {text}");
    }
    fs::write(folder.path().join("words.csv"), "id,name\n1,Jane\n").unwrap();
    let args = ["a.csv", "--sandbox", "--force", "--exclude", "words.csv"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(2));
    let told = said(&output);
    assert!(told.contains("words.csv: no column") && !told.contains("exclude-0"), "{told}");
}

#[test]
fn each_mailbox_may_be_written_once() {
    let folder = folder_with("crm.csv", LIST);
    vet(folder.path(), &["crm.csv", "--unique"]);
    let text = read(&folder, "crm.vetted.csv");
    assert!(!text.contains("twice") && text.contains("a, b"), "{text}");
}

#[test]
fn a_list_may_be_split_by_verdict_and_cleaned() {
    let list = "id,email\n1,\"Jane <jane.doe@acme.test>\"\n2,SMTP:nobody@acme.test\n3,\n\
                4,sales@acme.test\n5,jane@bob@acme.test\n";
    let folder = folder_with("a.csv", list);
    fs::write(folder.path().join("unsubscribed.txt"), "sales@acme.test\n").unwrap();
    let exclude = ["--exclude", "unsubscribed.txt"];
    vet(folder.path(), &[&["a.csv", "--split", "parts", "--clean"], &exclude[..]].concat());
    let part = |name: &str| read(&folder, &format!("parts/{name}"));
    assert!(part("deliverable.csv").contains("\n1,jane.doe@acme.test,deliverable,send,"));
    assert!(part("undeliverable.csv").contains("\n2,nobody@acme.test,undeliverable,suppress,"));
    assert!(part("undeliverable.csv").contains("\n5,jane@bob@acme.test,undeliverable,suppress,"));
    let suppressed = "nobody@acme.test\nsales@acme.test\n";
    assert_eq!(part("suppress.txt"), suppressed, "nothing but addresses");
    assert_eq!(part("risky.csv").lines().count(), 1, "the header, and nobody who opted out");
    assert_eq!(read(&folder, "a.csv"), list);
    let only = ["a.csv", "--only", "deliverable,risky", "-o", "send.csv"];
    vet(folder.path(), &[&only[..], &exclude].concat());
    let sent = read(&folder, "send.csv");
    assert!(sent.contains("jane.doe@acme.test") && !sent.contains("sales@acme.test"), "{sent}");
}

#[test]
fn every_address_that_is_not_to_be_written_to_is_in_the_suppression_list() {
    let list = "id,email\n1,nobody@acme.test; jane.doe@acme.test; sales@acme.test\n\
                2,jane.doe@acme.test; none@acme.test\n3,sales@acme.test; info@acme.test\n";
    let folder = folder_with("a.csv", list);
    fs::write(folder.path().join("unsubscribed.txt"), "sales@acme.test\ninfo@acme.test\n").unwrap();
    let args = ["a.csv", "--split", "parts", "--unique", "--exclude", "unsubscribed.txt"];
    vet(folder.path(), &args);
    let text = read(&folder, "parts/suppress.txt");
    let mut suppressed: Vec<&str> = text.lines().collect();
    suppressed.sort_unstable();
    suppressed.dedup();
    let expected = ["info", "nobody", "none", "sales"].map(|local| format!("{local}@acme.test"));
    assert_eq!(suppressed, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_do_the_work_and_the_list_comes_back_the_same() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    let server = format!("http://{}", service.address().await);
    let folder = folder_with("list.csv", LIST);
    let args = ["list.csv", "--server", &server, "--retry-window", "0s", "--output", "theirs.csv"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    vet(folder.path(), &["list.csv", "--output", "ours.csv"]);
    let without_times = |name| {
        let text = read(&folder, name);
        let time = regex::Regex::new("20[0-9-]+T[0-9:]+Z").unwrap();
        time.replace_all(&text, "").into_owned()
    };
    assert_eq!(without_times("theirs.csv"), without_times("ours.csv"));
    assert!(sandbox.counts().total().rcpt > 0, "the service asked");
    service.kill().await;
    let output = run(folder.path(), &["list.csv", "--server", &server], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains(&server), "{}", said(&output));
    assert_eq!(names(&folder), ["list.csv", "ours.csv", "theirs.csv"], "nothing is left behind");
    sandbox.shutdown().await;
}

/// The first batch of the service whose rows have so many results.
async fn answered(client: &mut BatchServiceClient<Channel>, rows: i64) -> String {
    loop {
        let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap();
        for batch in listed.into_inner().batches {
            if batch.progress.is_some_and(|progress| progress.finished_rows == rows) {
                return batch.batch_id;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_gives_no_row_the_answer_of_another() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    let server = format!("http://{}", service.address().await);
    let list = "mail\njane@greylisted.test\njane.doe@acme.test\njack@greylisted.test\n\
                jill@greylisted.test\nnobody@acme.test\njoan@greylisted.test\n";
    let folder = folder_with("list.csv", list);
    let args = ["list", "list.csv", "--server", &server, "--retry-window", "3d"];
    let child = process::begin(folder.path(), &args);
    let mut client = service.batch_client().await;
    let batch_id = answered(&mut client, 2);
    let batch_id = tokio::time::timeout(process::TIME_LIMIT, batch_id).await.unwrap();
    client.cancel_batch(CancelBatchRequest { batch_id }).await.unwrap();
    let output = child.wait_with_output().unwrap();
    let text = read(&folder, "list.vetted.csv");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 6, "{text}{}", said(&output));
    assert!(rows[1].starts_with("jane.doe@acme.test,deliverable,send,"), "{text}");
    assert!(rows[4].starts_with("nobody@acme.test,undeliverable,suppress,"), "{text}");
    for row in [0, 2, 3, 5] {
        assert!(rows[row].contains("@greylisted.test,,,"), "it has no answer: {text}");
    }
    service.kill().await;
    sandbox.shutdown().await;
}

const SIGNUPS: &str = "mail,signup\nlea.martin@northwind.test,2025-01-01 09:30\n\
    finance@northwind.test,2026-06-01\njane.doe@acme.test,13/03/2025\nsales@acme.test,\n";

#[test]
fn the_consent_of_each_row_flags_the_domains_that_were_registered_later() {
    let folder = folder_with("list.csv", SIGNUPS);
    let args = ["list.csv", "--consent-column", "signup", "--report", "report.html"];
    let output = vet(folder.path(), &args);
    let words = "1 of 4 rows: the domain was registered after the person signed up";
    assert!(said(&output).replace('\n', " ").contains(words), "{}", said(&output));
    assert!(read(&folder, "report.html").contains(words));
    let text = read(&folder, "list.vetted.csv");
    let flagged: Vec<bool> =
        text.lines().skip(1).map(|line| line.contains("registered_after_consent")).collect();
    assert_eq!(flagged, [true, false, false, false], "{text}");
    assert!(text.contains("09:30,deliverable,review,mailbox_accepted"), "{text}");
}

#[test]
fn a_consent_that_may_be_two_days_is_refused_by_its_row_and_nothing_is_asked() {
    let folder = folder_with("list.csv", SIGNUPS.replace("13/03/2025", "03/04/2025"));
    let output = run(folder.path(), &["list.csv", "--sandbox", "--consent-column", "signup"], b"");
    assert_eq!(output.status.code(), Some(2));
    let words = "row 3, line 4: \"03/04/2025\" may be 2025-04-03 or 2025-03-04";
    assert!(said(&output).contains(words), "{}", said(&output));
    assert_eq!(names(&folder), ["list.csv"]);
    let output = run(folder.path(), &["list.csv", "--sandbox", "--consent-column", "since"], b"");
    let words = "there is no column \"since\"; choose one with --consent-column";
    assert!(said(&output).contains(words), "{}", said(&output));
}
