//! Beginning a run: what would lose a file is refused, and what can be read only once is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::ListArgs;
use super::digest::{Digesting, Hashing};
use super::folder;
use super::job::Job;
use super::new_folder::NewFolder;
use crate::cli::common::Common;
use crate::cli::render::DIM;
use crate::listfile::import::{Container, ImportLimits, Imported};

impl Job {
    /// Begins a run; a list that can be read only once is kept in the run's folder first.
    pub(super) fn begin(
        args: &ListArgs,
        common: &Common,
        request_id: String,
        new_folder: &NewFolder,
    ) -> anyhow::Result<Self> {
        let mut job = Self::new(args, common, request_id)?;
        let excluded = args.exclude.iter().map(|list| ("a list to exclude", list.as_path()));
        job.ensure_different_files(excluded)?;
        let is_unfinished = folder::holds_run(&job.folder);
        anyhow::ensure!(
            args.restart || !is_unfinished,
            "an unfinished run is in {}: go on with --resume, or start anew with --restart",
            job.folder.display()
        );
        for file in job.files.iter_mut().filter(|file| !file.is_spooled) {
            let named = || format!("{} cannot be read", file.path.display());
            fs::File::open(&file.path).with_context(named)?;
            file.path = fs::canonicalize(&file.path).with_context(named)?;
        }
        for list in &args.exclude {
            let named = || format!("{} cannot be read", list.display());
            // A pipe can be opened only once.
            if fs::metadata(list).with_context(named)?.is_file() {
                fs::File::open(list).with_context(named)?;
            }
        }
        job.ensure_outputs_writable()?;
        // An earlier run is thrown away when nothing stands in the way of this one.
        folder::remove_earlier(&job.folder)?;
        job.create_folder(&args.exclude, new_folder)
    }

    /// Begins a run in `folder` that writes nothing elsewhere.
    pub(super) fn begin_in(
        folder: PathBuf,
        args: &ListArgs,
        common: &Common,
        request_id: String,
        new_folder: &NewFolder,
    ) -> anyhow::Result<Self> {
        let mut job = Self::new(args, common, request_id)?;
        job.folder = folder;
        job.create_folder(&args.exclude, new_folder)
    }

    fn create_folder(self, exclude: &[PathBuf], new_folder: &NewFolder) -> anyhow::Result<Self> {
        self.ensure_utf8_names()?;
        let folder = self.folder.clone();
        new_folder.create(&folder)?;
        self.prepare(exclude).inspect_err(|_| folder::remove_folder(&folder))
    }

    /// Takes the folder's lock, keeps the lists if need be, and what was asked for.
    fn prepare(mut self, exclude: &[PathBuf]) -> anyhow::Result<Self> {
        self.lock = Some(folder::lock(&self.folder)?);
        for number in 0..self.files.len() {
            self.keep_list(number)?;
        }
        for (number, file) in exclude.iter().enumerate() {
            let named = || format!("{} cannot be read", file.display());
            let copy = self.excluded(number);
            let digest = Digesting::default();
            let list = fs::File::open(file).with_context(named)?;
            io::copy(&mut Hashing::new(list, digest.clone()), &mut fs::File::create(&copy)?)
                .with_context(named)?;
            self.exclude.push(digest.hex());
            self.exclude_names.push(file.display().to_string());
            let name = file.display();
            let imported = import(&copy, &self.excluded_table(number), None);
            if let Some(imported) = imported.with_context(|| name.to_string())? {
                // Whoever stands in what is left out would get mail.
                anyhow::ensure!(
                    !imported.is_partial,
                    "{name}: {imported}: give each part as a list of its own with --exclude, or \
                     take out what is none"
                );
                anstream::eprintln!("{DIM}{name}: {imported}{DIM:#}");
                fs::remove_file(&copy)?;
            }
        }
        self.plan_telling(|name, found| anstream::eprintln!("{DIM}{name}: {found}{DIM:#}"))?;
        folder::sync(&self.folder)?;
        self.save()?;
        Ok(self)
    }

    /// Keeps a list that can be read only once, and makes a table of one that is no text.
    fn keep_list(&mut self, number: usize) -> anyhow::Result<()> {
        let path = self.files[number].path.clone();
        if self.files[number].is_spooled {
            let mut kept = fs::File::create(self.spool(number))?;
            let copied = match path.as_os_str() == "-" {
                true => io::copy(&mut io::stdin().lock(), &mut kept),
                false => fs::File::open(&path).and_then(|mut pipe| io::copy(&mut pipe, &mut kept)),
            };
            copied.with_context(|| format!("{} was not kept", path.display()))?;
        }
        let name = self.files[number].name.clone();
        let encoding = self.encoding.as_deref();
        let imported = import(&self.input(number), &self.table(number), encoding);
        if let Some(imported) = imported.with_context(|| name.clone())? {
            anstream::eprintln!("{DIM}{name}: {imported}{DIM:#}");
            self.files[number].is_imported = true;
        }
        Ok(())
    }
}

/// Makes a table of a list that is not text by the line; `None` if it is. `encoding`: the name of
/// its encoding, if its owner says it.
fn import(list: &Path, table: &Path, encoding: Option<&str>) -> anyhow::Result<Option<Imported>> {
    let mut input = io::BufReader::new(fs::File::open(list)?);
    let Some(container) = Container::detect(&mut input)? else { return Ok(None) };
    let output = io::BufWriter::new(fs::File::create(table)?);
    Ok(Some(container.convert_encoded(encoding, input, output, ImportLimits::default())?))
}
