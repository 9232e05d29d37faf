//! The folder of a run: its name, its lock; and the name of the output it stands beside.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::{FormatArg, ListArgs};
use super::paths;
use crate::listfile::import::Container;

/// The ending of a run's folder.
pub(super) const ENDING: &str = ".mailvet";

/// Removes a run's folder.
pub(super) fn remove_folder(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "could not be removed");
    }
}

/// Takes the lock of a run's folder, as long as the file that is returned is open.
pub(super) fn lock(folder: &Path) -> anyhow::Result<fs::File> {
    let path = folder.join("lock");
    let named = || format!("{} cannot be written", path.display());
    let file = fs::OpenOptions::new().create(true).append(true).open(&path).with_context(named)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => anyhow::bail!(
            "the run in {} is being worked on by another process: wait for it, or end it first",
            folder.display()
        ),
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(named),
    }
}

/// `true` if the list can be read only once, so that it is kept in the run's folder: standard
/// input, a pipe, a terminal.
pub(super) fn is_spooled(file: &Path) -> anyhow::Result<bool> {
    if file.as_os_str() == "-" {
        return Ok(true);
    }
    let found = fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
    anyhow::ensure!(!found.is_dir(), "{} is a folder: name a file", file.display());
    Ok(!found.is_file())
}

/// The container that a file on disk is, if it is none of the formats that are read by the line.
fn container(file: &Path) -> anyhow::Result<Option<Container>> {
    let named = || format!("{} cannot be read", file.display());
    let mut file = fs::File::open(file).with_context(named)?;
    Container::detect(&mut file).with_context(named)
}

/// The output: beside the list, under a name of its own.
pub(super) fn output(args: &ListArgs, is_spooled: bool) -> anyhow::Result<PathBuf> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    let file = args.file.as_deref().context("name a list")?;
    anyhow::ensure!(!is_spooled, "name the --output of a list from standard input or a pipe");
    let is_imported = container(file)?.is_some();
    let plain = match file.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("gz") => file.with_extension(""),
        _ => file.to_path_buf(),
    };
    let extension = match (args.format, plain.extension()) {
        (Some(FormatArg::Csv), _) => "csv".into(),
        (Some(FormatArg::Xlsx), _) => "xlsx".into(),
        (Some(FormatArg::Jsonl), _) => "jsonl".into(),
        // A plain file of addresses becomes a table, and so does what is no text by the line.
        (None, Some(extension)) if is_imported || extension.eq_ignore_ascii_case("txt") => {
            "csv".into()
        }
        (None, Some(extension)) => extension.to_os_string(),
        (None, None) => OsString::from("csv"),
    };
    let mut name = plain.file_stem().unwrap_or_default().to_os_string();
    name.push(".vetted.");
    name.push(extension);
    Ok(file.with_file_name(name))
}

/// The folder of the run that reads `input` and writes `output`: beside the output, or beside the
/// list if the rows go to a stream.
pub(super) fn folder(output: &Path, input: &Path) -> PathBuf {
    let name = match paths::is_stream(output) {
        false => output,
        true if paths::is_stream(input) => Path::new("mailvet-list"),
        true => input,
    };
    let mut name = name.as_os_str().to_os_string();
    name.push(ENDING);
    name.into()
}

/// The only run in this folder.
pub(super) fn only_folder() -> anyhow::Result<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(".").context("this folder cannot be read")? {
        let path = PathBuf::from(entry?.file_name());
        if path.to_string_lossy().ends_with(ENDING) && path.join("job.json").exists() {
            folders.push(path);
        }
    }
    folders.sort();
    match folders.as_slice() {
        [folder] => Ok(folder.clone()),
        [] => anyhow::bail!("no unfinished run is in this folder; name its list"),
        several => {
            let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            anyhow::bail!("several unfinished runs are here, name one: {}", names.join(", "))
        }
    }
}
