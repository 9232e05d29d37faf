//! Can we reach port 25, are we welcome there, and is it really them?

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::listed;
use crate::address::DomainName;
use crate::doctor::facts::{ConnectionAttempt, Greeting, IdentityFacts};
use crate::doctor::finding::Diagnosis;
use crate::smtp::NoReply;

/// A connection attempt to a known address of an exchanger.
struct DialedTarget<'a> {
    exchanger: &'a DomainName,
    address: IpAddr,
    /// `true` if a connection was opened, whatever followed on it.
    is_open: bool,
    outcome: &'a Result<Greeting, NoReply>,
}

impl DialedTarget<'_> {
    /// Returns whether this machine has no route at all to such addresses; `is_chosen`: it is to
    /// have an address of the family. With none configured, having no address to connect from
    /// (IPv6 is off), or one of the own network alone, is having no such route.
    fn has_no_route(&self, is_chosen: bool) -> bool {
        let Err(NoReply::ConnectFailed(why)) = self.outcome else { return false };
        let is_without = ["Cannot assign requested address", "No route to host"]
            .iter()
            .any(|words| why.contains(words));
        why.contains("unreachable") || why.contains("address family") || (is_without && !is_chosen)
    }
}

pub(super) fn check(identity: &IdentityFacts) -> Vec<Diagnosis> {
    let attempts: Vec<DialedTarget<'_>> = identity.attempts.iter().filter_map(context).collect();
    let (v4, v6): (Vec<&DialedTarget<'_>>, Vec<&DialedTarget<'_>>) =
        attempts.iter().partition(|attempt| attempt.address.is_ipv4());
    let mut findings = vec![
        port(identity, "port_25_ipv4", &v4, !v6.iter().any(|attempt| attempt.is_open)),
        port(identity, "port_25_ipv6", &v6, !v4.iter().any(|attempt| attempt.is_open)),
    ];
    findings.push(greeting(&attempts));
    findings.push(interception(&attempts));
    findings
}

fn context(attempt: &ConnectionAttempt) -> Option<DialedTarget<'_>> {
    let (exchanger, address) = attempt.target.as_ref().ok()?;
    Some(DialedTarget {
        exchanger,
        address: *address,
        is_open: attempt.connected,
        outcome: &attempt.outcome,
    })
}

/// Judges whether port 25 is open over one family of addresses; `alone` if the other one is not.
fn port(
    identity: &IdentityFacts,
    id: &'static str,
    attempts: &[&DialedTarget<'_>],
    alone: bool,
) -> Diagnosis {
    let is_v4 = id == "port_25_ipv4";
    let setup = &identity.setup;
    let chosen = setup.source_v4.is_some() || setup.source_v6.is_some();
    let uses = if is_v4 { setup.source_v4.is_some() } else { setup.source_v6.is_some() };
    if chosen && !uses {
        return Diagnosis::skipped(id, "the identity does not connect from such an address");
    }
    if attempts.is_empty() {
        return Diagnosis::skipped(id, reason_for_none(identity, is_v4));
    }
    let open = attempts.iter().filter(|attempt| attempt.is_open).count();
    let closed: Vec<&&DialedTarget<'_>> =
        attempts.iter().filter(|attempt| !attempt.is_open).collect();
    let seen = format!("{open} of {} exchangers reached", attempts.len());
    let Some(first) = closed.first() else {
        let names = listed(attempts.iter().map(|attempt| attempt.exchanger));
        return Diagnosis::pass(id, format!("reached {names}"));
    };
    let why = match first.outcome {
        Err(why) => format!("{} ({}): {why}", first.exchanger, first.address),
        Ok(_) => String::new(),
    };
    let seen = format!("{seen}; {why}");
    if open > 0 {
        return Diagnosis::warn(id, seen)
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
        return blocked(id, seen, first.outcome.as_ref().err());
    }
    if closed.iter().all(|attempt| attempt.has_no_route(setup.source_v6.is_some())) {
        return Diagnosis::skipped(id, "this host has no IPv6; exchangers are reached over IPv4");
    }
    let own = first.outcome.as_ref().err().and_then(own_remedy);
    let opened =
        "have port 25 opened for IPv6 too, or set smtp.source_v4 so that only IPv4 is used";
    Diagnosis::warn(id, seen)
        .means(
            "every new session to an exchanger with IPv6 first waits for an address that never \
             answers",
        )
        .remedy(own.unwrap_or(opened))
}

/// The remedy where it is our own way out that is shut.
fn own_remedy(why: &NoReply) -> Option<&'static str> {
    Some(match why {
        NoReply::SourceFailed(_) => {
            "let source_v4 and source_v6 name addresses that this machine has, or leave them out"
        }
        NoReply::ProxyFailed(_) => {
            "look at the proxy: whether it runs, answers and lets us through"
        }
        NoReply::SocketFailed(_) => {
            "raise the limit of open files, or lower the number of sessions"
        }
        _ => return None,
    })
}

/// The finding for a port that no exchanger answers on.
fn blocked(id: &'static str, seen: String, why: Option<&NoReply>) -> Diagnosis {
    Diagnosis::fail(id, seen)
        .means(
            "nothing can be asked of mail servers: nearly every verdict is unknown \
             (no_connection or timeout)",
        )
        .remedy(why.and_then(own_remedy).unwrap_or(
            "have the hosting provider open outgoing TCP port 25 (many block it until asked), \
             check the firewall, or route through a SOCKS5 proxy (prober.identities) on a host \
             where it is open",
        ))
}

/// The reason why nothing was dialled.
fn reason_for_none(identity: &IdentityFacts, is_v4: bool) -> String {
    let reason = identity.attempts.iter().find_map(|attempt| {
        attempt.target.as_ref().err().map(|why| format!("{}: {why}", attempt.domain))
    });
    let anybody = identity.attempts.iter().any(|attempt| attempt.target.is_ok());
    match reason {
        Some(reason) if !anybody => reason,
        _ if identity.attempts.is_empty() => "doctor.exchangers names no domain".to_owned(),
        _ if is_v4 => "no exchanger that was looked up has an IPv4 address".to_owned(),
        _ => "no exchanger that was looked up has an IPv6 address".to_owned(),
    }
}

/// Judges whether the exchangers that answer let us in.
fn greeting(attempts: &[DialedTarget<'_>]) -> Diagnosis {
    const ID: &str = "greeting";
    let said: Vec<(&DialedTarget<'_>, &Greeting)> = attempts
        .iter()
        .filter_map(|attempt| Some((attempt, attempt.outcome.as_ref().ok()?)))
        .collect();
    let mute = attempts.iter().filter(|attempt| attempt.is_open).count() - said.len();
    if said.is_empty() && mute == 0 {
        return Diagnosis::skipped(ID, "no exchanger was reached");
    }
    let refusals: Vec<_> =
        said.iter().filter(|(_, greeting)| greeting.banner.code >= 400).collect();
    let (open, not_greeted) = (said.len() + mute, refusals.len() + mute);
    if not_greeted == 0 {
        return Diagnosis::pass(ID, format!("all {open} that were reached say 220"));
    }
    let words = match refusals.first() {
        Some((at, greeting)) => {
            let banner = &greeting.banner;
            format!("{} says {} {}", at.exchanger, banner.code, excerpt(&banner.text()))
        }
        None => "they say nothing, or what is not SMTP".to_owned(),
    };
    let seen = format!("{not_greeted} of {open} do not let us in; {words}");
    let found =
        if not_greeted < open { Diagnosis::warn(ID, seen) } else { Diagnosis::fail(ID, seen) };
    found
        .means("addresses at servers that refuse us before the session begins stay unknown: sender_blocked")
        .remedy(
            "read what they say: it names the blocklist or the rule; the checks of address, name \
             and blocklists below tell the usual reasons",
        )
}

/// Detects exchangers of different organisations that greet as one and the same host: then
/// something in between answers for them. Those at one address are one host indeed.
fn interception(attempts: &[DialedTarget<'_>]) -> Diagnosis {
    const ID: &str = "interception";
    let mut addresses = BTreeSet::new();
    let greeted = attempts.iter().filter_map(|attempt| {
        let banner = &attempt.outcome.as_ref().ok()?.banner;
        let text = banner.text();
        let host = text.split_ascii_whitespace().next()?.to_ascii_lowercase();
        let is_telling = host.contains('.') && addresses.insert(attempt.address);
        is_telling.then(|| (attempt.exchanger.registrable(), host))
    });
    let greeted: Vec<(DomainName, String)> = greeted.collect();
    let organisations: BTreeSet<&DomainName> = greeted.iter().map(|(name, _)| name).collect();
    if organisations.len() < 2 {
        let why = "it takes the banners of two organisations at addresses of their own to tell";
        return Diagnosis::skipped(ID, why);
    }
    let hosts: BTreeSet<&String> = greeted.iter().map(|(_, host)| host).collect();
    match hosts.first() {
        Some(host) if hosts.len() == 1 => {
            let names = listed(organisations);
            Diagnosis::fail(ID, format!("the exchangers of {names} all greet as {host}"))
                .means(
                    "something between this host and the internet answers for everybody: no \
                     verdict about a mailbox can be believed",
                )
                .remedy(
                    "have the provider or firewall take its mail proxy off outgoing port 25, or \
                     use another host",
                )
        }
        _ => Diagnosis::pass(ID, "exchangers greet with names of their own"),
    }
}

/// The start of what a server said: one line, printable.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 100;
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    crate::address::redact::text(line.trim())
}
