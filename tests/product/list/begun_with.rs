//! What a run that is gone on with keeps of how it was begun.

use std::fs;
use std::process::Command;

use super::resume::{SLOW, begun, begun_with, wait_until_accepted};
use super::{folder_with, read, run, said};

#[test]
fn a_resumed_run_knows_the_consent_of_each_row() {
    let list = "mail,signup\njane@timeout.test,\nlea.martin@northwind.test,2025-01-01\n";
    let folder = folder_with("list.csv", list);
    let mut child = begun_with(&folder, &["--consent-column", "signup"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = run(folder.path(), &["--resume", "list.csv", "--consent-column", "mail"], b"");
    assert!(said(&output).contains("--consent-column differs"), "{}", said(&output));
    let output = run(folder.path(), &["--resume"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "list.vetted.csv");
    assert!(text.contains("2025-01-01,deliverable,review,mailbox_accepted"), "{text}");
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
fn the_variables_and_the_suppression_lists_of_a_run_are_those_it_was_begun_with() {
    let folder = folder_with("list.csv", SLOW);
    fs::write(folder.path().join("gone.txt"), "nobody@acme.test\n").unwrap();
    let command = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
        command.args(args).current_dir(folder.path()).env_clear();
        command.envs(variables.iter().copied());
        command
    };
    let begin = ["list", "list.csv", "--sandbox", "--retry-window", "0s", "--exclude", "gone.txt"];
    let helo = [("MAILVET_SMTP__HELO_NAME", "probe.example.com")];
    let mut child = command(&begin, &helo).spawn().unwrap();
    wait_until_accepted(&folder, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let job = folder.path().join("list.vetted.csv.mailvet/job.json");
    assert!(fs::read_to_string(&job).unwrap().contains("probe.example.com"));
    let resume = ["list", "--resume", "list.csv"];
    let other = [("MAILVET_SMTP__HELO_NAME", "other.example.com")];
    let output = command(&resume, &other).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("MAILVET_SMTP__HELO_NAME differs"), "{}", said(&output));
    fs::write(folder.path().join("gone.txt"), "jane.doe@acme.test\n").unwrap();
    let exclude = [&resume[..], &["--exclude", "gone.txt"]].concat();
    let output = command(&exclude, &[]).output().unwrap();
    assert!(said(&output).contains("--exclude differs"), "{}", said(&output));
    let output = command(&resume, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(read(&folder, "list.vetted.csv").contains("nobody@acme.test,risky,suppress,opted_out"));
}

/// The output of a run without `nobody@acme.test` that is gone on with by the rules of a version
/// which did not write `word` down, and by `copy` in the place of its list to exclude.
fn gone_on_without(word: &str, copy: &str) -> String {
    let folder = folder_with("list.csv", SLOW);
    fs::write(folder.path().join("gone.csv"), "email\nnobody@acme.test\n").unwrap();
    let mut child = begun_with(&folder, &["--exclude", "gone.csv"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let run_folder = folder.path().join("list.vetted.csv.mailvet");
    fs::write(run_folder.join("exclude-0"), copy).unwrap();
    let job = fs::read_to_string(run_folder.join("job.json")).unwrap();
    let lines = job.lines().filter(|line| !line.contains(word));
    let job: String = lines.flat_map(|line| [line, "\n"]).collect();
    fs::write(run_folder.join("job.json"), job).unwrap();
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    read(&folder, "list.vetted.csv")
}

#[test]
fn a_run_of_an_older_version_goes_on_with_what_it_left_out_when_it_was_sent() {
    for (word, copy) in [
        // It read one column of its copy, and kept no word of that.
        ("excludes_every_column", "email,email2\nnobody@acme.test,jane.doe@acme.test\n"),
        // Domains and hashes excluded nobody; this is the MD5 of `jane.doe@acme.test`.
        ("excludes_domains", "email\nnobody@acme.test\n@acme.test\n"),
        ("excludes_domains", "email,md5\nnobody@acme.test,\n,efbd0da1b924f9ca6c60d9f43928b4f3\n"),
    ] {
        let text = gone_on_without(word, copy);
        assert!(text.contains("nobody@acme.test,risky,suppress,opted_out"), "{text}");
        assert!(text.contains("jane.doe@acme.test,deliverable,send"), "{text}");
    }
}

#[test]
fn a_run_that_is_gone_on_with_leaves_the_same_domains_and_hashes_out() {
    let folder = folder_with("list.csv", format!("{SLOW}lea.martin@northwind.test\n"));
    fs::write(folder.path().join("gone.csv"), "md5\ne4a781a969e637678b6f904198ad2827\n").unwrap();
    fs::write(folder.path().join("domains.csv"), "@northwind.test\n").unwrap();
    let mut child = begun_with(&folder, &["--exclude", "gone.csv", "--exclude", "domains.csv"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "list.vetted.csv");
    assert!(text.contains("nobody@acme.test,risky,suppress,opted_out"), "{text}");
    assert!(text.contains("lea.martin@northwind.test,risky,suppress,opted_out"), "{text}");
    assert!(text.contains("jane.doe@acme.test,deliverable,send"), "{text}");
}

#[test]
fn a_run_of_an_older_version_goes_on_with_the_column_that_it_was_sent_by() {
    let list = "Id,Customer Email,Vendor Email\n1,jack.doe@acme.test,jane.doe@acme.test\n\
                2,,jane@timeout.test\n3,,nobody@acme.test\n";
    let folder = folder_with("list.csv", list);
    let mut child = begun_with(&folder, &["--column", "Vendor Email"]);
    child.kill().unwrap();
    child.wait().unwrap();
    // It took the vendors by itself, and kept no word of its rules.
    let job_file = folder.path().join("list.vetted.csv.mailvet/job.json");
    let job = fs::read_to_string(&job_file).unwrap();
    let job = job.replace("\"column\": \"Vendor Email\"", "\"column\": null");
    let lines = job.lines().filter(|line| !line.contains("column_rules"));
    let job: String = lines.flat_map(|line| [line, "\n"]).collect();
    fs::write(job_file, job).unwrap();
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = read(&folder, "list.vetted.csv");
    assert!(text.contains("jane.doe@acme.test,deliverable,send"), "{text}");
}
