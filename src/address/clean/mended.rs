//! The address that a reader sees in a text that spells it in another way: for a suggestion. Pure.

use super::super::{Address, irregular};
use super::{clear, marks, scan};

/// Ways to write `@`, where a text has none.
const AT_SIGNS: [&str; 4] = ["at", "a", "@", "ät"];

/// Ways to write the dot of a domain.
const DOTS: [&str; 4] = ["dot", ".", "punkt", "punto"];

/// Signs that stand in a program's text for another.
const ESCAPES: [(&str, &str); 13] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&#039;", "'"),
    ("&nbsp;", " "),
    ("&#160;", " "),
    ("\\u003c", "<"),
    ("\\u003e", ">"),
    ("\\u0027", "'"),
    ("\\u0022", "\""),
    ("&amp;", "&"),
];

/// Signs that Markdown writes a backslash before.
const MARKDOWN: [char; 5] = ['_', '.', '-', '*', '+'];

/// Signs that stand for an `@`, where none is written.
const ESCAPED_AT_SIGNS: [&str; 5] = ["%40", "&#64;", "&#x40;", "&commat;", "\\u0040"];

/// `text` with the signs of HTML, JSON and Markdown as what they stand for; `None` if it has none.
pub(super) fn unescaped(text: &str) -> Option<String> {
    if !text.contains(['&', '\\', '%']) {
        return None;
    }
    let mut plain = text.to_owned();
    for (escape, sign) in ESCAPES {
        plain = replace_ignoring_case(&plain, escape, sign);
    }
    // In quotes a backslash belongs to the local part.
    if !plain.contains('"') {
        plain = without_backslashes(&plain);
    }
    if !text.contains(is_at_sign) {
        let with_at_sign = ESCAPED_AT_SIGNS
            .iter()
            .fold(plain.clone(), |text, escape| replace_ignoring_case(&text, escape, "@"));
        if clear::has_dotted_domain(&with_at_sign) {
            plain = with_at_sign;
        }
    }
    (plain != text).then_some(plain)
}

fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for (at, _) in lower.match_indices(from) {
        out.push_str(&text[rest..at]);
        out.push_str(to);
        rest = at + from.len();
    }
    out.push_str(&text[rest..]);
    out
}

/// `text` without the backslashes of Markdown.
fn without_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let behind = rest[start..].trim_start_matches('\\');
        let is_escape = behind.starts_with(MARKDOWN);
        out.push_str(if is_escape { &rest[..start] } else { &rest[..rest.len() - behind.len()] });
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn is_at_sign(c: char) -> bool {
    matches!(c, '@' | '\u{ff20}' | '\u{fe6b}')
}

/// The address in a text that spells its signs out: `jane (at) acme [dot] test`.
pub(super) fn spelled_out(text: &str) -> Option<String> {
    let mut joined = in_brackets(text);
    if !joined.contains('@') {
        joined = in_words(&joined)?;
    }
    if joined == text {
        return None;
    }
    let mut found = scan::scan(&joined).addresses;
    found.truncate(2);
    let [address] = found.as_slice() else { return None };
    // A time is no domain: `open at 10.30`.
    let ending = address.rsplit('.').next().unwrap_or_default();
    let has_letters = ending.contains(char::is_alphabetic);
    (has_letters && clear::has_dotted_domain(address) && Address::parse(address).is_ok())
        .then(|| address.clone())
}

/// `text` with the signs that stand in brackets, `(at)` or `[dot]`, as signs.
fn in_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['(', '[', '{', '<']) {
        let inner = &rest[open + 1..];
        let close = inner.find([')', ']', '}', '>']);
        let word = close.map(|close| inner[..close].trim().to_lowercase());
        let sign = match word.as_deref() {
            Some(word) if AT_SIGNS.contains(&word) && !out.contains('@') => "@",
            Some(word) if DOTS.contains(&word) => ".",
            _ => {
                out.push_str(&rest[..=open]);
                rest = inner;
                continue;
            }
        };
        out.push_str(rest[..open].trim_end());
        out.push_str(sign);
        rest = inner[close.map_or(0, |close| close + 1)..].trim_start();
    }
    out.push_str(rest);
    out
}

/// `text`, which is nothing but one address in words: `jane dot doe at acme dot test`. Where two
/// other words follow each other it is a sentence.
fn in_words(text: &str) -> Option<String> {
    let mut joined = String::new();
    let mut was_sign = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let lower = word.to_lowercase();
        let sign = match &*lower {
            "at" if !joined.contains('@') => Some("@"),
            "dot" | "punkt" => Some("."),
            _ => None,
        };
        if was_sign == sign.is_some() {
            return None;
        }
        joined.push_str(sign.unwrap_or(word));
        was_sign = sign.is_some();
    }
    (!was_sign && joined.contains('@')).then_some(joined)
}

/// `address` with the signs of a keyboard in its local part, where programs or another keyboard set
/// finer or wider ones: `o'brien` for `o’brien`. Both may exist.
pub(super) fn typewritten(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@').filter(|(local, _)| !local.is_ascii())?;
    let mut typed: String = local.chars().map(marks::keyboard_sign).collect();
    if !typed.is_ascii() {
        // Among letters of other scripts a wide sign and the letter U+02BC are at home.
        typed = local.chars().map(marks::finer_sign).collect();
    }
    let typed = format!("{typed}@{domain}");
    (typed != address && Address::parse(&typed).is_ok()).then_some(typed)
}

/// `address` without the apostrophes around its local part: the grammar has them in the name, and
/// people mean quotes.
pub(super) fn unpaired(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let bare = local.strip_prefix('\'')?.strip_suffix('\'')?;
    let bare = format!("{bare}@{domain}");
    Address::parse(&bare).is_ok().then_some(bare)
}

/// The address in a text whose signs a keyboard or a copy mistook: a full-width `@`, two of them,
/// another mark for the dot before the top-level domain, spaces inside, a dot too many.
pub(super) fn unmistaken(text: &str) -> Option<String> {
    if irregular::parse(text).is_ok() {
        return None;
    }
    // What a wrong encoding made of a space or a quote around it.
    let bare = text.trim_matches(char::REPLACEMENT_CHARACTER);
    let mut mended: String =
        bare.chars().filter(|c| *c != '\\').map(marks::keyboard_sign).collect();
    while mended.contains("@@") {
        mended = mended.replace("@@", "@");
    }
    if mended.matches('@').count() == 1 && !mended.contains('"') {
        let (local, domain) = mended.split_once('@')?;
        // Of a link the host is meant.
        let link = domain.split_once("://").and_then(|(_, link)| link.split('/').next());
        let domain = link.unwrap_or(domain);
        let domain = single_dots(&domain.replace([',', ';', ':'], ".").replace(' ', ""));
        if !local.contains(' ') {
            let is_word = |part: &str| !part.is_empty() && part.chars().all(char::is_alphanumeric);
            let local = match local.split_once(',') {
                Some((first, last)) if is_word(first) && is_word(last) => format!("{first}.{last}"),
                _ => local.to_owned(),
            };
            mended = format!("{}@{domain}", single_dots(&local));
        }
    }
    (mended != text && clear::has_dotted_domain(&mended) && Address::parse(&mended).is_ok())
        .then_some(mended)
}

/// `text` with no dot at an end, and no two in a row.
fn single_dots(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::super::clean;

    #[test]
    fn of_apostrophes_around_a_local_part_neither_is_taken_away_alone() {
        for text in ["'jane'@acme.test", "Jane <'jane'@acme.test>", "(\u{200b}'jane'@acme.test)"] {
            let cleaned = clean(text);
            assert_eq!(cleaned.address, "'jane'@acme.test", "{text}");
            assert_eq!(cleaned.likely.as_deref(), Some("jane@acme.test"), "{text}");
        }
        for (text, address) in [
            ("'jane@acme.test", "jane@acme.test"),
            ("'jane@acme.test'", "jane@acme.test"),
            ("'o'brien@acme.test", "o'brien@acme.test"),
        ] {
            let cleaned = clean(text);
            assert_eq!((&*cleaned.address, cleaned.likely), (address, None), "{text}");
        }
    }
}
