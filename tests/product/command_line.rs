//! The binary, as a person or a script runs it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::process;

fn mailvet(args: &[&str], input: &str) -> Output {
    process::run(Path::new("."), args, input.as_bytes())
}

/// Runs a command with these variables, and nothing on its standard input.
pub(crate) fn mailvet_with(args: &[&str], environment: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
    command.args(args).env_clear().stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (*name, value))).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json_lines(output: &Output) -> Vec<BTreeMap<String, Value>> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_answer_that_cannot_be_written_is_a_fault_in_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.csv"), "email\njane.doe@acme.test\n").unwrap();
    for args in [
        &["explain", "550 5.1.1 no such user"][..],
        &["syntax", "jane@acme.test"],
        &["lists"],
        &["man"],
        &["completions", "bash"],
        &["verify", "--sandbox", "jane.doe@acme.test"],
        &["list", "--sandbox", "list.csv"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
        command.args(args).current_dir(folder.path()).env_clear().stdin(Stdio::null());
        let output = command.stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("standard output cannot be written"), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
    // The files of the list are whole, and nothing is left to go on with.
    assert!(folder.path().join("list.vetted.csv").exists());
    assert!(!folder.path().join("list.vetted.csv.mailvet").exists());
}

#[test]
fn a_command_without_a_place_for_its_scratch_files_names_the_remedy() {
    let output = mailvet_with(&["demo"], &[("TMPDIR", "/nowhere".to_owned())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("TMPDIR"), "{}", text(&output.stderr));
}

#[test]
fn verify_prints_the_documented_keys_and_exits_by_the_verdict() {
    let output = mailvet(&["verify", "--sandbox", "--json", "jane.doe@acme.test"], "");
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 1);
    for key in [
        "address",
        "input",
        "verdict",
        "action",
        "reason",
        "reasons",
        "flags",
        "canonical",
        "evidence",
        "elapsedDuration",
    ] {
        assert!(lines[0].contains_key(key), "{key} is missing");
    }
    assert_eq!(lines[0]["verdict"], "VERDICT_DELIVERABLE");
    for key in ["stage", "exchanger", "exchangerIp", "code", "reply", "gatherTime"] {
        assert!(lines[0]["evidence"].get(key).is_some(), "{key} is missing");
    }
    assert_eq!(lines[0]["address"], "jane.doe@acme.test");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    let output = mailvet(&["verify", "--sandbox", "not an address"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("invalid_syntax"));
}

#[test]
fn verify_says_why_no_mail_server_was_asked_and_says_it_once() {
    let args = ["verify", "--sandbox", "jane@dns-failure.test", "jane@no-such-domain.test"];
    let shown = text(&mailvet(&args, "").stdout);
    assert!(shown.contains("the name servers answered SERVFAIL"), "{shown}");
    assert_eq!(shown.matches("the domain does not exist").count(), 1, "{shown}");
}

#[test]
fn verify_reads_standard_input_and_keeps_its_order() {
    let input = "jane.doe@acme.test\n\n  \nnobody@acme.test\njane@no-such-domain.test\n";
    let output = mailvet(&["verify", "--sandbox", "--json", "-"], input);
    let lines = json_lines(&output);
    let addresses: Vec<_> = lines.iter().map(|line| line["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["jane.doe@acme.test", "nobody@acme.test", "jane@no-such-domain.test"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_octet_that_is_no_utf_8_costs_its_own_line_of_standard_input_alone() {
    let input = b"jane.doe@acme.test\r\njos\xe9@acme.test\nfran\xe7ois@acme.test\nnobody@acme.test";
    let output = process::run(Path::new("."), &["verify", "--sandbox", "--json", "-"], input);
    let lines = json_lines(&output);
    let reasons: Vec<_> = lines.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    const UNREADABLE: &str = "REASON_INVALID_SYNTAX";
    assert_eq!(
        reasons,
        ["REASON_MAILBOX_ACCEPTED", UNREADABLE, UNREADABLE, "REASON_MAILBOX_NOT_FOUND"]
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn the_transcript_shows_the_dialogue_and_no_local_part() {
    let output = mailvet(&["verify", "--sandbox", "--transcript", "jane.doe@acme.test"], "");
    let shown = text(&output.stdout);
    assert!(shown.contains("RCPT TO:<j***@acme.test>"), "{shown}");
    assert_eq!(shown.matches("jane.doe").count(), 1, "only the address asked for: {shown}");
}

#[test]
fn explain_names_the_meaning_and_the_rule() {
    let output = mailvet(&["explain", "550 5.1.1 <a@example.com>: user unknown"], "");
    assert!(text(&output.stdout).starts_with("mailbox_not_found"), "{}", text(&output.stdout));
    let input = "{\"id\":\"1\",\"reply\":\"550 blocked using a blocklist\",\"code\":550,\
                 \"enhanced\":null,\"stage\":\"rcpt\"}\n";
    let lines = json_lines(&mailvet(&["explain", "--jsonl"], input));
    assert_eq!(lines[0]["id"], "1");
    assert_eq!(lines[0]["label"], "sender_blocked");
    assert!(lines[0]["rule"].is_string());
}

#[test]
fn syntax_says_what_is_wrong_and_where() {
    let input =
        "{\"id\":1,\"address\":\"a@example.com\"}\n{\"id\":2,\"address\":\"a b@example.com\"}\n";
    let lines = json_lines(&mailvet(&["syntax", "--jsonl"], input));
    assert_eq!((&lines[0]["valid"], &lines[0]["reason"]), (&Value::Bool(true), &Value::Null));
    assert_eq!((&lines[1]["valid"], &lines[1]["offset"]), (&Value::Bool(false), &1.into()));
    assert_eq!(mailvet(&["syntax", "a@example.com"], "").status.code(), Some(0));
    assert_eq!(mailvet(&["syntax", "a@@example.com"], "").status.code(), Some(1));
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    let output = mailvet(&["syntax", "--jsonl"], "{\"id\":1,\"address\":\"a@b.test\"}\nnonsense\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("line 2"), "{}", text(&output.stderr));
}

#[test]
fn domain_tells_how_mail_is_received() {
    let output = mailvet(&["domain", "--sandbox", "acme.test"], "");
    let shown = text(&output.stdout);
    assert!(shown.contains("receives mail through") && shown.contains("valid for"), "{shown}");
    assert_eq!(output.status.code(), Some(0));
    let output = mailvet(&["domain", "--sandbox", "no-such-domain.test"], "");
    assert!(text(&output.stdout).contains("does not exist"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(mailvet(&["domain", "--sandbox", "not a domain"], "").status.code(), Some(2));
}

#[test]
fn config_prints_what_flags_and_files_made_of_it() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "[server]\nstream_concurrency = 7").unwrap();
    let path = file.path().to_str().unwrap();
    let output = mailvet(&["config", "--config", path, "--smtp-port", "2525"], "");
    let shown = text(&output.stdout);
    assert!(shown.contains("stream_concurrency = 7") && shown.contains("port = 2525"), "{shown}");
}

#[test]
fn a_mistake_in_the_configuration_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "[sever]").unwrap();
    let output = mailvet(&["config", "--config", file.path().to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stderr);
    assert!(shown.contains("sever") && shown.contains("line 1"), "{shown}");
}

#[test]
fn the_demo_shows_every_verdict_and_sends_no_message() {
    let output = mailvet(&["demo"], "");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for verdict in ["deliverable", "risky", "undeliverable", "unknown"] {
        assert!(shown.contains(verdict), "{verdict} is missing:\n{shown}");
    }
    assert!(shown.contains("and 0 messages"), "{shown}");
    let warned = text(&output.stderr);
    assert!(!warned.contains("could be entered by other users"), "{warned}");
}

/// The number of exchangers, and address, verdict, action and reason of each row of a demo's text.
fn demo_columns(shown: &str) -> (&str, Vec<Vec<&str>>) {
    let world = shown.lines().find(|line| line.starts_with("A mail world on loopback:")).unwrap();
    let rows = shown.lines().skip_while(|line| !line.starts_with("address ")).skip(1);
    let rows = rows.take_while(|line| !line.trim().is_empty());
    let rows = rows.map(|line| line.split_whitespace().take(4).collect()).collect();
    (world.split_whitespace().nth(5).unwrap(), rows)
}

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let expected = demo_columns(readme);
    assert!(expected.1.len() > 20, "{expected:?}");
    // A machine that is busy may be late for a row; it is not late for the same one each time.
    let mut shown = String::new();
    for _ in 0..3 {
        shown = text(&mailvet(&["demo"], "").stdout);
        if demo_columns(&shown) == expected {
            return;
        }
    }
    assert_eq!(demo_columns(&shown), expected);
}

#[test]
fn the_demo_has_its_own_service_whatever_an_operator_has_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailvet.toml");
    std::fs::write(&file, "[server.tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n")
        .unwrap();
    let environment = [
        ("MAILVET_CONFIG", file.display().to_string()),
        ("MAILVET_SERVER__API_KEYS", "/nowhere/keys.toml".to_owned()),
        ("MAILVET_SERVER__HTTP__ENABLED", "false".to_owned()),
    ];
    let output = mailvet_with(&["demo"], &environment);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("and 0 messages"), "{}", text(&output.stdout));
    let refused = mailvet_with(&["demo", "--log", "loud"], &[]);
    assert_eq!(refused.status.code(), Some(2), "its flags count");
}

#[test]
fn health_says_no_when_nothing_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = mailvet(&["health", "--server", &format!("http://{free}")], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("does not answer"));
}

#[test]
fn doctor_prints_the_documented_keys_and_exits_by_what_it_found() {
    let output = mailvet(&["doctor", "--sandbox", "--json", "--timeout", "20s"], "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 1);
    for key in ["status", "pass", "warn", "fail", "skipped", "elapsed_ms", "findings"] {
        assert!(lines[0].contains_key(key), "{key} is missing");
    }
    assert_eq!(lines[0]["status"], "fail");
    let findings = lines[0]["findings"].as_array().unwrap();
    for finding in findings {
        let keys: Vec<_> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        let documented = ["id", "identity", "meaning", "remedy", "seen", "status", "subject"];
        assert_eq!(keys, documented);
    }
    let of_neglected = findings.iter().find(|f| f["id"] == "helo_name" && f["status"] == "fail");
    assert_eq!(of_neglected.unwrap()["identity"], "neglected");

    let args = ["doctor", "--sandbox", "--helo-name", "probe.mailvet.test"];
    let output = mailvet(&args, "");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}{}", text(&output.stderr));
    for words in
        ["This host", "warn null_sender", "means", "smtp.fallback_mail_from", "1 warn, 0 fail"]
    {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
    assert!(!shown.contains("FAIL"), "{shown}");
}

#[test]
fn doctor_fails_in_its_own_way_when_it_cannot_look_at_all() {
    let output = mailvet(&["doctor", "--nameserver", "127.0.0.1:0"], "");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("dns.nameservers"), "{}", text(&output.stderr));
}

#[test]
fn reply_rules_of_ones_own_come_first() {
    let mut rules = tempfile::NamedTempFile::new().unwrap();
    let rule = "[[rule]]\nname = \"our-gateway\"\nmeaning = \"rate_limited\"\n\
                phrases = [\"the kettle is on\"]\nsource = \"Our own gateway.\"\n";
    rules.write_all(rule.as_bytes()).unwrap();
    let path = &rules.path().to_str().unwrap().to_owned();
    let output = mailvet(&["explain", "--reply-rules", path, "550 The kettle is on"], "");
    let shown = text(&output.stdout);
    assert!(shown.starts_with("rate_limited") && shown.contains("our-gateway"), "{shown}");
    rules.write_all(b"[[rule]]\nnam = \"x\"\n").unwrap();
    let output = mailvet(&["explain", "--reply-rules", path, "550 The kettle is on"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(path), "{}", text(&output.stderr));
}

#[test]
fn lists_of_ones_own_add_and_take() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("disposable.txt"), "acme.test\n-mailinator.com\n").unwrap();
    // Its exchanger is known too.
    std::fs::write(dir.path().join("disposable_exchangers.txt"), "-mailinator.com\n").unwrap();
    let path = dir.path().to_str().unwrap();
    let args = ["verify", "--sandbox", "--json", "--depth", "domain", "--lists-dir", path];
    let args = [&args[..], &["jane.doe@acme.test", "jane@mailinator.com"]].concat();
    let lines = json_lines(&mailvet(&args, ""));
    let is_disposable =
        |line: &BTreeMap<String, Value>| line["flags"]["disposable"] == Value::Bool(true);
    assert!(is_disposable(&lines[0]) && !is_disposable(&lines[1]), "{lines:?}");
    let shown = text(&mailvet(&["lists", "--lists-dir", path], "").stdout);
    assert!(shown.contains("disposable.txt"), "{shown}");
    std::fs::write(dir.path().join("role.txt"), "two words\n").unwrap();
    let output = mailvet(&["lists", "--lists-dir", path], "");
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("role.txt") && error.contains('1'), "{error}");
}

#[test]
fn the_api_page_lists_every_sample_of_the_sandbox() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    let world = mailvet::sandbox::World::built_in().unwrap();
    for sample in world.samples() {
        let (verdict, reason) = (sample.verdict.to_lowercase(), sample.reason.to_lowercase());
        let row = format!("| `{}` | `{verdict}` | `{reason}` | {}", sample.address, sample.note);
        assert!(page.contains(&row), "missing: {row}");
    }
}
