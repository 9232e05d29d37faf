//! One reply, as the rules see it, and how to find its code and enhanced status in a line of text.

use std::fmt;

use super::limits::examined;
use super::ourselves::Ourselves;
use crate::address::redact;
use crate::smtp::{EnhancedStatus, Stage};

/// One reply to be explained.
///
/// `Debug` redacts: servers repeat the recipient back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplyView<'a> {
    /// The three-digit code, if it is known.
    pub code: Option<u16>,
    /// The enhanced status, if it is known. The rules look for one in the text otherwise.
    pub enhanced: Option<EnhancedStatus>,
    /// The server's words: one line or several, with or without code and status in front.
    pub text: &'a str,
    /// The command it answers, if that is known.
    pub stage: Option<Stage>,
    /// The exchanger that said it, if that is known. Case and a final dot do not matter.
    pub exchanger: Option<&'a str>,
    /// Our own names and addresses, as far as they are known.
    pub ourselves: Ourselves<'a>,
}

impl<'a> ReplyView<'a> {
    /// A reply known only by its text, as it stands in a log or a bounce message.
    ///
    /// The code is taken from the front of the text, from behind `said:`, `smtp;` and the like, or
    /// from before an enhanced status; the enhanced status is the first in the text.
    #[must_use]
    pub fn from_text(text: &'a str) -> Self {
        Self {
            code: find_code(text),
            enhanced: find_enhanced(text),
            text,
            stage: None,
            exchanger: None,
            ourselves: Ourselves::default(),
        }
    }

    /// The same reply, to that command.
    #[must_use]
    pub const fn at(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    /// The same reply, to us.
    #[must_use]
    pub const fn to(mut self, ourselves: Ourselves<'a>) -> Self {
        self.ourselves = ourselves;
        self
    }

    /// The same reply, from that exchanger.
    #[must_use]
    pub const fn from_exchanger(mut self, exchanger: &'a str) -> Self {
        self.exchanger = Some(exchanger);
        self
    }
}

impl fmt::Debug for ReplyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyView")
            .field("code", &self.code)
            .field("enhanced", &self.enhanced)
            .field("text", &redact::text(self.text))
            .field("stage", &self.stage)
            .field("exchanger", &self.exchanger)
            .field("ourselves", &self.ourselves)
            .finish()
    }
}

/// `true` for `550` and the like (RFC 5321 section 4.2: 2 to 5, 0 to 5, any digit; real servers
/// also
/// say `571`).
pub(super) fn is_code(word: &str) -> bool {
    word.len() == 3
        && word.bytes().all(|b| b.is_ascii_digit())
        && (b'2'..=b'5').contains(&word.as_bytes()[0])
}

/// The status, if the word is one: `5.1.1`. The subject is 0 to 7, the classes 2, 4 and 5 (RFC 3463
/// section 2).
pub(super) fn parse_enhanced(word: &str) -> Option<EnhancedStatus> {
    let mut parts = word.split('.');
    let class = number(parts.next()?)?;
    let subject = number(parts.next()?)?;
    let detail = number(parts.next()?)?;
    let known = matches!(class, 2 | 4 | 5) && subject <= 7 && parts.next().is_none();
    known.then(|| EnhancedStatus { class: u8::try_from(class).unwrap_or(0), subject, detail })
}

fn number(digits: &str) -> Option<u16> {
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// `chunk` without the code that begins each line of a long reply: `550-5.1.1`, `550-Sorry`.
pub(super) fn strip_continuation(chunk: &str) -> &str {
    match (chunk.get(..3), chunk.get(3..4), chunk.get(4..)) {
        (Some(code), Some("-"), Some(rest)) if is_code(code) => {
            if rest.is_empty() || parse_enhanced(rest).is_some() {
                code
            } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
                chunk
            } else {
                rest
            }
        }
        _ => chunk,
    }
}

/// The first enhanced status in a text.
pub(super) fn find_enhanced(text: &str) -> Option<EnhancedStatus> {
    pieces(text).find_map(|piece| {
        let status = match (piece.get(..4), piece.get(4..)) {
            (Some(code), Some(rest)) if code.ends_with('-') && is_code(&code[..3]) => rest,
            _ => piece,
        };
        parse_enhanced(status)
    })
}

/// The code of the reply in a text.
fn find_code(text: &str) -> Option<u16> {
    let mut before: Option<&str> = None;
    let mut pieces = pieces(text).peekable();
    while let Some(piece) = pieces.next() {
        let code = piece.split_once(['-', ':']).map_or(piece, |(code, _)| code);
        let introduced = before.is_none_or(|word| word.ends_with(':') || is_introduction(word))
            || pieces.peek().is_some_and(|next| parse_enhanced(next).is_some());
        if introduced && is_code(code) {
            return code.parse().ok();
        }
        before = Some(piece);
    }
    None
}

fn is_introduction(word: &str) -> bool {
    ["smtp", "said", "error", "code", "reply", "response", "returned"]
        .iter()
        .any(|w| word.eq_ignore_ascii_case(w))
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    examined(text)
        .split(is_separator)
        .map(|piece| piece.trim_end_matches('.'))
        .filter(|piece| !piece.is_empty())
}

fn is_separator(c: char) -> bool {
    let is_bracket = matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}');
    is_bracket || c.is_whitespace() || matches!(c, '"' | '\'' | '#' | ',' | ';')
}
