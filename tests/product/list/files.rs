//! The files of a run: what is refused, and that no file is written over.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use super::{LIST, folder_with, names, read, run, said, vet};

#[test]
fn what_is_wrong_with_a_list_is_said_and_nothing_is_left_behind() {
    let hundred: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let long = format!("mail\n{}\n", "x".repeat(3 << 20));
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty.csv", Vec::new(), "empty"),
        ("no.csv", format!("{}\n{}\n", hundred.join(","), hundred.join(",")).into(), "--column"),
        ("two.csv", b"work,home\na@b.test,c@d.test\n".to_vec(), "--column"),
        ("long.csv", long.into(), "long"),
        ("book.xlsx", b"PK\x03\x04\x14\x00\x06\x00".to_vec(), "save it as CSV"),
        ("header.csv", b"email,name\n".to_vec(), "header"),
        ("nobody.csv", b"email,name\n,Jane\n,John\n".to_vec(), "no row holds an address"),
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
fn a_list_whose_name_is_not_utf8_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"M\xfcller.csv");
    fs::write(folder.path().join(name), LIST).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
    command.arg("list").arg(name).arg("--sandbox").current_dir(folder.path()).env_clear();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("ller.csv is not UTF-8") && told.contains("rename it"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let folder = folder_with("crm.csv", LIST);
    let output = run(folder.path(), &["crm.csv", "--sandbox", "-o", "/proc/out.csv"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("/proc/out.csv"), "{}", said(&output));
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
fn a_device_that_never_ends_is_no_list() {
    let folder = folder_with("a.csv", LIST);
    let output = run(folder.path(), &["/dev/zero", "--sandbox", "-o", "x.csv"], b"");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("/dev/zero is a device"), "{}", said(&output));
    assert_eq!(names(&folder), ["a.csv"]);
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
