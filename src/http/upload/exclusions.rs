//! Suppression files: lists that are read for those who are not to be asked about.

use std::io::BufReader;

use tonic::Status;

use super::fault::{refused, unreadable, with_parameters};
use super::reading::ArrivedList;
use crate::exclusion::{
    ExclusionError, ExclusionLimits, ExclusionList, ExclusionMatcher, ExclusionRules,
    ExclusionSummary,
};
use crate::listfile::ListFileError;

/// The most addresses, domains and hashes of all suppression files of a list: some 100 MB, and
/// three times as much of the longest hashes for a moment.
const MOST_ENTRIES: usize = 5_000_000;

impl ArrivedList {
    /// Takes whom it excludes, as a suppression file, into `matcher`. Blocks on the disk.
    pub(crate) fn exclude_into(
        &self,
        matcher: &mut ExclusionMatcher,
    ) -> Result<ExclusionSummary, Status> {
        let name = self.request.filename.as_str();
        if let Some(taken) = &self.partial {
            // Whoever stands in what is left out would get mail.
            return Err(Status::invalid_argument(format!(
                "in {name:?}: {taken}; add each part as a file of its own, or take out what is none"
            )));
        }
        let file = self.table.read().and_then(|file| file.metadata()).map_err(unreadable)?;
        let list = ExclusionList {
            name,
            octets: file.len(),
            is_imported: self.origin.is_imported,
            limits: ExclusionLimits { unpacked: self.largest, entries: MOST_ENTRIES },
        };
        let open = || self.table.read().map(BufReader::new);
        list.read_into(open, ExclusionRules::All, matcher).map_err(|error| match error {
            ExclusionError::Io(error) => unreadable(error),
            ExclusionError::List(error @ ListFileError::Read { .. }) => refused(error),
            error => {
                let fault = with_parameters(&error.to_string());
                Status::invalid_argument(format!("in {name:?}: {fault}"))
            }
        })
    }
}
