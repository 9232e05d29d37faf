//! Going on with a run: under the questions it was begun with, and the output that is wanted now.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;

use super::args::{ListArgs, SendToArg};
use super::digest::digest_file;
use super::folder::{self, ENDING, JOB};
use super::job::Job;
use crate::cli::common::Common;
use crate::cli::depth::DepthArg;
use crate::listfile::COLUMN_RULES;

impl Job {
    /// Goes on with the run of the named list or, if none is named, the only one in this folder.
    /// What the flags say about the output applies; about the questions they may not differ from
    /// what the run was begun with.
    pub(super) fn resume(args: &ListArgs, common: &Common) -> anyhow::Result<Self> {
        // A shell's completion puts a slash behind a folder.
        let named: Vec<PathBuf> =
            args.files.iter().map(|file| file.components().collect()).collect();
        let folder = match named.as_slice() {
            [file] if file.to_string_lossy().ends_with(ENDING) => file.clone(),
            [] => folder::only_folder()?,
            lists => run_folder(args, lists)?,
        };
        let text = match fs::read(folder.join(JOB)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => anyhow::bail!(
                "there is no unfinished run in {}; name the folder beside its output, or start one \
                 without --resume",
                folder.display()
            ),
            read => read.with_context(|| format!("{} cannot be read", folder.display()))?,
        };
        let mut job: Self = serde_json::from_slice(&text).with_context(|| {
            format!("{} is damaged; start anew with --restart", folder.display())
        })?;
        job.lock = Some(folder::lock(&folder)?);
        job.folder = folder;
        job.refuse_other_questions(args, common)?;
        job.refuse_unnamed_server(args)?;
        job.ensure_lists_readable()?;
        job.take_output_flags(args)?;
        // What was sent is left as it was sent; nothing was so far.
        if !job.is_accepted() {
            job.excludes_every_column = true;
            job.excludes_domains = true;
            job.column_rules = COLUMN_RULES;
        }
        job.save()?;
        Ok(job)
    }

    /// Refuses flags that would change what is asked, or how.
    fn refuse_other_questions(&self, args: &ListArgs, common: &Common) -> anyhow::Result<()> {
        let client = args.client.absolute()?;
        let differs = [
            ("--column", args.column.is_some() && args.column != self.column),
            ("--encoding", args.encoding.is_some() && args.encoding != self.encoding),
            ("--skip-rows", args.skip_rows > 0 && args.skip_rows != self.skip_rows),
            ("--header", args.header.is_some() && args.header != self.header),
            ("--depth", args.depth != DepthArg::Mailbox && args.depth != self.depth),
            ("--deadline", args.deadline.is_some() && args.deadline != self.deadline),
            (
                "--retry-window",
                args.retry_window.is_some() && args.retry_window != self.retry_window,
            ),
            ("--max-age", args.max_age.is_some() && args.max_age != self.max_age),
            ("--skip-catch-all", args.skip_catch_all && !self.skip_catch_all),
            ("--consented", args.consented.is_some() && args.consented != self.consented),
            (
                "--consent-column",
                args.consent_column.is_some() && args.consent_column != self.consent_column,
            ),
            ("--registration", args.registration && !self.registration),
            ("--send-to", args.send_to != SendToArg::Deliverable && args.send_to != self.send_to),
            ("--server", args.server.is_some() && args.server != self.server),
            ("--sandbox", args.sandbox && !self.sandbox),
            ("--exclude", !args.exclude.is_empty() && digests(&args.exclude)? != self.exclude),
            ("--sample", args.sample.is_some_and(|size| self.sample_size() != Some(size.get()))),
            ("--ca, --client-cert, --client-key or --api-key-file", client.differs(&self.client)),
        ];
        let flag = differs.iter().find(|(_, differs)| *differs).map(|(flag, _)| *flag);
        let common = common.absolute()?;
        if let Some(flag) = flag.or_else(|| common.differs(&self.common)) {
            anyhow::bail!(
                "{flag} differs from what the run was begun with: leave it out, or start anew \
                 with --restart"
            );
        }
        Ok(())
    }

    /// Refuses to ask anybody where a list is gone: its rows are read again at the end.
    fn ensure_lists_readable(&self) -> anyhow::Result<()> {
        for list in (0..self.files.len()).map(|number| self.input(number)) {
            fs::File::open(&list).with_context(|| {
                format!("{} cannot be read: put it back, then go on", list.display())
            })?;
        }
        Ok(())
    }

    /// Refuses to show an API key to a server that only the folder names: the folder may come from
    /// elsewhere, and the key would go where its maker likes.
    fn refuse_unnamed_server(&self, args: &ListArgs) -> anyhow::Result<()> {
        let Some(server) = &self.server else { return Ok(()) };
        anyhow::ensure!(
            args.server.is_some() || !self.client.shows_key(),
            "{server} would get your API key, and only {} names it: if it is yours, go on with \
             `{}`",
            self.folder.display(),
            self.how_to_go_on()
        );
        Ok(())
    }

    fn sample_size(&self) -> Option<usize> {
        self.sample.as_ref().map(|sample| sample.size)
    }

    /// Takes the flags that say what is to be written, and where.
    fn take_output_flags(&mut self, args: &ListArgs) -> anyhow::Result<()> {
        let names_folder = args.files.first().is_none_or(|file| *file == self.folder);
        if let Some(output) = args.output.as_ref().filter(|_| names_folder) {
            let [file] = self.files.as_mut_slice() else {
                anyhow::bail!(
                    "a run of several lists keeps the --output it was begun with: leave it out"
                );
            };
            file.output.clone_from(output);
        }
        if args.split.is_some() {
            self.split.clone_from(&args.split);
        }
        if args.report.is_some() {
            self.report.clone_from(&args.report);
        }
        if !args.only.is_empty() {
            self.only.clone_from(&args.only);
        }
        self.format = args.format.or(self.format);
        if let Some(format) = args.format.filter(|_| args.output.is_none()) {
            self.files.iter_mut().for_each(|file| file.follow_format(format));
        }
        self.force |= args.force;
        self.unique |= args.unique;
        self.clean |= args.clean;
        self.ensure_different_files([])?;
        self.ensure_outputs_writable()
    }
}

/// The folder of the run on `lists`: beside their outputs or, if an output had a name of its own,
/// the one in this folder that was begun with them.
fn run_folder(args: &ListArgs, lists: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let beside_output = folder::begun_folder(args)?;
    if folder::holds_run(&beside_output) || args.output.is_some() {
        return Ok(beside_output);
    }
    let lists: Vec<PathBuf> = lists.iter().filter_map(|list| fs::canonicalize(list).ok()).collect();
    let is_theirs = |folder: &PathBuf| {
        let text = fs::read(folder.join(JOB)).ok();
        let job = text.and_then(|text| serde_json::from_slice::<Job>(&text).ok());
        job.is_some_and(|job| job.files.iter().map(|file| &file.path).eq(&lists))
    };
    let begun = folder::folders_here()?.into_iter().filter(is_theirs).collect();
    Ok(folder::single(begun)?.unwrap_or(beside_output))
}

/// The SHA-256 of each file.
fn digests(files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let digest = |file: &PathBuf| {
        digest_file(file).with_context(|| format!("{} cannot be read", file.display()))
    };
    files.iter().map(digest).collect()
}
