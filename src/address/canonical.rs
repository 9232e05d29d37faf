//! Canonical forms: equal for addresses of one person, or of one mailbox.
//!
//! For finding duplicates and for keys, *never* for the probe: what a server is asked about is the
//! address as given. Case is folded in every local part: RFC 5321 section 2.4 lets a host tell
//! `Jane` from `jane`, hardly any does, and a list that has both means one person. Tags and dots
//! are dropped only where the provider says that they make no difference ([`provider`]).

use unicode_normalization::UnicodeNormalization;

use super::domain::Domain;
use super::provider::{self, Provider, Tag};
use super::{Address, local};

/// The canonical forms of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The form that is equal for addresses of one mailbox, whose answers therefore are the same.
    pub mailbox: String,
    /// The form that is equal for addresses of one person, where it is another one: aliases that
    /// their owner creates and deletes one by one are mailboxes of their own.
    owner: Option<String>,
    /// `true` if the local part carries a tag that its owner added (RFC 5233 subaddressing, or the
    /// provider's own way). Where nothing is known of the provider, `+` is taken for one, as nearly
    /// everyone does (RFC 5233 section 1).
    pub tagged: bool,
}

impl Identity {
    /// The form that is equal for addresses of one person.
    #[must_use]
    pub fn person(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.mailbox)
    }

    const fn one(mailbox: String, tagged: bool) -> Self {
        Self { mailbox, owner: None, tagged }
    }
}

impl Address {
    /// The canonical forms: for finding duplicates and for keys, never for the probe.
    #[must_use]
    pub fn identity(&self) -> Identity {
        identity(self)
    }
}

fn identity(address: &Address) -> Identity {
    let folded = fold(&local::content(address.local()));
    let has_plus = || split_at('+', &folded).is_some();
    let name = match address.domain() {
        Domain::Name(name) => name,
        Domain::Literal(literal) => {
            return Identity::one(at(&folded, &literal.to_string()), has_plus());
        }
    };
    if let Some(provider) = provider::of(name) {
        return at_provider(provider, &folded, provider.representative(name.as_str()));
    }
    match provider::of_subdomain(name) {
        Some((mailbox, domain)) => Identity::one([mailbox, "@", domain].concat(), true),
        None => Identity::one(at(&folded, name.as_str()), has_plus()),
    }
}

fn at_provider(provider: &Provider, local: &str, domain: &str) -> Identity {
    let spelled = |name: &str| {
        let dotless = if provider.ignores_dots { name.replace('.', "") } else { String::new() };
        at(if dotless.is_empty() { name } else { &dotless }, domain)
    };
    match split_tag(provider, local) {
        None => Identity::one(spelled(local), false),
        Some((name, _)) if provider.tag == Tag::Plus => Identity::one(spelled(name), true),
        Some((name, _)) => {
            Identity { mailbox: spelled(local), owner: Some(spelled(name)), tagged: true }
        }
    }
}

/// The address of what `content` names at `domain`.
fn at(content: &str, domain: &str) -> String {
    [&*local::from_content(content), "@", domain].concat()
}

fn split_tag<'a>(provider: &Provider, local: &'a str) -> Option<(&'a str, &'a str)> {
    match provider.tag {
        Tag::Plus => split_at('+', local),
        Tag::Hyphen => split_at('-', local),
        Tag::None => None,
    }
}

/// The parts before and after the first separator, unless the first part is empty.
fn split_at(separator: char, local: &str) -> Option<(&str, &str)> {
    local.split_once(separator).filter(|(name, _)| !name.is_empty())
}

/// Lower case in NFC, so that one spelling is one key.
fn fold(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    local.to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(address: &str) -> String {
        Address::parse(address).unwrap().identity().person().to_owned()
    }

    #[test]
    fn each_provider_is_canonical_in_its_own_way() {
        for (address, expected) in [
            ("J.a.n.e.Doe+news@GoogleMail.com", "janedoe@gmail.com"),
            ("Jane.Doe+news+more@Outlook.com", "jane.doe@outlook.com"),
            ("jane.doe+a@hotmail.co.uk", "jane.doe@hotmail.co.uk"),
            ("jane-shopping@yahoo.com", "jane@yahoo.com"),
            ("jane+x@yahoo.com", "jane+x@yahoo.com"),
            ("jane-x@aol.com", "jane-x@aol.com"),
            ("jane+x@fastmail.com", "jane@fastmail.com"),
            ("anything@jane.fastmail.com", "jane@fastmail.com"),
            ("jane+x@icloud.com", "jane@icloud.com"),
            ("jane@me.com", "jane@me.com"),
            ("jane+x@proton.me", "jane@proton.me"),
            ("Jane.Doe+x@Example.COM", "jane.doe+x@example.com"),
            ("Jane-Doe@[IPv6:2001:DB8:0::1]", "jane-doe@[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(canonical(address), expected, "{address}");
        }
    }

    #[test]
    fn one_spelling_is_one_form() {
        assert_eq!(canonical("\"jane\"@example.com"), "jane@example.com");
        assert_eq!(canonical("\"j\\ane\"@example.com"), "jane@example.com");
        assert_eq!(canonical("\"jane\\ doe\"@example.com"), "\"jane doe\"@example.com");
        assert_eq!(canonical("Jose\u{301}@example.com"), canonical("jos\u{e9}@example.com"));
        assert_eq!(canonical("a@B\u{fc}cher.example"), canonical("a@xn--bcher-kva.example"));
    }

    #[test]
    fn a_tag_with_nothing_before_it_is_the_name() {
        assert_eq!(canonical("+x@gmail.com"), "+x@gmail.com");
        assert_eq!(canonical("-x@yahoo.com"), "-x@yahoo.com");
    }

    #[test]
    fn aliases_made_one_by_one_do_not_share_an_answer() {
        let key = |address| Address::parse(address).unwrap().identity().mailbox;
        assert_ne!(key("jane-shop@yahoo.com"), key("jane-news@yahoo.com"));
        assert_eq!(key("jane+shop@gmail.com"), key("ja.ne+news@googlemail.com"));
        assert_eq!(key("\"Jane\"@Example.com"), key("jane@example.com"));
    }

    #[test]
    fn a_tag_is_what_the_provider_calls_one() {
        let tagged = |address| Address::parse(address).unwrap().identity().tagged;
        for address in
            ["a+b@gmail.com", "a-b@yahoo.com", "a+b@example.com", "a@b.fastmail.com", "a+@x.com"]
        {
            assert!(tagged(address), "{address}");
        }
        for address in
            ["a.b@gmail.com", "a-b@gmail.com", "a+b@yahoo.com", "+b@example.com", "a+b@aol.com"]
        {
            assert!(!tagged(address), "{address}");
        }
    }
}
