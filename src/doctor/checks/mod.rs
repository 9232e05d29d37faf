//! The checks: each takes facts and finds. Pure, one file for each matter.

mod address;
mod blocklist;
mod clock;
mod reach;
mod resolver;
mod sender;
mod setup;

use super::config::Config;
use super::facts::{IdentityFacts, Observations};
use super::finding::{Diagnosis, Report};

/// Judges everything that was looked at: the host first, then each identity.
#[must_use]
pub fn judge(facts: &Observations, config: &Config) -> Report {
    let mut findings = Vec::new();
    for nameserver in &facts.nameservers {
        findings.extend(resolver::check(nameserver, &config.resolver));
    }
    findings.push(clock::check(facts, config.clock_tolerance));
    findings.extend(setup::same_address(facts));
    findings.extend(setup::unknown_identities(facts, &config.public_addresses));
    for identity in &facts.identities {
        let found = of_identity(identity).into_iter();
        findings.extend(found.map(|finding| finding.for_identity(&identity.setup.name)));
    }
    Report { findings }
}

fn of_identity(identity: &IdentityFacts) -> Vec<Diagnosis> {
    let mut findings = reach::check(identity);
    findings.extend(address::public(identity));
    findings.push(address::helo(identity));
    findings.extend(address::reverse(identity));
    findings.extend(sender::spf(identity));
    findings.extend(sender::domain(identity));
    findings.push(setup::null_sender(identity));
    findings.extend(blocklist::check(identity));
    findings
}

/// Words in a row: `a, b and c`; nothing for none.
fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
