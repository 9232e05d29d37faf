//! [`Address`]: a mailbox that can stand in `RCPT TO`, its parts and its wire forms.

use std::fmt;
use std::sync::Arc;

use super::domain::{Domain, DomainName};
use super::literal::AddressLiteral;
use super::syntax::{SyntaxError, SyntaxErrorKind};
use super::{local, redact};

/// RFC 5321 section 4.5.3.1.3 allows a path 256 octets, and two of them are `<` and `>`.
const MAX_OCTETS: usize = 254;

/// An address (RFC 5321 section 4.1.2 `Mailbox`, with RFC 6531 section 3.3). Cheap to clone.
///
/// Equal if the local parts are the same bytes and the domains the same name. `Debug` and
/// `Display` redact the local part; [`wire_utf8`](Self::wire_utf8) does not.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Arc<AddressParts>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct AddressParts {
    local: Box<str>,
    domain: Domain,
}

impl Address {
    /// Reads an address and nothing but an address: no display name, brackets, comment or space
    /// around it. Time is linear in the length of `input`.
    ///
    /// # Errors
    /// [`SyntaxError`]: what is wrong, and at which byte.
    pub fn parse(input: &str) -> Result<Self, SyntaxError> {
        Self::parse_within(input, local::MAX_OCTETS)
    }

    /// [`parse`](Self::parse) with another limit for the local part, in octets.
    pub(super) fn parse_within(input: &str, local_limit: usize) -> Result<Self, SyntaxError> {
        let at = separator(input)?;
        local::check(&input[..at], local_limit)?;
        let domain = parse_domain(&input[at + 1..]).map_err(|error| error.shifted(at + 1))?;
        let address = Self(Arc::new(AddressParts { local: input[..at].into(), domain }));
        if input.len().max(address.wire_octets()) > MAX_OCTETS {
            return Err(SyntaxErrorKind::AddressTooLong.at(MAX_OCTETS.min(input.len())));
        }
        Ok(address)
    }

    /// The local part, byte for byte as given, with its quotes if it has them.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.0.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.0.domain
    }

    /// The domain name, unless the address has an address literal instead.
    #[must_use]
    pub fn domain_name(&self) -> Option<&DomainName> {
        self.0.domain.name()
    }

    /// The form with U-labels, for a server with SMTPUTF8 and for people. Where U-labels would
    /// make it longer than an address may be, A-labels stay.
    #[must_use]
    pub fn wire_utf8(&self) -> String {
        let unicode = match self.domain() {
            Domain::Name(name) => name.to_unicode(),
            Domain::Literal(literal) => literal.to_string(),
        };
        if self.local().len() + 1 + unicode.len() > MAX_OCTETS {
            return format!("{}@{}", self.local(), self.0.domain);
        }
        format!("{}@{unicode}", self.local())
    }

    /// `true` if only a server with SMTPUTF8 can be asked: the local part is not ASCII. A domain
    /// always has an ASCII form.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    fn wire_octets(&self) -> usize {
        let domain = match self.domain() {
            Domain::Name(name) => name.as_str().len(),
            Domain::Literal(literal) => literal.to_string().len(),
        };
        self.local().len() + 1 + domain
    }
}

/// `j***@example.com`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", redact::local_part(self.local()), self.0.domain)
    }
}

/// The same as `Display`.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Address {
    type Err = SyntaxError;

    fn from_str(input: &str) -> Result<Self, SyntaxError> {
        Self::parse(input)
    }
}

/// The offset of the `@` between local part and domain: after the closing quote of a quoted local
/// part, else the first one.
fn separator(input: &str) -> Result<usize, SyntaxError> {
    if input.is_empty() {
        return Err(SyntaxErrorKind::Empty.at(0));
    }
    if !input.starts_with('"') {
        return input.find('@').ok_or_else(|| SyntaxErrorKind::MissingAt.at(input.len()));
    }
    let mut escaped = false;
    let closing = input.bytes().skip(1).position(|b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    });
    let Some(end) = closing.map(|i| i + 2) else {
        return Err(SyntaxErrorKind::UnclosedQuote.at(0));
    };
    match input.as_bytes().get(end) {
        Some(b'@') => Ok(end),
        None => Err(SyntaxErrorKind::MissingAt.at(end)),
        Some(_) => Err(match input[end..].find('<') {
            Some(bracket) => SyntaxErrorKind::DisplayName.at(end + bracket),
            None => SyntaxErrorKind::MisplacedQuote.at(end - 1),
        }),
    }
}

fn parse_domain(text: &str) -> Result<Domain, SyntaxError> {
    if text.starts_with('[') {
        return AddressLiteral::parse(text).map(Domain::Literal);
    }
    DomainName::parse_relative(text).map(Domain::Name)
}

#[cfg(test)]
mod tests;
