//! Sticky choice of an egress identity for a domain: the same one for as long as it is welcome.
//! Pure.
//!
//! Rendezvous hashing: each identity scores each domain, the best score wins. So a domain keeps its
//! identity (greylisting remembers the address it saw), the domains spread evenly, and a rested
//! identity moves only its own domains.

/// The index in `identities` of the identity for `domain`, skipping those for which `rested` holds;
/// `None` if all rest. The names must be stable: they are what is hashed.
pub fn choose<'a>(
    identities: impl Iterator<Item = &'a str>,
    domain: &str,
    mut rested: impl FnMut(usize) -> bool,
) -> Option<usize> {
    identities
        .enumerate()
        .filter(|(index, _)| !rested(*index))
        .max_by_key(|(index, name)| (score(name, domain), std::cmp::Reverse(*index)))
        .map(|(index, _)| index)
}

/// The score of one identity for `domain`: of several, the highest is [chosen](choose), and those
/// that follow are chosen when it rests.
// FNV-1a over both, then a finaliser that spreads the last bytes over all bits.
#[must_use]
pub fn score(identity: &str, domain: &str) -> u64 {
    let bytes = identity.bytes().chain([0]).chain(domain.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: [&str; 3] = ["a", "b", "c"];

    fn domains() -> impl Iterator<Item = String> {
        (0..3000).map(|n| format!("domain{n}.example"))
    }

    #[test]
    fn a_domain_keeps_its_identity_and_domains_spread_evenly() {
        let mut counts = [0; 3];
        for domain in domains() {
            let chosen = choose(THREE.into_iter(), &domain, |_| false).unwrap();
            assert_eq!(choose(THREE.into_iter(), &domain, |_| false), Some(chosen));
            counts[chosen] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_rested_identity_moves_only_its_own_domains() {
        for domain in domains() {
            let chosen = choose(THREE.into_iter(), &domain, |_| false).unwrap();
            let other = choose(THREE.into_iter(), &domain, |i| i == 0).unwrap();
            assert_ne!(other, 0);
            assert!(chosen == 0 || other == chosen);
        }
    }

    #[test]
    fn no_identity_is_chosen_when_all_rest() {
        assert_eq!(choose(THREE.into_iter(), "example.com", |_| true), None);
    }
}
