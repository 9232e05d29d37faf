//! What is to be verified, parsed once. Pure.

use std::fmt;

use crate::address::{Address, Identity, ProviderViolation, SyntaxError, provider};

/// The text of an address and what parsing makes of it.
///
/// Made once, where a request or a row comes in; access control, the queue, the cache and the
/// verifier all work from it, so that none of them parses the text again. `Debug` redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    text: String,
    parsed: Result<ParsedAddress, SyntaxError>,
}

/// A syntactically valid address with everything that follows from its text alone.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ParsedAddress {
    pub(super) address: Address,
    pub(super) identity: Identity,
    /// The rule of its provider that the local part breaks.
    pub(super) violation: Option<ProviderViolation>,
}

impl Subject {
    /// Parses `text`. A text that is not an address is a subject too: its verdict is
    /// `INVALID_SYNTAX`.
    #[must_use]
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        let parsed = Address::parse(&text).map(|address| {
            let (identity, violation) = (address.identity(), provider::rule(&address));
            ParsedAddress { address, identity, violation }
        });
        Self { text, parsed }
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The address; `None` if the text is not one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.parsed.as_ref().ok().map(|parsed| &parsed.address)
    }

    /// The mailbox and the person it names; `None` if the text is not an address.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.parsed.as_ref().ok().map(|parsed| &parsed.identity)
    }

    /// The provider's rule that the local part breaks, if it breaks one.
    #[must_use]
    pub fn violation(&self) -> Option<ProviderViolation> {
        self.parsed.as_ref().ok().and_then(|parsed| parsed.violation)
    }

    /// The fault that makes the text no address.
    #[must_use]
    pub fn syntax_error(&self) -> Option<&SyntaxError> {
        self.parsed.as_ref().err()
    }

    /// The mailbox that addresses with the same answer share; of what is not an address, the text.
    #[must_use]
    pub fn key(&self) -> &str {
        self.identity().map_or(&self.text, |identity| &identity.mailbox)
    }

    /// The text by itself.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    pub(super) fn parsed(&self) -> &Result<ParsedAddress, SyntaxError> {
        &self.parsed
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parsed {
            Ok(parsed) => write!(f, "Subject({})", parsed.address),
            Err(error) => write!(f, "Subject({error:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_subject_with_its_mailbox_as_key() {
        let subject = Subject::parse("Ja.ne+x@GoogleMail.com");
        assert_eq!(subject.key(), "jane@gmail.com");
        assert_eq!(subject.address().unwrap().local(), "Ja.ne+x");
        assert!(subject.identity().unwrap().tagged && subject.syntax_error().is_none());
        assert_eq!(subject.into_text(), "Ja.ne+x@GoogleMail.com");
    }

    #[test]
    fn what_is_not_an_address_is_a_subject_with_its_text_as_key() {
        let subject = Subject::parse("jane..doe@example.com");
        assert_eq!(subject.key(), "jane..doe@example.com");
        assert!(subject.address().is_none() && subject.identity().is_none());
        assert!(subject.syntax_error().is_some());
    }

    #[test]
    fn a_local_part_its_provider_gives_to_nobody_is_known_from_the_text() {
        assert!(Subject::parse("ab@gmail.com").violation().is_some());
        assert!(Subject::parse("jane.doe@gmail.com").violation().is_none());
    }

    #[test]
    fn debug_of_a_subject_hides_the_local_part() {
        for text in ["jane.secret@example.com", "jane.secret"] {
            let shown = format!("{:?}", Subject::parse(text));
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
