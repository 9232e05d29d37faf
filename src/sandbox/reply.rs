//! Reply templates: replies with holes for what only the session knows.
//!
//! A reply is written in the world's data as it goes over the wire, its lines separated by a line
//! feed: `"550 5.1.1 <{recipient}>: no such user"`. Whether a line is followed by another is worked
//! out here (RFC 5321 section 4.2.1), so the character after the code is a space or a hyphen, as
//! the author likes.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::Deserialize;

use super::date;

/// A reply, ready for the wire but for its holes: `{host}`, `{client}`, `{sender}`, `{recipient}`,
/// `{domain}` (of the recipient), `{seconds}` (to wait) and `{date}` (when the client connected, as
/// banners have it).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ReplyTemplate {
    code: u16,
    wire: String,
}

/// Values for the holes of a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'a> {
    pub(super) host: &'a str,
    pub(super) client: IpAddr,
    pub(super) since: SystemTime,
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) seconds: u64,
}

/// A reply in the world's data that no server could send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a reply: {problem}; write one like \"550 5.1.1 No such user\"")]
pub struct ReplyError {
    text: String,
    problem: &'static str,
}

impl ReplyTemplate {
    /// A reply with this code; `text` is one line or several, without the code.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        let mut wire = String::with_capacity(text.len() + 8);
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            wire.push_str(&format!("{code}{mark}{line}\r\n"));
        }
        Self { code, wire }
    }

    /// The reply code, 200 to 599.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Appends the reply as it goes over the wire.
    pub(super) fn render(&self, out: &mut String, filling: &Filling<'_>) {
        let mut rest = self.wire.as_str();
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let end = rest.find('}').map_or(rest.len(), |i| i + 1);
            let (hole, after) = rest.split_at(end);
            match hole {
                "{host}" => out.push_str(filling.host),
                "{client}" => out.push_str(&filling.client.to_string()),
                "{sender}" => out.push_str(filling.sender),
                "{recipient}" => out.push_str(filling.recipient),
                "{domain}" => out.push_str(filling.recipient.rsplit('@').next().unwrap_or("")),
                "{seconds}" => out.push_str(&filling.seconds.to_string()),
                "{date}" => out.push_str(&date::rfc5322(filling.since)),
                plain => out.push_str(plain),
            }
            rest = after;
        }
        out.push_str(rest);
    }
}

impl TryFrom<String> for ReplyTemplate {
    type Error = ReplyError;

    fn try_from(text: String) -> Result<Self, ReplyError> {
        match parse(&text) {
            Ok((code, lines)) => Ok(Self::new(code, &lines)),
            Err(problem) => Err(ReplyError { text, problem }),
        }
    }
}

fn parse(text: &str) -> Result<(u16, String), &'static str> {
    let mut lines = Vec::new();
    let mut code = None;
    for line in text.split('\n') {
        let digits = line.get(..3).ok_or("a line is shorter than its code")?;
        let found: u16 = digits.parse().map_err(|_| "a line does not begin with a code")?;
        if !(200..600).contains(&found) {
            return Err("a code is not between 200 and 599");
        }
        if *code.get_or_insert(found) != found {
            return Err("its lines have different codes");
        }
        let rest = &line[3..];
        if !rest.is_empty() && !rest.starts_with([' ', '-']) {
            return Err("a code is followed by neither a space nor a hyphen");
        }
        if rest.contains(|c: char| c.is_control()) {
            return Err("it has control characters");
        }
        lines.push(rest.get(1..).unwrap_or(""));
    }
    Ok((code.ok_or("it is empty")?, lines.join("\n")))
}

/// The answer to a recipient: the regular acceptance, or a reply of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RecipientReply {
    /// `"accept"`: accepted, in the exchanger's usual words.
    Accept,
    /// Answered so.
    Reply(ReplyTemplate),
}

impl TryFrom<String> for RecipientReply {
    type Error = ReplyError;

    fn try_from(text: String) -> Result<Self, ReplyError> {
        if text == "accept" { Ok(Self::Accept) } else { text.try_into().map(Self::Reply) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> String {
        let filling = Filling {
            host: "mx.example.test",
            client: [127, 0, 0, 1].into(),
            since: SystemTime::UNIX_EPOCH,
            sender: "probe@example.org",
            recipient: "jane@example.test",
            seconds: 300,
        };
        let mut out = String::new();
        ReplyTemplate::try_from(text.to_owned()).unwrap().render(&mut out, &filling);
        out
    }

    #[test]
    fn the_last_line_and_only_the_last_has_a_space() {
        assert_eq!(wire("550 5.1.1 one\n550 5.1.1 two"), "550-5.1.1 one\r\n550 5.1.1 two\r\n");
        assert_eq!(wire("250"), "250 \r\n");
    }

    #[test]
    fn holes_are_filled_and_other_braces_stay() {
        assert_eq!(
            wire("450 {recipient} {domain} {sender} [{client}] {host} {seconds} {x} {"),
            "450 jane@example.test example.test probe@example.org [127.0.0.1] mx.example.test 300 {x} {\r\n"
        );
    }

    #[test]
    fn a_banner_may_carry_the_date() {
        assert_eq!(
            wire("220 {host}; {date}"),
            "220 mx.example.test; Thu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn what_no_server_could_send_is_refused_with_the_reason() {
        for (text, problem) in [
            ("", "shorter"),
            ("no such user", "begin with a code"),
            ("150 wait", "between"),
            ("250 a\n550 b", "different codes"),
            ("2500 a", "neither"),
            ("250 a\r\n250 b", "control"),
        ] {
            let error = ReplyTemplate::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
