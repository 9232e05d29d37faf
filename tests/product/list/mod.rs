//! `mailvet list`, as a person runs it.

mod begun_with;
mod exclusion;
mod files;
mod formats;
mod preview;
mod resume;
mod rows;

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::process;

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
