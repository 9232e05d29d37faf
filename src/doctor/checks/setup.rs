//! Checks of the configuration itself: its settings and its omissions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{address, listed};
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
    Some(if by_address.is_empty() {
        Diagnosis::skipped(ID, "no identity's address is known")
    } else {
        Diagnosis::pass(ID, format!("{} identities, each with its own", facts.identities.len()))
    })
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
