//! From an A and an AAAA answer to the addresses of a host. Pure.
//!
//! It does not decide which addresses may be dialled.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::answer::Answer;
use super::facts::{DnsFailure, HostFacts};
use super::lifetime::Lifetimes;
use crate::address::DomainName;

/// The answer to one address question, or the failure.
pub type AddressAnswer = Result<Answer<IpAddr>, DnsFailure>;

/// Joins the two answers.
///
/// One half is enough if it has an address; the answer then lives for minutes only, so that the
/// other half is asked for again soon. "No address" needs both halves.
///
/// # Errors
/// Both halves failed, or one failed and the other has no address: unknown.
pub fn from_answers(
    host: &DomainName,
    a: AddressAnswer,
    aaaa: AddressAnswer,
    lifetimes: &Lifetimes,
    now: SystemTime,
) -> Result<HostFacts, DnsFailure> {
    let (life, exists) = match (&a, &aaaa) {
        (Ok(a), Ok(aaaa)) => (life_of_both(a, aaaa, lifetimes), a.exists() || aaaa.exists()),
        (Ok(Answer::Records { ttl, .. }), Err(_)) | (Err(_), Ok(Answer::Records { ttl, .. })) => {
            (lifetimes.half(*ttl), true)
        }
        (Err(failure), _) | (_, Err(failure)) => return Err(failure.clone()),
    };
    let halves = [aaaa.as_ref().ok(), a.as_ref().ok()];
    let [v6, v4] = halves.map(|half| half.map(Answer::records).unwrap_or_default());
    Ok(HostFacts {
        host: host.clone(),
        addresses: taking_turns(v6, v4),
        exists,
        alias_of: halves.into_iter().flatten().find_map(Answer::alias_of).cloned(),
        looked_up_at: now,
        valid_until: now + life,
    })
}

/// Addresses live as long as their records: that one family is missing shortens nothing.
fn life_of_both(a: &Answer<IpAddr>, aaaa: &Answer<IpAddr>, lifetimes: &Lifetimes) -> Duration {
    match (a.records().is_empty(), aaaa.records().is_empty()) {
        (false, true) => lifetimes.of(a),
        (true, false) => lifetimes.of(aaaa),
        _ => lifetimes.of(a).min(lifetimes.of(aaaa)),
    }
}

fn taking_turns(v6: &[IpAddr], v4: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity(v6.len() + v4.len());
    for turn in 0..v6.len().max(v4.len()) {
        addresses.extend(v6.get(turn));
        addresses.extend(v4.get(turn));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(texts: &[&str], ttl: u64) -> AddressAnswer {
        Ok(Answer::Records {
            records: texts.iter().map(|text| text.parse().unwrap()).collect(),
            alias_of: None,
            ttl: Duration::from_secs(ttl),
        })
    }

    fn no_data() -> AddressAnswer {
        Ok(Answer::NoData { alias_of: None, ttl: Some(Duration::from_secs(90)) })
    }

    fn no_such_name() -> AddressAnswer {
        Ok(Answer::NoSuchName { ttl: Some(Duration::from_secs(90)) })
    }

    fn servfail() -> AddressAnswer {
        Err(DnsFailure::ServerFailure("SERVFAIL".into()))
    }

    fn join(a: AddressAnswer, aaaa: AddressAnswer) -> Result<HostFacts, DnsFailure> {
        let host = DomainName::from_ascii("mx.example");
        from_answers(&host, a, aaaa, &Lifetimes::default(), SystemTime::UNIX_EPOCH)
    }

    fn life(facts: &HostFacts) -> u64 {
        facts.valid_until.duration_since(facts.looked_up_at).unwrap().as_secs()
    }

    #[test]
    fn addresses_of_both_families_take_turns_ipv6_first() {
        let facts = join(
            records(&["192.0.2.1", "192.0.2.2", "192.0.2.3"], 300),
            records(&["2001:db8::1", "2001:db8::2"], 200),
        )
        .unwrap();
        let texts: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(life(&facts), 200);
    }

    #[test]
    fn a_missing_family_does_not_shorten_the_life_of_the_other() {
        let facts = join(records(&["192.0.2.1"], 7_200), no_data()).unwrap();
        assert_eq!((facts.addresses.len(), life(&facts)), (1, 7_200));
    }

    #[test]
    fn half_a_failure_is_usable_and_short_lived() {
        for facts in [
            join(records(&["192.0.2.1"], 7_200), servfail()),
            join(servfail(), records(&["2001:db8::1"], 7_200)),
        ] {
            let facts = facts.unwrap();
            assert_eq!((facts.addresses.len(), facts.exists, life(&facts)), (1, true, 300));
        }
    }

    #[test]
    fn half_a_failure_without_an_address_is_a_failure_never_a_no() {
        for facts in [
            join(no_data(), servfail()),
            join(servfail(), no_data()),
            join(no_such_name(), servfail()),
            join(servfail(), no_such_name()),
            join(servfail(), Err(DnsFailure::Timeout)),
        ] {
            assert_eq!(facts, Err(DnsFailure::ServerFailure("SERVFAIL".into())));
        }
    }

    #[test]
    fn a_host_exists_unless_both_families_say_nxdomain() {
        assert!(!join(no_such_name(), no_such_name()).unwrap().exists);
        assert!(join(no_data(), no_such_name()).unwrap().exists);
        let lied_about = join(records(&["192.0.2.1"], 300), no_such_name()).unwrap();
        assert!(lied_about.exists && lied_about.addresses.len() == 1);
        assert_eq!(life(&join(no_such_name(), no_such_name()).unwrap()), 90);
    }

    #[test]
    fn an_alias_is_told_even_if_only_one_family_shows_it() {
        let alias_of = Some(DomainName::from_ascii("real.example"));
        let answer = Ok(Answer::NoData { alias_of: alias_of.clone(), ttl: None });
        assert_eq!(join(answer, no_data()).unwrap().alias_of, alias_of);
    }
}
