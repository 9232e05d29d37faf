//! Irregularities of a list file: counted, with the first place of each.

use super::Remedies;

/// Irregularities found while reading; all of it was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Data rows so far.
    pub rows: u64,
    /// Rows with an address.
    pub addresses: u64,
    /// Blank lines.
    pub blank_lines: u64,
    /// Rows whose cell holds nothing that was meant to be an address, or that have no such cell.
    pub no_address: Tally,
    /// Rows with fewer fields than the header; padded where columns are appended.
    pub short_rows: Tally,
    /// Rows with more fields than the header; the surplus moves behind the appended columns.
    pub long_rows: Tally,
    /// Rows with a quote that never closes; their quotes were read as plain characters.
    pub stray_quotes: Tally,
    /// Rows that are not valid in the file's encoding; written back byte for byte.
    pub odd_text: Tally,
    /// Lines of a JSON lines file that are not JSON objects; written back as they are.
    pub not_json: Tally,
    /// Rows with words beside the address, such as `Jane <jane@acme.test>`; they were taken away.
    pub names: Tally,
    /// Rows whose cell holds several addresses.
    pub several: Tally,
    /// Rows whose cell holds more text or more addresses than are read of one.
    pub cut_cells: Tally,
}

/// The count of an irregularity, and its first place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of rows.
    pub count: u64,
    /// The number of the first such row; 0 if there is none.
    pub first_row: u64,
    /// The line the first such row begins on; 0 if there is none.
    pub first_line: u64,
}

impl Tally {
    pub(super) fn add(&mut self, row: u64, line: u64) {
        if self.count == 0 {
            (self.first_row, self.first_line) = (row, line);
        }
        self.count += 1;
    }
}

impl Findings {
    /// Notes for the owner of the list, a sentence each; empty if all is ordinary. They name what
    /// the reader can do about it.
    #[must_use]
    pub fn notes(&self, remedies: &Remedies) -> Vec<String> {
        let odd_text =
            format!("not valid in the file's encoding: kept byte for byte; {}", remedies.encoding);
        let all = [
            (self.no_address, "without an address: no verdict, and counted nowhere"),
            (
                self.short_rows,
                "with fewer fields than the header: padded where columns are appended",
            ),
            (
                self.long_rows,
                "with more fields than the header: the surplus stands behind the appended columns",
            ),
            (
                self.stray_quotes,
                "with a double quote that is never closed: read as a plain character",
            ),
            (self.odd_text, odd_text.as_str()),
            (self.not_json, "that are not JSON objects: kept as they are"),
            (self.names, "with words beside the address: the address was taken"),
            (self.several, "with several addresses: each is verified"),
            (
                self.cut_cells,
                "with a cell of more than 100 addresses or 4096 bytes: the rest of it is not read",
            ),
        ];
        all.iter()
            .filter(|(tally, _)| tally.count > 0)
            .map(|(tally, what)| {
                let rows = if tally.count == 1 { "row" } else { "rows" };
                format!(
                    "{} {rows} {what} (first: row {}, line {})",
                    tally.count, tally.first_row, tally.first_line
                )
            })
            .collect()
    }
}
