//! Internationalised domain names: mapped as UTS 46 says, then held to IDNA 2008.
//!
//! Crate `idna` maps, encodes, and checks normalisation, joiners and the bidi rule. UTS 46 alone
//! allows emoji and other symbols, so the code points of each U-label are held to RFC 5892 here,
//! with its contextual rules. A label that was *given* as an A-label only has to decode: names
//! like `xn--i-7iq.ws` are registered and take mail.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

use super::syntax::{SyntaxError, SyntaxErrorKind};
use super::unicode;

/// The prefix of an A-label, in any case.
const ACE_PREFIX: &str = "xn--";
/// RFC 1035 section 2.3.4.
const MAX_LABEL_OCTETS: usize = 63;

/// The labels of a domain as written, each with its offset. IDNA knows four dots (RFC 3490
/// section 3.1).
pub(super) fn labels(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some((0, text));
    std::iter::from_fn(move || {
        let (start, tail) = rest?;
        let dot = tail.char_indices().find(|(_, c)| is_dot(*c));
        rest = dot.map(|(at, c)| (start + at + c.len_utf8(), &tail[at + c.len_utf8()..]));
        Some((start, dot.map_or(tail, |(at, _)| &tail[..at])))
    })
}

const fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{FF0E}' | '\u{FF61}')
}

/// `true` if some label of an ASCII name claims to be an A-label.
pub(super) fn has_a_label(text: &str) -> bool {
    let after_dot = |(at, byte)| byte == b'.' && is_a_label(&text[at + 1..]);
    is_a_label(text) || text.bytes().enumerate().any(after_dot)
}

fn is_a_label(label: &str) -> bool {
    label.get(..ACE_PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(ACE_PREFIX))
}

/// Why a character beyond ASCII may not even be written in a domain; mapping comes later. UTS 46
/// would drop invisible characters and spell symbols out; a person who writes one means something
/// else.
pub(super) fn refused_as_written(c: char) -> Option<SyntaxErrorKind> {
    use GeneralCategory as G;
    if is_dot(c) || unicode::is_joiner(c) || is_exception(c) || is_width_form(c) {
        return None;
    }
    if let Some(kind) = unicode::unsafe_kind(c) {
        return Some(kind);
    }
    match c.general_category() {
        G::UppercaseLetter
        | G::TitlecaseLetter
        | G::LowercaseLetter
        | G::OtherLetter
        | G::ModifierLetter
        | G::NonspacingMark
        | G::SpacingMark
        | G::DecimalNumber => None,
        _ => Some(SyntaxErrorKind::DomainSymbol),
    }
}

/// The A-label form of a domain whose characters and labels were looked at as written.
pub(super) fn to_ascii(text: &str) -> Result<String, SyntaxError> {
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
        .map_err(|_| blame(text))?;
    for ((start, written), label) in labels(text).zip(ascii.split('.')) {
        if label.is_empty() {
            return Err(SyntaxErrorKind::LabelEmpty.at(start));
        }
        if label.len() > MAX_LABEL_OCTETS {
            return Err(SyntaxErrorKind::LabelTooLong.at(start));
        }
        if is_a_label(label) && !is_a_label(written) {
            check_u_label(&decoded(label)).map_err(|kind| kind.at(start))?;
        }
    }
    Ok(ascii.into_owned())
}

/// The form for people of a name in A-label form.
pub(super) fn to_unicode(ascii: &str) -> String {
    let mut out = String::with_capacity(ascii.len());
    for (i, label) in ascii.split('.').enumerate() {
        if i > 0 {
            out.push('.');
        }
        match u_label(label) {
            Some(unicode) => out.push_str(&unicode),
            None => out.push_str(label),
        }
    }
    out
}

/// The U-label of an A-label, if it has one under IDNA 2008.
pub(super) fn u_label(label: &str) -> Option<String> {
    let unicode = is_a_label(label).then(|| decoded(label))?;
    let same = to_ascii(&unicode).is_ok_and(|ascii| ascii == label);
    (same && check_u_label(&unicode).is_ok()).then_some(unicode)
}

/// `true` if the name holds an A-label that IDNA 2008 would not make, an emoji domain for one.
pub(super) fn has_foreign_a_label(ascii: &str) -> bool {
    ascii.split('.').any(|label| is_a_label(label) && u_label(label).is_none())
}

fn decoded(label: &str) -> String {
    Uts46::new().to_unicode(label.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow).0.into_owned()
}

/// The label that `idna` refused: the first that it refuses alone, or the first of all when only
/// the bidi rule for the whole name is broken.
fn blame(text: &str) -> SyntaxError {
    let refused = |label: &str| {
        Uts46::new()
            .to_ascii(
                label.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::CheckFirstLast,
                DnsLength::Ignore,
            )
            .is_err()
    };
    let (start, label) = labels(text).find(|(_, label)| refused(label)).unwrap_or((0, text));
    let kind = if is_a_label(label) {
        SyntaxErrorKind::InvalidPunycode
    } else {
        SyntaxErrorKind::InvalidIdn
    };
    kind.at(start)
}

/// Holds the code points of a mapped label to RFC 5892 section 3, and its hyphens to RFC 5891
/// section 4.2.3.1.
fn check_u_label(label: &str) -> Result<(), SyntaxErrorKind> {
    if label.chars().skip(2).take(2).eq(['-', '-']) {
        return Err(SyntaxErrorKind::InvalidIdn);
    }
    if !label.chars().all(is_protocol_valid) {
        return Err(SyntaxErrorKind::DomainSymbol);
    }
    if context_holds(label) { Ok(()) } else { Err(SyntaxErrorKind::InvalidIdn) }
}

/// Other widths of a hyphen and of code points in [`is_exception`], which are mapped to them.
const fn is_width_form(c: char) -> bool {
    matches!(c, '\u{FF0D}' | '\u{FE63}' | '\u{FF65}' | '\u{0F0C}')
}

/// Code points whose category says no and RFC 5892 section 2.6 says yes, perhaps in context.
const fn is_exception(c: char) -> bool {
    matches!(
        c,
        '\u{00B7}'
            | '\u{0375}'
            | '\u{05F3}'
            | '\u{05F4}'
            | '\u{06FD}'
            | '\u{06FE}'
            | '\u{0F0B}'
            | '\u{3007}'
            | '\u{30FB}'
    )
}

/// RFC 5892 section 3: PVALID, CONTEXTJ and CONTEXTO code points of an already mapped label.
fn is_protocol_valid(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() || is_exception(c) || unicode::is_joiner(c) {
        return true;
    }
    match c {
        // Exceptions (section 2.6).
        '\u{0640}'
        | '\u{07FA}'
        | '\u{302E}'
        | '\u{302F}'
        | '\u{3031}'..='\u{3035}'
        | '\u{303B}' => false,
        // Old Hangul jamo (section 2.9).
        '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}' => false,
        // Ignorable blocks (section 2.4): marks for symbols, musical notation.
        '\u{20D0}'..='\u{20FF}' | '\u{1D100}'..='\u{1D24F}' => false,
        // Cherokee folds to upper case, so that its capitals are the stable ones (section 2.2).
        '\u{13A0}'..='\u{13F5}' => true,
        _ => matches!(
            c.general_category(),
            G::LowercaseLetter
                | G::OtherLetter
                | G::ModifierLetter
                | G::NonspacingMark
                | G::SpacingMark
                | G::DecimalNumber
        ),
    }
}

/// The contextual rules of RFC 5892 appendix A.3 to A.9; `idna` checks the joiners (A.1, A.2).
fn context_holds(label: &str) -> bool {
    let script = |c: Option<char>, script| c.is_some_and(|c| c.script() == script);
    let japanese =
        |c: char| matches!(c.script(), Script::Hiragana | Script::Katakana | Script::Han);
    let any = |digits: std::ops::RangeInclusive<char>| label.chars().any(|c| digits.contains(&c));
    let mut before = None;
    let mut rest = label.chars();
    while let Some(c) = rest.next() {
        let after = rest.clone().next();
        let holds = match c {
            '\u{00B7}' => before == Some('l') && after == Some('l'),
            '\u{0375}' => script(after, Script::Greek),
            '\u{05F3}' | '\u{05F4}' => script(before, Script::Hebrew),
            '\u{30FB}' => label.chars().any(japanese),
            '\u{0660}'..='\u{0669}' => !any('\u{06F0}'..='\u{06F9}'),
            _ => true,
        };
        if !holds {
            return false;
        }
        before = Some(c);
    }
    true
}
