//! Outcomes, as an operator brings them in, and what they change.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::text;
use crate::process;

/// A delivery report: a mailbox that is gone, and one that is full.
const BOUNCE: &str = "From: MAILER-DAEMON@mx.sender.test\nTo: news@sender.test\n\
    MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b1\n\n\
    --b1\nContent-Type: text/plain\n\nSorry.\n\
    --b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.sender.test\n\n\
    Final-Recipient: rfc822; jane@acme.test\nAction: failed\nStatus: 5.1.1\n\
    Diagnostic-Code: smtp; 550 5.1.1 no such user here\n\n\
    Original-Recipient: rfc822; joe@acme.test\nFinal-Recipient: rfc822; j@elsewhere.test\n\
    Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 mailbox is over its quota\n\
    --b1--\n";

#[test]
fn outcomes_read_prints_a_line_for_each_recipient() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.eml"), BOUNCE).unwrap();
    let output = process::run(folder.path(), &["outcomes", "read", "--jsonl", "one.eml"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            serde_json::json!({"file": "one.eml", "recipient": "jane@acme.test", "kind": "gone"}),
            serde_json::json!({
                "file": "one.eml", "recipient": "j@elsewhere.test",
                "original": "joe@acme.test", "kind": "full",
            }),
        ]
    );
}

#[test]
fn outcomes_read_takes_standard_input_and_tells_people() {
    let output = process::run(Path::new("."), &["outcomes", "read", "-"], BOUNCE.as_bytes());
    let said = text(&output.stdout);
    assert!(said.contains("gone") && said.contains("jane@acme.test"), "{said}");
    assert!(said.contains("no such user here"), "{said}");
}

#[test]
fn outcomes_read_points_from_a_log_to_the_command_that_takes_it() {
    let log = "2026-11-28T09:00:00+00:00 mx postfix/smtp[1]: 4F: to=<jane@acme.test>, \
        relay=mx.acme.test[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 no)\n";
    for (source, is_for_add) in [(log, true), ("[{\"event\": \"x\"}]\n", true), (BOUNCE, false)] {
        let output = process::run(Path::new("."), &["outcomes", "read", "-"], source.as_bytes());
        let said = text(&output.stderr);
        assert_eq!(said.contains("`mailvet outcomes add` takes it"), is_for_add, "{said}");
    }
}

#[test]
fn outcomes_read_goes_on_behind_a_damaged_gzip_file_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("1.eml.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    write("2.eml", BOUNCE.as_bytes());
    let output = process::run(folder.path(), &["outcomes", "read", "."], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("jane@acme.test"), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("1.eml.gz is a gzip file that is damaged"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = process::run(Path::new("."), &["outcomes", "read", "no-such.eml"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no-such.eml"), "{}", text(&output.stderr));
}

/// A folder with a configuration that keeps outcomes in it, a list, and a Maildir with a bounce
/// about one address of the list.
fn campaign() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("mailvet.toml", "[outcomes]\nfile = \"outcomes.db\"\n");
    write("list.csv", "address\njane.doe@acme.test\nsales@acme.test\n");
    fs::copy(folder.path().join("list.csv"), folder.path().join("again.csv")).unwrap();
    fs::create_dir_all(folder.path().join("Maildir/new")).unwrap();
    let bounce = BOUNCE.replace("jane@acme.test", "jane.doe@acme.test");
    write("Maildir/new/1.mx", &bounce);
    folder
}

fn outcomes(folder: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let args = [&["outcomes"], args, &["--config", "mailvet.toml"]].concat();
    let output = process::run(folder.path(), &args, b"");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn add(folder: &TempDir, args: &[&str]) -> Value {
    let (_, said) = outcomes(folder, &[&["add", "--json"], args].concat());
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

/// The verification of an address in the sandbox, with these outcomes.
fn verify(folder: &TempDir, address: &str) -> Value {
    let args = ["verify", "--sandbox", "--json", "--config", "mailvet.toml", address];
    let output = process::run(folder.path(), &args, b"");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

/// The row of an address in what `mailvet list` makes of a list.
fn row(folder: &TempDir, list: &str, address: &str) -> String {
    let args = ["list", list, "--sandbox", "--retry-window", "0s", "--config", "mailvet.toml"];
    let output =
        process::run(folder.path(), &[&args[..], &["-o", "out.csv", "--force"]].concat(), b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", text(&output.stderr));
    let rows = fs::read_to_string(folder.path().join("out.csv")).unwrap();
    rows.lines().find(|row| row.starts_with(address)).unwrap().to_owned()
}

#[test]
fn a_bounce_of_the_first_campaign_suppresses_in_the_second() {
    let folder = campaign();
    assert!(row(&folder, "list.csv", "jane.doe@acme.test").contains("mailbox_accepted"));
    // The list named one of the two recipients, so that a bounce about it is believed.
    let added = add(&folder, &["Maildir"]);
    assert_eq!((&added["taken"], &added["not_counted"]), (&1.into(), &1.into()), "{added}");
    assert_eq!(add(&folder, &["Maildir"])["repeated"], 1);
    let jane = row(&folder, "again.csv", "jane.doe@acme.test");
    assert!(jane.contains("bounced_before") && jane.contains("suppress"), "{jane}");
    assert!(!row(&folder, "again.csv", "sales@acme.test").contains("bounced_before"));
    let verification = verify(&folder, "Jane.Doe@acme.test");
    assert_eq!(verification["verdict"], "VERDICT_UNDELIVERABLE");
    assert_eq!(verification["action"], "ACTION_SUPPRESS");
    assert_eq!(verification["reason"], "REASON_BOUNCED_BEFORE");
    let evidence = verification["evidence"].to_string();
    assert!(evidence.contains("gone on ") && evidence.contains("no such user"), "{evidence}");
}

#[test]
fn a_bounce_that_proves_nothing_suppresses_nobody() {
    let folder = campaign();
    let added = add(&folder, &["Maildir"]);
    assert_eq!((&added["taken"], &added["not_counted"]), (&0.into(), &2.into()), "{added}");
    assert_eq!(added["first"][0]["why"], "a bounce without proof");
    assert_eq!(verify(&folder, "jane.doe@acme.test")["reason"], "REASON_MAILBOX_ACCEPTED");
    let (_, token) = outcomes(&folder, &["token", "jane.doe@acme.test"]);
    let mail = BOUNCE
        .replace("jane@acme.test", "jane.doe@acme.test")
        .replace("To: news@sender.test", &format!("To: bounces+{}@sender.test", token.trim()));
    fs::write(folder.path().join("proven.eml"), mail).unwrap();
    assert_eq!(add(&folder, &["proven.eml"])["taken"], 1);
    assert_eq!(verify(&folder, "jane.doe@acme.test")["reason"], "REASON_BOUNCED_BEFORE");
}

#[test]
fn a_bounce_counts_though_the_list_that_proves_it_is_read_after_it() {
    let folder = campaign();
    fs::write(folder.path().join("sent.csv"), "address\njane.doe@acme.test\n").unwrap();
    let added = add(&folder, &["Maildir", "sent.csv"]);
    assert_eq!((&added["taken"], &added["not_counted"]), (&2.into(), &1.into()), "{added}");
    assert_eq!(added["kinds"]["gone"], 1, "{added}");
    assert_eq!(verify(&folder, "jane.doe@acme.test")["reason"], "REASON_BOUNCED_BEFORE");
}

#[test]
fn a_suppression_list_opts_out_for_good_and_an_erased_address_is_asked_again() {
    let folder = campaign();
    fs::write(folder.path().join("stop.txt"), "jane.doe@acme.test\nnot an address\n").unwrap();
    let added = add(&folder, &["--kind", "unsubscribed", "stop.txt"]);
    assert_eq!((&added["taken"], &added["not_understood"]), (&1.into(), &1.into()), "{added}");
    assert_eq!(added["first"][0]["line"], 2);
    let verification = verify(&folder, "jane.doe@acme.test");
    assert_eq!(verification["reason"], "REASON_OPTED_OUT");
    assert_eq!(verification["verdict"], "VERDICT_RISKY");
    assert_eq!(verification["action"], "ACTION_SUPPRESS");
    let args = ["verify", "--sandbox", "--config", "mailvet.toml", "jane.doe@acme.test"];
    let shown = text(&process::run(folder.path(), &args, b"").stdout);
    assert!(shown.contains("unsubscribed on "), "{shown}");
    let (_, exported) = outcomes(&folder, &["export"]);
    assert!(exported.contains("unsubscribed") && !exported.contains("jane"), "{exported}");
    fs::write(folder.path().join("kept.jsonl"), &exported).unwrap();
    assert_eq!(
        outcomes(&folder, &["erase", "jane.doe@acme.test"]),
        (Some(0), "1 removed\n".to_owned())
    );
    assert_eq!(verify(&folder, "jane.doe@acme.test")["reason"], "REASON_MAILBOX_ACCEPTED");
    let (_, said) = outcomes(&folder, &["import", "kept.jsonl"]);
    assert_eq!(said, "1 taken, 0 repeated\n");
    let (_, said) = outcomes(&folder, &["forget", "--before", "2999-01-01"]);
    assert_eq!(said, "0 removed\n", "an unsubscription holds for good");
    let (code, said) = outcomes(&folder, &["token", "jane.doe@acme.test", "jane.doe"]);
    assert!(code == Some(2) && said.contains("jane.doe is no address"), "{said}");
    let long = format!("{}@acme.test", "x".repeat(100));
    fs::write(folder.path().join("long.txt"), format!("address\n{long}\n")).unwrap();
    assert_eq!(add(&folder, &["--kind", "unsubscribed", "long.txt"])["taken"], 1);
    assert_eq!(outcomes(&folder, &["erase", &long]), (Some(0), "1 removed\n".to_owned()));
    let elsewhere = campaign();
    fs::write(elsewhere.path().join("kept.jsonl"), &exported).unwrap();
    let (code, said) = outcomes(&elsewhere, &["import", "kept.jsonl"]);
    assert!(code == Some(2) && said.contains("under another key"), "{said}");
}

#[test]
fn the_domain_shows_how_the_operators_own_mail_fared() {
    let folder = campaign();
    let table = "email,event,reason\na@acme.test,delivered,\nb@acme.test,delivered,\n\
                 c@acme.test,bounced,550 5.1.1 no such user\n";
    fs::write(folder.path().join("sent.csv"), table).unwrap();
    assert_eq!(add(&folder, &["sent.csv"])["kinds"]["gone"], 1);
    let args = ["domain", "acme.test", "--sandbox", "--config", "mailvet.toml"];
    let said = text(&process::run(folder.path(), &args, b"").stdout);
    assert!(said.contains("sent 3, bounced 1 (1 as gone) in 180 days"), "{said}");
}

#[test]
fn a_list_without_times_is_one_send_for_each_time_that_it_was_written() {
    let folder = campaign();
    let list = folder.path().join("sent.csv");
    let write_at = |days: u64| {
        fs::write(&list, "address\njane.doe@acme.test\nsales@acme.test\n").unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        fs::File::options().write(true).open(&list).unwrap().set_modified(at).unwrap();
    };
    for days in [20_000, 20_031] {
        write_at(days);
        assert_eq!(add(&folder, &["sent.csv"])["kinds"]["sent"], 2, "day {days}");
        assert_eq!(add(&folder, &["sent.csv"])["repeated"], 2, "the same file again");
    }
    assert_eq!(add(&folder, &["--kind", "unsubscribed", "sent.csv"])["taken"], 2);
    write_at(20_062);
    let again = add(&folder, &["--kind", "unsubscribed", "sent.csv"]);
    assert_eq!(again["repeated"], 2, "who has opted out has");
}

#[test]
fn a_source_that_is_no_source_is_named() {
    let folder = campaign();
    fs::write(folder.path().join("letter.txt"), "Once upon a time\n").unwrap();
    let (code, said) = outcomes(&folder, &["add", "letter.txt"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("letter.txt") && said.contains("address"), "{said}");
}

/// A list of 40 addresses at the domain that accepts everything, their names with this first
/// letter; what `mailvet list` says of sending to all that is risky too.
fn vet_catch_all(folder: &TempDir, letter: char, list: &str) -> String {
    let rows = (0..40).map(|number| format!("{letter}{number}@catch-all.test\n"));
    let rows = format!("address\n{}", rows.collect::<String>());
    fs::write(folder.path().join(list), rows).unwrap();
    let policy = ["--send-to", "deliverable-and-risky"];
    let args = ["list", list, "--sandbox", "--config", "mailvet.toml", "-o", "out.csv", "--force"];
    let output = process::run(folder.path(), &[&args[..], &policy].concat(), b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", text(&output.stderr));
    text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_second_pre_flight_learns_from_what_became_of_the_first_send() {
    let folder = campaign();
    let said = vet_catch_all(&folder, 'a', "first.csv");
    assert!(said.contains("Nothing is known of earlier sends"), "{said}");
    let kind = |number| if number < 2 { "bounced,550 5.1.1 no such user" } else { "delivered," };
    let sent = (0..40).map(|number| format!("a{number}@catch-all.test,{}\n", kind(number)));
    let sent = format!("address,kind,words\n{}", sent.collect::<String>());
    fs::write(folder.path().join("sent.csv"), sent).unwrap();
    assert_eq!(add(&folder, &["sent.csv"])["kinds"]["gone"], 2);
    let said = vet_catch_all(&folder, 'b', "second.csv");
    let expected = "Expected of the deliverable and the risky addresses are ";
    let (_, range) = said.split_once(expected).unwrap_or_else(|| panic!("{said}"));
    assert!(range.contains("% hard bounces, from 40 of your sends."), "{said}");
    assert!(said.contains("up to 100 % may bounce"), "the bounds stay: {said}");
    let again = vet_catch_all(&folder, 'a', "third.csv");
    assert!(again.contains("undeliverable 2 "), "two are suppressed: {again}");
    let args = ["accuracy", "--json", "--config", "mailvet.toml"];
    let output = process::run(folder.path(), &args, b"");
    let accuracy: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(accuracy["decided"], serde_json::json!({ "count": 0, "of": 118 }));
    let row = &accuracy["kinds"][0];
    assert_eq!(
        (&row["reason"], &row["mails"], &row["gone"]),
        (&"catch_all".into(), &40.into(), &2.into())
    );
    let percent = &row["gone_percent"];
    assert!(percent["low"].as_f64().unwrap() < 5.0 && percent["high"].as_f64().unwrap() > 5.0);
    let args = ["accuracy", "--config", "mailvet.toml"];
    let said = text(&process::run(folder.path(), &args, b"").stdout);
    assert!(said.contains("share decided        0 of 118 (0 %)"), "{said}");
    assert!(said.contains("right among decided  -") && said.contains("stand apart"), "{said}");
}

#[test]
fn a_domain_that_accepts_everything_shows_how_own_mail_to_it_fared() {
    let folder = campaign();
    let table = "email,event,reason\na@catch-all.test,delivered,\nb@catch-all.test,delivered,\n\
                 c@catch-all.test,bounced,550 5.1.1 no such user\nd@acme.test,delivered,\n";
    fs::write(folder.path().join("sent.csv"), table).unwrap();
    assert_eq!(add(&folder, &["sent.csv"])["taken"], 4);
    let verification = verify(&folder, "jane@catch-all.test");
    assert_eq!(verification["reason"], "REASON_CATCH_ALL", "no verdict rests on it");
    let own = &verification["evidence"]["ownMail"];
    let expected = serde_json::json!({ "sent": "3", "bounced": "1", "gone": "1", "days": 180 });
    assert_eq!(*own, expected, "{verification}");
    assert!(verify(&folder, "jane.doe@acme.test")["evidence"]["ownMail"].is_null());
    let args = ["verify", "--sandbox", "--config", "mailvet.toml", "jane@catch-all.test"];
    let said = text(&process::run(folder.path(), &args, b"").stdout);
    assert!(said.contains("own mail to the domain: sent 3, bounced 1 (1 as gone)"), "{said}");
    let args = ["list", "list.csv", "--sandbox", "--format", "jsonl", "--config", "mailvet.toml"];
    fs::write(folder.path().join("list.csv"), "address\njane@catch-all.test\n").unwrap();
    let args = [&args[..], &["-o", "out.jsonl"]].concat();
    process::run(folder.path(), &args, b"");
    let row = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert!(row.contains(r#""ownMail":{"sent":"3""#), "{row}");
}
