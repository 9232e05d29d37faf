//! Code points beyond ASCII that may stand in an address.
//!
//! RFC 6531 lets every code point above ASCII into a local part. Some of them make an address that
//! shows as another one, or that nobody can type: controls, format and direction characters,
//! separators, private use, unassigned ones. Those are refused (RFC 6532 section 3.1 warns of
//! them). Normalisation is not demanded: a server compares as it likes, so the bytes are kept.

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::syntax::{SyntaxError, SyntaxErrorKind};

/// Refuses the first code point above ASCII in `text` that may not stand in a local part.
/// ASCII is the grammar's business.
pub(super) fn check_local_part(text: &str) -> Result<(), SyntaxError> {
    if text.chars().next().is_some_and(is_mark) {
        return Err(SyntaxErrorKind::UnsafeCharacter.at(0));
    }
    for (offset, c) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
        if is_joiner(c) {
            if !joiner_is_needed(text, offset) {
                return Err(SyntaxErrorKind::UnsafeCharacter.at(offset));
            }
        } else if let Some(kind) = unsafe_kind(c) {
            return Err(kind.at(offset));
        }
    }
    Ok(())
}

/// The fault of `c`, not a joiner, which may stand nowhere in an address; `None` if it may.
pub(super) fn unsafe_kind(c: char) -> Option<SyntaxErrorKind> {
    use GeneralCategory as G;
    match c.general_category() {
        G::Control => Some(SyntaxErrorKind::ControlCharacter),
        G::SpaceSeparator => Some(SyntaxErrorKind::Whitespace),
        G::Format
        | G::LineSeparator
        | G::ParagraphSeparator
        | G::PrivateUse
        | G::Surrogate
        | G::Unassigned => Some(SyntaxErrorKind::UnsafeCharacter),
        // In the place of what could not be read: the mailbox that was meant is another one.
        _ if c == char::REPLACEMENT_CHARACTER => Some(SyntaxErrorKind::UnsafeCharacter),
        _ if is_invisible(c) => Some(SyntaxErrorKind::UnsafeCharacter),
        _ => None,
    }
}

/// Letters and marks that show as nothing (Default_Ignorable_Code_Point outside category Cf).
/// The variation selectors FE00 to FE0F are not among them: they belong to the character before.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{3164}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

/// Zero width joiner and non-joiner: invisible, but words of several scripts need them.
pub(super) const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// A combining mark, which belongs to the character before it.
pub(super) fn is_mark(c: char) -> bool {
    !c.is_ascii() && c.general_category_group() == GeneralCategoryGroup::Mark
}

/// `true` if the joiner at `offset` changes what is seen (RFC 5892 appendix A.1 and A.2). IDNA's
/// tables know; they are asked about the word around it.
fn joiner_is_needed(text: &str, offset: usize) -> bool {
    let in_word = |c: char| is_joiner(c) || is_mark(c) || c.is_alphabetic();
    let before = &text[..offset];
    let start = before
        .char_indices()
        .rev()
        .find(|(_, c)| !in_word(*c))
        .map_or(0, |(i, c)| i + c.len_utf8());
    let end = text[offset..].find(|c| !in_word(c)).map_or(text.len(), |i| offset + i);
    let word = &text.as_bytes()[start..end];
    Uts46::new().to_unicode(word, AsciiDenyList::EMPTY, Hyphens::Allow).1.is_ok()
}
