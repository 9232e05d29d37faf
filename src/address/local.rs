//! Local parts: dot-strings and quoted strings (RFC 5321 section 4.1.2), with characters beyond
//! ASCII (RFC 6531 section 3.3).
//!
//! Crate `email_address` decides the grammar of dot-strings; this module finds the place and the
//! reason. It misjudges quoted strings both ways (refuses `""` and `"a\ b"`, takes a raw TAB) and
//! letters with marks, so those are decided here. No folding white space and no comments: they
//! belong to message headers.

use std::borrow::Cow;

use email_address::EmailAddress;

use super::syntax::{SyntaxError, SyntaxErrorKind};
use super::unicode;

/// RFC 5321 section 4.5.3.1.1, in octets, quotes included.
pub(super) const MAX_OCTETS: usize = 64;

/// Checks the local part of an address, which may have `limit` octets.
pub(super) fn check(local: &str, limit: usize) -> Result<(), SyntaxError> {
    let inner = quoted(local);
    if local.len() > limit {
        let earlier = first_fault(local).filter(|fault| fault.offset < limit);
        let too_long = SyntaxErrorKind::LocalPartTooLong.at(limit);
        return Err(earlier.filter(|_| inner.is_none()).unwrap_or(too_long));
    }
    if let Some(inner) = inner {
        return check_quoted(inner).map_err(|error| error.shifted(1));
    }
    // The crate has the limit of 64 built in.
    let is_valid = match local.len() > MAX_OCTETS {
        true => first_fault(local).is_none(),
        false => EmailAddress::is_valid_local_part(&ascii_view(local)),
    };
    if !is_valid {
        return Err(first_fault(local).unwrap_or(SyntaxErrorKind::LocalPartCharacter.at(0)));
    }
    if local.is_ascii() { Ok(()) } else { unicode::check_local_part(local) }
}

/// The text between the quotes, escapes untouched; `None` for a dot-string.
fn quoted(local: &str) -> Option<&str> {
    local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
}

/// `local` with a letter for every character beyond ASCII: the grammar is the same for all of
/// them (`UTF8-non-ascii`), and `email_address` knows only some.
fn ascii_view(local: &str) -> Cow<'_, str> {
    if local.is_ascii() {
        return Cow::Borrowed(local);
    }
    Cow::Owned(local.chars().map(|c| if c.is_ascii() { c } else { 'x' }).collect())
}

/// The first thing in a dot-string that the grammar does not have.
fn first_fault(local: &str) -> Option<SyntaxError> {
    use SyntaxErrorKind as K;
    if local.is_empty() {
        return Some(K::LocalPartEmpty.at(0));
    }
    let mut after_dot = false;
    for (offset, c) in local.char_indices() {
        let kind = match c {
            '.' if offset == 0 => K::DotAtEdge,
            '.' if after_dot => K::ConsecutiveDots,
            '<' | '>' => K::DisplayName,
            '(' | ')' => K::Comment,
            '"' => K::MisplacedQuote,
            ' ' if local.contains('<') => K::DisplayName,
            ' ' => K::Whitespace,
            '\\' | ',' | ';' | ':' | '[' | ']' | '@' => K::LocalPartCharacter,
            c if c.is_control() => K::ControlCharacter,
            c => {
                after_dot = c == '.';
                continue;
            }
        };
        return Some(kind.at(offset));
    }
    local.ends_with('.').then(|| K::DotAtEdge.at(local.len() - 1))
}

/// `true` for atoms with dots anywhere between and around them, and at least one atom.
pub(super) fn is_dotted_atoms(local: &str) -> bool {
    let mut atoms = local.split('.').filter(|atom| !atom.is_empty()).peekable();
    atoms.peek().is_some() && atoms.all(EmailAddress::is_valid_local_part)
}

/// `QcontentSMTP`: printable ASCII, escaped where it must be, and safe characters beyond ASCII.
fn check_quoted(inner: &str) -> Result<(), SyntaxError> {
    let mut chars = inner.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, ' '..='~')) => {}
                _ => return Err(SyntaxErrorKind::BadEscape.at(offset)),
            },
            '"' => return Err(SyntaxErrorKind::MisplacedQuote.at(offset)),
            c if c.is_control() => return Err(SyntaxErrorKind::ControlCharacter.at(offset)),
            _ => {}
        }
    }
    unicode::check_local_part(inner)
}

/// The local part without quotes and escapes: what it names.
pub(super) fn content(local: &str) -> Cow<'_, str> {
    let Some(inner) = quoted(local) else { return Cow::Borrowed(local) };
    let mut content = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        content.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(content)
}

/// A local part that names `content`, quoted only if it must be.
pub(super) fn from_content(content: &str) -> Cow<'_, str> {
    if EmailAddress::is_valid_local_part(&ascii_view(content)) && !content.starts_with('"') {
        return Cow::Borrowed(content);
    }
    let mut local = String::with_capacity(content.len() + 2);
    local.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            local.push('\\');
        }
        local.push(c);
    }
    local.push('"');
    Cow::Owned(local)
}
