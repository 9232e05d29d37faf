//! The address that was probably meant instead of the one asked about.

use super::subject::ParsedAddress;
use super::{Options, Subject, Verifier};
use crate::address::{Address, DomainName, Suggestion, suggest};
use crate::verdict::Depth;

impl Verifier {
    /// The address of a suggestion, unless DNS says that it takes no mail either.
    pub(super) async fn check_suggestion(
        &self,
        suggestion: Address,
        options: &Options,
    ) -> Option<Address> {
        if options.depth > Depth::Syntax {
            let domain = suggestion.domain_name()?;
            let facts = self.facts(domain, None, options.deadline).await.ok()?;
            if facts.value.route.exchangers().is_empty() {
                return None;
            }
        }
        Some(suggestion)
    }

    /// The address that may have been meant instead of the subject.
    pub(super) fn suggestion(
        &self,
        subject: &Subject,
        parsed: &ParsedAddress,
    ) -> Option<Suggestion> {
        let address = &parsed.address;
        let written = subject.asked().get(address.local().len() + 1..);
        if written == address.domain_name().map(DomainName::as_str)
            && self.profiles.of(address.domain(), &self.lists.current()).looks_right
        {
            return None;
        }
        suggest::instead_of(address, subject.asked())
    }
}
