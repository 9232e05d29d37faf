//! The house rules that a machine can check.
//!
//! Rooms import along an allow-list, pure files stay pure, names and comments keep their form. The
//! checks read tokens, not text, so that a comment or a string never counts as code; only the rules
//! about comments read lines.

mod boundaries;
mod dependencies;
mod edges;
mod guide;
mod house;
mod imports;
mod knots;
mod modules;
mod names;
mod paths;
mod purity;
mod source;
mod words;

fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
