//! `--split`: a file for each verdict, and the addresses that are not to be written to.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use super::columns::{self, Values};
use super::job::Job;
use super::parts::{self, SUPPRESS};
use super::paths;
use super::sink::{Packed, Sink};
use crate::listfile::{Layout, Row};
use crate::verdict::Verdict;

/// The files of one run, written beside its output.
pub(super) struct Split {
    targets: Vec<PathBuf>,
    sinks: Vec<Sink>,
    suppress: BufWriter<File>,
}

impl Split {
    /// Begins the files of `job`; `None` if it wants none.
    pub(super) fn begin(job: &Job, layout: &Layout) -> anyhow::Result<Option<Self>> {
        let Some(folder) = &job.split else { return Ok(None) };
        let targets = parts::paths(folder, &job.output);
        let mut sinks = Vec::new();
        for verdict in Verdict::ALL {
            let file = Packed::create(&job.scratch(verdict.name()), &job.output)?;
            sinks.push(Sink::new(job, file, layout)?);
        }
        let suppress = BufWriter::new(File::create(job.scratch(SUPPRESS))?);
        Ok(Some(Self { targets, sinks, suppress }))
    }

    /// Writes a row where its verdict says; one without a verdict is in none of the files.
    pub(super) fn write(&mut self, row: &Row, values: &Values) -> anyhow::Result<()> {
        let place = Verdict::ALL.iter().position(|verdict| verdict.name() == values[0]);
        if let Some(sink) = place.and_then(|place| self.sinks.get_mut(place)) {
            sink.write(row, &values.each_ref().map(String::as_str))?;
        }
        if values[1] == "suppress" {
            writeln!(self.suppress, "{}", values[columns::ADDRESS])?;
        }
        Ok(())
    }

    /// Gives the files their names.
    pub(super) fn finish(mut self, job: &Job) -> anyhow::Result<()> {
        for sink in self.sinks {
            sink.finish()?.finish()?;
        }
        self.suppress.flush()?;
        let scratch = Verdict::ALL.map(|verdict| job.scratch(verdict.name())).into_iter();
        for (scratch, target) in scratch.chain([job.scratch(SUPPRESS)]).zip(&self.targets) {
            paths::persist(&scratch, target, job.force)?;
        }
        Ok(())
    }
}
