//! A domain name as DNS carries it, and as people write it.

use std::fmt;
use std::sync::Arc;

use email_address::EmailAddress;

use super::idna;
use super::literal::AddressLiteral;
use super::syntax::{SyntaxError, SyntaxErrorKind};

/// RFC 1035 section 2.3.4, without the trailing dot: 255 octets on the wire.
const MAX_OCTETS: usize = 253;
/// RFC 1035 section 2.3.4.
const MAX_LABEL_OCTETS: usize = 63;

/// What stands after the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// A domain name.
    Name(DomainName),
    /// An IP address in brackets.
    Literal(AddressLiteral),
}

impl Domain {
    /// The domain name, unless this is an address literal.
    #[must_use]
    pub const fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

/// A fully qualified domain name in A-label form: ASCII, lower case, no trailing dot
/// (RFC 5890 section 2.3.2.1). Cheap to clone. It names an organisation, not a person, so it is
/// printed in full.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Takes a name that already is in A-label form, as one read from a DNS answer: lowers its
    /// case and drops a trailing dot. Nothing else is checked.
    #[must_use]
    pub fn from_ascii(name: &str) -> Self {
        Self(name.trim_end_matches('.').to_ascii_lowercase().into())
    }

    /// Reads a mail domain that a person wrote: letters, digits and hyphens (RFC 5321
    /// `sub-domain`), or an international name, mapped as UTS 46 says and valid under IDNA 2008.
    /// One trailing dot is taken as the mark of a full name and dropped.
    ///
    /// # Errors
    /// [`SyntaxError`], with the place, when no mail domain is written like this.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let full = text.strip_suffix('.').filter(|name| !name.is_empty() && !name.ends_with('.'));
        Self::parse_relative(full.unwrap_or(text))
    }

    /// [`parse`](Self::parse) for the domain of an address, where a trailing dot is an error.
    pub(super) fn parse_relative(text: &str) -> Result<Self, SyntaxError> {
        if text.is_empty() {
            return Err(SyntaxErrorKind::DomainEmpty.at(0));
        }
        check_characters(text)?;
        check_labels(text)?;
        let name = if text.is_ascii() && !idna::has_a_label(text) {
            if !EmailAddress::is_valid_domain(text) {
                return Err(SyntaxErrorKind::DomainCharacter.at(0));
            }
            text.to_ascii_lowercase()
        } else {
            idna::to_ascii(text)?
        };
        if name.len() > MAX_OCTETS {
            return Err(SyntaxErrorKind::DomainTooLong.at(MAX_OCTETS.min(text.len())));
        }
        Ok(Self(name.into()))
    }

    /// The name, without a trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for people: A-labels that IDNA 2008 allows become U-labels, others stay.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        idna::to_unicode(&self.0)
    }

    /// The labels, from the left.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The top-level domain: the last label.
    #[must_use]
    pub fn tld(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or(&self.0)
    }

    /// The registrable domain: one label below the public suffix (`mx.example.co.uk` gives
    /// `example.co.uk`). A name that is itself a public suffix, or has one label, is its own.
    #[must_use]
    pub fn registrable(&self) -> Self {
        match psl::domain_str(&self.0) {
            Some(domain) if domain.len() < self.0.len() => Self(domain.into()),
            _ => self.clone(),
        }
    }

    /// Whether the public suffix list knows the name's top-level domain.
    #[must_use]
    pub fn has_known_suffix(&self) -> bool {
        psl::suffix(self.0.as_bytes()).is_some_and(|suffix| suffix.is_known())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses the first character that no mail domain has, as written.
fn check_characters(text: &str) -> Result<(), SyntaxError> {
    use SyntaxErrorKind as K;
    for (offset, c) in text.char_indices() {
        let kind = match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => continue,
            '_' => K::Underscore,
            '@' => K::MultipleAt,
            ' ' => K::Whitespace,
            '(' | ')' => K::Comment,
            '<' | '>' => K::DisplayName,
            c if c.is_control() => K::ControlCharacter,
            c if c.is_ascii() => K::DomainCharacter,
            c => match idna::refused_as_written(c) {
                Some(kind) => kind,
                None => continue,
            },
        };
        return Err(kind.at(offset));
    }
    Ok(())
}

/// Refuses the first label that is empty, too long, or begins or ends with a hyphen. Labels
/// beyond ASCII are measured after encoding.
fn check_labels(text: &str) -> Result<(), SyntaxError> {
    use SyntaxErrorKind as K;
    let mut labels = idna::labels(text).peekable();
    while let Some((start, label)) = labels.next() {
        if label.is_empty() {
            let trailing = labels.peek().is_none() && start > 0;
            return Err(if trailing { K::TrailingDot } else { K::LabelEmpty }.at(start));
        }
        if label.starts_with('-') {
            return Err(K::HyphenAtEdge.at(start));
        }
        if label.ends_with('-') {
            return Err(K::HyphenAtEdge.at(start + label.len() - 1));
        }
        if label.is_ascii() && label.len() > MAX_LABEL_OCTETS {
            return Err(K::LabelTooLong.at(start + MAX_LABEL_OCTETS));
        }
    }
    Ok(())
}
