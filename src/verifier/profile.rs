//! Traits of a domain: read once for all its mailboxes, as long as the
//! lists stay the same.

use foldhash::HashMap;
use parking_lot::RwLock;

use crate::address::{Domain, DomainName, PolicyFlag, policy, suggest};
use crate::lists::Lists;
use crate::verdict::Traits;

/// Number of profiles kept; then the table begins anew. One costs about 80 octets, and reading it
/// again five microseconds.
const MOST: usize = 16_384;

/// Facts about all mailboxes of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DomainProfile {
    /// Its traits by the lists and by its form.
    pub(super) traits: Traits,
    /// No other domain comes to mind that may have been meant.
    pub(super) looks_right: bool,
}

impl DomainProfile {
    fn read(domain: &Domain, lists: &Lists) -> Self {
        let mut traits = domain.name().map(|name| listed(name, lists)).unwrap_or_default();
        for flag in policy::flags(domain) {
            match flag {
                PolicyFlag::Dotless => traits.dotless = true,
                PolicyFlag::AddressLiteral => traits.address_literal = true,
                PolicyFlag::SpecialUse(_) => traits.special_use = true,
                PolicyFlag::MixedScript => traits.mixed_script = true,
                // DNS knows no such names: its answer says more.
                PolicyFlag::NumericTld | PolicyFlag::NotIdna2008 => {}
            }
        }
        Self { traits, looks_right: domain.name().is_none_or(suggest::looks_right) }
    }
}

/// The lists' entries for a name.
pub(super) fn listed(name: &DomainName, lists: &Lists) -> Traits {
    Traits {
        disposable: lists.is_disposable(name),
        free_provider: lists.is_free_provider(name),
        relay: lists.is_relay(name),
        ..Traits::default()
    }
}

/// Profiles, read when they are first asked for.
#[derive(Default)]
pub(super) struct Profiles(RwLock<ProfileTable>);

/// Profiles by these lists.
#[derive(Default)]
struct ProfileTable {
    lists: Lists,
    by_domain: HashMap<Domain, DomainProfile>,
}

impl Profiles {
    /// The profile of `domain` by these lists.
    pub(super) fn of(&self, domain: &Domain, lists: &Lists) -> DomainProfile {
        let known = self.0.read();
        if known.lists.is(lists)
            && let Some(profile) = known.by_domain.get(domain)
        {
            return *profile;
        }
        drop(known);
        let profile = DomainProfile::read(domain, lists);
        let mut known = self.0.write();
        if !known.lists.is(lists) || known.by_domain.len() >= MOST {
            *known = ProfileTable { lists: lists.clone(), by_domain: HashMap::default() };
        }
        known.by_domain.insert(domain.clone(), profile);
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{Config, ListsHandle};

    fn name(text: &str) -> Domain {
        Domain::Name(DomainName::parse(text).unwrap())
    }

    #[test]
    fn a_profile_says_what_the_lists_and_the_form_of_the_name_say() {
        let (profiles, lists) = (Profiles::default(), Lists::built_in());
        for _ in 0..2 {
            let of = |text| profiles.of(&name(text), &lists);
            assert!(of("gmail.com").traits.free_provider && of("gmail.com").looks_right);
            assert!(of("mailinator.com").traits.disposable);
            assert!(of("duck.com").traits.relay);
            assert!(of("localhost").traits.dotless && of("localhost").traits.special_use);
            assert!(of("p\u{430}ypal.com").traits.mixed_script);
            assert!(!of("gmial.com").looks_right);
            let ordinary = DomainProfile { traits: Traits::default(), looks_right: true };
            assert_eq!(of("example-company.com"), ordinary);
        }
    }

    #[test]
    fn a_profile_follows_the_lists_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { dir: Some(folder.path().to_owned()), ..Config::default() };
        let lists = ListsHandle::open(&config).unwrap();
        let profiles = Profiles::default();
        let is_disposable =
            || profiles.of(&name("throw.example"), &lists.current()).traits.disposable;
        assert!(!is_disposable());
        std::fs::write(folder.path().join("disposable.txt"), "throw.example\n").unwrap();
        lists.reload_if_changed().unwrap();
        assert!(is_disposable());
    }

    #[test]
    fn the_table_of_profiles_is_bounded() {
        let (profiles, lists) = (Profiles::default(), Lists::built_in());
        let ordinary = profiles.of(&name("d.test-company.com"), &lists);
        for n in 0..MOST {
            profiles.of(&name(&format!("d{n}.test-company.com")), &lists);
        }
        assert!(profiles.0.read().by_domain.len() < MOST);
        assert_eq!(profiles.of(&name("d.test-company.com"), &lists), ordinary);
    }
}
