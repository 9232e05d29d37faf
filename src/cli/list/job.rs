//! A run of `mailvet list` on disk: what was asked for, so that `--resume` needs no more than the
//! folder. It stands beside the output, and is removed when the output is there.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::args::{FormatArg, ListArgs, SendToArg, VerdictArg};
use super::job_file::JobFile;
use super::placed_file::{self, PlacedFile};
use super::rows::RowPlan;
use super::{folder, parts, paths};
use crate::cli::client::ClientArgs;
use crate::cli::common::Common;
use crate::cli::depth::DepthArg;
use crate::exclusion::{
    ExclusionLimits, ExclusionList, ExclusionMatcher, ExclusionRules, ExclusionSummary,
};
use crate::listfile::COLUMN_RULES;

/// The random sample that is verified before the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobSample {
    /// Number of addresses wanted.
    pub(super) size: usize,
    /// Its batch, once it was accepted.
    pub(super) batch_id: Option<String>,
    /// `true` once it was answered for.
    pub(super) is_done: bool,
}

/// The run that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The lists, in the order of their rows.
    pub(super) files: Vec<JobFile>,
    pub(super) format: Option<FormatArg>,
    pub(super) only: Vec<VerdictArg>,
    #[serde(serialize_with = "paths::serialize_any_absolute")]
    pub(super) report: Option<PathBuf>,
    /// `true` if an output or a report that is there may be replaced.
    pub(super) force: bool,
    pub(super) column: Option<String>,
    /// The number of the rules by which the column is found if none is named; older versions wrote
    /// none.
    #[serde(default)]
    pub(super) column_rules: u32,
    pub(super) encoding: Option<String>,
    pub(super) header: Option<bool>,
    /// Number of lines above the header that are no rows.
    pub(super) skip_rows: usize,
    /// `true` if the cleaned address takes the place of the cell's own text.
    pub(super) clean: bool,
    pub(super) depth: DepthArg,
    #[serde(with = "humantime_serde")]
    pub(super) deadline: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) retry_window: Option<std::time::Duration>,
    #[serde(with = "humantime_serde")]
    pub(super) max_age: Option<std::time::Duration>,
    pub(super) skip_catch_all: bool,
    #[serde(default)]
    pub(super) registration: bool,
    #[serde(default)]
    pub(super) consented: Option<std::time::SystemTime>,
    #[serde(default)]
    pub(super) consent_column: Option<String>,
    pub(super) send_to: SendToArg,
    /// The service that does the work; `None`: this process.
    pub(super) server: Option<String>,
    /// `true` if the sandbox is asked instead of the internet.
    pub(super) sandbox: bool,
    /// The trust and the credentials for that service, as references to files.
    pub(super) client: ClientArgs,
    /// The configuration that this process asks under, as references to files.
    pub(super) common: Common,
    /// The SHA-256 of each suppression list; their copies are in the run's folder.
    pub(super) exclude: Vec<String>,
    /// The names that people call them by.
    #[serde(default)]
    pub(super) exclude_names: Vec<String>,
    /// `true` if the addresses of every column of those lists are left out, by each of their
    /// readings; a run of version 0.1 left out those of one column as they are written.
    #[serde(default)]
    pub(super) excludes_every_column: bool,
    /// `true` if the domains and hashes of those lists exclude too; those of a run that was sent by
    /// an older version do not.
    #[serde(default)]
    pub(super) excludes_domains: bool,
    /// `true` if only the first row of each mailbox is written.
    pub(super) unique: bool,
    /// The folder that gets a file for each verdict.
    #[serde(serialize_with = "paths::serialize_any_absolute")]
    pub(super) split: Option<PathBuf>,
    /// The sample, if one is wanted.
    pub(super) sample: Option<JobSample>,
    /// Makes the submission the same one, however often it is tried.
    pub(super) request_id: String,
    /// The batch, once it was accepted.
    pub(super) batch_id: Option<String>,
    /// The outputs that have their names already.
    #[serde(default)]
    pub(super) placed: Vec<PlacedFile>,
    /// Held as long as the run is worked on.
    #[serde(skip)]
    pub(super) lock: Option<fs::File>,
    /// The folder itself; it may have been moved.
    #[serde(skip)]
    pub(super) folder: PathBuf,
}

impl Job {
    /// The run that `args` ask for.
    pub(super) fn new(
        args: &ListArgs,
        common: &Common,
        request_id: String,
    ) -> anyhow::Result<Self> {
        let files = folder::job_files(args)?;
        Ok(Self {
            folder: folder::folder(args, &files),
            files,
            format: args.format,
            only: args.only.clone(),
            report: args.report.clone(),
            force: args.force,
            column: args.column.clone(),
            column_rules: COLUMN_RULES,
            encoding: args.encoding.clone(),
            header: args.header,
            skip_rows: args.skip_rows,
            clean: args.clean,
            depth: args.depth,
            deadline: args.deadline,
            retry_window: args.retry_window,
            max_age: args.max_age,
            skip_catch_all: args.skip_catch_all,
            registration: args.registration,
            consented: args.consented,
            consent_column: args.consent_column.clone(),
            send_to: args.send_to,
            server: args.server.clone(),
            sandbox: args.sandbox,
            client: args.client.absolute()?,
            common: common.absolute()?,
            exclude: Vec::new(),
            exclude_names: Vec::new(),
            excludes_every_column: true,
            excludes_domains: true,
            unique: args.unique,
            split: args.split.clone(),
            sample: args.sample.map(|size| JobSample {
                size: size.get(),
                batch_id: None,
                is_done: false,
            }),
            request_id,
            batch_id: None,
            placed: Vec::new(),
            lock: None,
        })
    }

    /// `true` if a service has taken addresses of it.
    pub(super) fn is_accepted(&self) -> bool {
        self.batch_id.is_some()
            || self.sample.as_ref().is_some_and(|sample| sample.batch_id.is_some())
    }

    /// `true` if registries are to be asked.
    pub(super) fn wants_registration(&self) -> bool {
        self.registration || self.consented.is_some() || self.consent_column.is_some()
    }

    /// Refuses outputs that are one of the lists, one of `others` or one another.
    pub(super) fn ensure_different_files<'a>(
        &'a self,
        others: impl IntoIterator<Item = (&'a str, &'a Path)>,
    ) -> anyhow::Result<()> {
        let outputs = self.outputs();
        let lists = self.files.iter().map(|file| ("a list of this run", file.path.as_path()));
        let mut files: Vec<(&str, &Path)> = lists.chain(others).collect();
        files.extend(outputs.iter().map(|(what, path)| (*what, path.as_path())));
        files.retain(|(_, path)| !paths::is_stream(path));
        paths::ensure_different(&files)
    }

    /// Finds out before anything is asked whether every output can be written, and may be.
    pub(super) fn ensure_outputs_writable(&self) -> anyhow::Result<()> {
        let splits = self.files.iter().filter_map(|file| self.split_folder(file));
        let folders = self.files.iter().map(|file| paths::folder_of(&file.output).to_path_buf());
        let is_several = self.files.len() > 1;
        for folder in splits.chain(folders.filter(|_| is_several)) {
            fs::create_dir_all(&folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        for (_, file) in self.outputs() {
            paths::ensure_writable(&file, self.may_replace(&file))?;
        }
        Ok(())
    }

    /// Refuses names that cannot be written down, so that the run could not be gone on with.
    pub(super) fn ensure_utf8_names(&self) -> anyhow::Result<()> {
        let files = self.files.iter().flat_map(|file| [&file.path, &file.output]);
        let mut paths = files.chain(&self.report).chain(&self.split);
        match paths.find(|path| path.to_str().is_none()) {
            Some(path) => anyhow::bail!(
                "the name {} is not UTF-8, and a run under it could not be gone on with: rename it",
                path.display()
            ),
            None => Ok(()),
        }
    }

    /// Every file that is written, with the word for it.
    fn outputs(&self) -> Vec<(&'static str, PathBuf)> {
        let mut files = Vec::new();
        for file in &self.files {
            files.push(("the output", file.output.clone()));
            if let Some(folder) = self.split_folder(file) {
                let parts = parts::possible_paths(&folder, &file.output, self.format);
                files.extend(parts.into_iter().map(|part| ("a part", part)));
            }
        }
        files.extend(self.report.clone().map(|report| ("the report", report)));
        files
    }

    /// The folder for the parts of a list, if they are wanted.
    pub(super) fn split_folder(&self, file: &JobFile) -> Option<PathBuf> {
        let split = self.split.as_deref()?;
        Some(parts::folder(split, &file.output, self.files.len() == 1))
    }

    /// Keeps what is known of the run, whole or not at all.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let (new, kept) = (self.folder.join("job.json.new"), self.folder.join(folder::JOB));
        let text = serde_json::to_vec_pretty(self)?;
        let write = || {
            let mut file = fs::File::create(&new)?;
            file.write_all(&text)?;
            // A name that outlives a power cut needs what it names, and its folder.
            file.sync_all()?;
            fs::rename(&new, &kept)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        write().with_context(|| format!("{} cannot be written", kept.display()))
    }

    /// The plan of what is asked of each row.
    pub(super) fn plan(&self) -> anyhow::Result<RowPlan> {
        self.plan_telling(|_, _| {})
    }

    /// The same; `on_list` is told the name of each suppression list and what was found in it.
    pub(super) fn plan_telling(
        &self,
        on_list: impl Fn(&str, &ExclusionSummary),
    ) -> anyhow::Result<RowPlan> {
        let mut excluded = ExclusionMatcher::default();
        let rules = match (self.excludes_every_column, self.excludes_domains) {
            (false, _) => ExclusionRules::OneColumn,
            (true, false) => ExclusionRules::Addresses,
            (true, true) => ExclusionRules::All,
        };
        if rules == ExclusionRules::OneColumn {
            excluded = excluded.by_spelling();
        }
        for number in 0..self.exclude.len() {
            let name = self.exclude_names.get(number).map_or("a list to exclude", String::as_str);
            let table = self.excluded_table(number);
            let is_imported = table.exists();
            let path = if is_imported { table } else { self.excluded(number) };
            let octets = fs::metadata(&path).with_context(|| name.to_owned())?.len();
            // The memory is its owner's own.
            let limits = ExclusionLimits::default();
            let list = ExclusionList { name, octets, is_imported, limits };
            let open = || fs::File::open(&path).map(io::BufReader::new);
            let found = list.read_into(open, rules, &mut excluded);
            on_list(name, &found.with_context(|| name.to_owned())?);
        }
        Ok(RowPlan::new(excluded))
    }

    /// The text that is read for the list with this number.
    pub(super) fn input(&self, number: usize) -> PathBuf {
        match &self.files[number] {
            file if file.is_imported => self.table(number),
            file if file.is_spooled => self.spool(number),
            file => file.path.clone(),
        }
    }

    /// The table that is made of a list.
    pub(super) fn table(&self, number: usize) -> PathBuf {
        self.folder.join(format!("input-{number}.csv"))
    }

    /// The run's own copy of a list.
    pub(super) fn spool(&self, number: usize) -> PathBuf {
        self.folder.join(format!("input-{number}"))
    }

    /// The run's own copy of a suppression list.
    pub(super) fn excluded(&self, number: usize) -> PathBuf {
        self.folder.join(format!("exclude-{number}"))
    }

    /// The table that is made of a suppression list which is no text by the line.
    pub(super) fn excluded_table(&self, number: usize) -> PathBuf {
        self.folder.join(format!("exclude-{number}.csv"))
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
        match self.files.as_slice() {
            [file] => file.name.clone(),
            [first, more @ ..] => format!("{} and {} more", first.name, more.len()),
            [] => String::new(),
        }
    }

    /// Gives a finished file its own name, or copies it to a stream.
    pub(super) async fn place(&mut self, scratch: &Path, path: &Path) -> anyhow::Result<()> {
        let placed = placed_file::persist(scratch, path, self.may_replace(path)).await?;
        let Some(placed) = placed else { return Ok(()) };
        self.placed.push(placed);
        self.save()
    }

    /// `true` if what is at `path` may be written over: the run put it there, and did not end then.
    fn may_replace(&self, path: &Path) -> bool {
        self.force || PlacedFile::of_path(path).is_ok_and(|found| self.placed.contains(&found))
    }

    /// The run is over, or never began.
    pub(super) fn remove(&self) {
        folder::remove_folder(&self.folder);
    }

    /// The command that resumes it.
    pub(super) fn how_to_go_on(&self) -> String {
        let server = self.server.as_ref().map(|server| format!(" --server {}", shell_word(server)));
        let server = server.unwrap_or_default();
        format!("mailvet list --resume {}{server}", shell_word(&self.folder.to_string_lossy()))
    }
}

/// `text` as one word of a command, in quotes if a shell would read anything else out of it.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_space_or_a_quote_is_one_word_of_a_command() {
        for (name, word) in [
            ("list.vetted.csv.mailvet", "list.vetted.csv.mailvet"),
            ("my list.csv", "'my list.csv'"),
            ("Jane's $list", r"'Jane'\''s $list'"),
            ("K\u{fc}chen/a.csv", "K\u{fc}chen/a.csv"),
        ] {
            assert_eq!(shell_word(name), word);
        }
    }
}
