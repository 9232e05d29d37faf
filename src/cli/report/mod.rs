//! `--report`: one page that says whether the campaign may be sent, and why.
//!
//! The page is one HTML file that needs nothing else: no script, no font, no picture from anywhere.
//! It holds no address. What it says is decided in [`crate::batch::preflight`] and [`next`]; the
//! template only lays it out, and escapes what it prints.
//!
//! Not here: the counting, and the same answer for a terminal (`cli/answer`).

mod data;
pub mod next;
mod page;
mod places;
#[cfg(test)]
mod tests;
mod when;

pub use data::{Data, Flags, Place};

use askama::Template as _;

/// The page.
///
/// # Errors
///
/// Only if there is no memory for it: a template cannot fail on data.
pub fn render(data: &Data) -> Result<String, askama::Error> {
    // A number and its sign stay on one line.
    Ok(page::Page::of(data).render()?.replace(" %", "\u{a0}%"))
}
