//! The folder of a run: its name, its lock; and the name of the output it stands beside.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::{FormatArg, ListArgs};
use super::job_file::JobFile;
use super::paths;
use crate::listfile::import::Container;
use crate::listfile::{Format, Reader, ReaderOptions};

/// The ending of a run's folder.
pub(super) const ENDING: &str = ".mailvet";

/// The number of tries to remove a folder into which somebody still writes.
const REMOVALS: usize = 10;

/// Removes a run's folder, if it is there.
pub(super) fn remove_folder(folder: &Path) {
    let is_filled = |error: &io::Error| error.kind() == io::ErrorKind::DirectoryNotEmpty;
    // What an interrupted run had begun may make a file while the others are removed.
    let removed = (0..REMOVALS)
        .map(|_| fs::remove_dir_all(folder))
        .find(|removed| !removed.as_ref().is_err_and(is_filled));
    match removed {
        Some(Ok(())) => {}
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Some(Err(error)) => {
            tracing::warn!(folder = %folder.display(), %error, "could not be removed");
        }
        None => tracing::warn!(folder = %folder.display(), "could not be removed: it is in use"),
    }
}

/// The file in a run's folder that says what was asked for.
pub(super) const JOB: &str = "job.json";

/// The file in a run's folder that is locked as long as the run is worked on.
const LOCK: &str = "lock";

/// `true` if a run that can be gone on with is in `folder`: one that was cut off before it was
/// written down asked nothing.
pub(super) fn holds_run(folder: &Path) -> bool {
    folder.join(JOB).exists()
}

/// Removes the folder of an earlier run, if there is one and nobody works on it.
pub(super) fn remove_earlier(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    anyhow::ensure!(
        holds_run(folder) || folder.join(LOCK).exists(),
        "{} is in the way, and is no run of a list: give it another name",
        folder.display()
    );
    drop(lock(folder)?);
    fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))
}

/// Puts the files in a run's folder on the disk.
pub(super) fn sync(folder: &Path) -> anyhow::Result<()> {
    let synced = fs::read_dir(folder)
        .and_then(|mut files| files.try_for_each(|file| fs::File::open(file?.path())?.sync_all()));
    synced.with_context(|| format!("{} cannot be written", folder.display()))
}

/// Takes the lock of a run's folder, as long as the file that is returned is open.
pub(super) fn lock(folder: &Path) -> anyhow::Result<fs::File> {
    let path = folder.join(LOCK);
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
    let is_device = found.file_type().is_block_device()
        || found.file_type().is_char_device()
            && !fs::File::open(file).is_ok_and(|file| file.is_terminal());
    // /dev/zero never ends: it would be copied until the disk is full.
    anyhow::ensure!(!is_device, "{} is a device: name a file or a pipe", file.display());
    Ok(!found.is_file())
}

/// The container that a file on disk is, if it is none of the formats that are read by the line.
fn container(file: &Path) -> anyhow::Result<Option<Container>> {
    let named = || format!("{} cannot be read", file.display());
    let mut file = fs::File::open(file).with_context(named)?;
    Container::detect(&mut file).with_context(named)
}

/// The lists that `args` name, each with its output.
pub(super) fn job_files(args: &ListArgs) -> anyhow::Result<Vec<JobFile>> {
    job_files_as(args, args.format)
}

/// The same for outputs in another format than `args` name.
fn job_files_as(args: &ListArgs, format: Option<FormatArg>) -> anyhow::Result<Vec<JobFile>> {
    anyhow::ensure!(!args.files.is_empty(), "name a list");
    args.files.iter().map(|file| job_file(args, format, file)).collect()
}

fn job_file(args: &ListArgs, format: Option<FormatArg>, file: &Path) -> anyhow::Result<JobFile> {
    let is_spooled = is_spooled(file)?;
    let name = match file.file_name() {
        Some(name) if file.as_os_str() != "-" => name.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    };
    // A dry run writes nothing.
    let output = match args.dry_run {
        true => PathBuf::from("-"),
        false => output(args, format, file, is_spooled)?,
    };
    let path = file.to_path_buf();
    Ok(JobFile { path, name, is_spooled, is_imported: false, digest: None, output })
}

/// `true` if the outputs go into the folder that `--output` names.
fn is_folder(args: &ListArgs, output: &Path) -> bool {
    let is_named = output.as_os_str().to_string_lossy().ends_with('/') || output.is_dir();
    args.files.len() > 1 || is_named
}

/// The output of `file`: the named one, or one beside the list under a name of its own.
fn output(
    args: &ListArgs,
    format: Option<FormatArg>,
    file: &Path,
    is_spooled: bool,
) -> anyhow::Result<PathBuf> {
    let folder = match &args.output {
        Some(output) if !is_folder(args, output) => return Ok(output.clone()),
        Some(folder) => {
            let is_other = paths::is_stream(folder) || folder.is_file();
            anyhow::ensure!(!is_other, "{} is no folder: several lists need one", folder.display());
            Some(folder)
        }
        None => None,
    };
    anyhow::ensure!(!is_spooled, "name the --output of a list from standard input or a pipe");
    let extension: OsString = match format {
        Some(format) => format.ending().into(),
        None => own_ending(args, file, &paths::unpacked(file))?,
    };
    let mut name = paths::vetted_stem(file);
    name.push(".");
    name.push(extension);
    Ok(folder.map_or_else(|| file.with_file_name(&name), |folder| folder.join(&name)))
}

/// The ending of an output in the format of the list, whose name without `.gz` is `plain`.
fn own_ending(args: &ListArgs, file: &Path, plain: &Path) -> anyhow::Result<OsString> {
    Ok(match (container(file)?, plain.extension()) {
        (Some(container), _) if container.is_workbook() => "xlsx".into(),
        (Some(_), _) | (None, None) => "csv".into(),
        (None, Some(ending)) if ending.eq_ignore_ascii_case("txt") => {
            // A plain file of addresses becomes a table; other delimiters than commas stay.
            if has_own_delimiter(args, file) { ending.to_owned() } else { "csv".into() }
        }
        (None, Some(ending)) => ending.to_owned(),
    })
}

/// `true` if a list has something else than commas between its fields, or is JSON.
fn has_own_delimiter(args: &ListArgs, file: &Path) -> bool {
    let options = ReaderOptions {
        encoding: args.encoding.clone(),
        // Whatever the column is: a run that is gone on with need not name it.
        column: Some("1".to_owned()),
        header: args.header,
        skip_rows: args.skip_rows,
        ..ReaderOptions::default()
    };
    // What cannot be read is refused later, in words.
    let reader = fs::File::open(file).ok().and_then(|file| Reader::open(file, &options).ok());
    reader.is_some_and(|reader| match reader.layout().format {
        Format::Plain => false,
        Format::Delimited(dialect) => dialect.delimiter != b',',
        Format::JsonLines => true,
    })
}

/// The folder of the run that reads and writes `files`: beside the output, or beside the list if
/// the rows go to a stream.
pub(super) fn folder(args: &ListArgs, files: &[JobFile]) -> PathBuf {
    let (input, output) = match (files, &args.output) {
        ([_, _, ..], Some(folder)) => (folder.as_path(), folder.as_path()),
        ([file, ..], _) => (file.path.as_path(), file.output.as_path()),
        ([], _) => (Path::new("-"), Path::new("-")),
    };
    let name = match paths::is_stream(output) {
        false => output,
        true if paths::is_stream(input) => Path::new("mailvet-list"),
        true => input,
    };
    // A folder's name may end with a slash.
    let mut name = name.components().collect::<PathBuf>().into_os_string();
    name.push(ENDING);
    name.into()
}

/// The folder of the run on the lists that `args` name, in whatever format it was begun.
pub(super) fn begun_folder(args: &ListArgs) -> anyhow::Result<PathBuf> {
    let wanted = folder(args, &job_files(args)?);
    let others = [None, Some(FormatArg::Csv), Some(FormatArg::Jsonl), Some(FormatArg::Xlsx)];
    for format in others.into_iter().filter(|_| !wanted.exists()) {
        let begun = folder(args, &job_files_as(args, format)?);
        if begun.exists() {
            return Ok(begun);
        }
    }
    Ok(wanted)
}

/// The only run in this folder.
pub(super) fn only_folder() -> anyhow::Result<PathBuf> {
    let only = single(folders_here()?)?;
    only.context("no unfinished run is in this folder; name its list")
}

/// The folders of the runs in this folder.
pub(super) fn folders_here() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(".").context("this folder cannot be read")? {
        let path = PathBuf::from(entry?.file_name());
        if path.to_string_lossy().ends_with(ENDING) && holds_run(&path) {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The run among `folders`, if there is one; several have to be told apart by name.
pub(super) fn single(folders: Vec<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    if folders.len() > 1 {
        let names: Vec<_> = folders.iter().map(|path| path.display().to_string()).collect();
        anyhow::bail!("several unfinished runs are here, name one: {}", names.join(", "))
    }
    Ok(folders.into_iter().next())
}
