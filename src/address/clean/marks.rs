//! Marks beyond ASCII: those that surround an address, and those that programs set inside one in
//! the place of a keyboard's. Pure.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// `true` for a mark beyond ASCII that surrounds words: a bracket, a bullet, an arrow or a
/// pictograph. Signs for money may begin a name, and the wide forms of what ASCII has in a local
/// part stand for it.
pub(super) fn is_punctuation(c: char) -> bool {
    use GeneralCategory as G;
    match c {
        _ if c.is_ascii() => false,
        '\u{ff07}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff0e}' | '\u{ff3f}' => false,
        // A letter that could not be read: what stands around it is one word.
        '\u{fffd}' => false,
        // Letters by RFC 5892 section 2.6, whatever their category.
        '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' => false,
        // What belongs to the pictograph before it, and an accent that is typed for an apostrophe.
        '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{3000}' | '\u{b4}' => true,
        c => match c.general_category() {
            G::CurrencySymbol => false,
            // The tones of a pictograph's skin.
            G::ModifierSymbol => c >= '\u{1f000}',
            G::MathSymbol | G::OtherSymbol => true,
            _ => c.general_category_group() == GeneralCategoryGroup::Punctuation,
        },
    }
}

/// `true` if the local part of `address`, not in quotes, has a mark that may surround it.
pub(super) fn are_in_local_part(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    !local.is_ascii() && !local.starts_with('"') && local.contains(is_punctuation)
}

/// `true` if `c` stands inside a word, between these: `o’brien`, `gal·la`, `山田・太郎`.
pub(super) fn is_within_word(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_inner = is_apostrophe(c)
        || is_hyphen(c) && c != EN_DASH
        || matches!(c, '\u{b7}' | '\u{2027}' | '\u{30fb}');
    let is_letter = |c: &char| c.is_alphanumeric();
    match (before.filter(is_letter), after.filter(is_letter)) {
        (Some(before), Some(after)) => is_inner && is_same_side(before, after),
        _ => false,
    }
}

/// `true` if `c` stands inside a label of a domain, between these: a middle dot where IDNA has one
/// (RFC 5892 appendix A.3 and A.7), or what was set for a hyphen.
pub(super) fn is_within_label(before: Option<char>, c: char, after: Option<char>) -> bool {
    match c {
        '\u{b7}' => [before, after].iter().all(|c| matches!(c, Some('l' | 'L'))),
        c => !is_apostrophe(c) && is_within_word(before, c, after),
    }
}

/// `true` for a dot that IDNA takes as one (UTS 46 section 2.3).
pub(super) fn is_wide_dot(c: char) -> bool {
    matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

/// The sign between the figures of a range, and now and then a hyphen that a program made longer.
const EN_DASH: char = '\u{2013}';

/// `true` for what programs set for a hyphen.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '\u{2010}'..=EN_DASH | '\u{2212}')
}

/// `true` for what programs and people set for an apostrophe. The letter U+02BC is not among them.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{b4}')
}

/// `true` for a mark that opens: nothing before it belongs to what follows.
pub(super) fn is_opening(c: char) -> bool {
    use GeneralCategory as G;
    matches!(c.general_category(), G::OpenPunctuation | G::InitialPunctuation)
}

/// `true` for a mark that closes.
pub(super) fn is_closing(c: char) -> bool {
    use GeneralCategory as G;
    matches!(c.general_category(), G::ClosePunctuation | G::FinalPunctuation)
}

/// `true` if both are Latin letters or digits, or neither is: only then do they make one word.
pub(super) fn is_same_side(a: char, b: char) -> bool {
    let is_latin = |c: char| c.is_ascii() || c.script() == Script::Latin;
    is_latin(a) == is_latin(b)
}

/// The sign on a keyboard that a wide one of East Asia, or one that a program set, stands for.
pub(super) fn keyboard_sign(c: char) -> char {
    match c {
        '\u{fe6b}' => '@',
        '\u{3002}' | '\u{ff61}' => '.',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{2bc}' => '\'',
        c => finer_sign(c),
    }
}

/// The same for the signs that no script has of its own.
pub(super) fn finer_sign(c: char) -> char {
    match c {
        c if is_apostrophe(c) => '\'',
        c if is_hyphen(c) => '-',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_surround_and_letters_and_digits_of_any_script_do_not() {
        for c in "“”„«»•·→✉★📧（）：；、。／！？\u{fe0f}—–".chars()
        {
            assert!(is_punctuation(c), "{c:?}");
        }
        for c in "aé山ーяकि्ใ\u{301}٣\u{f0b}״€＋＿ʼ@.-'".chars() {
            assert!(!is_punctuation(c), "{c:?}");
        }
    }

    #[test]
    fn a_mark_is_inside_a_word_between_letters_that_make_one() {
        for (before, c, after) in [('o', '’', 'b'), ('山', '・', '太'), ('l', '·', 'l')] {
            assert!(is_within_word(Some(before), c, Some(after)), "{before}{c}{after}");
            assert!(!is_within_word(None, c, Some(after)), "{c}{after}");
        }
        assert!(!is_within_word(Some('山'), '・', Some('j')));
        assert!(!is_within_word(Some('a'), '→', Some('b')));
        assert!(is_within_label(Some('l'), '·', Some('l')));
        assert!(!is_within_label(Some('a'), '·', Some('b')));
        assert!(!is_within_label(Some('o'), '’', Some('b')));
    }
}
