//! The address in a cell: what surrounds it is taken away, what it is stays as it is.
//!
//! Taken away: white space (no-break and zero-width too), control characters, a pair of quotation
//! marks around everything, a comma or semicolon at the end, `mailto:` with its `?subject=`, and a
//! display name beside angle brackets (RFC 5322 section 3.4 `name-addr`). Whether the rest is an
//! address is not decided here: a cell that holds `jane@` gives `jane@`.

use crate::address::Address;

/// What a cell gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell<'a> {
    /// What is to be verified; empty if there is nothing in the cell.
    pub(super) address: &'a str,
    /// Whether a display name stood beside it.
    pub(super) had_name: bool,
}

/// Quotation marks that come in pairs around a pasted value.
const PAIRS: [(char, char); 8] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{2039}', '\u{203a}'),
];

/// The address in `cell`.
pub(super) fn address(cell: &str) -> Cell<'_> {
    let mut text = bare(cell);
    let mut had_name = false;
    if text.ends_with('>')
        && let Some(open) = text.rfind('<')
    {
        had_name = !bare(&text[..open]).is_empty();
        text = bare(&text[open + 1..text.len() - 1]);
    }
    Cell { address: without_scheme(text), had_name }
}

/// Whether `cell` holds what its owner took for an address, valid or not. For finding the column.
pub(super) fn looks_like_address(cell: &str) -> bool {
    let text = address(cell).address;
    if Address::parse(text).is_ok() {
        return true;
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && !domain.is_empty()
        && !text.contains("://")
        && !text.contains(|c: char| c.is_whitespace() || "/,;|\t\"".contains(c))
}

/// `text` without what surrounds it.
fn bare(text: &str) -> &str {
    let mut text = text;
    loop {
        let before = text.len();
        text = text.trim_matches(is_invisible).trim_end_matches([',', ';']);
        for (open, close) in PAIRS {
            if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
                text = inner;
            }
        }
        if text.len() == before {
            return text;
        }
    }
}

fn without_scheme(text: &str) -> &str {
    const SCHEME: &str = "mailto:";
    match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {
            let rest = &text[SCHEME.len()..];
            bare(rest.split_once('?').map_or(rest, |(address, _)| address))
        }
        _ => text,
    }
}

/// White space, control characters, and the marks that are not seen at all.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_an_address_is_taken_away() {
        for (cell, wanted) in [
            ("jane@acme.test", "jane@acme.test"),
            ("  jane@acme.test\t", "jane@acme.test"),
            ("\u{a0}jane@acme.test\u{200b}\u{feff}", "jane@acme.test"),
            ("'jane@acme.test'", "jane@acme.test"),
            ("\u{201c}jane@acme.test\u{201d}", "jane@acme.test"),
            ("\"jane@acme.test\";", "jane@acme.test"),
            ("jane@acme.test,", "jane@acme.test"),
            ("mailto:jane@acme.test", "jane@acme.test"),
            ("MailTo: jane@acme.test?subject=Hi", "jane@acme.test"),
            ("<jane@acme.test>", "jane@acme.test"),
            ("<mailto:jane@acme.test>", "jane@acme.test"),
            ("Jane Doe <jane@acme.test>", "jane@acme.test"),
            ("\"Doe, Jane\" < jane@acme.test >", "jane@acme.test"),
            ("Jane <3 <jane@acme.test>;", "jane@acme.test"),
            ("\u{1a}", ""),
            ("  ", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(address(cell).address, wanted, "{cell:?}");
        }
    }

    #[test]
    fn what_belongs_to_an_address_stays() {
        for cell in [
            "\"jane doe\"@acme.test",
            "jane",
            "jane@",
            "@jane",
            "jane..doe@acme.test",
            "o'brien@acme.test",
            "'jane@acme.test",
            "jane@[192.0.2.1]",
            "jane@acme.test.",
            "jane>@acme.test",
            "юля@пошта.test",
        ] {
            assert_eq!(address(cell), Cell { address: cell, had_name: false });
        }
    }

    #[test]
    fn a_display_name_is_noticed_and_bare_brackets_are_not_one() {
        assert!(address("Jane <jane@acme.test>").had_name);
        assert!(!address("<jane@acme.test>").had_name);
        assert!(!address("jane@acme.test").had_name);
    }

    #[test]
    fn an_invalid_address_still_looks_like_one_and_prose_does_not() {
        for cell in ["jane@acme.test", "jane@@acme", "jane..d@acme.test", "Jane <jane@acme>"] {
            assert!(looks_like_address(cell), "{cell}");
        }
        for cell in
            ["", "jane", "@jane", "jane@", "call jane @ noon", "https://x.test/@jane", "a@b, c@d"]
        {
            assert!(!looks_like_address(cell), "{cell}");
        }
    }
}
