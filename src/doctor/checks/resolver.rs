//! Is the name server honest, does it check signatures, is it quick, does it bring large answers?

use std::net::IpAddr;
use std::time::Duration;

use super::listed;
use crate::dns::DnsFailure;
use crate::dns::query::QueryResult;
use crate::doctor::config::ResolverConfig;
use crate::doctor::facts::{NameserverFacts, TimedResult};
use crate::doctor::finding::Diagnosis;

const OWN: &str = "name an honest resolver in dns.nameservers, best one of your own (unbound, \
                   knot-resolver) on this host";

pub(super) fn check(facts: &NameserverFacts, config: &ResolverConfig) -> Vec<Diagnosis> {
    [known_domains(facts), honesty(facts), dnssec(facts), speed(facts, config.slow), large(facts)]
        .map(|finding| finding.about(facts.address))
        .into()
}

/// Judges whether well-known domains are found.
fn known_domains(facts: &NameserverFacts) -> Diagnosis {
    const ID: &str = "dns_known";
    let answered: Vec<&TimedResult> =
        facts.known.iter().filter(|timed| timed.heard.failure().is_none()).collect();
    let denied: Vec<&&TimedResult> =
        answered.iter().filter(|timed| timed.heard.is_void()).collect();
    let Some(first) = denied.first() else {
        if answered.is_empty() {
            return unheard(ID, facts.known.first());
        }
        let names = listed(answered.iter().map(|timed| &timed.name));
        return Diagnosis::pass(ID, format!("{names} are found"));
    };
    let (no, count) = (denied.len(), answered.len());
    let seen = format!(
        "{no} of {count} well-known mail domains are said to have no mail; {} is one",
        first.name
    );
    if no < count {
        return Diagnosis::warn(ID, seen)
            .means(
                "if the name server hides domains that exist, good addresses become \
                 undeliverable: domain_not_found",
            )
            .remedy(
                "see whether doctor.exchangers names domains that exist; if it does, do not \
                 trust this name server",
            );
    }
    Diagnosis::fail(ID, seen)
        .means(
            "good addresses become undeliverable (domain_not_found): act on no verdict of this \
             host",
        )
        .remedy(
            "name a resolver that sees the whole internet in dns.nameservers; this one answers \
             for its own network only",
        )
}

/// Judges whether NXDOMAIN arrives as such.
fn honesty(facts: &NameserverFacts) -> Diagnosis {
    const ID: &str = "dns_nxdomain";
    let all: Vec<&TimedResult> = facts.made_up.iter().chain(&facts.made_up_below).collect();
    let answered: Vec<&&TimedResult> =
        all.iter().filter(|timed| timed.heard.failure().is_none()).collect();
    if answered.is_empty() {
        return unheard(ID, all.first().copied());
    }
    let invented: Vec<IpAddr> =
        answered.iter().flat_map(|timed| timed.heard.addresses()).copied().collect();
    if let Some(first) = invented.first() {
        let count = answered.iter().filter(|timed| !timed.heard.addresses().is_empty()).count();
        let seen = format!(
            "{count} of {} names that do not exist are said to be at {first}",
            answered.len()
        );
        return Diagnosis::fail(ID, seen)
            .means(
                "domains that do not exist look alive: domain_not_found is never seen, their \
                 addresses end as unknown",
            )
            .remedy(OWN);
    }
    let is_no = |timed: &&TimedResult| matches!(timed.heard, QueryResult::NoSuchName { .. });
    let yes_but: Vec<&TimedResult> = facts
        .made_up
        .iter()
        .filter(|timed| timed.heard.failure().is_none() && !is_no(timed))
        .collect();
    if let Some(first) = yes_but.first() {
        return Diagnosis::warn(
            ID,
            format!("{}, which does not exist, is said to exist without records", first.name),
        )
        .means("domains that do not exist become no_mail_host instead of domain_not_found")
        .remedy(OWN);
    }
    let bare = QueryResult::NoSuchName { with_soa: false };
    if answered.iter().any(|timed| timed.heard == bare) {
        return Diagnosis::warn(
            ID,
            "\"no such name\" comes without an SOA record, as filters say it",
        )
        .means("a filter may call domains that exist domain_not_found")
        .remedy(OWN);
    }
    Diagnosis::pass(ID, format!("{} names that do not exist are said not to", answered.len()))
}

/// Judges whether broken signatures are noticed.
fn dnssec(facts: &NameserverFacts) -> Diagnosis {
    const ID: &str = "dns_dnssec";
    let Some(bogus) = facts.bogus.iter().find(|timed| is_telling(&timed.heard)) else {
        return unheard(ID, facts.bogus.first());
    };
    if bogus.heard.failure().is_none() {
        return Diagnosis::warn(
            ID,
            format!("{} has broken signatures and is answered all the same", bogus.name),
        )
        .means(
            "forged answers would be believed: a false \"no such domain\" makes good addresses \
             undeliverable",
        )
        .remedy("let the resolver validate (DNSSEC), or ask one that does");
    }
    match facts.signed.iter().find(|timed| !timed.heard.addresses().is_empty()) {
        Some(signed) => Diagnosis::pass(
            ID,
            format!(
                "broken signatures are refused ({}), good ones are not ({})",
                bogus.name, signed.name
            ),
        ),
        None => Diagnosis::skipped(
            ID,
            format!("{} is refused, but so is every name with good signatures", bogus.name),
        ),
    }
}

/// An answer, or the refusal that a validating resolver gives.
fn is_telling(heard: &QueryResult) -> bool {
    match heard {
        QueryResult::Failed(failure) => {
            matches!(failure, DnsFailure::ServerFailure(why) if why == "SERVFAIL")
        }
        QueryResult::NoSuchName { .. } => false,
        _ => true,
    }
}

/// Judges how long answers take.
fn speed(facts: &NameserverFacts, slow: Duration) -> Diagnosis {
    const ID: &str = "dns_speed";
    let all = facts.known.iter().chain(&facts.made_up).chain(&facts.made_up_below);
    let all: Vec<&TimedResult> = all.collect();
    let mut times: Vec<Duration> =
        all.iter().filter(|t| t.heard.failure().is_none()).map(|t| t.took).collect();
    times.sort_unstable();
    let Some(median) = times.get(times.len() / 2).copied() else {
        let first = all.first().and_then(|timed| timed.heard.failure());
        return match first {
            Some(failure) => {
                Diagnosis::fail(ID, format!("{} questions, no answer: {failure}", all.len()))
                    .means(
                        "no domain can be looked up through it: dns_failure, or the wait until \
                         the next one is asked",
                    )
                    .remedy(
                        "check that the name server runs and is reachable on UDP and TCP port \
                         53, or name another in dns.nameservers",
                    )
            }
            None => Diagnosis::skipped(ID, "nothing was asked"),
        };
    };
    let seen = format!("median {} ms over {} questions", median.as_millis(), times.len());
    if median > slow {
        return Diagnosis::warn(ID, seen)
            .means("lists go slowly, and short deadlines end as unknown: timeout or dns_failure")
            .remedy("ask a resolver near this host, best one on it that keeps a cache");
    }
    if times.len() < all.len() {
        let lost = all.len() - times.len();
        return Diagnosis::warn(ID, format!("{seen}; {lost} were not answered"))
            .means("some domains stay unknown: dns_failure")
            .remedy("run it again; if it stays so, check the path to the name server for loss");
    }
    Diagnosis::pass(ID, seen)
}

/// Judges whether answers larger than one packet arrive.
fn large(facts: &NameserverFacts) -> Diagnosis {
    const ID: &str = "dns_large_answers";
    if let Some(whole) = facts.large.iter().find(|timed| !timed.heard.texts().is_empty()) {
        let size: usize = whole.heard.texts().iter().map(String::len).sum();
        return Diagnosis::pass(ID, format!("{} octets of {} arrived", size, whole.name));
    }
    match facts.large.first() {
        Some(TimedResult { name, heard: QueryResult::Failed(failure), .. }) => Diagnosis::warn(
            ID,
            format!("the large answer of {name} did not arrive: {failure}"),
        )
        .means("domains with many records stay unknown: dns_failure")
        .remedy("let TCP port 53 through to the name server, and UDP packets that come in pieces"),
        Some(TimedResult { name, .. }) => {
            Diagnosis::skipped(ID, format!("{name} has no large answer any more"))
        }
        None => Diagnosis::skipped(ID, "doctor.resolver.large names nothing"),
    }
}

fn unheard(id: &'static str, first: Option<&TimedResult>) -> Diagnosis {
    match first {
        Some(TimedResult { name, heard: QueryResult::Failed(failure), .. }) => {
            Diagnosis::skipped(id, format!("{name}: {failure}"))
        }
        Some(TimedResult { name, .. }) => {
            Diagnosis::skipped(id, format!("{name} does not exist any more"))
        }
        None => Diagnosis::skipped(id, "doctor.resolver names nothing to ask for"),
    }
}
