//! The form in which role names are stored and looked up.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest local part, in bytes (RFC 5321 section 4.5.3.1.1).
pub(super) const MAX_LOCAL: usize = 64;

/// `name` as roles are listed: lower case, without its tag and without accents (`büro` is `buro`,
/// composed or not), a hyphen for each dot and underscore. None if it is longer than a local part.
pub(super) fn fold<'a>(name: &str, buffer: &'a mut [u8; MAX_LOCAL]) -> Option<&'a str> {
    if name.len() > MAX_LOCAL {
        return None;
    }
    let len = if name.is_ascii() {
        let bytes = name.bytes().take_while(|&byte| byte != b'+');
        let folded = bytes.map(|byte| separator(byte.to_ascii_lowercase().into()));
        buffer.iter_mut().zip(folded).map(|(slot, c)| *slot = c as u8).count()
    } else {
        let mut len = 0;
        let chars = name.chars().take_while(|&c| c != '+').flat_map(char::to_lowercase);
        for c in chars.nfd().filter(|&c| !is_combining_mark(c)).map(separator) {
            len += c.encode_utf8(buffer.get_mut(len..len + c.len_utf8())?).len();
        }
        len
    };
    std::str::from_utf8(&buffer[..len]).ok()
}

/// A hyphen for every character that may stand between words.
fn separator(c: char) -> char {
    if c == '.' || c == '_' { '-' } else { c }
}

/// A role as it is stored: in every form [`fold`] can give it.
pub(super) fn forms(role: &str) -> impl Iterator<Item = String> {
    let joined = role.contains('-').then(|| role.replace('-', ""));
    std::iter::once(role.to_owned()).chain(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_a_local_part_does_not_fold() {
        let mut buffer = [0; MAX_LOCAL];
        assert_eq!(fold(&"a".repeat(MAX_LOCAL + 1), &mut buffer), None);
        assert_eq!(fold(&"a".repeat(MAX_LOCAL), &mut buffer).map(str::len), Some(MAX_LOCAL));
        assert_eq!(fold(&"ß".repeat(MAX_LOCAL), &mut buffer), None);
        assert_eq!(fold("Büro.Nord+x", &mut buffer), Some("buro-nord"));
        assert_eq!(fold("Bu\u{308}ro_Nord", &mut buffer), Some("buro-nord"));
    }
}
