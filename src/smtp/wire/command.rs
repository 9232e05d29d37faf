//! The commands a probe may send (RFC 5321 section 4.1). There is no way to write any other: none
//! that begins a message, none that asks for a mailbox behind the server's back.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mailbox::{Mailbox, Sender};

/// The name we give in `EHLO`: a host name that resolves to us, or an address literal (RFC 5321
/// section 4.1.4). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeloName(Arc<str>);

/// The text cannot be given in `EHLO`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a name for EHLO; write a host name such as probe.example.com, or an address such as [192.0.2.1]"
)]
pub struct HeloNameError(String);

impl HeloName {
    /// The address literal of one of our addresses, for a machine without a name.
    #[must_use]
    pub fn literal(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => format!("[{v4}]").into(),
            IpAddr::V6(v6) => format!("[IPv6:{v6}]").into(),
        })
    }

    /// The name as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeloName {
    type Err = HeloNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let error = || HeloNameError(super::parse::printable(text.as_bytes()).into_owned());
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let address = match inner.strip_prefix("IPv6:") {
                Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
                None => inner.parse().ok(),
            };
            return address.map(Self::literal).ok_or_else(error);
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.into()))
        } else {
            Err(error())
        }
    }
}

impl TryFrom<String> for HeloName {
    type Error = HeloNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HeloName> for String {
    fn from(name: HeloName) -> Self {
        name.0.to_string()
    }
}

impl fmt::Debug for HeloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `EHLO name`.
    Ehlo(&'a HeloName),
    /// `HELO name`, for servers that do not know `EHLO`.
    Helo(&'a HeloName),
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `MAIL FROM:<sender>`.
    Mail {
        /// The reverse-path.
        sender: &'a Sender,
        /// With the parameter `SMTPUTF8` (RFC 6531 section 3.4).
        smtputf8: bool,
    },
    /// `RCPT TO:<recipient>`.
    Rcpt {
        /// The forward-path.
        recipient: &'a Mailbox,
        /// With the parameter `RRVS` (RFC 7293), if the recipient has a time for it.
        rrvs: bool,
    },
    /// `RSET`: ends the transaction before there is a message.
    Rset,
    /// `QUIT`.
    Quit,
}

impl Command<'_> {
    /// Writes the command line, CR LF included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ehlo(name) => {
                out.extend_from_slice(b"EHLO ");
                out.extend_from_slice(name.as_str().as_bytes());
            }
            Self::Helo(name) => {
                out.extend_from_slice(b"HELO ");
                out.extend_from_slice(name.as_str().as_bytes());
            }
            Self::StartTls => out.extend_from_slice(b"STARTTLS"),
            Self::Mail { sender, smtputf8 } => {
                out.extend_from_slice(b"MAIL FROM:");
                sender.write_path(out);
                if *smtputf8 {
                    out.extend_from_slice(b" SMTPUTF8");
                }
            }
            Self::Rcpt { recipient, rrvs } => {
                out.extend_from_slice(b"RCPT TO:");
                recipient.write_path(out);
                if *rrvs {
                    out.extend_from_slice(recipient.rrvs_parameter().as_bytes());
                }
            }
            Self::Rset => out.extend_from_slice(b"RSET"),
            Self::Quit => out.extend_from_slice(b"QUIT"),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The command line for a transcript: no line ending, local parts redacted.
    #[must_use]
    pub fn redacted(&self) -> String {
        match self {
            Self::Mail { sender: Sender::Mailbox(sender), smtputf8 } => {
                format!("MAIL FROM:<{sender}>{}", if *smtputf8 { " SMTPUTF8" } else { "" })
            }
            Self::Rcpt { recipient, rrvs } => {
                let parameter = if *rrvs { recipient.rrvs_parameter() } else { String::new() };
                format!("RCPT TO:<{recipient}>{parameter}")
            }
            _ => {
                let mut line = Vec::new();
                self.write_to(&mut line);
                String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn wire(command: &Command<'_>) -> String {
        let mut out = Vec::new();
        command.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_command_begins_a_message_or_harvests() {
        let name = "probe.example.com".parse().unwrap();
        let sender: Sender = "probe@example.com".parse().unwrap();
        let recipient: Mailbox = "jane@example.com".parse().unwrap();
        let start_of_2025 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600);
        let known =
            recipient.clone().with_valid_since(Some(start_of_2025 + Duration::from_secs(1)));
        let on_a_day = recipient.clone().with_valid_since(Some(start_of_2025));
        let every = [
            Command::Ehlo(&name),
            Command::Helo(&name),
            Command::StartTls,
            Command::Mail { sender: &Sender::Null, smtputf8: false },
            Command::Mail { sender: &sender, smtputf8: true },
            Command::Rcpt { recipient: &recipient, rrvs: true },
            Command::Rcpt { recipient: &known, rrvs: true },
            Command::Rcpt { recipient: &known, rrvs: false },
            Command::Rcpt { recipient: &on_a_day, rrvs: true },
            Command::Rset,
            Command::Quit,
        ];
        let lines: Vec<_> = every.iter().map(wire).collect();
        assert_eq!(
            lines,
            [
                "EHLO probe.example.com\r\n",
                "HELO probe.example.com\r\n",
                "STARTTLS\r\n",
                "MAIL FROM:<>\r\n",
                "MAIL FROM:<probe@example.com> SMTPUTF8\r\n",
                "RCPT TO:<jane@example.com>\r\n",
                "RCPT TO:<jane@example.com> RRVS=2025-01-01T00:00:01Z\r\n",
                "RCPT TO:<jane@example.com>\r\n",
                "RCPT TO:<jane@example.com> RRVS=2025-01-02T00:00:00Z\r\n",
                "RSET\r\n",
                "QUIT\r\n",
            ]
        );
        for command in every {
            // Exhaustive on purpose: a new command must be looked at here.
            match command {
                Command::Ehlo(_)
                | Command::Helo(_)
                | Command::StartTls
                | Command::Mail { .. }
                | Command::Rcpt { .. }
                | Command::Rset
                | Command::Quit => {}
            }
        }
    }

    #[test]
    fn a_transcript_shows_no_local_part() {
        let sender: Sender = "probe@example.com".parse().unwrap();
        let recipient: Mailbox = "jane@example.com".parse().unwrap();
        let rcpt = Command::Rcpt { recipient: &recipient, rrvs: true };
        assert_eq!(rcpt.redacted(), "RCPT TO:<j***@example.com>");
        let mail = Command::Mail { sender: &sender, smtputf8: true };
        assert_eq!(mail.redacted(), "MAIL FROM:<p***@example.com> SMTPUTF8");
        let mail = Command::Mail { sender: &Sender::Null, smtputf8: false };
        assert_eq!(mail.redacted(), "MAIL FROM:<>");
    }

    #[test]
    fn a_helo_name_is_a_host_name_or_an_address() {
        assert_eq!(HeloName::literal([192, 0, 2, 1].into()).as_str(), "[192.0.2.1]");
        for name in ["probe.example.com", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(name.parse::<HeloName>().unwrap().as_str(), name);
        }
        for name in ["", "a b", "a\r\nMAIL", "a..b", "-a.example", "[300.0.0.1]", "[x]", "a."] {
            let error = name.parse::<HeloName>().unwrap_err().to_string();
            assert!(error.contains("write a host name"), "{error}");
        }
    }
}
