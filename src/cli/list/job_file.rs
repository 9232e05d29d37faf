//! One list of a run: where it is, and where its answers go.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::args::FormatArg;
use super::paths;

/// One list of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobFile {
    /// The list.
    pub(super) path: PathBuf,
    /// The name that people call it by.
    pub(super) name: String,
    /// `true` if it could be read only once, and was kept in the run's folder.
    pub(super) is_spooled: bool,
    /// `true` if it was no text by the line, and a table was made of it in the run's folder.
    pub(super) is_imported: bool,
    /// The SHA-256 of what is read, once it was read to the end.
    pub(super) digest: Option<String>,
    /// The file for the answers.
    #[serde(serialize_with = "paths::serialize_absolute")]
    pub(super) output: PathBuf,
}

impl JobFile {
    /// Gives an output that is named after its list the ending of `format`.
    pub(super) fn follow_format(&mut self, format: FormatArg) {
        let named_after_list = paths::vetted_stem(Path::new(&self.name));
        if self.output.file_stem().is_some_and(|stem| stem == named_after_list) {
            self.output.set_extension(format.ending());
        }
    }
}
