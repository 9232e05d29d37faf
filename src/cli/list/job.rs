//! A run of `mailvet list` on disk: what was asked for, so that `--resume` needs no more than the
//! folder. It stands beside the output, and is removed when the output is there.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::args::{FormatArg, ListArgs, SendToArg, VerdictArg};
use super::rows::RowPlan;
use super::{folder, parts, paths};
use crate::cli::client::ClientArgs;
use crate::cli::common::Common;
use crate::cli::depth::DepthArg;
use crate::cli::render::DIM;
use crate::listfile::import::{Container, ImportLimits, Imported};
use crate::listfile::{self, Reader};

/// The value that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The list.
    pub(super) input: PathBuf,
    /// The list's own name.
    #[serde(default)]
    pub(super) name: String,
    /// `true` if it could be read only once, and was kept in the run's folder.
    pub(super) is_spooled: bool,
    /// The SHA-256 of its bytes, once it was read to the end.
    pub(super) digest: Option<String>,
    /// The file for the answers.
    pub(super) output: PathBuf,
    pub(super) format: Option<FormatArg>,
    pub(super) only: Vec<VerdictArg>,
    pub(super) report: Option<PathBuf>,
    /// `true` if an output or a report that is there may be replaced.
    #[serde(default)]
    pub(super) force: bool,
    pub(super) column: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) header: Option<bool>,
    /// Number of lines above the header that are no rows.
    #[serde(default)]
    pub(super) skip_rows: usize,
    /// `true` if the cleaned address takes the place of the cell's own text.
    #[serde(default)]
    pub(super) clean: bool,
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
    /// `true` if the sandbox is asked instead of the internet.
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
    /// `true` if only the first row of each mailbox is written.
    #[serde(default)]
    pub(super) unique: bool,
    /// The folder that gets a file for each verdict.
    #[serde(default)]
    pub(super) split: Option<PathBuf>,
    /// Makes the submission the same one, however often it is tried.
    pub(super) request_id: String,
    /// The batch, once it was accepted.
    pub(super) batch_id: Option<String>,
    /// Held as long as the run is worked on.
    #[serde(skip)]
    pub(super) lock: Option<fs::File>,
    /// The folder itself; it may have been moved.
    #[serde(skip)]
    pub(super) folder: PathBuf,
}

impl Job {
    /// Begins a run; a list that can be read only once is kept in the run's folder first.
    pub(super) fn begin(
        args: &ListArgs,
        common: &Common,
        request_id: String,
    ) -> anyhow::Result<Self> {
        let file = args.file.clone().context("name a list")?;
        let is_spooled = folder::is_spooled(&file)?;
        let output = folder::output(args, is_spooled)?;
        let folder = folder::folder(&output, &file);
        let parts = args.split.as_deref().map(|split| parts::paths(split, &output));
        let parts = parts.unwrap_or_default();
        let mut files = vec![("the list", file.as_path())];
        files.extend(args.exclude.iter().map(|list| ("a list to exclude", list.as_path())));
        files.push(("the output", &output));
        files.extend(args.report.as_deref().map(|report| ("the report", report)));
        files.extend(parts.iter().map(|part| ("a part", part.as_path())));
        files.retain(|(_, path)| !paths::is_stream(path));
        paths::ensure_different(&files)?;
        if args.restart && folder.exists() {
            drop(folder::lock(&folder)?);
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
        if let Some(split) = &args.split {
            fs::create_dir_all(split)
                .with_context(|| format!("{} cannot be made", split.display()))?;
        }
        for file in [&output].into_iter().chain(&args.report).chain(&parts) {
            paths::ensure_writable(file, args.force)?;
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let input = if is_spooled { Ok(folder.join("input")) } else { fs::canonicalize(&file) };
        let input = input.unwrap_or_else(|_| file.clone());
        let remove = folder.clone();
        let job = Self::new(args, common, (input, output, folder), request_id);
        let job = job.map(|job| Self { is_spooled, ..job });
        job.and_then(|job| job.prepare(&file, &args.exclude))
            .inspect_err(|_| folder::remove_folder(&remove))
    }

    /// The job that `args` ask for, with the paths of input, output and folder.
    fn new(
        args: &ListArgs,
        common: &Common,
        (input, output, folder): (PathBuf, PathBuf, PathBuf),
        request_id: String,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name: String::new(),
            input,
            is_spooled: false,
            digest: None,
            output,
            format: args.format,
            only: args.only.clone(),
            report: args.report.clone(),
            force: args.force,
            column: args.column.clone(),
            encoding: args.encoding.clone(),
            header: args.header,
            skip_rows: args.skip_rows,
            clean: args.clean,
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
            split: args.split.clone(),
            request_id,
            batch_id: None,
            lock: None,
            folder,
        })
    }

    /// Takes the folder's lock, keeps the list if need be, and what was asked for.
    fn prepare(mut self, file: &Path, exclude: &[PathBuf]) -> anyhow::Result<Self> {
        self.lock = Some(folder::lock(&self.folder)?);
        if self.is_spooled {
            let mut kept = fs::File::create(&self.input)?;
            let copied = match file.as_os_str() == "-" {
                true => io::copy(&mut io::stdin().lock(), &mut kept),
                false => fs::File::open(file).and_then(|mut pipe| io::copy(&mut pipe, &mut kept)),
            };
            copied.with_context(|| format!("{} was not kept", file.display()))?;
        }
        self.name = match file.file_name() {
            Some(name) if file.as_os_str() != "-" => name.to_string_lossy().into_owned(),
            _ => "standard input".to_owned(),
        };
        let table = self.folder.join("input.csv");
        if let Some(imported) = import(&self.input, &table).with_context(|| self.name.clone())? {
            anstream::eprintln!("{DIM}{}: {imported}{DIM:#}", self.name);
            (self.input, self.encoding) = (table, None);
        }
        for (number, file) in exclude.iter().enumerate() {
            let copied = fs::File::open(file).and_then(|mut list| {
                io::copy(&mut list, &mut fs::File::create(self.excluded(number))?)
            });
            copied.with_context(|| format!("{} cannot be read", file.display()))?;
            let table = self.folder.join("exclude.csv");
            if import(&self.excluded(number), &table)?.is_some() {
                fs::rename(&table, self.excluded(number))?;
            }
        }
        self.plan()?;
        self.save()?;
        Ok(self)
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

    /// The place where the batch is kept, if this process does the work.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// The place where a file is written before it takes its own name.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The name that people call the list by.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// The run is over, or never began.
    pub(super) fn remove(&self) {
        folder::remove_folder(&self.folder);
    }

    /// The command that resumes it.
    pub(super) fn how_to_go_on(&self) -> String {
        let server = self.server.as_ref().map(|server| format!(" --server {server}"));
        let server = server.unwrap_or_default();
        format!("mailvet list --resume {}{server}", self.folder.display())
    }
}

/// Makes a table of a list that is not text by the line; `None` if it is.
fn import(list: &Path, table: &Path) -> anyhow::Result<Option<Imported>> {
    let mut input = io::BufReader::new(fs::File::open(list)?);
    let Some(container) = Container::detect(&mut input)? else { return Ok(None) };
    let output = io::BufWriter::new(fs::File::create(table)?);
    Ok(Some(container.convert(input, output, ImportLimits::default())?))
}
