//! The subject of a verification, parsed once. Pure.

use std::borrow::Cow;
use std::fmt;

use super::prior::DeliveredMail;
use crate::address::clean::clean;
use crate::address::{Address, Identity, ProviderViolation, SyntaxError, irregular, provider};
use crate::verdict::Traits;

/// The text of an address and what cleaning and parsing make of it.
///
/// Made once, where a request or a row comes in; access control, the queue, the cache and the
/// verifier all work from it, so that none of them parses the text again. `Debug` redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    text: String,
    /// The text that was parsed, where it differs from the one given.
    asked: Option<String>,
    several: bool,
    /// The address that a reader would take the text for, if it is none or may stand for another.
    likely: Option<Address>,
    parsed: Result<ParsedAddress, SyntaxError>,
    /// Mail that arrived there, once that was looked up.
    delivered: Option<Box<DeliveredMail>>,
}

/// An address with everything that follows from its text alone.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ParsedAddress {
    pub(super) address: Address,
    pub(super) identity: Identity,
    /// The rule of its provider that the local part breaks.
    pub(super) violation: Option<ProviderViolation>,
    /// The fault that the grammar finds in it; it is asked about all the same.
    irregularity: Option<SyntaxError>,
}

impl Subject {
    /// Takes the address out of `text` and parses it. A text that holds none is a subject too: its
    /// verdict is `INVALID_SYNTAX`.
    #[must_use]
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        let cleaned = clean(&text);
        let candidate = if cleaned.is_empty() { &text } else { &*cleaned.address };
        let parsed = irregular::parse(candidate);
        let asked = match &parsed {
            Ok((address, Some(_))) => Cow::Owned(address.wire_utf8()),
            _ => Cow::Borrowed(candidate),
        };
        let asked = (asked != text).then(|| asked.into_owned());
        let likely = cleaned.likely.as_deref().and_then(|likely| Address::parse(likely).ok());
        let several = !cleaned.others.is_empty();
        let parsed = parsed.map(|(address, irregularity)| {
            let (identity, violation) = (address.identity(), provider::rule(&address));
            ParsedAddress { address, identity, violation, irregularity }
        });
        Self { text, asked, several, likely, parsed, delivered: None }
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The address in the text, as it is asked about; the cleaned text if it is no address.
    #[must_use]
    pub fn asked(&self) -> &str {
        self.asked.as_deref().unwrap_or(&self.text)
    }

    /// The address; `None` if the text holds none.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.parsed.as_ref().ok().map(|parsed| &parsed.address)
    }

    /// The mailbox and the person it names; `None` if the text holds no address.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.parsed.as_ref().ok().map(|parsed| &parsed.identity)
    }

    /// The provider's rule that the local part breaks, if it breaks one.
    #[must_use]
    pub fn violation(&self) -> Option<ProviderViolation> {
        self.parsed.as_ref().ok().and_then(|parsed| parsed.violation)
    }

    /// The fault that the grammar finds in [`asked`](Self::asked). Not every text with a fault is
    /// refused: see [`irregular`].
    #[must_use]
    pub fn syntax_error(&self) -> Option<&SyntaxError> {
        self.parsed.as_ref().map_or_else(Some, |parsed| parsed.irregularity.as_ref())
    }

    /// The address that a reader would take the text for, where it is none or has signs that a
    /// program may have set in the place of others.
    #[must_use]
    pub fn likely(&self) -> Option<&Address> {
        self.likely.as_ref()
    }

    /// `traits` with those that follow from the text alone.
    #[must_use]
    pub fn mark(&self, traits: Traits) -> Traits {
        let is_irregular = |parsed: &ParsedAddress| parsed.irregularity.is_some();
        let irregular = self.parsed.as_ref().is_ok_and(is_irregular);
        Traits {
            tagged: self.identity().is_some_and(|identity| identity.tagged),
            // In quotes it is the same address.
            cleaned: self.asked.is_some() && !irregular,
            several: self.several,
            irregular,
            ..traits
        }
    }

    /// The mailbox that addresses with the same answer share; of what is not an address, the text.
    #[must_use]
    pub fn key(&self) -> &str {
        self.identity().map_or(self.asked(), |identity| &identity.mailbox)
    }

    /// The text by itself.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Notes what a look-up told, for the evidence of what follows.
    pub(super) fn note_delivered(&mut self, delivered: Option<DeliveredMail>) {
        self.delivered = delivered.map(Box::new);
    }

    pub(super) fn delivered(&self) -> Option<&DeliveredMail> {
        self.delivered.as_deref()
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
    fn an_address_is_taken_out_of_what_a_person_wrote_around_it() {
        for text in [
            " jane@example.com ",
            "<jane@example.com>",
            "mailto:jane@example.com",
            "Jane Doe <jane@example.com>",
            "jane@example.com,",
            "jane@example.com.",
            "jane@example.com\n",
        ] {
            let subject = Subject::parse(text);
            assert_eq!((subject.text(), subject.asked()), (text, "jane@example.com"));
            assert_eq!(subject.key(), "jane@example.com", "{text:?}");
            let traits = subject.mark(Traits::default());
            assert_eq!(traits.names(), ["cleaned"], "{text:?}");
        }
        let plain = Subject::parse("jane@example.com");
        assert_eq!(plain.mark(Traits::default()), Traits::default());
        let two = Subject::parse("jane@example.com; joe@example.com");
        assert_eq!(two.asked(), "jane@example.com");
        assert_eq!(two.mark(Traits::default()).names(), ["cleaned", "several"]);
    }

    #[test]
    fn a_full_width_at_sign_is_no_address_and_a_reader_knows_which_was_meant() {
        let subject = Subject::parse("jane\u{ff20}example.com");
        assert!(subject.address().is_none());
        assert_eq!(subject.likely().unwrap().wire_utf8(), "jane@example.com");
        assert!(Subject::parse("jane").likely().is_none());
    }

    #[test]
    fn a_finer_apostrophe_is_asked_as_it_stands_and_a_keyboards_is_likely() {
        let subject = Subject::parse("sean.o\u{2019}brien@example.com");
        assert_eq!(subject.address().unwrap().local(), "sean.o\u{2019}brien");
        assert_eq!(subject.likely().unwrap().wire_utf8(), "sean.o'brien@example.com");
    }

    #[test]
    fn an_irregular_address_is_asked_about_and_its_fault_stays_known() {
        let subject = Subject::parse("jane..doe@docomo.ne.jp");
        assert_eq!(subject.asked(), "\"jane..doe\"@docomo.ne.jp");
        assert_eq!(subject.address().unwrap().local(), "\"jane..doe\"");
        assert!(subject.syntax_error().is_some());
        assert_eq!(subject.mark(Traits::default()).names(), ["irregular"]);
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
