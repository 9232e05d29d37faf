//! One line of a reply (RFC 5321 section 4.2) and its enhanced status (RFC 3463 section 2).
//!
//! Strict where a mistake could change what a reply says: the code, and what may follow it.
//! Lenient where it cannot: bare LF, stray control characters, text in any charset. It does not
//! put lines together ([`super::reader`] does).

use std::borrow::Cow;

use super::{EnhancedStatus, Reply, charset};
use crate::address::redact;

/// Why bytes are not a reply we can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// A line does not begin with a code from 200 to 599 and a separator. The start of it,
    /// redacted.
    #[error("not an SMTP reply: {0:?}")]
    NotSmtp(String),
    /// The lines of one reply carry different codes (RFC 5321 section 4.2.1 forbids it), so nobody
    /// can say which one is meant.
    #[error("one reply with two codes, {first} and {later}")]
    MixedCodes {
        /// The code of the first line.
        first: u16,
        /// The code of the line that differs.
        later: u16,
    },
    /// A line longer than this many octets.
    #[error("a reply line of more than {0} octets")]
    LineTooLong(usize),
    /// A reply longer than this many octets.
    #[error("a reply of more than {0} octets")]
    ReplyTooLong(usize),
    /// A reply of more lines than this.
    #[error("a reply of more than {0} lines")]
    TooManyLines(usize),
}

/// One line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyLine<'a> {
    pub(super) code: u16,
    /// True if this line ends the reply.
    pub(super) last: bool,
    /// Code and separator cut off.
    pub(super) text: &'a [u8],
}

/// Takes apart one line without its line ending.
pub(super) fn line(bytes: &[u8]) -> Result<ReplyLine<'_>, ReplyFault> {
    let fault = || ReplyFault::NotSmtp(excerpt(bytes));
    let (digits, rest) = bytes.split_at_checked(3).ok_or_else(fault)?;
    if !matches!(digits[0], b'2'..=b'5') || !digits.iter().all(u8::is_ascii_digit) {
        return Err(fault());
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    // A bare code is a whole line too: the text is optional.
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ' | b'\t', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return Err(fault()),
    };
    Ok(ReplyLine { code, last, text })
}

/// Text as it may be kept and printed: decoded, and a space for every control character and every
/// character that turns the direction of writing.
pub(super) fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let text = charset::decode(bytes);
    // Nearly every reply is plain ASCII, and that is seen at a glance.
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(is_unprintable) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect())
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The start of a line that is no reply, for an error text.
fn excerpt(bytes: &[u8]) -> String {
    let start = printable(&bytes[..bytes.len().min(60)]);
    redact::text(start.trim_end())
}

/// Cuts the enhanced status off the front of a line's text, if there is one.
///
/// Also taken: `#5.1.0` and `5.1.1:`, as some gateways write it. Not taken: the front of an IP
/// address, or a class other than 2, 4 and 5. (`smtp-proto` keeps each part in an octet, so
/// Microsoft's 5.7.515 would become 5.7.255; hence our own.)
pub(super) fn split_enhanced(text: &str) -> (Option<EnhancedStatus>, &str) {
    let start = text.strip_prefix('#').unwrap_or(text);
    let parse = || {
        let (class, rest) = number(start)?;
        let (subject, rest) = number(rest.strip_prefix('.')?)?;
        let (detail, rest) = number(rest.strip_prefix('.')?)?;
        let rest = match rest.strip_prefix([':', ',', ';']) {
            Some(after) if after.is_empty() || after.starts_with(' ') => after,
            _ => rest,
        };
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        Some((EnhancedStatus { class, subject, detail }, rest.trim_start()))
    };
    parse().map_or((None, text), |(status, rest)| (Some(status), rest))
}

/// One to three digits at the front of `text`.
fn number(text: &str) -> Option<(u16, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 3 {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

impl std::str::FromStr for EnhancedStatus {
    type Err = EnhancedStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match split_enhanced(text.trim()) {
            (Some(status), "") => Ok(status),
            _ => Err(EnhancedStatusError(text.to_owned())),
        }
    }
}

/// The text is not an enhanced status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an enhanced status code; write class.subject.detail with class 2, 4 or 5")]
pub struct EnhancedStatusError(String);

impl Reply {
    /// Reads a reply that a person or a log brings: one line or several, each with or without its
    /// code. `None` when the first line has no code, or it is not from 200 to 599.
    ///
    /// Unlike the session's reader it forgives differing codes (the first counts).
    #[must_use]
    pub fn parse_text(text: &str) -> Option<Self> {
        let first = line(text.trim_start().lines().next()?.trim_end().as_bytes()).ok()?;
        Self::from_parts(first.code, None, text)
    }

    /// Puts a reply together from a code, an enhanced status and a text, as logs and bounces carry
    /// them. The text may repeat the code and the status on each line; an enhanced status given
    /// beside the text wins over one in it. `None` when the code is not from 200 to 599.
    #[must_use]
    pub fn from_parts(code: u16, enhanced: Option<EnhancedStatus>, text: &str) -> Option<Self> {
        if !(200..600).contains(&code) {
            return None;
        }
        let mut reply = Self { code, enhanced, lines: Vec::new() };
        for raw in text.trim().lines() {
            let raw = raw.trim().as_bytes();
            reply.push_line(line(raw).map_or(raw, |line| line.text));
        }
        Some(reply)
    }

    /// Adds a line's text.
    pub(super) fn push_line(&mut self, text: &[u8]) {
        let text = printable(text);
        let (enhanced, rest) = split_enhanced(&text);
        self.lines.push(rest.to_owned());
        self.enhanced = self.enhanced.or(enhanced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(class: u8, subject: u16, detail: u16) -> Option<EnhancedStatus> {
        Some(EnhancedStatus { class, subject, detail })
    }

    #[test]
    fn a_line_is_a_code_a_separator_and_text() {
        assert_eq!(line(b"250 OK"), Ok(ReplyLine { code: 250, last: true, text: b"OK" }));
        assert_eq!(line(b"250-OK"), Ok(ReplyLine { code: 250, last: false, text: b"OK" }));
        assert_eq!(line(b"250"), Ok(ReplyLine { code: 250, last: true, text: b"" }));
        assert_eq!(line(b"250-"), Ok(ReplyLine { code: 250, last: false, text: b"" }));
    }

    #[test]
    fn what_has_no_code_from_200_to_599_is_not_a_reply() {
        for bytes in
            ["", "25", "000 x", "199 x", "600 x", "999 x", "2500 x", "250x", "HTTP/1.1", " 250 x"]
        {
            assert!(matches!(line(bytes.as_bytes()), Err(ReplyFault::NotSmtp(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_fault_shows_a_redacted_printable_start() {
        let long = format!("hello jane.doe@example.com \u{1b}[31m{}", "x".repeat(500));
        let Err(ReplyFault::NotSmtp(shown)) = line(long.as_bytes()) else { panic!() };
        assert!(shown.starts_with("hello j***@example.com  [31mx"), "{shown}");
        assert!(shown.len() < 70);
    }

    #[test]
    fn enhanced_status_is_found_where_servers_write_it() {
        assert_eq!(split_enhanced("5.1.1 no"), (status(5, 1, 1), "no"));
        assert_eq!(split_enhanced("5.7.515 no"), (status(5, 7, 515), "no"));
        assert_eq!(split_enhanced("2.1.5"), (status(2, 1, 5), ""));
        assert_eq!(
            split_enhanced("#5.1.0 Address rejected"),
            (status(5, 1, 0), "Address rejected")
        );
        assert_eq!(split_enhanced("5.2.2: Over quota"), (status(5, 2, 2), "Over quota"));
    }

    #[test]
    fn what_only_looks_like_an_enhanced_status_stays_text() {
        for text in ["5.9.136.4 listed", "1.1.1 x", "5.1 x", "5.1.1x", "5.1.1234 x", "5..1 x", "x"]
        {
            assert_eq!(split_enhanced(text), (None, text));
        }
    }

    #[test]
    fn text_loses_control_characters_and_keeps_the_rest() {
        assert_eq!(printable("a\u{1b}[2J\tb\u{202e}c".as_bytes()), "a [2J b c");
        assert_eq!(printable(b"caf\xe9"), "café");
        assert_eq!(printable("élan".as_bytes()), "élan");
    }

    #[test]
    fn a_reply_is_read_from_text_people_bring() {
        let reply = Reply::parse_text("550-5.1.1 No such\r\n550 5.1.1 user here\n").unwrap();
        assert_eq!((reply.code, reply.enhanced), (550, status(5, 1, 1)));
        assert_eq!(reply.lines, ["No such", "user here"]);
        let wrapped = Reply::parse_text("  450 4.2.0 Greylisted,\n  come back").unwrap();
        assert_eq!(wrapped.lines, ["Greylisted,", "come back"]);
        assert_eq!(Reply::parse_text("no such user"), None);
        assert_eq!(Reply::parse_text(""), None);
        assert_eq!(Reply::parse_text("999 x"), None);
    }

    #[test]
    fn parts_beside_the_text_win() {
        let reply = Reply::from_parts(550, status(5, 1, 10), "550 5.1.1 gone").unwrap();
        assert_eq!(reply.enhanced, status(5, 1, 10));
        assert_eq!(reply.lines, ["gone"]);
        assert_eq!(Reply::from_parts(600, None, "x"), None);
        assert_eq!("5.1.10".parse::<EnhancedStatus>().ok(), status(5, 1, 10));
        assert!("5.1".parse::<EnhancedStatus>().is_err());
    }
}
