//! Bounces, as an operator brings them in.

use std::path::Path;

use serde_json::Value;

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
fn a_file_that_is_not_there_is_named() {
    let output = process::run(Path::new("."), &["outcomes", "read", "no-such.eml"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no-such.eml"), "{}", text(&output.stderr));
}
