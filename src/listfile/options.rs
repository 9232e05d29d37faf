//! [`ReaderOptions`]: what overrules the appearance of a file.

use super::{COLUMN_RULES, MAX_RECORD};

/// Settings that overrule the file's own appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The encoding's name (WHATWG Encoding Standard labels: `utf-8`, `latin1`, `shift_jis`).
    /// Default: what the bytes show.
    pub encoding: Option<String>,
    /// The address column: its name, or its number from 1; for JSON lines a key, or keys with
    /// dots between them. Default: what the content shows.
    pub column: Option<String>,
    /// The column with the times of consents, named as `column` is: one. Default: none is read.
    pub consent_column: Option<String>,
    /// `true` if the first row is a header. Default: what the content shows.
    pub header: Option<bool>,
    /// Number of lines above the header that are no rows; of a table that was imported, the number
    /// of its rows. Default: none but notes that are found.
    pub skip_rows: usize,
    /// `true` for a table of comma-separated values that [`import`](super::import) made. Default:
    /// what the content shows.
    pub is_imported: bool,
    /// `true` for a list that was taken before and is read again for its answers: no person can
    /// be asked any more where one would be asked at first. Default: it is read for the first time.
    pub is_known: bool,
    /// The number of the rules by which the column of a list was found that
    /// [is known](Self::is_known): its answers are about that column. Default: [`COLUMN_RULES`].
    pub column_rules: u32,
    /// The longest record taken, in bytes of working text. Default: [`MAX_RECORD`].
    pub max_record: usize,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            encoding: None,
            column: None,
            consent_column: None,
            header: None,
            skip_rows: 0,
            is_imported: false,
            is_known: false,
            column_rules: COLUMN_RULES,
            max_record: MAX_RECORD,
        }
    }
}
