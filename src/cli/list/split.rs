//! `--split`: a file for each verdict, and the addresses that are not to be written to.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use super::columns::{self, RowAnswer};
use super::job::Job;
use super::parts::{self, SUPPRESS};
use super::sink::{Packed, Sink, WrittenFile};
use crate::address::irregular;
use crate::listfile::{Format, Layout, Row};
use crate::report::ReportFileKind;
use crate::verdict::Verdict;

/// The files of one run, written beside its output.
pub(super) struct Split {
    /// The files: one for each verdict, then the suppression list.
    files: Vec<WrittenFile>,
    sinks: Vec<Sink>,
    suppress: BufWriter<File>,
}

impl Split {
    /// Begins the files of a list of `job`; `None` if it wants none.
    pub(super) fn begin(job: &Job, number: usize, layout: &Layout) -> anyhow::Result<Option<Self>> {
        let output = &job.files[number].output;
        let Some(folder) = job.split_folder(&job.files[number]) else { return Ok(None) };
        let kinds = Verdict::ALL.map(|verdict| (verdict.name(), ReportFileKind::Part(verdict)));
        let kinds = kinds.into_iter().chain([(SUPPRESS, ReportFileKind::Suppress)]);
        let file = |((name, kind), path)| WrittenFile {
            scratch: job.scratch(&format!("{number}-{name}")),
            path,
            kind,
            rows: 0,
        };
        let is_json = layout.format == Format::JsonLines;
        let paths = parts::paths(&folder, output, job.format, is_json);
        let files: Vec<WrittenFile> = kinds.zip(paths).map(file).collect();
        let mut sinks = Vec::new();
        for part in &files[..Verdict::ALL.len()] {
            let packed = Packed::create(&part.scratch, output)?;
            sinks.push(Sink::new(job.format, output, packed, layout, &job.folder)?);
        }
        let suppress = BufWriter::new(File::create(&files[Verdict::ALL.len()].scratch)?);
        Ok(Some(Self { files, sinks, suppress }))
    }

    /// Writes a row where its verdict says; one without a verdict is in none of the files, and who
    /// opted out is in the suppression list alone: `risky` is a file that people send to.
    pub(super) fn write(&mut self, row: &Row, answer: &RowAnswer) -> anyhow::Result<()> {
        let place = Verdict::ALL.iter().position(|verdict| verdict.name() == answer.values[0]);
        if let Some(place) = place.filter(|_| !answer.is_opted_out()) {
            self.sinks[place].write(row, answer)?;
            self.files[place].rows += 1;
        }
        if answer.values[1] == "suppress" {
            self.suppress(&answer.values[columns::ADDRESS])?;
        }
        Ok(())
    }

    /// Writes an address into the suppression list. A text that is none stays out of it: a mail
    /// service refuses a whole file for one such line.
    pub(super) fn suppress(&mut self, address: &str) -> anyhow::Result<()> {
        if irregular::parse(address).is_ok() {
            writeln!(self.suppress, "{address}")?;
            self.files[Verdict::ALL.len()].rows += 1;
        }
        Ok(())
    }

    /// Puts the files on the disk; returns them.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<WrittenFile>> {
        for sink in self.sinks {
            sink.finish()?.finish()?;
        }
        self.suppress.flush()?;
        Ok(self.files)
    }
}
