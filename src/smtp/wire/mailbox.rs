//! Mailboxes as commands carry them: our sender, a recipient (RFC 5321 section 4.1.2).
//!
//! A [`Mailbox`] exists only if it can stand between `<` and `>` on a command line without changing
//! the line: no line ending, no control character, no way out of the brackets. Whether it is a
//! *good* address is `address/`'s business.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::address::{Address, Domain, DomainName, redact};

/// The length of a day, whose beginning stands for a day without a time.
const DAY: Duration = Duration::from_secs(86_400);

/// A mailbox that is safe in a command. Cheap to clone; `Debug` and `Display` redact.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local: Arc<str>,
    domain: DomainName,
    u_domain: Option<Arc<str>>,
    valid_since: Option<SystemTime>,
}

/// The text cannot stand in a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// There is no `@` between two parts.
    #[error("{0:?} is not a mailbox; write local-part@domain")]
    NoAt(String),
    /// The local part, redacted, is not an atom or a quoted string (RFC 5321 section 4.1.2).
    #[error(
        "the local part of {0:?} cannot stand in an SMTP command; quote it or take out the special characters"
    )]
    LocalPart(String),
    /// The domain is neither a host name nor an address literal.
    #[error("{0:?} is not a domain; write it in its ASCII form, such as example.com")]
    Domain(String),
    /// A sender outside ASCII would need SMTPUTF8 from every server.
    #[error("{0:?} is not ASCII; a sender must be, because not every server offers SMTPUTF8")]
    NotAscii(String),
}

impl Mailbox {
    /// A mailbox from its parts: the local part as it goes on the wire (quoted if need be), the
    /// domain in A-labels, and its U-label form if it has one (used only under SMTPUTF8).
    ///
    /// # Errors
    /// When a part could break out of the command.
    pub fn new(
        local: &str,
        domain: &DomainName,
        u_domain: Option<&str>,
    ) -> Result<Self, MailboxError> {
        if !is_local_part(local) {
            return Err(MailboxError::LocalPart(format!("{}@{domain}", redact::local_part(local))));
        }
        let bad_domain = |name: &str| {
            MailboxError::Domain(super::parse::printable(name.as_bytes()).into_owned())
        };
        if !is_domain(domain.as_str()) {
            return Err(bad_domain(domain.as_str()));
        }
        let u_domain = u_domain.filter(|name| !name.is_ascii());
        if let Some(name) = u_domain.filter(|name| !is_u_domain(name)) {
            return Err(bad_domain(name));
        }
        let (local, domain) = (local.into(), domain.clone());
        Ok(Self { local, domain, u_domain: u_domain.map(Arc::from), valid_since: None })
    }

    /// The same mailbox, meant only if it has had its owner since this time (RFC 7293): that of a
    /// consent.
    #[must_use]
    pub fn with_valid_since(self, valid_since: Option<SystemTime>) -> Self {
        Self { valid_since, ..self }
    }

    /// `true` if there is a time since which its owner is meant.
    pub(in crate::smtp) fn has_valid_since(&self) -> bool {
        self.valid_since.is_some()
    }

    /// The parameter `RRVS` of `RCPT` (RFC 7293 section 4.1) with a space before it; empty if
    /// there is no time. A day without a time of day is over when its mailbox may be as young as
    /// the consent. What a server is to do whose next hop does not know the parameter (`;C`, `;R`)
    /// is not said: no message follows.
    pub(super) fn rrvs_parameter(&self) -> String {
        let Some(since) = self.valid_since else { return String::new() };
        let age = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_day = age.as_secs() % DAY.as_secs() == 0;
        let at = jiff::Timestamp::try_from(if is_day { since + DAY } else { since });
        at.map(|at| format!(" RRVS={}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default()
    }

    /// The local part, in the clear.
    pub(crate) fn local(&self) -> &str {
        &self.local
    }

    /// The domain in A-labels.
    #[must_use]
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// `true` if the local part can be sent only under SMTPUTF8 (RFC 6531 section 3.2).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// Writes `<local@domain>`: A-labels, but U-labels beside a local part that needs SMTPUTF8.
    pub(super) fn write_path(&self, out: &mut Vec<u8>) {
        let domain = match &self.u_domain {
            Some(name) if self.needs_smtputf8() => name,
            _ => self.domain.as_str(),
        };
        for part in ["<", &*self.local, "@", domain, ">"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl From<&Address> for Mailbox {
    /// An address in the form in which commands carry it. It was parsed, and the grammar of
    /// [`Address`] lets nothing through that could break out of a command: a test holds that.
    fn from(address: &Address) -> Self {
        let (domain, u_domain) = match address.domain() {
            Domain::Name(name) => {
                let unicode = address.needs_smtputf8().then(|| name.to_unicode());
                (name.clone(), unicode.filter(|name| !name.is_ascii()).map(Arc::from))
            }
            Domain::Literal(literal) => (DomainName::from_ascii(&literal.to_string()), None),
        };
        Self { local: address.local().into(), domain, u_domain, valid_since: None }
    }
}

/// Dot-string or Quoted-string of RFC 5321 section 4.1.2, with UTF-8 (RFC 6531 section 3.3).
fn is_local_part(local: &str) -> bool {
    if local.is_empty() || local.len() > 255 {
        return false;
    }
    if let Some(inner) = local.strip_prefix('"') {
        let Some(inner) = inner.strip_suffix('"') else { return false };
        let mut escaped = false;
        for c in inner.chars() {
            if is_break(c) || (c == '"' && !escaped) {
                return false;
            }
            escaped = c == '\\' && !escaped;
        }
        return !escaped;
    }
    local.chars().all(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '!' | '#'..='\'' | '*' | '+' | '-' | '/' => true,
        '=' | '?' | '^'..='`' | '{'..='~' => true,
        c => !c.is_ascii() && !is_break(c) && !c.is_whitespace(),
    })
}

/// Characters that end a line, or may be taken for an end of line.
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A host name in ASCII, or an address literal in brackets.
fn is_domain(name: &str) -> bool {
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let inner = literal.unwrap_or(name);
    !inner.is_empty()
        && name.len() <= 255
        && inner.bytes().all(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => true,
            b':' => literal.is_some(),
            _ => false,
        })
}

fn is_u_domain(name: &str) -> bool {
    name.len() <= 1024
        && name.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || "-._".contains(c)
                || (!c.is_ascii() && !is_break(c) && !c.is_whitespace())
        })
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    /// An ASCII mailbox, as a configuration names a sender.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.trim();
        let bare = bare.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(bare);
        let (local, domain) =
            bare.rsplit_once('@').ok_or_else(|| MailboxError::NoAt(redact::text(bare)))?;
        if !bare.is_ascii() {
            return Err(MailboxError::NotAscii(redact::text(bare)));
        }
        Self::new(local, &DomainName::from_ascii(domain), None)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", redact::local_part(&self.local), self.domain)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({self})")
    }
}

/// The reverse-path of `MAIL FROM`.
///
/// In a configuration: `"<>"` or `"postmaster@example.com"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sender {
    /// `<>`: a probe can have no answer by mail (RFC 5321 section 4.5.5). The default.
    #[default]
    Null,
    /// A mailbox of ours that exists.
    Mailbox(Mailbox),
}

impl Sender {
    pub(super) fn write_path(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"<>"),
            Self::Mailbox(mailbox) => mailbox.write_path(out),
        }
    }
}

impl FromStr for Sender {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" | "<>" => Ok(Self::Null),
            text => text.parse().map(Self::Mailbox),
        }
    }
}

impl TryFrom<String> for Sender {
    type Error = MailboxError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sender> for String {
    fn from(sender: Sender) -> Self {
        let mut path = Vec::new();
        sender.write_path(&mut path);
        String::from_utf8_lossy(&path).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(local: &str, domain: &str, u_domain: Option<&str>) -> Result<String, MailboxError> {
        let mailbox = Mailbox::new(local, &DomainName::from_ascii(domain), u_domain)?;
        let mut out = Vec::new();
        mailbox.write_path(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_wire_form_uses_a_labels_until_smtputf8_is_needed() {
        let (a, u) = ("xn--bcher-kva.example", Some("bücher.example"));
        assert_eq!(wire("jane", a, u).unwrap(), "<jane@xn--bcher-kva.example>");
        assert_eq!(wire("用户", a, u).unwrap(), "<用户@bücher.example>");
        assert_eq!(wire("用户", "example.com", None).unwrap(), "<用户@example.com>");
        assert_eq!(
            wire("\"a b\\\"c\"", "example.com", None).unwrap(),
            "<\"a b\\\"c\"@example.com>"
        );
        assert_eq!(wire("a", "[192.0.2.1]", None).unwrap(), "<a@[192.0.2.1]>");
        assert_eq!(wire("a", "[IPv6:2001:db8::1]", None).unwrap(), "<a@[ipv6:2001:db8::1]>");
    }

    #[test]
    fn nothing_breaks_out_of_the_command() {
        for local in [
            "",
            "a\r\nDATA",
            "a\nb",
            "a\0",
            "a> SIZE=1",
            "a b",
            "a<",
            "a@b",
            "\"a",
            "\"",
            "\"a\"b\"",
            "\"a\\\"",
            "\"a\r\nb\"",
            "a\u{2028}b",
            "a\u{85}b",
            "a\u{a0}b",
        ] {
            assert!(wire(local, "example.com", None).is_err(), "{local:?}");
        }
        for domain in ["", "a\r\nb", "a b", "a>b", "[a", "a:b", "bücher.example", "[]"] {
            assert!(wire("a", domain, None).is_err(), "{domain:?}");
        }
        assert!(wire("é", "example.com", Some("é> X\r\n")).is_err());
        assert!(wire(&"a".repeat(300), "example.com", None).is_err());
    }

    proptest! {
        #[test]
        fn every_address_that_parses_can_stand_in_a_command(
            local in "[\\PC\r\n\t\0\"<>]{1,12}",
            domain in "[a-z.\\[\\]:0-9üé>\r\n -]{1,12}",
        ) {
            let quoted = format!("\"{local}\"@{domain}");
            for text in [format!("{local}@{domain}"), quoted, format!("{local}@example.com")] {
                let Ok(address) = Address::parse(&text) else { continue };
                let mailbox = Mailbox::from(&address);
                let u_domain = mailbox.u_domain.as_deref();
                let checked = Mailbox::new(&mailbox.local, &mailbox.domain, u_domain);
                prop_assert_eq!(checked.as_ref(), Ok(&mailbox), "{:?}", text);
            }
        }
    }

    #[test]
    fn an_address_becomes_the_mailbox_that_commands_carry() {
        for (text, path) in [
            ("jane@bücher.example", "<jane@xn--bcher-kva.example>"),
            ("用户@bücher.example", "<用户@bücher.example>"),
            ("\"a b\"@example.com", "<\"a b\"@example.com>"),
            ("a@[192.0.2.1]", "<a@[192.0.2.1]>"),
        ] {
            let mut out = Vec::new();
            Mailbox::from(&Address::parse(text).unwrap()).write_path(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), path);
        }
    }

    #[test]
    fn a_mailbox_prints_redacted_and_so_does_its_error() {
        let mailbox: Mailbox = "jane.doe@example.com".parse().unwrap();
        assert_eq!(format!("{mailbox} {mailbox:?}"), "j***@example.com Mailbox(j***@example.com)");
        let error = "jane doe@example.com".parse::<Mailbox>().unwrap_err().to_string();
        assert!(error.contains("j***@example.com") && !error.contains("doe"), "{error}");
    }

    #[test]
    fn a_sender_is_nobody_or_an_ascii_mailbox() {
        assert_eq!("<>".parse(), Ok(Sender::Null));
        assert_eq!("".parse(), Ok(Sender::Null));
        let sender: Sender = "probe@example.com".parse().unwrap();
        assert_eq!(String::from(sender.clone()), "<probe@example.com>");
        assert_eq!("<probe@example.com>".parse(), Ok(sender));
        assert!(matches!("jané@example.com".parse::<Sender>(), Err(MailboxError::NotAscii(_))));
        assert!(matches!("nobody".parse::<Sender>(), Err(MailboxError::NoAt(_))));
    }
}
