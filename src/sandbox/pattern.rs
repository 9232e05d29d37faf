//! Two small patterns: `*` in names of mailboxes, and `{n}` in names that are computed.

use serde::Deserialize;

/// Returns whether `text` matches `pattern`, in which `*` stands for any run of characters, the
/// empty one too. Linear in `text` for each `*`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts = tail.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// A name with one number in it: `d{n}.bench.test` is `d0.bench.test`, `d1.bench.test`, ...
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Numbered {
    before: String,
    after: String,
}

/// A numbered name without exactly one `{n}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} needs exactly one {{n}}, as in \"d{{n}}.bench.test\"")]
pub struct NumberedError(String);

impl Numbered {
    /// The name with this number.
    #[must_use]
    pub fn name(&self, n: u32) -> String {
        format!("{}{n}{}", self.before, self.after)
    }

    /// The number of this name, if it is one of these; leading zeros are not.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        digits.parse().ok()
    }

    /// The part of the name that is the same for every number, from the first whole label on.
    pub(super) fn parent(&self) -> &str {
        self.after.split_once('.').map_or("", |(_, parent)| parent)
    }
}

impl TryFrom<String> for Numbered {
    type Error = NumberedError;

    fn try_from(text: String) -> Result<Self, NumberedError> {
        match text.split("{n}").collect::<Vec<_>>()[..] {
            [before, after] => Ok(Self {
                before: before.to_ascii_lowercase(),
                after: after.trim_end_matches('.').to_ascii_lowercase(),
            }),
            _ => Err(NumberedError(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in
            [("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*c*e", "abcde"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "b"), ("a*", "ba"), ("*c", "cb"), ("a*b", "a"), ("ab*ba", "aba")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_numbered_name_and_its_number_are_inverse() {
        let names = Numbered::try_from("d{n}.Bench.test.".to_owned()).unwrap();
        assert_eq!(names.name(42), "d42.bench.test");
        assert_eq!(names.number("d42.bench.test"), Some(42));
        assert_eq!(names.parent(), "bench.test");
        for other in
            ["d.bench.test", "d042.bench.test", "d+1.bench.test", "x1.bench.test", "d1.test"]
        {
            assert_eq!(names.number(other), None, "{other}");
        }
        assert!(Numbered::try_from("bench.test".to_owned()).is_err());
        assert!(Numbered::try_from("{n}.{n}.test".to_owned()).is_err());
    }
}
