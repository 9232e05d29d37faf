//! Redaction of addresses for log lines, spans and transcripts.
//!
//! A redacted local part keeps its first character, so that a person who knows the address
//! recognises it and no one else learns it.

/// The redacted form of a local part: its first character and `***`.
#[must_use]
pub fn local_part(local: &str) -> String {
    let first = local.chars().next().filter(|c| c.is_alphanumeric());
    format!("{}***", first.map(String::from).unwrap_or_default())
}

/// Separators of local part and domain, plain and in a link (RFC 3986 section 2.1), each with the
/// characters that can stand before an unquoted local part but not in it.
const SEPARATORS: [(&str, &str); 2] = [("@", "<>()[]:;,\""), ("%40", "<>()[]:;,\"/?=&")];

/// `text` with the local part of everything that looks like an address redacted.
///
/// For text a remote server wrote: it often repeats the recipient back, sometimes in a link.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, (separator, stops))) = next_separator(rest) {
        let before = &rest[..at];
        let start = local_start(before, stops);
        out.push_str(&before[..start]);
        if start < at {
            out.push_str(&local_part(&before[start..]));
        }
        out.push_str(separator);
        rest = &rest[at + separator.len()..];
    }
    out.push_str(rest);
    out
}

/// `text` with every occurrence of these local parts redacted, in any case of letters and whatever
/// follows: a server may repeat a local part without its domain, or spell the `@` in words.
#[must_use]
pub fn known(text: &str, local_parts: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_inside_word = false;
    while let Some(c) = rest.chars().next() {
        let met = local_parts.iter().filter(|_| !is_inside_word);
        match met.filter_map(|known| prefix_length(rest, known)).max() {
            Some(length) => {
                out.push_str(&local_part(&rest[..length]));
                rest = &rest[length..];
                is_inside_word = false;
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                is_inside_word = c.is_alphanumeric();
            }
        }
    }
    out
}

/// The length of `prefix` at the start of `text`, as octets of `text`, if it is there as a word.
fn prefix_length(text: &str, prefix: &str) -> Option<usize> {
    let mut rest = text.chars();
    for wanted in prefix.chars() {
        if !rest.next()?.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    let length = text.len() - rest.as_str().len();
    let is_word = !rest.next().is_some_and(char::is_alphanumeric);
    (is_word && length > 1).then_some(length)
}

fn next_separator(text: &str) -> Option<(usize, (&'static str, &'static str))> {
    text.bytes().enumerate().filter(|(_, b)| matches!(b, b'@' | b'%')).find_map(|(at, _)| {
        let found = SEPARATORS.iter().find(|pair| text[at..].starts_with(pair.0))?;
        Some((at, *found))
    })
}

/// The start of the local part that ends `before`: after the last character that cannot stand in
/// an unquoted one, or at the opening quote of a quoted one.
fn local_start(before: &str, stops: &str) -> usize {
    if let Some(inner) = before.strip_suffix('"') {
        let opening = inner.rmatch_indices('"').find(|(i, _)| !inner[..*i].ends_with('\\'));
        return opening.map_or(0, |(i, _)| i);
    }
    before
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace() || stops.contains(*c))
        .map_or(0, |(i, c)| i + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_part_keeps_only_its_first_character() {
        assert_eq!(local_part("jane.doe"), "j***");
        assert_eq!(local_part("\"jane doe\""), "***");
        assert_eq!(local_part(""), "***");
    }

    #[test]
    fn a_local_part_that_is_known_is_redacted_however_it_is_repeated() {
        let local_parts = ["zoe.secret".to_owned(), "zoe.secret+news".to_owned(), "ÄRA".to_owned()];
        for (said, shown) in [
            ("5.1.1 zoe.secret: no such user", "5.1.1 z***: no such user"),
            ("Zoe.Secret(at)example.com", "z***(at)example.com"),
            ("ZOE.SECRET%2540example.com", "Z***%2540example.com"),
            ("zoe.secret&#64;example.com", "z***&#64;example.com"),
            ("'zoe.secret+news'?", "'z***'?"),
            (
                "zoe.secretary is somebody else, and so is xzoe.secret",
                "zoe.secretary is somebody else, and so is xzoe.secret",
            ),
            ("ära unbekannt", "ä*** unbekannt"),
            ("zoe.secre", "zoe.secre"),
        ] {
            let found = known(said, &local_parts);
            assert_eq!(found.to_lowercase(), shown.to_lowercase(), "{said}");
        }
    }

    #[test]
    fn every_address_in_a_reply_is_redacted() {
        assert_eq!(
            text("5.1.1 <jane@example.com>: unknown, try mailto:bob@example.com"),
            "5.1.1 <j***@example.com>: unknown, try mailto:b***@example.com"
        );
        assert_eq!(text("\"jane doe\"@example.com refused"), "***@example.com refused");
        assert_eq!(text("\"jane \\\"doe\"@example.com refused"), "***@example.com refused");
        assert_eq!(
            text("see https://example.net/?to=jane%40example.com"),
            "see https://example.net/?to=j***%40example.com"
        );
        assert_eq!(text("no address here"), "no address here");
        assert_eq!(text("@@"), "@@");
    }
}
