//! Checks of the configuration itself: its settings and its omissions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{address, listed};
use crate::doctor::config::PublicAddresses;
use crate::doctor::facts::{IdentityFacts, Observations};
use crate::doctor::finding::Diagnosis;

/// A null sender needs a mailbox for servers that refuse it.
pub(super) fn null_sender(identity: &IdentityFacts) -> Diagnosis {
    const ID: &str = "null_sender";
    let setup = &identity.setup;
    match (setup.null_sender, setup.has_fallback) {
        (false, _) => Diagnosis::pass(ID, "a mailbox is the sender"),
        (true, true) => Diagnosis::pass(ID, "<>, and a mailbox where that is refused"),
        (true, false) => Diagnosis::warn(ID, "<>, and nothing where that is refused")
            .means(
                "addresses at servers that refuse the null sender stay unknown: sender_blocked \
                 or policy_refusal",
            )
            .remedy("set smtp.fallback_mail_from to a mailbox of yours that exists"),
    }
}

/// Identities that are one and the same to exchangers. Nothing to say about one alone.
pub(super) fn same_address(facts: &Observations) -> Option<Diagnosis> {
    const ID: &str = "identity_addresses";
    if facts.identities.len() < 2 {
        return None;
    }
    let mut by_address: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
    for identity in &facts.identities {
        for address in seen_as(identity) {
            by_address.entry(address).or_default().insert(&identity.setup.name);
        }
    }
    let shared: Vec<String> = by_address
        .iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(address, names)| format!("{} share {address}", listed(names)))
        .collect();
    if !shared.is_empty() {
        let found = Diagnosis::warn(ID, shared.join("; "))
            .means(
                "manners are kept for each identity, so an exchanger sees one address come twice \
                 as often: rate_limited, sender_blocked",
            )
            .remedy(
                "give each identity an address of its own (source_v4, source_v6, socks5), or \
                 drop one",
            );
        return Some(found);
    }
    let all = facts.identities.len();
    let known = facts.identities.iter().filter(|identity| !seen_as(identity).is_empty()).count();
    Some(match known {
        0 | 1 => Diagnosis::skipped(ID, format!("the addresses of {known} of {all} are known")),
        _ if known == all => Diagnosis::pass(ID, format!("{all} identities, each with its own")),
        _ => Diagnosis::pass(
            ID,
            format!("{known} identities, each with its own; of {all} no more are known"),
        ),
    })
}

/// Public addresses that the configuration gives to names that no identity has.
pub(super) fn unknown_identities(
    facts: &Observations,
    addresses: &PublicAddresses,
) -> Option<Diagnosis> {
    let PublicAddresses::ByIdentity(by_name) = addresses else { return None };
    let has_identity =
        |name: &str| facts.identities.iter().any(|identity| identity.setup.name == name);
    let unknown: Vec<String> =
        by_name.keys().filter(|name| !has_identity(name)).map(|name| format!("{name:?}")).collect();
    if unknown.is_empty() {
        return None;
    }
    let seen =
        format!("doctor.public_addresses names {}: no identity is called that", listed(unknown));
    let found = Diagnosis::warn("public_address", seen)
        .means("the identity that is meant is not looked at by the addresses given for it")
        .remedy(
            "write the names as prober.identities has them; without any there, give a list of \
             addresses and no names",
        );
    Some(found)
}

/// Addresses by which an exchanger recognises an identity: public ones, else its sources. A
/// private address says nothing once a public one is known: behind one NAT all have another.
fn seen_as(identity: &IdentityFacts) -> Vec<IpAddr> {
    if identity.addresses.is_empty() {
        address::locals(identity)
    } else {
        identity.addresses.iter().map(|facts| facts.address).collect()
    }
}
