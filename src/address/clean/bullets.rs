//! Signs and numbers of a list that touch its addresses: `12;#jane@acme.test`, `1.jane@acme.test`.
//! By RFC 5322 they may begin a local part; behind a divider nobody's does. Pure.

/// Signs that a list or a program sets before an entry. `%` is none: it begins an escape.
const SIGNS: [char; 9] = ['#', '&', '!', '~', '^', '$', '?', '-', '+'];

/// Signs that say where an address begins: what is behind them is its own.
const OPENING: [char; 8] = ['<', '(', '[', '{', '"', '\'', ':', '='];

/// The length of the signs that `address` begins with and that are a list's: `before` divides it
/// from something else, and does not say itself where it begins.
pub(super) fn length(before: &str, address: &str, follows_another: bool) -> usize {
    let is_divided = follows_another || before.trim_end().ends_with([';', ',', '|']);
    if is_divided && !before.ends_with(OPENING) { signs(address).len() } else { 0 }
}

/// The signs that `address` begins with, if a letter or a digit follows. A plus before a digit is
/// that of a telephone's number.
pub(super) fn signs(address: &str) -> &str {
    let rest = address.trim_start_matches(SIGNS);
    let signs = &address[..address.len() - rest.len()];
    let is_entry = match signs.contains('+') {
        true => rest.starts_with(char::is_alphabetic),
        false => rest.starts_with(char::is_alphanumeric),
    };
    if is_entry { signs } else { "" }
}

/// The number that `address` begins with, `12.`, and its length; `None` if it begins with none.
pub(super) fn ordinal(address: &str) -> Option<(u32, usize)> {
    let (number, rest) = address.split_once('.')?;
    let is_number = number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit());
    let is_entry = is_number && rest.starts_with(char::is_alphanumeric);
    is_entry.then(|| number.parse().ok()).flatten().map(|value| (value, number.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::super::clean;
    use crate::address::Address;

    fn all(text: &str) -> Vec<String> {
        let cleaned = clean(text);
        std::iter::once(cleaned.address.into_owned()).chain(cleaned.others).collect()
    }

    #[test]
    fn a_sign_that_touches_an_entry_of_a_list_is_no_part_of_it() {
        assert_eq!(all("12;#jane@acme.test"), ["jane@acme.test"]);
        for text in [
            "12;#jane@acme.test;#13;#bob@acme.test",
            "jane@acme.test;#bob@acme.test",
            "jane@acme.test; -bob@acme.test",
            "jane@acme.test, &bob@acme.test",
            "jane@acme.test !bob@acme.test",
            "-jane@acme.test\n-bob@acme.test",
            "#jane@acme.test, #bob@acme.test",
            "1.jane@acme.test\n2.bob@acme.test",
        ] {
            assert_eq!(all(text), ["jane@acme.test", "bob@acme.test"], "{text:?}");
        }
        // Glued together they are shown to a person.
        for text in ["jane@acme.test+bob@acme.test", "jane@acme.test&bob@acme.test"] {
            assert!(Address::parse(&clean(text).address).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sign_that_nothing_divides_from_an_address_is_its_own() {
        for text in ["#jane@acme.test", "-jane@acme.test", "1.jane@acme.test", "+4930@sms.test"] {
            assert_eq!(all(text), [text]);
            assert_eq!(all(&format!("Jane <{text}>")), [text]);
        }
        for second in ["+4930@sms.test", "2.bob@acme.test", "<-bob@acme.test>"] {
            let bare = second.trim_matches(['<', '>']);
            assert_eq!(all(&format!("jane@acme.test; {second}")), ["jane@acme.test", bare]);
        }
    }
}
