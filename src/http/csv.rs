//! Results as CSV (RFC 4180), under the names that `mailvet list` gives its columns.

use crate::listfile::is_formula;
use crate::proto::names::{enum_name, flag_names};
use crate::proto::{BatchResult, Verification};

/// The columns.
const COLUMNS: [&str; 12] = [
    "row",
    "row_id",
    "input",
    "address",
    "verdict",
    "action",
    "reason",
    "suggestion",
    "flags",
    "code",
    "enhanced_status",
    "evidence_time",
];

/// The problem of a row that holds nothing that was meant to be an address.
pub(super) const NO_ADDRESS: &str = "no_address";

/// The columns of an answer that are appended to a row of the caller's own list, under the names
/// that `mailvet list` gives them.
pub(super) const ANSWER: [&str; 8] =
    ["verdict", "action", "reason", "suggestion", "flags", "code", "evidence_time", "address"];

/// The values of [`ANSWER`].
pub(super) fn answer(verification: &Verification) -> [String; ANSWER.len()] {
    let evidence = verification.evidence.clone().unwrap_or_default();
    [
        enum_name(verification.verdict().as_str_name(), "VERDICT_"),
        enum_name(verification.action().as_str_name(), "ACTION_"),
        enum_name(verification.reason().as_str_name(), "REASON_"),
        verification.suggestion.clone().unwrap_or_default(),
        flag_names(&verification.flags.unwrap_or_default()).join(" "),
        evidence.code.map(|code| code.to_string()).unwrap_or_default(),
        evidence.gather_time.map(|time| time.to_string()).unwrap_or_default(),
        verification.address.clone(),
    ]
}

/// The line with the names of the columns.
pub(super) fn header() -> String {
    line(COLUMNS.iter().map(ToString::to_string))
}

/// The lines of these results.
pub(super) fn rows(results: &[BatchResult]) -> String {
    results.iter().map(row).collect()
}

fn row(result: &BatchResult) -> String {
    let default = Verification::default();
    let verification = result.verification.as_ref().unwrap_or(&default);
    let [verdict, action, reason, suggestion, flags, code, evidence_time, address] =
        answer(verification);
    let evidence = verification.evidence.as_ref();
    line(
        [
            result.row.to_string(),
            result.row_id.clone(),
            verification.input.clone(),
            address,
            verdict,
            action,
            reason,
            suggestion,
            flags,
            code,
            evidence.and_then(|evidence| evidence.enhanced_status.clone()).unwrap_or_default(),
            evidence_time,
        ]
        .into_iter(),
    )
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quote(&cell)).collect();
    cells.join(",") + "\r\n"
}

/// The cell, in quotes where it needs them, and behind a `'` where a spreadsheet would take it for
/// a formula. A number is none, whatever its sign: callers find their rows again by it.
fn quote(cell: &str) -> String {
    let is_formula = is_formula(cell) && !is_number(cell);
    let safe = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    let cell = safe.as_str();
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// Returns whether the cell is a decimal number with a sign, such as `-17` or `+0.5`.
fn is_number(cell: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let number = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    digits(whole) && digits(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Evidence, Flags, Reason, Verdict};

    #[test]
    fn a_result_is_a_line_with_every_column() {
        let verification = Verification {
            input: "\"Jane, Doe\" <a@b.test>".to_owned(),
            address: "a@b.test".to_owned(),
            verdict: Verdict::Risky.into(),
            reason: Reason::CatchAll.into(),
            flags: Some(Flags { role: true, cleaned: true, ..Flags::default() }),
            evidence: Some(Evidence { code: Some(250), ..Evidence::default() }),
            ..Verification::default()
        };
        let result =
            BatchResult { row: 3, row_id: "x\ny".to_owned(), verification: Some(verification) };
        let text = header() + &rows(&[result]);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(&row[1], "x\ny");
        assert_eq!(quote("=1+1"), "'=1+1");
        assert_eq!(quote("+1,2"), "\"'+1,2\"");
        assert_eq!(&row[2], "\"Jane, Doe\" <a@b.test>");
        assert_eq!(
            (&row[4], &row[6], &row[8], &row[9]),
            ("risky", "catch_all", "role cleaned", "250")
        );
    }
    #[test]
    fn a_row_id_that_is_a_number_comes_back_as_it_was_given_and_a_formula_does_not() {
        let cell = |row_id: &str| {
            let result = BatchResult { row: 1, row_id: row_id.to_owned(), verification: None };
            let line = rows(&[result]);
            line.split(',').nth(1).unwrap().to_owned()
        };
        for number in ["-17", "+17", "-0.5", "17", "0"] {
            assert_eq!(cell(number), number);
        }
        for formula in ["-17+1", "-", "+", "-1.", "-.5", "-1.2.3", "=1", "@a", "-cmd|x", "+49 1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
    }
}
