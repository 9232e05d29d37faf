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

/// The part after the `@`.
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
        if is_plain(text) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        check_characters(text)?;
        check_labels(text)?;
        if text.len() > MAX_OCTETS {
            return Err(SyntaxErrorKind::DomainTooLong.at(MAX_OCTETS));
        }
        let name = if text.is_ascii() && !idna::has_a_label(text) {
            if !EmailAddress::is_valid_domain(text) {
                return Err(SyntaxErrorKind::DomainCharacter.at(0));
            }
            text.to_ascii_lowercase()
        } else {
            idna::to_ascii(text)?
        };
        if name.len() > MAX_OCTETS {
            return Err(SyntaxErrorKind::DomainTooLong.at(text.len()));
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

    /// The organisational domain: the one that somebody holds at a registry, one label below a
    /// suffix that a registry runs (`shop.example.co.uk` and `example.co.uk` give the latter;
    /// `acme.github.io` gives `github.io`, whose holder gives out the names below it). `None` for
    /// such a suffix itself.
    #[must_use]
    pub fn organisational(&self) -> Option<Self> {
        let mut below = None;
        let mut rest = self.as_str();
        loop {
            let suffix = psl::suffix(rest.as_bytes())?;
            if suffix.typ() != Some(psl::Type::Private) && suffix == rest {
                return below.map(|name: &str| Self(name.into()));
            }
            below = Some(rest);
            rest = rest.split_once('.')?.1;
        }
    }

    /// `true` if the public suffix list knows the name's top-level domain.
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

/// Returns whether `text` is a name of letters, digits and hyphens as RFC 1035 section 2.3.1 has
/// them, none of whose labels has hyphens where an A-label has them: nearly all are, and every rule
/// takes them.
fn is_plain(text: &str) -> bool {
    let (mut octets, mut before) = (0, b'-');
    for b in text.bytes() {
        octets += 1;
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' if octets <= MAX_LABEL_OCTETS => {}
            b'-' if octets > 1 && octets <= MAX_LABEL_OCTETS && (octets, before) != (4, b'-') => {}
            b'.' if octets > 1 && before != b'-' => octets = 0,
            _ => return false,
        }
        before = b;
    }
    octets > 0 && before != b'-' && text.len() <= MAX_OCTETS
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that a plain name need not be held to.
    fn is_taken_by_every_rule(text: &str) -> bool {
        check_characters(text).is_ok()
            && check_labels(text).is_ok()
            && !idna::has_a_label(text)
            && text.len() <= MAX_OCTETS
            && EmailAddress::is_valid_domain(text)
    }

    #[test]
    fn a_plain_name_is_one_that_every_rule_takes() {
        let mut texts = vec![String::new()];
        let mut from = 0;
        for _ in 0..6 {
            let until = texts.len();
            for index in from..until {
                for c in ["x", "N", "7", "-", "."] {
                    texts.push(format!("{}{c}", texts[index]));
                }
            }
            from = until;
        }
        let label = |octets: usize| "x".repeat(octets);
        texts.extend([63, 64].map(|octets| format!("{}.com", label(octets))));
        let long = [label(63), label(63), label(63)].join(".");
        texts.extend([61, 62].map(|octets| format!("{long}.{}", label(octets))));
        for text in &texts {
            let has_hyphens = text.split('.').any(|label| label.get(2..4) == Some("--"));
            let expected = is_taken_by_every_rule(text) && !has_hyphens;
            assert_eq!(is_plain(text), expected, "{text}");
        }
        for text in ["xn--bcher-kva.de", "b\u{fc}cher.de", "a_b.de", "a b.de", "a.de."] {
            assert!(!is_plain(text), "{text}");
        }
    }

    fn parsed(text: &str) -> String {
        DomainName::parse(text).map_or_else(|error| error.kind.name().to_owned(), |d| d.to_string())
    }

    #[test]
    fn a_domain_is_mapped_to_its_one_form() {
        for (text, expected) in [
            ("EXAMPLE.com", "example.com"),
            ("example.com.", "example.com"),
            ("Bücher.DE", "xn--bcher-kva.de"),
            ("straße.de", "xn--strae-oqa.de"),
            ("例え。jp", "xn--r8jz45g.jp"),
            ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
            ("XN--BCHER-KVA.de", "xn--bcher-kva.de"),
            ("xn--i-7iq.ws", "xn--i-7iq.ws"),
            ("a--b.com", "a--b.com"),
            ("ab--c.com", "ab--c.com"),
            ("123.456", "123.456"),
            ("a", "a"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn what_idna_2008_forbids_is_refused() {
        for (text, kind) in [
            ("i❤.ws", "domain_symbol"),
            ("a①b.com", "domain_symbol"),
            ("a…b.com", "domain_symbol"),
            ("a\u{ad}b.com", "unsafe_character"),
            ("a\u{200d}b.com", "invalid_idn"),
            ("a·b.cat", "invalid_idn"),
            ("\u{5f3}a.com", "invalid_idn"),
            ("・.jp", "invalid_idn"),
            ("\u{301}a.com", "invalid_idn"),
            ("\u{660}\u{6f0}.com", "invalid_idn"),
            ("abc\u{5d0}.com", "invalid_idn"),
            ("a\u{20d0}b.com", "domain_symbol"),
            ("xn--", "hyphen_at_edge"),
            ("xn--a-.com", "hyphen_at_edge"),
            ("xn--example.com", "invalid_punycode"),
            ("ａ－.com", "invalid_idn"),
            ("a..", "label_empty"),
            (".", "label_empty"),
        ] {
            assert_eq!(parsed(text), kind, "{text}");
        }
    }

    #[test]
    fn what_idna_2008_allows_in_context_is_accepted() {
        for text in [
            "l·la.cat",
            "ア・イ.jp",
            "نامه\u{200c}ای.ir",
            "क्\u{200d}ष.com",
            "א\u{5f3}.com",
            "ᏣᎳᎩ.com",
        ] {
            let name = DomainName::parse(text).unwrap();
            assert_eq!(DomainName::parse(&name.to_unicode()), Ok(name), "{text}");
        }
    }

    #[test]
    fn a_label_is_measured_as_an_a_label() {
        let fits = "ü".repeat(50);
        let name = DomainName::parse(&format!("{fits}.de")).unwrap();
        assert!(name.labels().all(|label| label.len() <= MAX_LABEL_OCTETS));
        assert_eq!(parsed(&format!("{}.de", "ü".repeat(60))), "label_too_long");
    }

    #[test]
    fn only_valid_u_labels_are_shown() {
        let shown = |name| DomainName::from_ascii(name).to_unicode();
        assert_eq!(shown("xn--bcher-kva.de"), "bücher.de");
        assert_eq!(shown("xn--i-7iq.ws"), "xn--i-7iq.ws");
        assert_eq!(shown("xn--zzzzz99999.de"), "xn--zzzzz99999.de");
    }

    #[test]
    fn the_registrable_domain_is_one_label_below_the_public_suffix() {
        for (name, expected) in [
            ("aspmx.l.google.com", "google.com"),
            ("example-com.mail.protection.outlook.com", "outlook.com"),
            ("mx.example.co.uk", "example.co.uk"),
            ("mx.example.xn--p1ai", "example.xn--p1ai"),
            ("mx.example.unknowntld", "example.unknowntld"),
            ("example.com", "example.com"),
            ("co.uk", "co.uk"),
            ("localhost", "localhost"),
        ] {
            let registrable = DomainName::from_ascii(name).registrable();
            assert_eq!(registrable.as_str(), expected, "{name}");
        }
        assert_eq!(DomainName::from_ascii("mx.example.co.uk").tld(), "uk");
    }
}
