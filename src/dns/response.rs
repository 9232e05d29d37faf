//! What one response settles about a name: its records, another name to ask for, or that there are
//! none.

use std::iter;

use hickory_resolver::net::NoRecords;
use hickory_resolver::proto::op::{DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordRef, RecordType};

/// The most aliases of one chain that are followed. Resolvers follow no more themselves (BIND 16,
/// Unbound 11).
const CHAIN: usize = 16;

/// What a response settles.
#[derive(Debug)]
pub(super) enum Settled {
    /// There are records, here with the aliases that lead to them.
    Records(Vec<Record>),
    /// The name is an alias, and the response ends there.
    Alias {
        /// The records that say so.
        aliases: Vec<Record>,
        /// The name to ask for.
        next: Name,
    },
    /// There are no records, or only those of other names.
    Nothing(NoRecords),
}

/// Reads the response to a question for records of `owner`.
pub(super) fn settle(mut response: DnsResponse, owner: &Name, record_type: RecordType) -> Settled {
    response.answers.retain(|record| record.dns_class == DNSClass::IN);
    let end = aliases(owner, &response.answers).last().map_or(owner, |(_, target)| target);
    let is_answer = |record: &Record| {
        record.record_type() == record_type && (&record.name == end || &record.name == owner)
    };
    if response.answers.iter().any(is_answer) {
        return Settled::Records(response.into_message().answers);
    }
    if end != owner && record_type != RecordType::CNAME {
        let next = end.clone();
        return Settled::Alias { aliases: response.into_message().answers, next };
    }
    let question = Query::query(owner.clone(), record_type);
    let mut none = NoRecords::new(question, response.response_code);
    none.soa = response.soa().map(|soa| Box::new(RecordRef::to_owned(&soa)));
    none.negative_ttl = response.negative_ttl();
    Settled::Nothing(none)
}

/// FORMERR and NOTIMP are how a name server without EDNS answers a question with it.
pub(super) fn refuses_form(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp)
}

/// The aliases among `answers` that lead on from `name`, each with its target. Each step is one
/// record, so there are no more steps than records; nor more than [`CHAIN`].
pub(super) fn aliases<'a>(
    name: &'a Name,
    answers: &'a [Record],
) -> impl Iterator<Item = (&'a Record, &'a Name)> {
    let mut owner = name;
    iter::from_fn(move || {
        let step = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if &record.name == owner => Some((record, &target.0)),
            _ => None,
        })?;
        owner = step.1;
        Some(step)
    })
    .take(answers.len().min(CHAIN))
}

#[cfg(test)]
mod tests;
