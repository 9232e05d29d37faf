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
use super::paths;
use super::rows::RowPlan;
use crate::cli::args::{Common, DepthArg};
use crate::cli::client::ClientArgs;
use crate::listfile::{self, Reader};

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
    /// Whether an output or a report that is there may be replaced.
    #[serde(default)]
    pub(super) force: bool,
    pub(super) column: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) depth: DepthArg,
    #[serde(with = "humantime_serde")]
    pub(super) deadline: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) retry_window: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) max_age: Option<std::time::Duration>,
    pub(super) skip_catch_all: bool,
    pub(super) send_to: SendToArg,
    /// The service that does the work; `None`: this process.
    pub(super) server: Option<String>,
    /// Whether the sandbox is asked instead of the internet.
    pub(super) sandbox: bool,
    /// The trust and the credentials for that service, as references to files.
    #[serde(default)]
    pub(super) client: ClientArgs,
    /// The configuration that this process asks under, as references to files.
    #[serde(default)]
    pub(super) common: Common,
    /// Number of suppression lists, kept in the run's folder.
    #[serde(default)]
    pub(super) exclude: usize,
    /// Whether only the first row of each mailbox is written.
    #[serde(default)]
    pub(super) unique: bool,
    /// Makes the submission the same one, however often it is tried.
    pub(super) request_id: String,
    /// The batch, once it was accepted.
    pub(super) batch_id: Option<String>,
    /// Held as long as the run is worked on.
    #[serde(skip)]
    lock: Option<fs::File>,
    /// The folder itself; it may have been moved.
    #[serde(skip)]
    folder: PathBuf,
}

impl Job {
    /// Begins a run; a list that can be read only once is kept in the run's folder first.
    pub(super) fn begin(
        args: &ListArgs,
        common: &Common,
        request_id: String,
    ) -> anyhow::Result<Self> {
        let file = args.file.clone().context("name a list")?;
        let is_spooled = is_spooled(&file)?;
        let output = output(args, is_spooled)?;
        let folder = folder(&output, &file);
        let mut files = vec![("the list", file.as_path()), ("the output", output.as_path())];
        files.extend(args.report.as_deref().map(|report| ("the report", report)));
        files.retain(|(_, path)| !paths::is_stream(path));
        paths::ensure_different(&files)?;
        if args.restart && folder.exists() {
            drop(lock(&folder)?);
            fs::remove_dir_all(&folder)
                .with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        anyhow::ensure!(
            !folder.exists(),
            "an unfinished run is in {}: go on with --resume, or start anew with --restart",
            folder.display()
        );
        if !is_spooled {
            fs::File::open(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        }
        for file in [Some(&output), args.report.as_ref()].into_iter().flatten() {
            paths::ensure_writable(file, args.force)?;
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let input = if is_spooled { Ok(folder.join("input")) } else { fs::canonicalize(&file) };
        let job = Self {
            input: input.unwrap_or_else(|_| file.clone()),
            is_spooled,
            digest: None,
            output,
            format: args.format,
            only: args.only.clone(),
            report: args.report.clone(),
            force: args.force,
            column: args.column.clone(),
            encoding: args.encoding.clone(),
            header: args.header,
            depth: args.depth,
            deadline: args.deadline,
            retry_window: args.retry_window,
            max_age: args.max_age,
            skip_catch_all: args.skip_catch_all,
            send_to: args.send_to,
            server: args.server.clone(),
            sandbox: args.sandbox,
            client: args.client.absolute()?,
            common: common.absolute()?,
            exclude: args.exclude.len(),
            unique: args.unique,
            request_id,
            batch_id: None,
            lock: None,
            folder,
        };
        let remove = job.folder.clone();
        job.prepare(&file, &args.exclude).inspect_err(|_| remove_folder(&remove))
    }

    /// Takes the folder's lock, keeps the list if need be, and what was asked for.
    fn prepare(mut self, file: &Path, exclude: &[PathBuf]) -> anyhow::Result<Self> {
        self.lock = Some(lock(&self.folder)?);
        if self.is_spooled {
            let mut kept = fs::File::create(&self.input)?;
            let copied = match file.as_os_str() == "-" {
                true => io::copy(&mut io::stdin().lock(), &mut kept),
                false => fs::File::open(file).and_then(|mut pipe| io::copy(&mut pipe, &mut kept)),
            };
            copied.with_context(|| format!("{} was not kept", file.display()))?;
        }
        for (number, file) in exclude.iter().enumerate() {
            let copied = fs::File::open(file).and_then(|mut list| {
                io::copy(&mut list, &mut fs::File::create(self.excluded(number))?)
            });
            copied.with_context(|| format!("{} cannot be read", file.display()))?;
        }
        self.plan()?;
        self.save()?;
        Ok(self)
    }

    /// Goes on with the run of the named list or, if none is named, the only one in this folder.
    /// What the flags say about the output applies; about the questions they may not differ from
    /// what the run was begun with.
    pub(super) fn resume(args: &ListArgs, common: &Common) -> anyhow::Result<Self> {
        let folder = match &args.file {
            Some(file) if file.to_string_lossy().ends_with(ENDING) => file.clone(),
            Some(file) => folder(&output(args, is_spooled(file).unwrap_or(true))?, file),
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
        job.lock = Some(lock(&folder)?);
        job.folder = folder;
        job.refuse_other_questions(args, common)?;
        job.take_output_flags(args)?;
        job.save()?;
        Ok(job)
    }

    /// Refuses flags that would change what is asked, or how.
    fn refuse_other_questions(&self, args: &ListArgs, common: &Common) -> anyhow::Result<()> {
        let client = args.client.absolute()?;
        let differs = [
            ("--column", args.column.is_some() && args.column != self.column),
            ("--encoding", args.encoding.is_some() && args.encoding != self.encoding),
            ("--header", args.header.is_some() && args.header != self.header),
            ("--depth", args.depth != DepthArg::Mailbox && args.depth != self.depth),
            ("--deadline", args.deadline.is_some() && args.deadline != self.deadline),
            (
                "--retry-window",
                args.retry_window.is_some() && args.retry_window != self.retry_window,
            ),
            ("--max-age", args.max_age.is_some() && args.max_age != self.max_age),
            ("--skip-catch-all", args.skip_catch_all && !self.skip_catch_all),
            ("--send-to", args.send_to != SendToArg::Deliverable && args.send_to != self.send_to),
            ("--server", args.server.is_some() && args.server != self.server),
            ("--sandbox", args.sandbox && !self.sandbox),
            ("--exclude", !args.exclude.is_empty() && args.exclude.len() != self.exclude),
            ("--ca, --client-cert, --client-key or --api-key-file", client.differs(&self.client)),
        ];
        let flag = differs.iter().find(|(_, differs)| *differs).map(|(flag, _)| *flag);
        if let Some(flag) = flag.or(common.absolute()?.differs(&self.common)) {
            anyhow::bail!(
                "{flag} differs from what the run was begun with: leave it out, or start anew \
                 with --restart"
            );
        }
        Ok(())
    }

    /// Takes the flags that say what is to be written, and where.
    fn take_output_flags(&mut self, args: &ListArgs) -> anyhow::Result<()> {
        let names_folder = args.file.as_ref().is_none_or(|file| *file == self.folder);
        if let Some(output) = args.output.as_ref().filter(|_| names_folder) {
            self.output.clone_from(output);
        }
        if args.report.is_some() {
            self.report.clone_from(&args.report);
        }
        if !args.only.is_empty() {
            self.only.clone_from(&args.only);
        }
        self.format = args.format.or(self.format);
        self.force |= args.force;
        self.unique |= args.unique;
        let mut files = vec![("the list", self.input.as_path()), ("the output", &self.output)];
        files.extend(self.report.as_deref().map(|report| ("the report", report)));
        files.retain(|(_, path)| !paths::is_stream(path));
        paths::ensure_different(&files)?;
        for file in [Some(&self.output), self.report.as_ref()].into_iter().flatten() {
            paths::ensure_writable(file, self.force)?;
        }
        Ok(())
    }

    /// Keeps what is known of the run, whole or not at all.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let (new, kept) = (self.folder.join("job.json.new"), self.folder.join("job.json"));
        fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&new, &kept))
            .with_context(|| format!("{} cannot be written", kept.display()))
    }

    /// The plan of what is asked of each row.
    pub(super) fn plan(&self) -> anyhow::Result<RowPlan> {
        let mut plan = RowPlan::default();
        for number in 0..self.exclude {
            let path = self.excluded(number);
            let named = || format!("{} cannot be read", path.display());
            let file = io::BufReader::new(fs::File::open(&path).with_context(named)?);
            for row in Reader::open(file, &listfile::Options::default()).with_context(named)? {
                let row = row.with_context(named)?;
                row.address().into_iter().for_each(|address| plan.exclude(address));
                row.others().iter().for_each(|address| plan.exclude(address));
            }
        }
        Ok(plan)
    }

    /// The run's own copy of a suppression list.
    fn excluded(&self, number: usize) -> PathBuf {
        self.folder.join(format!("exclude-{number}"))
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
        remove_folder(&self.folder);
    }

    /// How to go on with it.
    pub(super) fn how_to_go_on(&self) -> String {
        format!("mailvet list --resume {}", self.folder.display())
    }
}

fn remove_folder(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "could not be removed");
    }
}

/// Takes the lock of a run's folder, as long as the file that is returned is open.
fn lock(folder: &Path) -> anyhow::Result<fs::File> {
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

/// Whether the list can be read only once, so that it is kept in the run's folder: standard
/// input, a pipe, a terminal.
fn is_spooled(file: &Path) -> anyhow::Result<bool> {
    if file.as_os_str() == "-" {
        return Ok(true);
    }
    let found = fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
    anyhow::ensure!(!found.is_dir(), "{} is a folder: name a file", file.display());
    Ok(!found.is_file())
}

/// The output: beside the list, under a name of its own.
fn output(args: &ListArgs, is_spooled: bool) -> anyhow::Result<PathBuf> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    let file = args.file.as_deref().context("name a list")?;
    anyhow::ensure!(!is_spooled, "name the --output of a list from standard input or a pipe");
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

/// The folder of the run that reads `input` and writes `output`: beside the output, or beside the
/// list if the rows go to a stream.
fn folder(output: &Path, input: &Path) -> PathBuf {
    let name = match paths::is_stream(output) {
        false => output,
        true if paths::is_stream(input) => Path::new("mailvet-list"),
        true => input,
    };
    let mut name = name.as_os_str().to_os_string();
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
