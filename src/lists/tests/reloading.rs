//! Changed files are taken up, broken ones are not.

use std::fs::{self, File};
use std::path::Path;

use super::*;
use crate::lists::{Config, ListsHandle, Reload};

fn open(dir: &Path) -> Result<ListsHandle, ListError> {
    ListsHandle::open(&Config { dir: Some(dir.to_owned()), ..Config::default() })
}

fn write(dir: &Path, name: &str, text: &[u8]) {
    fs::write(dir.join(name), text).unwrap();
}

fn disposable(handle: &ListsHandle, name: &str) -> bool {
    handle.current().is_disposable(&domain(name))
}

#[test]
fn without_a_folder_the_built_in_lists_serve_and_never_change() {
    let handle = ListsHandle::open(&Config::default()).unwrap();
    assert!(disposable(&handle, "mailinator.com"));
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Unchanged);
}

#[test]
fn a_changed_file_is_taken_up_and_a_snapshot_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "disposable.txt", b"one.example");
    let handle = open(dir.path()).unwrap();
    let before = handle.current();
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Unchanged);

    write(dir.path(), "disposable.txt", b"one.example\nthree.example\n");
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Reloaded);
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Unchanged);
    assert!(disposable(&handle, "one.example") && disposable(&handle, "three.example"));
    assert!(!before.is_disposable(&domain("three.example")));
}

#[test]
fn a_file_of_the_same_size_is_taken_up_by_its_time() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "disposable.txt", b"one.example");
    let handle = open(dir.path()).unwrap();
    write(dir.path(), "disposable.txt", b"two.example");
    let file = File::options().write(true).open(dir.path().join("disposable.txt")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Reloaded);
    assert!(disposable(&handle, "two.example") && !disposable(&handle, "one.example"));
}

#[test]
fn a_file_that_comes_or_goes_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let handle = open(dir.path()).unwrap();
    write(dir.path(), "role.txt", b"chef\n");
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Reloaded);
    assert!(handle.current().is_role("chef"));
    fs::remove_file(dir.path().join("role.txt")).unwrap();
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Reloaded);
    assert!(!handle.current().is_role("chef"));
}

#[test]
fn a_broken_file_is_reported_once_and_the_old_lists_stay() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "disposable.txt", b"one.example");
    let handle = open(dir.path()).unwrap();
    write(dir.path(), "disposable.txt", b"two.example\nnot a domain\n");
    let complaint = handle.reload_if_changed().unwrap_err().to_string();
    assert!(complaint.contains("disposable.txt:2: \"not a domain\""), "{complaint}");
    assert!(disposable(&handle, "one.example") && !disposable(&handle, "two.example"));
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Unchanged);

    write(dir.path(), "disposable.txt", b"two.example\n");
    assert_eq!(handle.reload_if_changed().unwrap(), Reload::Reloaded);
    assert!(disposable(&handle, "two.example"));
}

#[test]
fn a_folder_that_vanishes_is_reported_each_time_and_the_old_lists_stay() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("lists");
    fs::create_dir(&dir).unwrap();
    write(&dir, "disposable.txt", b"one.example");
    let handle = open(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    for _ in 0..2 {
        assert!(matches!(handle.reload_if_changed(), Err(ListError::Read { .. })));
    }
    assert!(disposable(&handle, "one.example"));
}

#[test]
fn a_misnamed_list_is_refused_and_other_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["README.md", ".role.txt", "free.txt~", "notes"] {
        write(dir.path(), name, b"\xff any \0 thing");
    }
    fs::create_dir(dir.path().join("folder.txt")).unwrap();
    assert!(open(dir.path()).is_ok());
    write(dir.path(), "disposables.txt", b"one.example");
    let complaint = open(dir.path()).unwrap_err().to_string();
    assert!(complaint.contains("disposables.txt: no list has this name; rename it to role.txt"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = open(&dir.path().join("missing")).unwrap_err().to_string();
    assert!(complaint.contains("missing") && complaint.contains("check that the path exists"));
}

#[test]
fn text_that_is_not_utf_8_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "free.txt", b"one.example\n\xfcber.example\n");
    let complaint = open(dir.path()).unwrap_err().to_string();
    assert!(complaint.contains("free.txt:2: the text is not UTF-8; save the file as UTF-8"));
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("free.txt")).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    let complaint = open(dir.path()).unwrap_err().to_string();
    assert!(complaint.contains("67108865 bytes are more than a list may have"), "{complaint}");
}

#[cfg(unix)]
#[test]
fn a_linked_file_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    write(elsewhere.path(), "names", b"one.example");
    std::os::unix::fs::symlink(elsewhere.path().join("names"), dir.path().join("disposable.txt"))
        .unwrap();
    let handle = open(dir.path()).unwrap();
    assert!(disposable(&handle, "one.example"));
}
