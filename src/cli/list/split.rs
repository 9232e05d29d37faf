//! `--split`: a file for each verdict, and the addresses that are not to be written to.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use super::columns::{self, RowAnswer};
use super::job::Job;
use super::parts::{self, SUPPRESS};
use super::sink::{Packed, Sink, WrittenFile};
use crate::listfile::{Layout, Row};
use crate::verdict::Verdict;

/// The files of one run, written beside its output.
pub(super) struct Split {
    scratch: Vec<PathBuf>,
    targets: Vec<PathBuf>,
    /// Rows in each of them.
    rows: Vec<u64>,
    sinks: Vec<Sink>,
    suppress: BufWriter<File>,
}

impl Split {
    /// Begins the files of a list of `job`; `None` if it wants none.
    pub(super) fn begin(job: &Job, number: usize, layout: &Layout) -> anyhow::Result<Option<Self>> {
        let output = &job.files[number].output;
        let Some(folder) = job.split_folder(&job.files[number]) else { return Ok(None) };
        let names = Verdict::ALL.map(Verdict::name).into_iter().chain([SUPPRESS]);
        let scratch: Vec<PathBuf> =
            names.map(|name| job.scratch(&format!("{number}-{name}"))).collect();
        let mut sinks = Vec::new();
        for scratch in &scratch[..Verdict::ALL.len()] {
            let file = Packed::create(scratch, output)?;
            sinks.push(Sink::new(job.format, output, file, layout)?);
        }
        let suppress = BufWriter::new(File::create(&scratch[Verdict::ALL.len()])?);
        let rows = vec![0; scratch.len()];
        let targets = parts::paths(&folder, output);
        Ok(Some(Self { scratch, targets, sinks, suppress, rows }))
    }

    /// Writes a row where its verdict says; one without a verdict is in none of the files.
    pub(super) fn write(&mut self, row: &Row, answer: &RowAnswer) -> anyhow::Result<()> {
        let place = Verdict::ALL.iter().position(|verdict| verdict.name() == answer.values[0]);
        if let Some((sink, rows)) =
            place.and_then(|p| self.sinks.get_mut(p).zip(self.rows.get_mut(p)))
        {
            sink.write(row, answer)?;
            *rows += 1;
        }
        if answer.values[1] == "suppress" {
            writeln!(self.suppress, "{}", answer.values[columns::ADDRESS])?;
            self.rows[Verdict::ALL.len()] += 1;
        }
        Ok(())
    }

    /// Puts the files on the disk; returns them.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<WrittenFile>> {
        for sink in self.sinks {
            sink.finish()?.finish()?;
        }
        self.suppress.flush()?;
        let files = self.scratch.into_iter().zip(self.targets).zip(self.rows);
        let written = files.map(|((scratch, path), rows)| WrittenFile { scratch, path, rows });
        Ok(written.collect())
    }
}
