//! Can we reach port 25, are we welcome there, and is it really them?

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::listed;
use crate::address::DomainName;
use crate::doctor::facts::{ConnectionAttempt, Greeting, IdentityFacts};
use crate::doctor::finding::Finding;
use crate::smtp::NoReply;

/// A knock at a door that is known to be there.
struct ReachContext<'a> {
    exchanger: &'a DomainName,
    address: IpAddr,
    /// `true` if a connection was opened, whatever followed on it.
    is_open: bool,
    outcome: &'a Result<Greeting, NoReply>,
}

impl ReachContext<'_> {
    /// Returns whether this machine has no route at all to such addresses.
    fn has_no_route(&self) -> bool {
        let Err(NoReply::ConnectFailed(why)) = self.outcome else { return false };
        why.contains("unreachable") || why.contains("address family")
    }
}

pub(super) fn check(identity: &IdentityFacts) -> Vec<Finding> {
    let knocks: Vec<ReachContext<'_>> = identity.knocks.iter().filter_map(at).collect();
    let (v4, v6): (Vec<&ReachContext<'_>>, Vec<&ReachContext<'_>>) =
        knocks.iter().partition(|knock| knock.address.is_ipv4());
    let mut findings = vec![
        port(identity, "port_25_ipv4", &v4, !v6.iter().any(|knock| knock.is_open)),
        port(identity, "port_25_ipv6", &v6, !v4.iter().any(|knock| knock.is_open)),
    ];
    findings.push(greeting(&knocks));
    findings.push(interception(&knocks));
    findings
}

fn at(knock: &ConnectionAttempt) -> Option<ReachContext<'_>> {
    let (exchanger, address) = knock.target.as_ref().ok()?;
    Some(ReachContext {
        exchanger,
        address: *address,
        is_open: knock.connected,
        outcome: &knock.outcome,
    })
}

/// Judges whether port 25 is open over one family of addresses; `alone` if the other one is not.
fn port(
    identity: &IdentityFacts,
    id: &'static str,
    knocks: &[&ReachContext<'_>],
    alone: bool,
) -> Finding {
    let is_v4 = id == "port_25_ipv4";
    let setup = &identity.setup;
    let chosen = setup.source_v4.is_some() || setup.source_v6.is_some();
    let uses = if is_v4 { setup.source_v4.is_some() } else { setup.source_v6.is_some() };
    if chosen && !uses {
        return Finding::skipped(id, "the identity does not connect from such an address");
    }
    if knocks.is_empty() {
        return Finding::skipped(id, nobody(identity, is_v4));
    }
    let open = knocks.iter().filter(|knock| knock.is_open).count();
    let closed: Vec<&&ReachContext<'_>> = knocks.iter().filter(|knock| !knock.is_open).collect();
    let seen = format!("{open} of {} exchangers reached", knocks.len());
    let Some(first) = closed.first() else {
        let names = listed(knocks.iter().map(|knock| knock.exchanger));
        return Finding::pass(id, format!("reached {names}"));
    };
    let why = match first.outcome {
        Err(why) => format!("{} ({}): {why}", first.exchanger, first.address),
        Ok(_) => String::new(),
    };
    let seen = format!("{seen}; {why}");
    if open > 0 {
        return Finding::warn(id, seen)
            .means(
                "addresses behind exchangers that cannot be reached stay unknown: no_connection \
                 or timeout",
            )
            .remedy(
                "run it again; if the same ones stay out of reach, look at the firewall and the \
                 route to them",
            );
    }
    if is_v4 || alone {
        return blocked(id, seen);
    }
    if closed.iter().all(|knock| knock.has_no_route()) {
        return Finding::skipped(id, "this host has no IPv6; exchangers are reached over IPv4");
    }
    Finding::warn(id, seen)
        .means(
            "every new session to an exchanger with IPv6 first waits for an address that never \
             answers",
        )
        .remedy("have port 25 opened for IPv6 too, or set smtp.source_v4 so that only IPv4 is used")
}

/// The finding for a port that no exchanger answers on.
fn blocked(id: &'static str, seen: String) -> Finding {
    Finding::fail(id, seen)
        .means(
            "nothing can be asked of mail servers: nearly every verdict is unknown \
             (no_connection or timeout)",
        )
        .remedy(
            "have the hosting provider open outgoing TCP port 25 (many block it until asked), \
             check the firewall, or route through a SOCKS5 proxy (prober.identities) on a host \
             where it is open",
        )
}

/// Why nobody was knocked at.
fn nobody(identity: &IdentityFacts, is_v4: bool) -> String {
    let reason = identity.knocks.iter().find_map(|knock| {
        knock.target.as_ref().err().map(|why| format!("{}: {why}", knock.domain))
    });
    let anybody = identity.knocks.iter().any(|knock| knock.target.is_ok());
    match reason {
        Some(reason) if !anybody => reason,
        _ if identity.knocks.is_empty() => "doctor.exchangers names no domain".to_owned(),
        _ if is_v4 => "no exchanger that was looked up has an IPv4 address".to_owned(),
        _ => "no exchanger that was looked up has an IPv6 address".to_owned(),
    }
}

/// Judges whether the exchangers that answer let us in.
fn greeting(knocks: &[ReachContext<'_>]) -> Finding {
    const ID: &str = "greeting";
    let said: Vec<(&ReachContext<'_>, &Greeting)> =
        knocks.iter().filter_map(|knock| Some((knock, knock.outcome.as_ref().ok()?))).collect();
    let mute = knocks.iter().filter(|knock| knock.is_open).count() - said.len();
    if said.is_empty() && mute == 0 {
        return Finding::skipped(ID, "no exchanger was reached");
    }
    let refusals: Vec<_> =
        said.iter().filter(|(_, greeting)| greeting.banner.code >= 400).collect();
    let (open, not_greeted) = (said.len() + mute, refusals.len() + mute);
    if not_greeted == 0 {
        return Finding::pass(ID, format!("all {open} that were reached say 220"));
    }
    let words = match refusals.first() {
        Some((at, greeting)) => {
            let banner = &greeting.banner;
            format!("{} says {} {}", at.exchanger, banner.code, excerpt(&banner.text()))
        }
        None => "they say nothing, or what is not SMTP".to_owned(),
    };
    let seen = format!("{not_greeted} of {open} do not let us in; {words}");
    let found = if not_greeted < open { Finding::warn(ID, seen) } else { Finding::fail(ID, seen) };
    found
        .means("addresses at servers that turn us away at the door stay unknown: sender_blocked")
        .remedy(
            "read what they say: it names the blocklist or the rule; the checks of address, name \
             and blocklists below tell the usual reasons",
        )
}

/// Detects exchangers of different organisations greet as one and the same host: then something in
/// between answers for them.
fn interception(knocks: &[ReachContext<'_>]) -> Finding {
    const ID: &str = "interception";
    let greeted = knocks.iter().filter_map(|knock| {
        let banner = &knock.outcome.as_ref().ok()?.banner;
        let text = banner.text();
        let host = text.split_ascii_whitespace().next()?.to_ascii_lowercase();
        host.contains('.').then(|| (knock.exchanger.registrable(), host))
    });
    let greeted: Vec<(DomainName, String)> = greeted.collect();
    let organisations: BTreeSet<&DomainName> = greeted.iter().map(|(name, _)| name).collect();
    if organisations.len() < 2 {
        return Finding::skipped(ID, "it takes the banners of two organisations to tell");
    }
    let hosts: BTreeSet<&String> = greeted.iter().map(|(_, host)| host).collect();
    match hosts.first() {
        Some(host) if hosts.len() == 1 => {
            let names = listed(organisations);
            Finding::fail(ID, format!("the exchangers of {names} all greet as {host}"))
                .means(
                    "something between this host and the internet answers for everybody: no \
                     verdict about a mailbox can be believed",
                )
                .remedy(
                    "have the provider or firewall take its mail proxy off outgoing port 25, or \
                     use another host",
                )
        }
        _ => Finding::pass(ID, "exchangers greet with names of their own"),
    }
}

/// The start of what a server said: one line, printable.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 100;
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    crate::address::redact::text(line.trim())
}
