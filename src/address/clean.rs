//! The addresses in a text that a person or a program wrote. Pure.
//!
//! Cells of lists, fields of requests and lines of files hold `Jane <jane@acme.test>`,
//! `SMTP:jane@acme.test`, `="jane@acme.test"` and the like. [`clean`] takes away what surrounds the
//! addresses and keeps what they are; it judges none. One rule stands above the others: **no other
//! mailbox than the one that is written is ever read out of a text**. `jane doe@acme.test` does not
//! give `doe@acme.test`: where a word touches an address with nothing but space between them, the
//! text is left as it is, and what a reader would take it for is [`Cleaned::likely`], to be shown
//! as a suggestion.
//!
//! What is an address as it stands is not touched, but for an apostrophe at its beginning (a
//! spreadsheet's mark for text, unless another closes it before the `@`), the `//` that `mailto://`
//! leaves, the remains of an escaped space or bracket, and marks beyond ASCII around it: by RFC
//! 6531 `→jane@acme.test` is a mailbox, and nobody has it.

mod bullets;
mod clear;
mod marks;
mod mended;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::{Address, unicode};

/// The addresses taken from one text.
pub const MAX_ADDRESSES: usize = 100;

/// Number of bytes of a text that are read. A longer one is no address with its name: it may be
/// several, and what touches its cut is none of them.
const MAX_TEXT: usize = 4096;

/// Content of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned<'a> {
    /// The first address, or what was meant to be one; empty if the text holds nothing like it.
    pub address: Cow<'a, str>,
    /// Further addresses in order, none of them twice; at most [`MAX_ADDRESSES`] in all.
    pub others: Vec<String>,
    /// True if words stood beside them.
    pub had_words: bool,
    /// True if the text is so long, or has so many addresses, that its end was not read.
    pub is_cut: bool,
    /// The address a reader would see, where [`address`](Self::address) is no address and
    /// two readings are possible; or the one with a keyboard's signs, or without quotes around its
    /// local part, where it is one with others, or with them.
    pub likely: Option<String>,
}

impl<'a> Cleaned<'a> {
    fn only(address: impl Into<Cow<'a, str>>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// Returns whether the text holds nothing that was meant to be an address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.address.is_empty()
    }
}

/// The addresses in `text`. Time is linear in its length.
#[must_use]
pub fn clean(text: &str) -> Cleaned<'_> {
    if is_plain(text) {
        return Cleaned::only(text);
    }
    let trimmed = trim(text);
    if trimmed.is_empty() {
        return Cleaned::default();
    }
    if trimmed.len() > MAX_TEXT {
        return beginning(&trimmed[..trimmed.floor_char_boundary(MAX_TEXT)]);
    }
    let without_mark = without_mark(trimmed);
    let is_address = Address::parse(without_mark).is_ok();
    if is_address && !marks::are_in_local_part(without_mark) {
        let likely = mended::typewritten(without_mark).or_else(|| mended::unpaired(without_mark));
        return Cleaned { likely, ..Cleaned::only(without_mark) };
    }
    let visible = visible(trimmed);
    let visible = mended::unescaped(&visible).unwrap_or(visible);
    let spelled_out = mended::spelled_out(&visible);
    let found = match spelled_out {
        Some(_) => scan::Found { likely: spelled_out, ..scan::Found::default() },
        None => scan::scan(&visible),
    };
    if !found.addresses.is_empty() {
        return several(found);
    }
    if is_address {
        let likely = mended::typewritten(without_mark).or(found.likely);
        return Cleaned { likely, ..Cleaned::only(without_mark) };
    }
    let rest = trim(unwrapped(&visible));
    // Without what surrounds it, it may be a mailbox after all.
    let likely = mended::typewritten(rest).or(found.likely);
    let likely = likely.or_else(|| mended::unmistaken(rest));
    if likely.is_none() && !is_meant(rest) {
        return Cleaned::default();
    }
    Cleaned { address: rest.to_owned().into(), likely, ..Cleaned::default() }
}

/// The addresses in `text`, which goes on behind its end.
fn beginning(text: &str) -> Cleaned<'_> {
    // The last word may be half of one.
    let end = text.rfind(|c: char| c.is_whitespace() || ",;|/<>".contains(c)).unwrap_or_default();
    let visible = visible(&text[..end]);
    let visible = mended::unescaped(&visible).unwrap_or(visible);
    let found = scan::scan_beginning(&visible);
    let cleaned = if found.addresses.is_empty() { Cleaned::default() } else { several(found) };
    Cleaned { is_cut: true, ..cleaned }
}

fn several<'a>(found: scan::Found) -> Cleaned<'a> {
    let mut addresses: Vec<String> = Vec::new();
    for address in found.addresses {
        if !addresses.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            addresses.push(address);
        }
    }
    addresses.truncate(MAX_ADDRESSES);
    let others = addresses.split_off(1);
    let address = addresses.pop().unwrap_or_default();
    let likely = match others.is_empty() {
        true => mended::typewritten(&address)
            .or_else(|| mended::unpaired(&address))
            .or_else(|| mended::unmistaken(&address)),
        false => None,
    };
    let (had_words, is_cut) = (found.had_words, found.is_cut);
    Cleaned { address: address.into(), others, had_words, is_cut, likely }
}

/// Returns whether `text` is an address of letters, digits and `. _ + -` with nothing around it
/// and no stray dot: nearly all are, and nothing needs to be taken away.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    if !is_word(bytes.first()) || !is_word(bytes.last()) || bytes.len() > MAX_TEXT {
        return false;
    }
    let (mut before, mut has_at) = (b' ', false);
    for &b in bytes {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'+' | b'-' => {}
            b'.' if !matches!(before, b'.' | b'@') => {}
            b'@' if !has_at && before != b'.' => has_at = true,
            _ => return false,
        }
        before = b;
    }
    has_at && !text.starts_with("u003")
}

/// `text` without white space, control characters and invisible marks around it.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// `text` without a spreadsheet's mark for text, and without what `mailto://`, an escaped space and
/// an escaped bracket leave.
fn without_mark(text: &str) -> &str {
    let bare = text.strip_prefix(['\'', '\u{2018}', '\u{2019}']);
    // One that is closed before the `@` is a pair around the name, and no mark.
    let bare = bare.filter(|bare| !["'@", "\u{2019}@"].iter().any(|end| bare.contains(end)));
    let text = bare.unwrap_or(text);
    let text = text.strip_prefix("//").unwrap_or(text);
    let mut rest = text;
    for mark in ["%20", "u003c", "u003e", "%3C", "%3c"] {
        rest = rest.trim_start_matches(mark);
    }
    if rest.starts_with('@') { text } else { rest }
}

/// `text` with what cannot be seen taken out of it, and each white space as a plain one.
fn visible(text: &str) -> String {
    let seen = text.chars().filter(|c| !is_invisible(*c) || c.is_whitespace());
    seen.map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
}

/// Control characters and marks that are not seen at all.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || unicode::is_joiner(c)
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` without the marks and quotes around it: for what holds no address.
fn unwrapped(text: &str) -> &str {
    const BEFORE: &[char] =
        &['<', '(', '[', '"', '\'', '`', ' ', '\u{201c}', '\u{201e}', '\u{2018}'];
    const AFTER: &[char] =
        &['>', ')', ']', '"', '\'', '`', ' ', ',', ';', '\u{201c}', '\u{201d}', '\u{2019}'];
    let text = text.trim_end_matches(AFTER);
    if text.contains('"') { text } else { text.trim_start_matches(BEFORE) }
}

/// Returns whether `text`, in which no address was found, was meant to be one: it has an `@` in
/// one word, or is one word that ends in a top-level domain.
fn is_meant(text: &str) -> bool {
    let is_one_word = !text.contains(' ');
    if text.contains("://") || text.starts_with('@') && text.matches('@').count() == 1 {
        return false;
    }
    if text.contains(['@', '\u{ff20}']) {
        return is_one_word || text.contains('"');
    }
    let Some((before, ending)) = text.rsplit_once('.') else { return false };
    is_one_word
        && !before.is_empty()
        && !before.to_ascii_lowercase().starts_with("www.")
        && before.chars().all(|c| c.is_alphanumeric() || "._+-".contains(c))
        && before.chars().any(char::is_alphabetic)
        && psl::suffix(ending.to_lowercase().as_bytes()).is_some_and(|suffix| suffix.is_known())
}
