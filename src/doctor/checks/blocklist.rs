//! DNS blocklists (RFC 5782): listed, not listed, or no honest answer, which is neither.

use std::net::{IpAddr, Ipv4Addr};

use super::address::NO_ADDRESS;
use super::listed;
use crate::dns::query::QueryResult;
use crate::doctor::blocklist::Weight;
use crate::doctor::facts::{IdentityFacts, ListFacts};
use crate::doctor::finding::Diagnosis;

const ID: &str = "blocklist";

pub(super) fn check(identity: &IdentityFacts) -> Vec<Diagnosis> {
    if identity.addresses.is_empty() {
        return vec![Diagnosis::skipped(ID, NO_ADDRESS)];
    }
    let mut findings = Vec::new();
    for facts in &identity.addresses {
        for list in &facts.lists {
            let subject = format!("{} at {}", facts.address, list.list.zone.name());
            findings.push(judge_list(list).about(subject));
        }
    }
    findings
}

/// The meaning of one answer from a blocklist.
#[derive(Debug, PartialEq, Eq)]
enum BlocklistAnswer {
    /// An entry.
    Entry(Ipv4Addr),
    /// The list says that it does not answer us.
    Refused,
    /// Not an answer of a list at all: a parked domain, a name server that makes things up.
    Nonsense,
}

/// RFC 5782 section 2.1 has entries in 127.0.0.0/8; 127.0.0.1 is not to be one, and the large lists
/// say "query refused" in 127.255.255.0/24.
fn classify_answer(address: &IpAddr) -> BlocklistAnswer {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [127, 255, 255, _] => BlocklistAnswer::Refused,
            [127, 0, 0, 0 | 1] => BlocklistAnswer::Nonsense,
            [127, ..] => BlocklistAnswer::Entry(*v4),
            _ => BlocklistAnswer::Nonsense,
        },
        IpAddr::V6(_) => BlocklistAnswer::Nonsense,
    }
}

/// Returns whether an answer holds an entry.
fn is_entry(heard: &QueryResult) -> bool {
    heard
        .addresses()
        .iter()
        .any(|address| matches!(classify_answer(address), BlocklistAnswer::Entry(_)))
}

fn judge_list(facts: &ListFacts) -> Diagnosis {
    let heard = [&facts.own, &facts.listed_point, &facts.unlisted_point];
    if heard.iter().any(|heard| {
        heard.addresses().iter().any(|a| classify_answer(a) == BlocklistAnswer::Refused)
    }) {
        return unusable(
            "it refuses our queries (its own answer code says so), which does not mean listed",
        );
    }
    if let Some(failure) = facts.own.failure() {
        return unusable(&format!("it did not answer: {failure}"));
    }
    if heard.iter().any(|heard| {
        heard.addresses().iter().any(|a| classify_answer(a) == BlocklistAnswer::Nonsense)
    }) {
        return gone(
            "its answer is not one of a list: the list is gone, or the name server made it up",
        );
    }
    if is_entry(&facts.unlisted_point) {
        return gone(
            "it lists everybody, even the address that no list may have: it is out of use",
        );
    }
    if facts.own.is_void() && !is_entry(&facts.listed_point) {
        let why = match facts.listed_point.failure() {
            Some(failure) => format!("its test entry could not be looked up: {failure}"),
            None => "it does not show its test entry, so \"not listed\" means nothing".to_owned(),
        };
        return unusable(&why);
    }
    if facts.own.is_void() {
        return Diagnosis::pass(ID, "not listed");
    }
    entry(facts)
}

fn entry(facts: &ListFacts) -> Diagnosis {
    let list = &facts.list;
    let kinds = facts.own.addresses().iter().filter_map(|address| match classify_answer(address) {
        BlocklistAnswer::Entry(code) => Some(match list.codes.get(&code) {
            Some(what) => format!("{what} ({code})"),
            None => format!("an entry of a kind not known here ({code})"),
        }),
        _ => None,
    });
    let mut seen = format!("listed: {}", listed(kinds));
    if let Some(reason) = &facts.reason {
        let reason: String =
            reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
        seen.push_str(&format!("; it says \"{reason}\""));
    }
    let (found, many) = match list.weight {
        Weight::Fail => (Diagnosis::fail(ID, seen), "the many"),
        Weight::Warn => (Diagnosis::warn(ID, seen), "the few"),
    };
    let removal = match &list.removal {
        Some(page) => format!("stop what got the address listed, then ask for removal at {page}"),
        None => "stop what got the address listed, then ask the list for removal".to_owned(),
    };
    found
        .means(format!("{many} servers that use this list refuse us: sender_blocked"))
        .remedy(removal)
}

/// A list that does not answer *us*.
fn unusable(why: &str) -> Diagnosis {
    Diagnosis::skipped(ID, why).remedy(
        "lists refuse large public resolvers: ask through a resolver of your own \
         (dns.nameservers), or take the list out of doctor.blocklists",
    )
}

/// A list that gives no answers.
fn gone(why: &str) -> Diagnosis {
    Diagnosis::skipped(ID, why).remedy("take it out of doctor.blocklists")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsFailure;
    use crate::doctor::blocklist::Blocklist;

    fn heard(codes: &[&str]) -> QueryResult {
        if codes.is_empty() {
            return QueryResult::NoSuchName { with_soa: true };
        }
        QueryResult::Addresses(codes.iter().map(|code| code.parse().unwrap()).collect())
    }

    fn list(own: QueryResult, listed_point: QueryResult, unlisted_point: QueryResult) -> ListFacts {
        let list: Blocklist = toml::from_str(
            "zone = \"bl.test\"\ncodes = { \"127.0.0.4\" = \"an infected machine\" }",
        )
        .unwrap();
        ListFacts { list, listed_point, unlisted_point, own, reason: None }
    }

    fn found(own: &[&str], listed_point: &[&str], unlisted_point: &[&str]) -> (String, String) {
        let finding = judge_list(&list(heard(own), heard(listed_point), heard(unlisted_point)));
        (finding.status.name().to_owned(), finding.seen)
    }

    #[test]
    fn a_list_that_answers_honestly_is_believed() {
        let (status, seen) = found(&[], &["127.0.0.2"], &[]);
        assert_eq!((status.as_str(), seen.as_str()), ("pass", "not listed"));
        let (status, seen) = found(&["127.0.0.4"], &["127.0.0.2"], &[]);
        assert_eq!(status, "fail");
        assert_eq!(seen, "listed: an infected machine (127.0.0.4)");
        let (status, seen) = found(&["127.0.0.4", "127.0.0.99"], &["127.0.0.2"], &[]);
        assert!(status == "fail" && seen.contains("a kind not known here (127.0.0.99)"), "{seen}");
    }

    #[test]
    fn an_entry_is_believed_even_if_the_test_point_is_silent() {
        assert_eq!(found(&["127.0.0.4"], &[], &[]).0, "fail");
    }

    #[test]
    fn a_list_that_does_not_answer_us_neither_lists_nor_clears() {
        for (own, listed_point, unlisted_point, words) in [
            (&["127.255.255.254"][..], &["127.255.255.254"][..], &[][..], "refuses our queries"),
            (&[], &["127.255.255.252"], &[], "refuses our queries"),
            (&["127.0.0.2"], &["127.0.0.2"], &["127.255.255.255"], "refuses our queries"),
            (&[], &[], &[], "does not show its test entry"),
            (&["127.0.0.2"], &["127.0.0.2"], &["127.0.0.2"], "lists everybody"),
            (&["192.0.2.80"], &["192.0.2.80"], &["192.0.2.80"], "not one of a list"),
            (&["127.0.0.1"], &["127.0.0.2"], &[], "not one of a list"),
        ] {
            let (status, seen) = found(own, listed_point, unlisted_point);
            assert!(status == "skipped" && seen.contains(words), "{own:?}: {status} {seen}");
        }
    }

    #[test]
    fn a_failure_of_dns_is_not_an_entry() {
        let failed = || QueryResult::Failed(DnsFailure::ServerFailure("SERVFAIL".into()));
        for facts in [
            list(failed(), heard(&["127.0.0.2"]), heard(&[])),
            list(heard(&[]), failed(), heard(&[])),
            list(failed(), failed(), failed()),
        ] {
            let finding = judge_list(&facts);
            assert_eq!(finding.status.name(), "skipped");
            assert!(finding.seen.contains("SERVFAIL"), "{}", finding.seen);
        }
    }

    #[test]
    fn a_list_few_servers_use_only_warns_and_says_where_to_be_removed() {
        let mut facts = list(heard(&["127.0.0.4"]), heard(&["127.0.0.2"]), heard(&[]));
        facts.list.weight = Weight::Warn;
        facts.list.removal = Some("https://bl.test/".into());
        facts.reason = Some("caught \u{1b}[31m yesterday".into());
        let finding = judge_list(&facts);
        assert_eq!(finding.status.name(), "warn");
        assert!(finding.remedy.contains("https://bl.test/"), "{}", finding.remedy);
        assert!(finding.seen.ends_with("it says \"caught  [31m yesterday\""), "{}", finding.seen);
    }
}
