//! Redaction: what may stand in a log line, a span or a transcript.
//!
//! A redacted local part keeps its first character, so that a person who knows the address
//! recognises it and nobody else learns it.

/// The redacted form of a local part: its first character and `***`.
#[must_use]
pub fn local_part(local: &str) -> String {
    let first = local.chars().next().filter(|c| c.is_alphanumeric());
    format!("{}***", first.map(String::from).unwrap_or_default())
}

/// `text` with the local part of everything that looks like an address redacted.
///
/// For text a remote server wrote: it often repeats the recipient back.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let before = &rest[..at];
        let start = local_start(before);
        out.push_str(&before[..start]);
        if start < at {
            out.push_str(&local_part(&before[start..]));
        }
        out.push('@');
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

/// Where the local part that ends `before` begins: after the last character that cannot stand in
/// an unquoted one, or at the opening quote of a quoted one.
fn local_start(before: &str) -> usize {
    if let Some(inner) = before.strip_suffix('"') {
        return inner.rfind('"').unwrap_or(0);
    }
    before
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace() || "<>()[]:;,\"".contains(*c))
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
    fn every_address_in_a_reply_is_redacted() {
        assert_eq!(
            text("5.1.1 <jane@example.com>: unknown, try mailto:bob@example.com"),
            "5.1.1 <j***@example.com>: unknown, try mailto:b***@example.com"
        );
        assert_eq!(text("\"jane doe\"@example.com refused"), "***@example.com refused");
        assert_eq!(text("no address here"), "no address here");
        assert_eq!(text("@@"), "@@");
    }
}
