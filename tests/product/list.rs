//! `mailvet list`, as a person runs it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;

use crate::process::{self, Service};

const LIST: &str = "id,E-Mail,note\r\n1,jane.doe@acme.test,\"a, b\"\r\n2,nobody@acme.test,\r\n\
    3,jane.doe@gmial.com,x\r\n4,Jane.Doe@acme.test,twice\r\n5,,none\r\n";

fn run(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    process::run(folder, &[&["list"], args].concat(), input)
}

fn vet(folder: &Path, args: &[&str]) -> Output {
    let output = run(folder, &[args, &["--sandbox", "--retry-window", "0s"]].concat(), b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
    output
}

fn said(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn folder_with(name: &str, bytes: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

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
fn json_lines_keep_their_keys_and_gzip_is_unpacked() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"{\"user\":{\"email\":\"jane.doe@acme.test\"},\"n\":1}\n").unwrap();
    let folder = folder_with("users.jsonl.gz", packed.finish().unwrap());
    vet(folder.path(), &["users.jsonl.gz"]);
    let text = read(&folder, "users.vetted.jsonl");
    let row: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((row["n"].as_i64(), row["verdict"].as_str()), (Some(1), Some("deliverable")));
}

#[test]
fn a_table_may_become_json_lines() {
    let folder = folder_with("crm.csv", LIST);
    vet(folder.path(), &["crm.csv", "--format", "jsonl"]);
    let text = read(&folder, "crm.vetted.jsonl");
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1]["E-Mail"], "nobody@acme.test");
    assert_eq!(rows[1]["reason"], "mailbox_not_found");
}

#[test]
fn utf_16_and_latin_1_come_back_in_their_own_encoding() {
    let text = "name;mail\nMüller;jane.doe@acme.test\n";
    let mut utf_16 = vec![0xff, 0xfe];
    utf_16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let folder = folder_with("a.csv", utf_16);
    let latin_1: Vec<u8> = text.chars().map(|c| c as u32 as u8).collect();
    fs::write(folder.path().join("b.csv"), latin_1).unwrap();
    vet(folder.path(), &["a.csv"]);
    vet(folder.path(), &["b.csv"]);
    let a = fs::read(folder.path().join("a.vetted.csv")).unwrap();
    assert_eq!(a[..2], [0xff, 0xfe]);
    let b = fs::read(folder.path().join("b.vetted.csv")).unwrap();
    assert!(b.windows(6).any(|bytes| bytes == b"M\xfcller"));
    assert!(String::from_utf8_lossy(&b).contains("deliverable"));
}

#[test]
fn standard_input_is_a_list_too() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-", "-o", "out.csv", "--sandbox", "--quiet"];
    let output = run(folder.path(), &args, b"jane.doe@acme.test\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(read(&folder, "out.csv").contains("deliverable"));
    assert_eq!(names(&folder), ["out.csv"]);
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
fn what_is_wrong_with_a_list_is_said_and_nothing_is_left_behind() {
    let hundred: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let long = format!("mail\n{}\n", "x".repeat(3 << 20));
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty.csv", Vec::new(), "empty"),
        ("no.csv", format!("{}\n{}\n", hundred.join(","), hundred.join(",")).into(), "--column"),
        ("two.csv", b"work,home\na@b.test,c@d.test\n".to_vec(), "--column"),
        ("long.csv", long.into(), "long"),
        ("book.xlsx", b"PK\x03\x04\x14\x00\x06\x00".to_vec(), "save it as CSV"),
        ("header.csv", b"email,name\n".to_vec(), "header"),
    ];
    for (name, bytes, remedy) in cases {
        let folder = folder_with(name, bytes);
        let output = run(folder.path(), &[name, "--sandbox"], b"");
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
        assert!(said(&output).contains(name), "{name} is named: {}", said(&output));
        assert!(said(&output).contains(remedy), "{name} says {remedy}: {}", said(&output));
        assert_eq!(names(&folder), [name], "nothing is left behind");
    }
}

#[test]
fn an_output_that_is_there_is_not_written_over() {
    let folder = folder_with("crm.csv", LIST);
    fs::write(folder.path().join("crm.vetted.csv"), "precious").unwrap();
    let output = run(folder.path(), &["crm.csv", "--sandbox"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--force"), "{}", said(&output));
    assert_eq!(read(&folder, "crm.vetted.csv"), "precious");
    vet(folder.path(), &["crm.csv", "--force"]);
    assert!(read(&folder, "crm.vetted.csv").contains("deliverable"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let folder = folder_with("crm.csv", LIST);
    let output = run(folder.path(), &["crm.csv", "--sandbox", "-o", "/proc/out.csv"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("/proc/out.csv"), "{}", said(&output));
}

#[test]
fn nothing_to_resume_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--resume"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no unfinished run"), "{}", said(&output));
}

/// A run on `list.csv`, once its batch was accepted. One of its servers is slow to say nothing.
fn begun(folder: &TempDir) -> Child {
    let args = ["list", "list.csv", "--sandbox", "--retry-window", "0s"];
    let mut child = process::begin(folder.path(), &args);
    let job = folder.path().join("list.vetted.csv.mailvet/job.json");
    while !fs::read_to_string(&job).is_ok_and(|text| text.contains("\"batch_id\": \"")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its batch was accepted");
        std::thread::yield_now();
    }
    child
}

const SLOW: &str = "mail\njane.doe@acme.test\njane@timeout.test\nnobody@acme.test\n";

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on() {
    let folder = folder_with("list.csv", SLOW);
    let child = begun(&folder);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let how = "mailvet list --resume list.vetted.csv.mailvet";
    assert!(said(&output).contains(how), "{}", said(&output));
    let output = run(folder.path(), &["list.csv", "--sandbox"], b"");
    assert!(said(&output).contains("--resume"), "a second run does not begin: {}", said(&output));
    let output = run(folder.path(), &["--resume", "list.vetted.csv.mailvet"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(read(&folder, "list.vetted.csv").lines().count(), 4);
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv"]);
}

#[test]
fn a_run_that_was_killed_goes_on_without_a_word() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = run(folder.path(), &["--resume"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "list.vetted.csv");
    assert!(text.contains("jane@timeout.test,unknown,retry_later,timeout,"), "{text}");
}

#[test]
fn a_list_that_was_changed_meanwhile_is_not_given_the_wrong_answers() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(folder.path().join("list.csv"), SLOW.replace("jane.doe", "jack.doe")).unwrap();
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("was changed"), "{}", said(&output));
    assert!(!folder.path().join("list.vetted.csv").exists());
    fs::write(folder.path().join("list.csv"), SLOW).unwrap();
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
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

#[test]
fn no_flag_makes_the_list_itself_an_output() {
    let folder = folder_with("a.csv", LIST);
    std::os::unix::fs::symlink("a.csv", folder.path().join("in.csv")).unwrap();
    for args in [
        &["a.csv", "-o", "a.csv", "--force"][..],
        &["a.csv", "-o", "./a.csv", "--force", "--only", "deliverable"],
        &["in.csv", "-o", "a.csv", "--force"],
        &["a.csv", "--report", "a.csv", "--force"],
        &["a.csv", "-o", "x.csv", "--report", "x.csv"],
        &["a.csv", "-o", "x.csv", "--report", "./x.csv", "--force"],
    ] {
        let output = run(folder.path(), &[args, &["--sandbox"]].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains("needs another name"), "{args:?}: {}", said(&output));
        assert_eq!(read(&folder, "a.csv"), LIST, "{args:?}");
        assert_eq!(names(&folder), ["a.csv", "in.csv"], "{args:?}");
    }
}

#[test]
fn rows_may_go_to_standard_output_and_come_from_a_pipe() {
    let folder = folder_with("a.csv", LIST);
    for output in ["-", "/dev/stdout"] {
        let output = vet(folder.path(), &["a.csv", "-o", output]);
        let rows = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(rows.starts_with("id,E-Mail,note,verdict,"), "{rows}");
        assert_eq!(rows.lines().count(), 6, "{rows}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Go: send"), "{}", said(&output));
    }
    assert_eq!(names(&folder), ["a.csv"], "nothing is left behind");
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let feeder = std::thread::spawn(move || fs::write(fifo, "jane.doe@acme.test\n").unwrap());
    vet(folder.path(), &["fifo", "-o", "x.csv"]);
    feeder.join().unwrap();
    assert!(read(&folder, "x.csv").contains("deliverable"));
    assert_eq!(names(&folder), ["a.csv", "fifo", "x.csv"]);
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
fn each_mailbox_may_be_written_once() {
    let folder = folder_with("crm.csv", LIST);
    vet(folder.path(), &["crm.csv", "--unique"]);
    let text = read(&folder, "crm.vetted.csv");
    assert!(!text.contains("twice") && text.contains("a, b"), "{text}");
}

#[test]
fn a_resumed_run_takes_output_flags_and_refuses_other_questions() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    for flags in [&["--depth", "syntax"][..], &["--helo-name", "x.test"], &["--max-age", "1h"]] {
        let output = run(folder.path(), &[&["--resume", "list.csv"], flags].concat(), b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("was begun with"), "{flags:?}: {}", said(&output));
    }
    let args = ["--resume", "list.csv", "--only", "deliverable", "--report", "r.html"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(read(&folder, "list.vetted.csv").lines().count(), 2, "the header and one row");
    assert!(read(&folder, "r.html").contains("list.csv"));
}

#[test]
fn a_run_that_is_worked_on_is_neither_resumed_nor_thrown_away() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun(&folder);
    for flag in ["--restart", "--resume"] {
        let output = run(folder.path(), &["list.csv", "--sandbox", flag], b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("another process"), "{flag}: {}", said(&output));
    }
    assert!(folder.path().join("list.vetted.csv.mailvet/job.json").exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_workbook_goes_in_and_comes_out() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Customers as of May").unwrap();
    for (column, name) in ["id", "E-Mail"].iter().enumerate() {
        sheet.write(2, column as u16, *name).unwrap();
    }
    for (row, address) in [(3, "jane.doe@acme.test"), (4, "nobody@acme.test")] {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, address).unwrap();
    }
    let folder = folder_with("book.xlsx", book.save_to_buffer().unwrap());
    let output = vet(folder.path(), &["book.xlsx"]);
    assert!(said(&output).contains("XLSX workbook, sheet \"Sheet1\""), "{}", said(&output));
    let text = read(&folder, "book.vetted.csv");
    assert!(text.starts_with("Customers as of May\nid,E-Mail,verdict,"), "{text}");
    assert!(text.contains("3,jane.doe@acme.test,deliverable,send,"), "{text}");
    vet(folder.path(), &["book.xlsx", "-o", "book.vetted.xlsx"]);
    vet(folder.path(), &["book.vetted.xlsx", "--depth", "syntax", "-o", "again.csv"]);
    assert!(read(&folder, "again.csv").contains("3,jane.doe@acme.test,deliverable,send,"));
}

#[test]
fn documents_and_cards_are_lists_too() {
    let card = "BEGIN:VCARD\r\nFN:Jane\r\nEMAIL:jane.doe@acme.test\r\nEND:VCARD\r\n";
    let folder = folder_with("a.vcf", card);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("b.json", "[{\"emails\": [\"jane.doe@acme.test\"]}]");
    write("c.ldif", "dn: uid=jane\nmail: jane.doe@acme.test\n");
    for (name, row) in [
        ("a", "Jane,jane.doe@acme.test,deliverable"),
        ("b", "jane.doe@acme.test,deliverable"),
        ("c", "uid=jane,,jane.doe@acme.test,deliverable"),
    ] {
        let file = names(&folder).into_iter().find(|n| n.starts_with(name)).unwrap();
        vet(folder.path(), &[&file]);
        let text = read(&folder, &format!("{name}.vetted.csv"));
        assert!(text.contains(row), "{name}: {text}");
        fs::remove_file(folder.path().join(format!("{name}.vetted.csv"))).unwrap();
    }
}

#[test]
fn a_list_may_be_split_by_verdict_and_cleaned() {
    let list = "id,email\n1,\"Jane <jane.doe@acme.test>\"\n2,SMTP:nobody@acme.test\n3,\n";
    let folder = folder_with("a.csv", list);
    vet(folder.path(), &["a.csv", "--split", "parts", "--clean"]);
    let part = |name: &str| read(&folder, &format!("parts/{name}"));
    assert!(part("deliverable.csv").contains("\n1,jane.doe@acme.test,deliverable,send,"));
    assert!(part("undeliverable.csv").contains("\n2,nobody@acme.test,undeliverable,suppress,"));
    assert_eq!(part("suppress.txt"), "nobody@acme.test\n");
    assert_eq!(part("risky.csv").lines().count(), 1, "the header");
    assert_eq!(read(&folder, "a.csv"), list);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is that the process does not wait")]
fn an_interrupted_run_ends_at_once_whatever_waits_for_a_budget() {
    let rows: String = (0..4000).map(|n| format!("p{n}@catch-all.test\n")).collect();
    let folder = folder_with("list.csv", format!("mail\n{rows}"));
    let child = begun(&folder);
    let pid = child.id().to_string();
    let begun = std::time::Instant::now();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("again leaves at once"), "{}", said(&output));
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "a busy machine has its time");
}
