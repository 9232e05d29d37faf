//! The public address, its name, and the name in HELO.

use std::net::{IpAddr, SocketAddr};

use super::listed;
use crate::address::DomainName;
use crate::doctor::facts::{AddressFacts, HeloFacts, IdentityFacts};
use crate::doctor::finding::Diagnosis;
use crate::smtp::target::is_global_unicast;

/// Said where a check needs the public address.
pub(super) const NO_ADDRESS: &str = "the public address is not known";

const STRANGER: &str = "servers that check who connects refuse or put off every recipient: \
                        sender_blocked, policy_refusal, greylisted";

/// Which addresses exchangers see, for each family by itself: a host may have a public IPv6 address
/// and be behind NAT with IPv4.
pub(super) fn public(identity: &IdentityFacts) -> Vec<Diagnosis> {
    const ID: &str = "public_address";
    let (setup, locals) = (&identity.setup, locals(identity));
    if let Some(proxy) = setup.proxy {
        return vec![behind_proxy(proxy, &setup.public_addresses, &locals)];
    }
    if locals.is_empty() && setup.public_addresses.is_empty() {
        let why = "no connection was opened, so there is no address to look at";
        return vec![Diagnosis::skipped(ID, why).remedy(NAME_IT)];
    }
    let (mut findings, mut named, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for is_v4 in [true, false] {
        let of_family = |addresses: &[IpAddr]| -> Vec<IpAddr> {
            let addresses = addresses.iter().map(|address| address.to_canonical());
            addresses.filter(|address| address.is_ipv4() == is_v4).collect()
        };
        let (configured, used) = (of_family(&setup.public_addresses), of_family(&locals));
        let open: Vec<IpAddr> = used.iter().copied().filter(|at| is_global_unicast(*at)).collect();
        let strays: Vec<&IpAddr> = open.iter().filter(|at| !configured.contains(at)).collect();
        match (configured.is_empty(), open.is_empty()) {
            (false, _) if !strays.is_empty() => findings.push(stray(&configured, &strays)),
            (false, _) => named.extend(configured),
            (true, false) => own.extend(open),
            (true, true) if used.is_empty() => {}
            (true, true) => {
                let used = listed(&used);
                let why = format!("connections leave from {used}, which is not public (NAT)");
                findings.push(Diagnosis::skipped(ID, why).remedy(NAME_IT));
            }
        }
    }
    if !named.is_empty() {
        findings.push(by_configuration(&named));
    }
    if !own.is_empty() {
        findings.push(Diagnosis::pass(ID, format!("{}, this host's own", listed(own))));
    }
    findings
}

/// The remedy for an address that cannot be seen from here.
const NAME_IT: &str = "name the address that exchangers see in doctor.public_addresses";

/// The address that exchangers see behind a proxy: as configured, else its own if that is public.
fn behind_proxy(proxy: SocketAddr, configured: &[IpAddr], locals: &[IpAddr]) -> Diagnosis {
    const ID: &str = "public_address";
    if !configured.is_empty() {
        return by_configuration(configured);
    }
    let open: Vec<&IpAddr> = locals.iter().filter(|at| is_global_unicast(**at)).collect();
    if !open.is_empty() {
        return Diagnosis::pass(ID, format!("{}, the proxy's", listed(open)));
    }
    Diagnosis::skipped(ID, format!("connections leave through the proxy {proxy}")).remedy(NAME_IT)
}

/// The addresses that the configuration names, unless nobody outside a network can see them.
fn by_configuration(addresses: &[IpAddr]) -> Diagnosis {
    const ID: &str = "public_address";
    let private: Vec<&IpAddr> = addresses.iter().filter(|address| is_private(**address)).collect();
    if private.is_empty() {
        return Diagnosis::pass(ID, format!("{} by configuration", listed(addresses)));
    }
    let seen =
        format!("{} by configuration, which only a network of its own sees", listed(private));
    Diagnosis::warn(ID, seen)
        .means("the checks below look at an address that exchangers on the internet do not see")
        .remedy(NAME_IT)
}

/// Returns whether an address is private, of a carrier's NAT, of one link or of this host.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let is_shared = matches!(v4.octets(), [100, 64..=127, ..]);
            is_shared || v4.is_private() || v4.is_link_local() || v4.is_loopback()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Connections that leave from other public addresses of a family than the configured ones.
fn stray(configured: &[IpAddr], strays: &[&IpAddr]) -> Diagnosis {
    let (named, strays) = (listed(configured), listed(strays));
    Diagnosis::warn(
        "public_address",
        format!("{named} by configuration, but connections leave from {strays}"),
    )
    .means("the checks below look at an address that exchangers do not see")
    .remedy(format!(
        "correct {named} in doctor.public_addresses, or take it out: this host has its public \
         address itself"
    ))
}

/// Our addresses on the connections that were opened, each once.
pub(super) fn locals(identity: &IdentityFacts) -> Vec<IpAddr> {
    let mut locals: Vec<IpAddr> =
        identity.attempts.iter().filter_map(|attempt| attempt.local).collect();
    locals.sort_unstable();
    locals.dedup();
    locals
}

/// The name in HELO (RFC 5321 section 4.1.4): a full name that leads to the address.
pub(super) fn helo(identity: &IdentityFacts) -> Diagnosis {
    const ID: &str = "helo_name";
    let remedy =
        "set smtp.helo_name (or the identity's) to the name that the address resolves back to";
    let Some(name) = &identity.setup.helo else {
        return Diagnosis::fail(ID, "not set: the address itself is given, in brackets")
            .means(STRANGER)
            .remedy(remedy);
    };
    if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return Diagnosis::fail(ID, format!("{name} is an address, not a name"))
            .means(STRANGER)
            .remedy(remedy);
    }
    let Some(facts) = identity.helo.as_ref().filter(|facts| facts.name.labels().count() > 1) else {
        return Diagnosis::fail(ID, format!("{name} is not a full domain name"))
            .means(STRANGER)
            .remedy(remedy);
    };
    if let Some(failure) = [&facts.ipv4, &facts.ipv6].into_iter().find_map(|h| h.failure())
        && addresses(facts).is_empty()
    {
        return Diagnosis::skipped(ID, format!("{name} could not be looked up: {failure}"));
    }
    let found = addresses(facts);
    if found.is_empty() {
        return Diagnosis::fail(ID, format!("{name} has no address in DNS"))
            .means(STRANGER)
            .remedy(format!(
                "publish A and AAAA records of {name} with the addresses it connects from"
            ));
    }
    Diagnosis::pass(ID, format!("{name} is a full name and leads to {}", listed(found)))
}

fn addresses(helo: &HeloFacts) -> Vec<IpAddr> {
    [&helo.ipv4, &helo.ipv6].into_iter().flat_map(|heard| heard.addresses()).copied().collect()
}

/// For each public address: its names, whether they confirm it, and whether HELO says the same.
pub(super) fn reverse(identity: &IdentityFacts) -> Vec<Diagnosis> {
    if identity.addresses.is_empty() {
        return ["reverse_dns", "helo_matches"].map(|id| Diagnosis::skipped(id, NO_ADDRESS)).into();
    }
    let mut findings = Vec::new();
    for facts in &identity.addresses {
        findings.push(reverse_dns(facts).about(facts.address));
        findings.push(helo_matches(identity, facts).about(facts.address));
    }
    findings
}

/// The names of an address that lead back to it.
fn confirmed(facts: &AddressFacts) -> Vec<&DomainName> {
    let leads_back = |(_, heard): &&(DomainName, crate::dns::query::QueryResult)| {
        heard.addresses().iter().any(|address| address.to_canonical() == facts.address)
    };
    facts.forward.iter().filter(leads_back).map(|(name, _)| name).collect()
}

fn reverse_dns(facts: &AddressFacts) -> Diagnosis {
    const ID: &str = "reverse_dns";
    if let Some(failure) = facts.names.failure() {
        return Diagnosis::skipped(ID, format!("the PTR record could not be looked up: {failure}"));
    }
    let told = facts.names.names();
    let names: Vec<&DomainName> = told.iter().filter(|name| !name.as_str().is_empty()).collect();
    if names.is_empty() {
        let seen = match told {
            [] => "the address has no PTR record",
            _ => "the PTR record of the address names no host",
        };
        return Diagnosis::fail(ID, seen).means(STRANGER).remedy(
            "have whoever gave you the address (hosting provider) set its reverse DNS to the \
             HELO name",
        );
    }
    let confirmed = confirmed(facts);
    let Some(name) = confirmed.first() else {
        if let Some(failure) = facts.forward.iter().find_map(|(_, heard)| heard.failure()) {
            let seen = format!("{} could not be looked up: {failure}", listed(&names));
            return Diagnosis::skipped(ID, seen);
        }
        let seen = format!("its name {} does not lead back to it", listed(&names));
        return Diagnosis::fail(ID, seen).means(STRANGER).remedy(format!(
            "publish {} as an address of that name, or have the PTR record changed",
            facts.address
        ));
    };
    // DNS gives several names in any order, and servers look at one or another.
    if let Some(generic) = confirmed.iter().find(|name| is_generic(name, facts.address)) {
        return Diagnosis::warn(
            ID,
            format!("{generic} is a name out of a pattern, as hosts of end users have"),
        )
        .means("some servers refuse hosts with such names: sender_blocked or policy_refusal")
        .remedy("have the reverse DNS changed to a name of your own, and give that in HELO");
    }
    Diagnosis::pass(ID, format!("its name is {name}, which leads back to it"))
}

/// Returns whether a name spells out the address or says that it is dynamic.
fn is_generic(name: &DomainName, address: IpAddr) -> bool {
    const WORDS: [&str; 6] = ["dynamic", "dyn", "dhcp", "dsl", "dialup", "pool"];
    let mut words = name.as_str().split(|c: char| !c.is_ascii_alphabetic());
    if words.any(|word| WORDS.contains(&word)) {
        return true;
    }
    let IpAddr::V4(v4) = address else { return false };
    let octets = v4.octets();
    let [a, b, c, d] = octets;
    if name.as_str().contains(&format!("{a:02x}{b:02x}{c:02x}{d:02x}")) {
        return true;
    }
    let numbers: Vec<&str> =
        name.as_str().split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).collect();
    let parsed: Vec<u8> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let backward = [d, c, b, a];
    parsed.windows(4).any(|four| four == octets || four == backward)
}

fn helo_matches(identity: &IdentityFacts, facts: &AddressFacts) -> Diagnosis {
    const ID: &str = "helo_matches";
    let Some(helo) = identity.helo.as_ref().filter(|helo| helo.name.labels().count() > 1) else {
        return Diagnosis::skipped(ID, "no full host name is given in HELO");
    };
    let name = &helo.name;
    let heard = if facts.address.is_ipv4() { &helo.ipv4 } else { &helo.ipv6 };
    let leads_here = heard.addresses().iter().any(|a| a.to_canonical() == facts.address);
    let is_named = facts.names.names().contains(name);
    let remedy = format!("let {name} have the address {0}, and {0} the name {name}", facts.address);
    match (is_named, leads_here) {
        (true, true) => Diagnosis::pass(ID, format!("{name} and the address name each other")),
        _ if heard.failure().is_some() || facts.names.failure().is_some() => {
            Diagnosis::skipped(ID, format!("{name} or the address could not be looked up"))
        }
        (false, true) => {
            Diagnosis::warn(ID, format!("{name} leads to the address, which has another name"))
                .means(
                    "servers that compare HELO with the reverse DNS refuse us or ask twice: \
                     sender_blocked, greylisted",
                )
                .remedy(remedy)
        }
        (_, false) => Diagnosis::fail(ID, format!("{name} does not lead to the address"))
            .means(STRANGER)
            .remedy(remedy),
    }
}
