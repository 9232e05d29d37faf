//! Policy flags: reasons against probing an address whose syntax is right.
//!
//! They are facts; the verdict decides their weight.

use unicode_security::{MixedScript, RestrictionLevel, RestrictionLevelDetection};

use super::domain::{Domain, DomainName};
use super::idna;

/// One thing that speaks against probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyFlag {
    /// The domain has no dot: `user@localhost`, `user@com`. RFC 5321 section 2.3.5 wants fully
    /// qualified names, and RFC 7085 tells how badly top-level domains receive mail.
    Dotless,
    /// An address literal instead of a domain (RFC 5321 section 4.1.3): no list of customers has
    /// one for a good reason.
    AddressLiteral,
    /// A name set aside for something else than mail on the internet.
    SpecialUse(&'static SpecialUse),
    /// The top-level domain is all digits: such names do not exist (RFC 3696 section 2).
    NumericTld,
    /// A label mixes scripts in a way that no language does (UTS 39 section 5.2): a look-alike.
    MixedScript,
    /// An A-label that IDNA 2008 would not make, such as an emoji domain (RFC 5892).
    NotIdna2008,
}

impl PolicyFlag {
    /// The stable name, in snake case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Dotless => "dotless_domain",
            Self::AddressLiteral => "address_literal",
            Self::SpecialUse(_) => "special_use_domain",
            Self::NumericTld => "numeric_tld",
            Self::MixedScript => "mixed_script_domain",
            Self::NotIdna2008 => "not_idna2008",
        }
    }
}

/// A name in IANA's registry of special-use domain names, with everything below it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SpecialUse {
    /// The name.
    pub name: &'static str,
    /// The document that set it aside.
    pub source: &'static str,
}

/// Longer names stand before the shorter ones they end with.
const SPECIAL_USE: &[SpecialUse] = &[
    special("test", "RFC 6761 section 6.2"),
    special("localhost", "RFC 6761 section 6.3"),
    special("invalid", "RFC 6761 section 6.4"),
    special("example", "RFC 6761 section 6.5"),
    special("example.com", "RFC 6761 section 6.5"),
    special("example.net", "RFC 6761 section 6.5"),
    special("example.org", "RFC 6761 section 6.5"),
    special("local", "RFC 6762 section 3"),
    special("onion", "RFC 7686"),
    special("alt", "RFC 9476"),
    special("internal", "ICANN board resolution 2024.07.29.06"),
    special("home.arpa", "RFC 8375"),
    special("ipv4only.arpa", "RFC 8880"),
    special("6tisch.arpa", "RFC 9031"),
    special("eap-noob.arpa", "RFC 9140"),
    special("resolver.arpa", "RFC 9462"),
    special("service.arpa", "RFC 9665"),
    special("in-addr.arpa", "RFC 3172"),
    special("ip6.arpa", "RFC 3172"),
    special("arpa", "RFC 3172"),
];

const fn special(name: &'static str, source: &'static str) -> SpecialUse {
    SpecialUse { name, source }
}

/// The special-use name that `domain` is or lies below.
#[must_use]
pub fn special_use(domain: &DomainName) -> Option<&'static SpecialUse> {
    SPECIAL_USE.iter().find(|special| {
        domain
            .as_str()
            .strip_suffix(special.name)
            .is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

/// Everything that speaks against probing addresses of this domain, although their syntax is right.
/// Usually empty.
#[must_use]
pub fn flags(domain: &Domain) -> Vec<PolicyFlag> {
    let Domain::Name(name) = domain else { return vec![PolicyFlag::AddressLiteral] };
    let mut flags = Vec::new();
    if !name.as_str().contains('.') {
        flags.push(PolicyFlag::Dotless);
    }
    if name.tld().bytes().all(|b| b.is_ascii_digit()) {
        flags.push(PolicyFlag::NumericTld);
    }
    flags.extend(special_use(name).map(PolicyFlag::SpecialUse));
    if idna::has_a_label(name.as_str()) {
        if idna::has_foreign_a_label(name.as_str()) {
            flags.push(PolicyFlag::NotIdna2008);
        }
        if name.labels().filter_map(idna::u_label).any(|label| mixes_scripts(&label)) {
            flags.push(PolicyFlag::MixedScript);
        }
    }
    flags
}

/// `true` if a U-label is more than "highly restrictive" (UTS 39 section 5.2): beyond one script,
/// or Latin with those that Japanese, Korean and Chinese use together.
fn mixes_scripts(label: &str) -> bool {
    !label.is_single_script() && !label.check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn names(address: &str) -> Vec<&'static str> {
        flags(Address::parse(address).unwrap().domain()).iter().map(PolicyFlag::name).collect()
    }

    #[test]
    fn an_ordinary_address_has_no_flag() {
        for address in
            ["a@gmail.com", "a@b\u{fc}cher.de", "a@\u{4f8b}\u{3048}.jp", "a@localhost.com"]
        {
            assert!(names(address).is_empty(), "{address}");
        }
    }

    #[test]
    fn a_domain_without_a_dot_is_flagged() {
        assert_eq!(names("a@com"), ["dotless_domain"]);
        assert_eq!(names("a@localhost"), ["dotless_domain", "special_use_domain"]);
    }

    #[test]
    fn an_address_literal_is_flagged() {
        assert_eq!(names("a@[192.0.2.1]"), ["address_literal"]);
    }

    #[test]
    fn digits_as_top_level_domain_are_flagged() {
        assert_eq!(names("a@192.0.2.1"), ["numeric_tld"]);
    }

    #[test]
    fn special_use_names_are_flagged_with_all_below_them_and_nothing_beside() {
        for special in SPECIAL_USE {
            let found = |name: String| special_use(&DomainName::from_ascii(&name));
            assert_eq!(found(special.name.to_owned()), Some(special));
            assert_eq!(found(format!("mx.{}", special.name)), Some(special));
            assert_eq!(found(format!("not{}.de", special.name)), None);
        }
        assert_eq!(special_use(&DomainName::from_ascii("notexample.com")), None);
    }

    #[test]
    fn a_label_of_mixed_scripts_is_flagged() {
        assert_eq!(names("a@p\u{430}ypal.com"), ["mixed_script_domain"]);
        assert_eq!(names("a@xn--pypal-4ve.com"), ["mixed_script_domain"]);
    }

    #[test]
    fn an_emoji_domain_in_ascii_is_flagged() {
        assert_eq!(names("a@xn--i-7iq.ws"), ["not_idna2008"]);
    }
}
