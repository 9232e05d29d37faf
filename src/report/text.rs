//! Text from outside, made fit to be shown.

use crate::address::redact;

/// `text` without control characters: a remote server's words must not steer the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A name from outside with its addresses redacted and its control characters replaced.
pub(super) fn redacted(name: &str) -> String {
    printable(&redact::text(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_words_cannot_steer_the_terminal() {
        assert_eq!(printable("ok\u{1b}[31m"), "ok\u{fffd}[31m");
    }
}
