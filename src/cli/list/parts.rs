//! The names of the files that `--split` writes.

use std::path::{Path, PathBuf};

use crate::verdict::Verdict;

/// The file of addresses that are not to be written to, as mail services take it.
pub(super) const SUPPRESS: &str = "suppress.txt";

/// The folder for the parts of the list whose output is `output`: of several lists each has its
/// own.
pub(super) fn folder(split: &Path, output: &Path, is_alone: bool) -> PathBuf {
    let name = output.file_name().and_then(|name| name.to_str()).unwrap_or("list");
    if is_alone { split.to_path_buf() } else { split.join(name.split('.').next().unwrap_or(name)) }
}

/// The files that are written into `folder`, with the ending of `output`.
pub(super) fn paths(folder: &Path, output: &Path) -> Vec<PathBuf> {
    let ending = output.extension().and_then(|ending| ending.to_str()).unwrap_or("csv");
    let name = |verdict: Verdict| folder.join(format!("{}.{ending}", verdict.name()));
    let mut paths: Vec<PathBuf> = Verdict::ALL.into_iter().map(name).collect();
    paths.push(folder.join(SUPPRESS));
    paths
}
