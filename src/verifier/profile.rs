//! What a domain's name says by itself: read once for everybody at that domain, as long as the
//! lists stay the same.

use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use crate::address::{DomainName, PolicyFlag, policy, suggest};
use crate::lists::{Lists, ListsHandle};
use crate::verdict::Traits;

/// How many profiles are kept; then the table begins anew. One costs about 80 octets, and reading it
/// again five microseconds.
const MOST: usize = 16_384;

/// What is known of everybody at a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// What the lists say of the name, and what its form does.
    pub(super) traits: Traits,
    /// No other domain comes to mind that may have been meant.
    pub(super) looks_right: bool,
}

impl Profile {
    fn read(name: &DomainName, lists: &Lists) -> Self {
        let mut traits = listed(name, lists);
        for flag in policy::flags_of_name(name) {
            match flag {
                PolicyFlag::Dotless => traits.dotless = true,
                PolicyFlag::AddressLiteral => traits.address_literal = true,
                PolicyFlag::SpecialUse(_) => traits.special_use = true,
                PolicyFlag::MixedScript => traits.mixed_script = true,
                // DNS knows no such names: its answer says more.
                PolicyFlag::NumericTld | PolicyFlag::NotIdna2008 => {}
            }
        }
        Self { traits, looks_right: suggest::looks_right(name) }
    }
}

/// What the lists say of a name.
pub(super) fn listed(name: &DomainName, lists: &Lists) -> Traits {
    Traits {
        disposable: lists.is_disposable(name),
        free_provider: lists.is_free_provider(name),
        relay: lists.is_relay(name),
        ..Traits::default()
    }
}

/// Profiles, read when they are first asked for.
pub(super) struct Profiles {
    lists: Arc<ListsHandle>,
    known: RwLock<Known>,
}

/// Profiles by these lists.
struct Known {
    lists: Lists,
    by_name: HashMap<DomainName, Profile>,
}

impl Profiles {
    pub(super) fn new(lists: Arc<ListsHandle>) -> Self {
        let known = Known { lists: lists.current(), by_name: HashMap::default() };
        Self { lists, known: RwLock::new(known) }
    }

    /// The lists in force.
    pub(super) fn lists(&self) -> Lists {
        self.lists.current()
    }

    /// The profile of `name` by the lists in force.
    pub(super) fn of(&self, name: &DomainName) -> Profile {
        let lists = self.lists();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.lists.is(&lists)
            && let Some(profile) = known.by_name.get(name)
        {
            return *profile;
        }
        drop(known);
        let profile = Profile::read(name, &lists);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.lists.is(&lists) || known.by_name.len() >= MOST {
            *known = Known { lists, by_name: HashMap::default() };
        }
        known.by_name.insert(name.clone(), profile);
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::Config;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn a_profile_says_what_the_lists_and_the_form_of_the_name_say() {
        let profiles = Profiles::new(Arc::new(ListsHandle::open(&Config::default()).unwrap()));
        for _ in 0..2 {
            let of = |text| profiles.of(&name(text));
            assert!(of("gmail.com").traits.free_provider && of("gmail.com").looks_right);
            assert!(of("mailinator.com").traits.disposable);
            assert!(of("duck.com").traits.relay);
            assert!(of("localhost").traits.dotless && of("localhost").traits.special_use);
            assert!(of("p\u{430}ypal.com").traits.mixed_script);
            assert!(!of("gmial.com").looks_right);
            let ordinary = Profile { traits: Traits::default(), looks_right: true };
            assert_eq!(of("example-company.com"), ordinary);
        }
    }

    #[test]
    fn a_profile_follows_the_lists_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { dir: Some(folder.path().to_owned()), ..Config::default() };
        let lists = Arc::new(ListsHandle::open(&config).unwrap());
        let profiles = Profiles::new(Arc::clone(&lists));
        assert!(!profiles.of(&name("throw.example")).traits.disposable);
        std::fs::write(folder.path().join("disposable.txt"), "throw.example\n").unwrap();
        lists.reload_if_changed().unwrap();
        assert!(profiles.of(&name("throw.example")).traits.disposable);
    }

    #[test]
    fn the_table_of_profiles_is_bounded() {
        let profiles = Profiles::new(Arc::new(ListsHandle::open(&Config::default()).unwrap()));
        let ordinary = profiles.of(&name("d.test-company.com"));
        for n in 0..MOST {
            profiles.of(&name(&format!("d{n}.test-company.com")));
        }
        assert!(profiles.known.read().unwrap().by_name.len() < MOST);
        assert_eq!(profiles.of(&name("d.test-company.com")), ordinary);
    }
}
