//! Runs that were interrupted.

use std::fs;
use std::process::{Child, Command};

use tempfile::TempDir;

use super::{LIST, folder_with, names, read, run, said};
use crate::process;

#[test]
fn nothing_to_resume_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--resume"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no unfinished run"), "{}", said(&output));
}

#[test]
fn what_is_left_of_a_run_that_never_began_is_in_nobodys_way() {
    let folder = folder_with("list.csv", LIST);
    let left = folder.path().join("list.vetted.csv.mailvet");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("lock"), "").unwrap();
    fs::write(left.join("input-0.csv"), "email\n").unwrap();
    let output = run(folder.path(), &["list.csv", "--resume"], b"");
    assert!(said(&output).contains("start one without --resume"), "{}", said(&output));
    let output = run(folder.path(), &["list.csv", "--sandbox", "--retry-window", "0s"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv"]);
    fs::create_dir(&left).unwrap();
    fs::write(left.join("notes.txt"), "mine").unwrap();
    let output = run(folder.path(), &["list.csv", "--sandbox", "--force"], b"");
    assert!(said(&output).contains("is no run of a list"), "{}", said(&output));
    assert!(left.join("notes.txt").exists());
}

#[test]
fn a_run_is_thrown_away_only_when_the_next_one_can_begin() {
    let rows: String = (0..30).map(|n| format!("nobody{n}@acme.test\n")).collect();
    let folder = folder_with("list.csv", format!("email\njane.doe@acme.test\n{rows}"));
    run(folder.path(), &["list.csv", "--sandbox", "--sample", "5"], b"");
    let left = ["list.csv", "list.vetted.csv.mailvet"];
    assert_eq!(names(&folder), left);
    let restart = ["list.csv", "--sandbox", "--restart"];
    for wrong in [["--exclude", "nowhere.txt"], ["--report", "nowhere/r.html"]] {
        let output = run(folder.path(), &[&restart[..], &wrong].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(names(&folder), left, "{wrong:?}");
    }
}

/// A run on `list.csv`, once its batch was accepted. One of its servers is slow to say nothing.
pub(super) fn begun(folder: &TempDir) -> Child {
    begun_with(folder, &[])
}

pub(super) fn begun_with(folder: &TempDir, flags: &[&str]) -> Child {
    let args = ["list", "list.csv", "--sandbox", "--retry-window", "0s"];
    let mut child = process::begin(folder.path(), &[&args, flags].concat());
    wait_until_accepted(folder, &mut child);
    child
}

pub(super) fn wait_until_accepted(folder: &TempDir, child: &mut Child) {
    let job = folder.path().join("list.vetted.csv.mailvet/job.json");
    while !fs::read_to_string(&job).is_ok_and(|text| text.contains("\"batch_id\": \"")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its batch was accepted");
        std::thread::yield_now();
    }
}

pub(super) const SLOW: &str = "mail\njane.doe@acme.test\njane@timeout.test\nnobody@acme.test\n";

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
fn a_run_that_is_interrupted_before_its_list_was_read_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = process::begin(folder.path(), &["list", "-", "--sandbox", "-o", "out.csv"]);
        // Nobody writes into it, and it stays open.
        let input = child.stdin.take().unwrap();
        let kept = folder.path().join("out.csv.mailvet/input-0");
        while !kept.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it read");
            std::thread::yield_now();
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("interrupted"), "{}", said(&output));
        assert_eq!(names(&folder), [""; 0], "{signal}");
    }
}

#[test]
fn a_list_from_a_pipe_with_nobody_on_it_is_no_run_to_go_on_with() {
    for list in ["", "email\nx\n"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(folder.path(), &["-", "--sandbox", "-o", "out.csv"], list.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(!said(&output).contains("--resume"), "{}", said(&output));
        assert_eq!(names(&folder), [""; 0]);
    }
    // One that waits for its service is kept: the pipe is not read again.
    let folder = tempfile::tempdir().unwrap();
    let args = ["-", "--server", "http://127.0.0.1:1", "-o", "out.csv"];
    let output = run(folder.path(), &args, LIST.as_bytes());
    assert!(said(&output).contains("--resume"), "{}", said(&output));
}

#[test]
fn a_run_without_its_list_or_its_batch_says_so_before_anybody_is_asked() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::rename(at("list.csv"), at("moved.csv")).unwrap();
    let output = run(folder.path(), &["--resume"], b"");
    assert!(said(&output).contains("list.csv cannot be read: put it back"), "{}", said(&output));
    fs::rename(at("moved.csv"), at("list.csv")).unwrap();
    fs::remove_dir_all(at("list.vetted.csv.mailvet/store")).unwrap();
    let output = run(folder.path(), &["--resume"], b"");
    assert!(said(&output).contains("start anew with --restart"), "{}", said(&output));
    assert!(!said(&output).contains("go on with"), "{}", said(&output));
    let output = run(folder.path(), &["--resume", "nowhere.mailvet"], b"");
    assert!(said(&output).contains("no unfinished run in nowhere.mailvet"), "{}", said(&output));
    assert!(!said(&output).contains("os error"), "{}", said(&output));
}

#[test]
fn a_run_that_had_written_a_part_of_its_files_goes_on_and_writes_over_its_own_alone() {
    let folder = folder_with("list.csv", LIST);
    let begin = ["list.csv", "--sandbox", "--retry-window", "0s", "--report", "/dev/full"];
    let output = run(folder.path(), &begin, b"");
    assert!(said(&output).contains("/dev/full cannot be written"), "{}", said(&output));
    let whole = read(&folder, "list.vetted.csv");
    fs::write(folder.path().join("list.vetted.csv"), "changed since").unwrap();
    let output = run(folder.path(), &["--resume", "--report", "r.html"], b"");
    assert!(said(&output).contains("list.vetted.csv is already there"), "{}", said(&output));
    fs::remove_file(folder.path().join("list.vetted.csv")).unwrap();
    let output = run(folder.path(), &["--resume", "--report", "/dev/full"], b"");
    assert!(said(&output).contains("/dev/full cannot be written"), "{}", said(&output));
    let output = run(folder.path(), &["--resume", "--report", "r.html"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(read(&folder, "list.vetted.csv"), whole);
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv", "r.html"]);
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

#[test]
fn a_resumed_run_shows_no_key_to_a_server_that_only_its_folder_names() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    // The service is nowhere; a list from standard input is kept for the next try.
    let begun = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            run(folder.path(), &["-", "-o", "out.csv", "--server", &server], LIST.as_bytes())
        });
        // Whoever calls is hung up on.
        while !run.is_finished() {
            drop(listener.accept());
            std::thread::yield_now();
        }
        run.join().unwrap()
    });
    let how = format!("mailvet list --resume out.csv.mailvet --server {server}");
    assert!(said(&begun).contains(&how), "{}", said(&begun));

    let output = Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(["list", "--resume", "out.csv.mailvet"])
        .current_dir(folder.path())
        .env("MAILVET_API_KEY", "mailvet_0123456789")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("would get your API key"), "{}", said(&output));
    assert!(said(&output).contains(&how), "{}", said(&output));
    assert!(listener.accept().is_err(), "nobody called");
}

#[test]
fn the_way_to_go_on_may_be_copied_and_its_folder_completed_by_a_shell() {
    let rows: String = (0..30).map(|n| format!("nobody{n}@acme.test\n")).collect();
    let folder = folder_with("my list.csv", format!("email\njane.doe@acme.test\n{rows}"));
    let output = run(folder.path(), &["my list.csv", "--sandbox", "--sample", "5"], b"");
    let how = "mailvet list --resume 'my list.vetted.csv.mailvet'";
    assert!(said(&output).contains(how), "{}", said(&output));
    let output = run(folder.path(), &["--resume", "my list.vetted.csv.mailvet/"], b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
    assert_eq!(names(&folder), ["my list.csv", "my list.vetted.csv"]);
}

#[test]
fn a_run_that_goes_on_in_another_format_is_found_and_its_output_is_named_after_it() {
    let rows: String = (0..30).map(|n| format!("nobody{n}@acme.test\n")).collect();
    let folder = folder_with("list.csv", format!("email\njane.doe@acme.test\n{rows}"));
    let output = run(folder.path(), &["list.csv", "--sandbox", "--sample", "5"], b"");
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv.mailvet"], "{}", said(&output));
    let output = run(folder.path(), &["list.csv", "--resume", "--format", "jsonl"], b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
    assert_eq!(names(&folder), ["list.csv", "list.vetted.jsonl"]);
    assert!(read(&folder, "list.vetted.jsonl").starts_with("{\"email\":\"jane.doe@acme.test\","));
}

#[test]
fn a_run_whose_output_has_a_name_of_its_own_is_found_by_its_list() {
    let rows: String = (0..30).map(|n| format!("nobody{n}@acme.test\n")).collect();
    let folder = folder_with("list.csv", format!("email\njane.doe@acme.test\n{rows}"));
    let begin = ["list.csv", "--sandbox", "--sample", "5", "-o", "send.csv"];
    let output = run(folder.path(), &begin, b"");
    assert_eq!(names(&folder), ["list.csv", "send.csv.mailvet"], "{}", said(&output));
    fs::write(folder.path().join("other.csv"), "email\njane.doe@acme.test\n").unwrap();
    let output = run(folder.path(), &["--resume", "other.csv"], b"");
    assert!(said(&output).contains("no unfinished run"), "{}", said(&output));
    let output = run(folder.path(), &["--resume", "list.csv"], b"");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", said(&output));
    assert_eq!(names(&folder), ["list.csv", "other.csv", "send.csv"]);
}

#[test]
fn a_run_resumed_from_elsewhere_writes_where_it_was_begun() {
    let folder = folder_with("list.csv", SLOW);
    let mut child = begun_with(&folder, &["--split", "parts", "--report", "r.html"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let elsewhere = folder_with("list.vetted.csv", "precious");
    let run_folder = folder.path().join("list.vetted.csv.mailvet");
    let output = run(elsewhere.path(), &["--resume", run_folder.to_str().unwrap(), "--force"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(names(&elsewhere), ["list.vetted.csv"]);
    assert_eq!(read(&elsewhere, "list.vetted.csv"), "precious");
    assert_eq!(names(&folder), ["list.csv", "list.vetted.csv", "parts", "r.html"]);
    assert!(read(&folder, "parts/suppress.txt").contains("nobody@acme.test"));
}
