//! Local-part rules of the large mailbox providers: spellings of one mailbox, and names that a
//! provider can never have given out.
//!
//! Each entry names its source, the provider's own help pages. Domains are known by name
//! (`domains.txt`), so a company's own domain at such a provider follows none of these rules.

mod rules;

use std::sync::LazyLock;

use foldhash::HashMap;

use super::Address;
use super::domain::DomainName;
use super::local;

/// A provider's rules for local parts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Provider {
    /// The provider's name, in lower case.
    pub name: &'static str,
    /// The separator between a mailbox's name and a tag.
    pub(super) tag: Tag,
    /// Dots make no difference.
    pub(super) ignores_dots: bool,
    /// `tag@mailbox.domain` is `mailbox@domain`.
    pub(super) subdomain_addressing: bool,
    /// A second domain that names the same mailboxes, and the first.
    alias: Option<(&'static str, &'static str)>,
}

/// The ways to write a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    /// `mailbox+tag`; any tag reaches the mailbox.
    Plus,
    /// `name-tag`; each tag is made and deleted by its owner, and so may not exist.
    Hyphen,
    /// There are none.
    None,
}

const fn plus(name: &'static str) -> Provider {
    Provider { name, tag: Tag::Plus, ignores_dots: false, subdomain_addressing: false, alias: None }
}

/// The providers whose ways are published.
static PROVIDERS: &[Provider] = &[
    // support.google.com/mail: dots do not matter, plus tags, googlemail.com is gmail.com.
    Provider { ignores_dots: true, alias: Some(("googlemail.com", "gmail.com")), ..plus("gmail") },
    // learn.microsoft.com: plus addressing; on by default for Outlook.com.
    plus("outlook"),
    // help.yahoo.com: disposable addresses are a base name, a hyphen and a keyword.
    Provider { tag: Tag::Hyphen, ..plus("yahoo") },
    Provider { tag: Tag::None, ..plus("aol") },
    // support.apple.com/guide/icloud: plus tags. Old accounts own me.com and mac.com, new ones
    // do not, so the domains are kept apart.
    plus("icloud"),
    // fastmail.help: "Plus addressing and subdomain addressing".
    Provider { subdomain_addressing: true, ..plus("fastmail") },
    // proton.me/support: plus aliases.
    plus("proton"),
    // yandex.com/support/mail: plus tags.
    plus("yandex"),
    // zoho.com/mail/help: plus addressing.
    plus("zoho"),
    // help.hey.com, kb.mailbox.org, posteo.de/en/help, runbox.com/help: plus addressing.
    plus("hey"),
    plus("mailbox.org"),
    plus("posteo"),
    plus("runbox"),
];

/// The provider of each domain in `domains.txt`.
static DOMAINS: LazyLock<HashMap<&'static str, &'static Provider>> = LazyLock::new(|| {
    let lines = include_str!("domains.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .flat_map(|(name, domains)| {
            let provider = PROVIDERS.iter().find(|provider| provider.name == name);
            domains.split(' ').filter_map(move |domain| Some((domain, provider?)))
        })
        .collect()
});

impl Provider {
    /// The domain that stands for `domain` wherever mailboxes are compared.
    pub(super) fn representative<'a>(&self, domain: &'a str) -> &'a str {
        match self.alias {
            Some((alias, first)) if alias == domain => first,
            _ => domain,
        }
    }
}

/// The provider that runs this very domain.
#[must_use]
pub fn of(domain: &DomainName) -> Option<&'static Provider> {
    DOMAINS.get(domain.as_str()).copied()
}

/// For an address written `tag@mailbox.domain`: the mailbox and the domain.
pub(super) fn of_subdomain(domain: &DomainName) -> Option<(&str, &str)> {
    let (mailbox, domain) = domain.as_str().split_once('.')?;
    DOMAINS.get(domain).is_some_and(|p| p.subdomain_addressing).then_some((mailbox, domain))
}

/// Every domain in `domains.txt`.
pub(super) fn domains() -> impl Iterator<Item = &'static str> {
    DOMAINS.keys().copied()
}

/// A rule of a provider's that an address breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderViolation {
    /// The provider's name.
    pub provider: &'static str,
    /// The rule, in words.
    pub rule: &'static str,
    /// `true` if it held for every account ever given out, so that the mailbox cannot exist. If
    /// not, it is today's rule for new accounts: worth a flag, no verdict.
    pub certain: bool,
}

/// The rule that this address's local part breaks at its provider. Tags are set aside.
#[must_use]
pub fn rule(address: &Address) -> Option<ProviderViolation> {
    let provider = of(address.domain_name()?)?;
    let content = local::content(address.local());
    let name = match provider.tag {
        Tag::Plus => content.split('+').next().unwrap_or(&content),
        Tag::Hyphen => content.split('-').next().unwrap_or(&content),
        Tag::None => &content,
    };
    let (rule, certain) = rules::broken(provider.name, name)?;
    Some(ProviderViolation { provider: provider.name, rule, certain })
}

#[cfg(test)]
mod tests;
