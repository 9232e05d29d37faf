//! The report: one page that says whether the campaign may be sent, and why. Pure: data to page.
//!
//! The page is one HTML file that needs nothing else: no script, no font, no picture from anywhere.
//! It holds no address. Its answer is computed in [`crate::campaign::preflight`], its next steps in
//! [`recommendations`]; the template only lays them out, and escapes what it prints.
//!
//! Not here: the counting, and the same answer for a terminal (`cli/summary`).

mod accuracy;
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
    AccuracySummary, FlagCounts, GroupCounts, KindAccuracy, Operator, ReportData, ReportFile,
    ReportFileKind, SendCounts,
};
pub use text::printable;
pub use timestamp::{Timestamp, rfc3339};
pub use tone::Tone;

use askama::Template as _;

/// Renders the page.
///
/// # Errors
///
/// Only if there is no memory for it: a template cannot fail on data.
pub fn render(data: &ReportData) -> Result<String, askama::Error> {
    Ok(unbroken(&page::ReportPage::from_data(data).render()?))
}

/// The style sheet of the page.
pub const STYLE: &str = include_str!("page.css");

/// Parts of the page, for a page of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSections {
    /// The answer, with its heading of the first rank.
    pub answer: String,
    /// Everything below it.
    pub details: String,
}

/// Renders the parts of the page; they are styled by [`STYLE`].
///
/// # Errors
///
/// As [`render`].
pub fn render_sections(data: &ReportData) -> Result<ReportSections, askama::Error> {
    let page = page::ReportPage::from_data(data);
    Ok(ReportSections {
        answer: unbroken(&page.as_answer().render()?),
        details: unbroken(&page.as_details().render()?),
    })
}

/// A number and its sign stay on one line.
fn unbroken(page: &str) -> String {
    page.replace(" %", "\u{a0}%")
}
