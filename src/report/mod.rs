//! The report: one page that says whether the campaign may be sent, and why. Pure: data to page.
//!
//! The page is one HTML file that needs nothing else: no script, no font, no picture from anywhere.
//! It holds no address. Its answer is computed in [`crate::campaign::preflight`], its next steps in
//! [`recommendations`]; the template only lays them out, and escapes what it prints.
//!
//! Not here: the counting, and the same answer for a terminal (`cli/summary`).

pub mod bars;
mod breakdown;
mod data;
mod page;
pub mod recommendations;
#[cfg(test)]
mod tests;
mod text;
mod timestamp;
mod tone;

pub use data::{
    FlagCounts, GroupCounts, Operator, ReportData, ReportFile, ReportFileKind, SendCounts,
};
pub use text::printable;
pub use timestamp::rfc3339;

use askama::Template as _;

/// Renders the page.
///
/// # Errors
///
/// Only if there is no memory for it: a template cannot fail on data.
pub fn render(data: &ReportData) -> Result<String, askama::Error> {
    // A number and its sign stay on one line.
    Ok(page::ReportPage::from_data(data).render()?.replace(" %", "\u{a0}%"))
}
