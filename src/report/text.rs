//! Text from outside, made fit to be shown.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use crate::address::{DomainName, redact};

/// `text` with control and format characters escaped: the words of a server or a caller must
/// neither steer the terminal nor change the order in which a line is read (UTR 36).
#[must_use]
pub fn printable(text: &str) -> String {
    let is_hidden = |c: char| c.is_control() || c.general_category() == GeneralCategory::Format;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// A name from outside with its addresses redacted and its hidden characters escaped.
pub(super) fn redacted(name: &str) -> String {
    printable(&redact::text(name))
}

/// A domain as people write it, `bücher.test` for `xn--bcher-kva.test`; any other name redacted.
pub(super) fn domain(name: &str) -> String {
    match DomainName::parse(name) {
        Ok(domain) => printable(&domain.to_unicode()),
        Err(_) => redacted(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_shown_as_people_write_it() {
        assert_eq!(domain("xn--bcher-kva.test"), "bücher.test");
        assert_eq!(domain("acme.test"), "acme.test");
        assert!(!domain("jane.doe@acme.test").contains("jane.doe"));
    }

    #[test]
    fn a_server_s_words_cannot_steer_the_terminal() {
        assert_eq!(printable("ok\u{1b}[31m"), "ok\\u{1b}[31m");
        assert_eq!(printable("moc.elgoog\u{202e}"), "moc.elgoog\\u{202e}");
        for hidden in ['\u{61c}', '\u{200b}', '\u{200f}', '\u{2066}', '\u{feff}', '\u{ad}'] {
            assert!(printable(&hidden.to_string()).starts_with("\\u{"), "{hidden:?}");
        }
        assert_eq!(printable("grüße@例え.jp"), "grüße@例え.jp");
    }
}
