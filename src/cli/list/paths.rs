//! Files as the file system knows them: which paths mean the same file, and how a finished file
//! takes its name without taking another's.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::ser::{Error as _, Serialize as _, Serializer};
use tempfile::NamedTempFile;

/// A file's identity, through symbolic links: of one that is there its device and inode, of one
/// that is not its folder's and its name, and its path where that is not there either.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    name: Option<OsString>,
}

impl FileIdentity {
    /// `None` if the path has no name.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let numbers =
            |found: fs::Metadata, name| Self { device: found.dev(), inode: found.ino(), name };
        if let Ok(found) = fs::metadata(path) {
            return Some(numbers(found, None));
        }
        let path = behind_links(path);
        let name = Some(path.file_name()?.to_os_string());
        let Ok(folder) = fs::metadata(folder_of(&path)) else {
            return Some(Self { device: 0, inode: 0, name: Some(path.into_os_string()) });
        };
        Some(numbers(folder, name))
    }
}

/// The path that a chain of links which ends at nothing leads to.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(target);
    }
    path
}

/// The path of the file that is written for `path`: a link keeps standing, and what it leads to is
/// replaced.
fn written_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| behind_links(path))
}

/// The name of a list without the ending of what is packed.
pub(super) fn unpacked(file: &Path) -> PathBuf {
    match file.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("gz") => file.with_extension(""),
        _ => file.to_path_buf(),
    }
}

/// The name of an output that is named after the list `file`, without its ending.
pub(super) fn vetted_stem(file: &Path) -> OsString {
    let mut name = unpacked(file).file_stem().unwrap_or_default().to_os_string();
    name.push(".vetted");
    name
}

/// The folder that `path` stands in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a path down so that it means the same file from every folder.
pub(super) fn serialize_absolute<S: Serializer>(
    path: &Path,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if is_standard_output(path) {
        return path.serialize(serializer);
    }
    std::path::absolute(path).map_err(S::Error::custom)?.serialize(serializer)
}

/// The same for a path that may be missing.
pub(super) fn serialize_any_absolute<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serialize_absolute(path, serializer),
        None => serializer.serialize_none(),
    }
}

/// Refuses two of `files` that are the same file. Each has the words for it in a message.
pub(super) fn ensure_different(files: &[(&str, &Path)]) -> anyhow::Result<()> {
    let identities: Vec<_> = files.iter().map(|(_, path)| FileIdentity::of_path(path)).collect();
    for (later, identity) in identities.iter().enumerate() {
        let earlier =
            identities[..later].iter().position(|other| identity.is_some() && other == identity);
        if let Some(earlier) = earlier {
            let ((one, _), (other, path)) = (files[earlier], files[later]);
            anyhow::ensure!(
                one != other,
                "{} would be {one} twice: name each list once, and vet lists of one name in runs \
                 of their own",
                path.display()
            );
            anyhow::bail!("{} is {one}: {other} needs another name", path.display());
        }
    }
    Ok(())
}

/// `true` if rows are written into what is at `path` as they are, because it is no file that could
/// be replaced: a terminal, a pipe, a device.
pub(super) fn is_stream(path: &Path) -> bool {
    is_standard_output(path)
        || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// `true` if `path` is a name of standard output, wherever that leads.
fn is_standard_output(path: &Path) -> bool {
    const NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    NAMES.iter().any(|name| path.as_os_str() == *name)
}

/// Finds out before anything is asked whether a file can be written at `path`, and may be.
pub(super) fn ensure_writable(path: &Path, may_replace: bool) -> anyhow::Result<()> {
    if is_stream(path) {
        return Ok(());
    }
    anyhow::ensure!(!path.is_dir(), "{} is a folder: name a file", path.display());
    anyhow::ensure!(
        may_replace || fs::symlink_metadata(path).is_err(),
        "{} is already there: write over it with --force, or name another file",
        path.display()
    );
    let target = written_path(path);
    let folder = folder_of(&target);
    anyhow::ensure!(
        folder.is_dir(),
        "{} cannot be written: there is no folder {}",
        path.display(),
        folder.display()
    );
    let tried = tempfile::Builder::new().prefix(".mailvet-").tempfile_in(folder);
    // The error names the file that was tried, which nobody knows.
    let tried = tried.map(drop).map_err(|error| io::Error::from(error.kind()));
    tried.with_context(|| format!("{} cannot be written", path.display()))
}

/// Gives a finished file its own name, or copies it to a stream. What is already there under that
/// name stays unless it may be replaced.
pub(super) fn persist(scratch: &Path, path: &Path, may_replace: bool) -> anyhow::Result<()> {
    let named = || format!("{} cannot be written", path.display());
    if is_stream(path) {
        return copy_to_stream(scratch, path).with_context(named);
    }
    let target = written_path(path);
    if may_replace {
        return replace(scratch, &target).with_context(named);
    }
    let placed = match fs::hard_link(scratch, &target) {
        Ok(()) => fs::remove_file(scratch),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Another file system, or one without links.
        Err(_) => copy_to_new(scratch, &target),
    };
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => appeared(path),
        placed => placed.with_context(named),
    }
}

fn appeared(path: &Path) -> anyhow::Result<()> {
    anyhow::bail!(
        "{} has appeared meanwhile: move it away, or write over it with --force",
        path.display()
    )
}

fn replace(scratch: &Path, target: &Path) -> io::Result<()> {
    if fs::rename(scratch, target).is_ok() {
        return Ok(());
    }
    copy_beside(scratch, target)?.persist(target)?;
    Ok(())
}

/// Copies `scratch` to a `target` that is not there, which has its name only once it is whole.
fn copy_to_new(scratch: &Path, target: &Path) -> io::Result<()> {
    let Err(refused) = copy_beside(scratch, target)?.persist_noclobber(target) else {
        return Ok(());
    };
    if refused.error.kind() == io::ErrorKind::AlreadyExists {
        return Err(refused.error);
    }
    // Here only a new file can say that the name is free.
    OpenOptions::new().write(true).create_new(true).open(target)?;
    let persisted = refused.file.persist(target).map(drop);
    persisted.map_err(|refused| {
        let _still_empty = fs::remove_file(target);
        refused.error
    })
}

/// Copies `scratch` to a file without a name of its own, in the folder of `target`.
fn copy_beside(scratch: &Path, target: &Path) -> io::Result<NamedTempFile> {
    let mut beside = tempfile::Builder::new();
    // As any file that is made there: what others may not do with it is the caller's umask.
    let beside = beside.prefix(".mailvet-").permissions(fs::Permissions::from_mode(0o666));
    let mut beside = beside.tempfile_in(folder_of(target))?;
    copy(scratch, beside.as_file_mut())?;
    Ok(beside)
}

fn copy(scratch: &Path, into: &mut File) -> io::Result<()> {
    io::copy(&mut File::open(scratch)?, into)?;
    into.sync_all()
}

fn copy_to_stream(scratch: &Path, path: &Path) -> io::Result<()> {
    let mut rows = File::open(scratch)?;
    if is_standard_output(path) {
        let mut out = io::stdout().lock();
        io::copy(&mut rows, &mut out)?;
        return io::Write::flush(&mut out);
    }
    io::copy(&mut rows, &mut OpenOptions::new().write(true).open(path)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_under_several_names_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.csv"), "a").unwrap();
        symlink(at("a.csv"), at("link.csv")).unwrap();
        fs::hard_link(at("a.csv"), at("hard.csv")).unwrap();
        symlink(at("new.csv"), at("dangling.csv")).unwrap();
        for (one, other) in [
            ("a.csv", "a.csv"),
            ("a.csv", "./a.csv"),
            ("link.csv", "a.csv"),
            ("hard.csv", "a.csv"),
            ("new.csv", "./new.csv"),
            ("new.csv", "dangling.csv"),
        ] {
            let files = [("the list", &*at(one)), ("the output", &*at(other))];
            let error = ensure_different(&files).unwrap_err().to_string();
            assert!(error.contains("is the list"), "{one} {other}: {error}");
        }
        let files = [("the list", &*at("a.csv")), ("the output", &*at("new.csv"))];
        ensure_different(&files).unwrap();
    }

    #[test]
    fn a_link_to_nowhere_is_found_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.csv");
        symlink("gone/out.csv", &link).unwrap();
        let error = ensure_writable(&link, true).unwrap_err().to_string();
        assert!(error.contains("link.csv cannot be written: there is no folder"), "{error}");
        assert!(error.ends_with("gone"), "{error}");
        fs::create_dir(folder.path().join("gone")).unwrap();
        ensure_writable(&link, true).unwrap();
    }

    #[test]
    fn what_appeared_meanwhile_stays_unless_it_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("scratch"), "new").unwrap();
        fs::write(at("there"), "precious").unwrap();
        let error = persist(&at("scratch"), &at("there"), false).unwrap_err().to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(at("there")).unwrap(), "precious");
        symlink(at("there"), at("link")).unwrap();
        persist(&at("scratch"), &at("link"), true).unwrap();
        assert_eq!(fs::read_to_string(at("there")).unwrap(), "new");
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    }

    #[test]
    fn a_copy_that_fails_leaves_no_file_under_the_targets_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // A folder can neither be linked nor read.
        fs::create_dir(at("scratch")).unwrap();
        let error = persist(&at("scratch"), &at("out.csv"), false).unwrap_err().to_string();
        assert!(error.contains("out.csv cannot be written"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the folder");
    }

    #[test]
    fn a_file_that_is_copied_is_like_any_other_and_takes_no_name_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("scratch"), "new").unwrap();
        copy_to_new(&at("scratch"), &at("out.csv")).unwrap();
        assert_eq!(fs::read_to_string(at("out.csv")).unwrap(), "new");
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode("out.csv"), mode("scratch"));
        fs::write(at("out.csv"), "precious").unwrap();
        let error = copy_to_new(&at("scratch"), &at("out.csv")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(at("out.csv")).unwrap(), "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "and nothing is left");
    }

    #[test]
    fn a_device_is_written_to_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scratch"), "rows").unwrap();
        for stream in ["/dev/null", "-", "/dev/stdout", "/dev/fd/1"] {
            assert!(is_stream(Path::new(stream)), "{stream}");
        }
        persist(&folder.path().join("scratch"), Path::new("/dev/null"), true).unwrap();
        assert!(is_stream(Path::new("/dev/null")));
    }
}
