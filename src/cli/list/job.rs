//! A run of `mailvet list` on disk: what was asked for, so that `--resume` needs no more than the
//! folder. It stands beside the output, and is removed when the output is there.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::args::{FormatArg, ListArgs, SendToArg, VerdictArg};
use crate::cli::args::DepthArg;

/// The ending of a run's folder.
pub(super) const ENDING: &str = ".mailvet";

/// What was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The list.
    pub(super) input: PathBuf,
    /// Whether it came from standard input, and was kept in the run's folder.
    pub(super) is_spooled: bool,
    /// The SHA-256 of its bytes, once it was read to the end.
    pub(super) digest: Option<String>,
    /// Where the answers go.
    pub(super) output: PathBuf,
    pub(super) format: Option<FormatArg>,
    pub(super) only: Vec<VerdictArg>,
    pub(super) report: Option<PathBuf>,
    pub(super) column: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) depth: DepthArg,
    #[serde(with = "humantime_serde")]
    pub(super) deadline: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) patience: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) max_age: Option<std::time::Duration>,
    pub(super) skip_catch_all: bool,
    pub(super) send_to: SendToArg,
    /// The service that does the work; `None`: this process.
    pub(super) server: Option<String>,
    /// Whether the sandbox is asked instead of the internet.
    pub(super) sandbox: bool,
    /// Makes the submission the same one, however often it is tried.
    pub(super) request_id: String,
    /// The batch, once it was accepted.
    pub(super) batch_id: Option<String>,
    /// The folder itself; it may have been moved.
    #[serde(skip)]
    folder: PathBuf,
}

impl Job {
    /// Begins a run; standard input is read to its end first.
    pub(super) fn begin(args: &ListArgs, request_id: String) -> anyhow::Result<Self> {
        let file = args.file.clone().context("name a list")?;
        let is_spooled = file.as_os_str() == "-";
        if !is_spooled {
            fs::File::open(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        }
        let output = output(args)?;
        let folder = folder(&output);
        if args.restart && folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        anyhow::ensure!(
            !folder.exists(),
            "an unfinished run is in {}: go on with --resume, or start anew with --restart",
            folder.display()
        );
        for file in [Some(&output), args.report.as_ref()].into_iter().flatten() {
            anyhow::ensure!(
                args.force || !file.exists(),
                "{} is already there: write over it with --force, or name another file",
                file.display()
            );
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let input = if is_spooled { folder.join("input") } else { fs::canonicalize(&file)? };
        let job = Self {
            input,
            is_spooled,
            digest: None,
            output,
            format: args.format,
            only: args.only.clone(),
            report: args.report.clone(),
            column: args.column.clone(),
            encoding: args.encoding.clone(),
            header: args.header,
            depth: args.depth,
            deadline: args.deadline,
            patience: args.patience,
            max_age: args.max_age,
            skip_catch_all: args.skip_catch_all,
            send_to: args.send_to,
            server: args.server.clone(),
            sandbox: args.sandbox,
            request_id,
            batch_id: None,
            folder,
        };
        job.spool().inspect_err(|_| job.remove())?;
        job.save().inspect_err(|_| job.remove())?;
        Ok(job)
    }

    fn spool(&self) -> anyhow::Result<()> {
        if self.is_spooled {
            let mut file = fs::File::create(&self.input)?;
            io::copy(&mut io::stdin().lock(), &mut file).context("standard input was not kept")?;
        }
        Ok(())
    }

    /// Goes on with the run of the named list or, if none is named, the only one in this folder.
    pub(super) fn resume(args: &ListArgs) -> anyhow::Result<Self> {
        let folder = match &args.file {
            Some(file) if file.to_string_lossy().ends_with(ENDING) => file.clone(),
            Some(_) => folder(&output(args)?),
            None => only_folder()?,
        };
        let text = fs::read(folder.join("job.json")).with_context(|| {
            format!(
                "there is no unfinished run in {}; start one without --resume",
                folder.display()
            )
        })?;
        let mut job: Self = serde_json::from_slice(&text).with_context(|| {
            format!("{} is damaged; start anew with --restart", folder.display())
        })?;
        job.folder = folder;
        Ok(job)
    }

    /// Keeps what is known of the run, whole or not at all.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let (new, kept) = (self.folder.join("job.json.new"), self.folder.join("job.json"));
        fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&new, &kept))
            .with_context(|| format!("{} cannot be written", kept.display()))
    }

    /// Where the batch is kept, if this process does the work.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Where a file is written before it takes its own name.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What people call the list.
    pub(super) fn name(&self) -> String {
        let name = if self.is_spooled { None } else { self.input.file_name() };
        name.map_or_else(|| "standard input".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The run is over, or never began.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "could not be removed");
        }
    }

    /// How to go on with it.
    pub(super) fn how_to_go_on(&self) -> String {
        format!("mailvet list --resume {}", self.folder.display())
    }
}

/// Where the answers go: beside the list, under a name of their own.
fn output(args: &ListArgs) -> anyhow::Result<PathBuf> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    let file = args.file.as_deref().context("name a list")?;
    anyhow::ensure!(file.as_os_str() != "-", "name the --output of a list from standard input");
    let plain = match file.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("gz") => file.with_extension(""),
        _ => file.to_path_buf(),
    };
    let extension = match (args.format, plain.extension()) {
        (Some(FormatArg::Csv), _) => "csv".into(),
        (Some(FormatArg::Jsonl), _) => "jsonl".into(),
        // A plain file of addresses becomes a table.
        (None, Some(extension)) if extension.eq_ignore_ascii_case("txt") => "csv".into(),
        (None, Some(extension)) => extension.to_os_string(),
        (None, None) => OsString::from("csv"),
    };
    let mut name = plain.file_stem().unwrap_or_default().to_os_string();
    name.push(".vetted.");
    name.push(extension);
    Ok(file.with_file_name(name))
}

/// The folder of the run that writes `output`.
fn folder(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_os_string();
    name.push(ENDING);
    name.into()
}

fn only_folder() -> anyhow::Result<PathBuf> {
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
