//! Suppression lists: the addresses that are not to be asked.

use std::fs;
use std::io;
use std::path::Path;

use super::rows::RowPlan;
use crate::listfile::{ListFileError, Reader, ReaderOptions, Row, SNIFF};

/// Takes every address of the list at `path` into `plan`.
pub(super) fn read(path: &Path, is_imported: bool, plan: &mut RowPlan) -> anyhow::Result<()> {
    let file = fs::File::open(path)?;
    let is_short = file.metadata()?.len() < SNIFF as u64;
    let options = ReaderOptions { is_imported, ..ReaderOptions::default() };
    let mut reader = match Reader::open(io::BufReader::new(file), &options) {
        // Nobody has unsubscribed yet. A long one may have rows behind its blank lines.
        Err(ListFileError::Empty | ListFileError::HeaderOnly { .. }) if is_short => return Ok(()),
        opened => opened?,
    };
    let mut row = Row::default();
    while reader.read(&mut row)? {
        row.addresses().for_each(|address| plan.exclude(address));
    }
    // Whoever stands in the part that is not read would get mail.
    let cut = reader.findings().cut_cells;
    anyhow::ensure!(
        cut.count == 0,
        "row {}, line {}, has a cell of more than 100 addresses or 4096 bytes, which is not read to \
         its end: put each address on a line of its own",
        cut.first_row,
        cut.first_line
    );
    Ok(())
}
