//! What one response settles about a name: its records, another name to ask for, or that there are
//! none.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::NoRecords;
use hickory_resolver::proto::op::{DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordRef, RecordType};

use super::lifetime;

/// The most aliases of one chain that are followed. Resolvers follow no more themselves (BIND 16,
/// Unbound 11).
const CHAIN: usize = 16;

/// What a response settles.
#[derive(Debug)]
pub(super) enum Settled {
    /// There are records.
    Records {
        /// The records, all of the type that was asked for.
        records: Vec<Record>,
        /// The aliases that lead to them.
        chain: Chain,
    },
    /// The name is an alias, and the response ends there.
    Alias(Chain),
    /// There are no records, or only those of other names.
    Nothing(NoRecords),
}

/// Aliases, each of which leads on to the next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The name that they lead to: the one they begin with if there are none.
    pub(super) end: Name,
    /// The time for which all of them are good.
    pub(super) ttl: Duration,
}

impl Chain {
    /// This chain with `next`, which begins where it ends.
    pub(super) fn joined(self, next: Self) -> Self {
        Self { end: next.end, ttl: self.ttl.min(next.ttl) }
    }
}

/// Reads the response to a question for records of `owner`.
pub(super) fn settle(mut response: DnsResponse, owner: &Name, record_type: RecordType) -> Settled {
    response.answers.retain(|record| record.dns_class == DNSClass::IN);
    // A question for the alias itself is not about what it leads to.
    let followed = if record_type == RecordType::CNAME { 0 } else { CHAIN };
    let chain = chain(owner, &response.answers, followed);
    let is_answer =
        |record: &Record| record.record_type() == record_type && record.name == chain.end;
    if response.answers.iter().any(is_answer) {
        let mut records = response.into_message().answers;
        records.retain(is_answer);
        return Settled::Records { records, chain };
    }
    if chain.end != *owner {
        return Settled::Alias(chain);
    }
    let question = Query::query(owner.clone(), record_type);
    let mut none = NoRecords::new(question, response.response_code);
    none.soa = response.soa().map(|soa| Box::new(RecordRef::to_owned(&soa)));
    none.negative_ttl = response.negative_ttl();
    // Hickory notes no referral where addresses beside it look like an answer.
    let refers = response.authorities.iter().any(|record| record.record_type() == RecordType::NS);
    none.ns = refers.then(|| Arc::from([]));
    Settled::Nothing(none)
}

/// Returns whether a response is about `question`: it brings the question back, or is a header
/// alone that answers nothing. Who cannot read a question, does not want its sender, or has no room
/// for the answer may say so by a header alone (RFC 6891 section 7; Unbound).
pub(super) fn is_about(response: &DnsResponse, question: &Query) -> bool {
    let is_answer =
        matches!(response.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    let is_bare = response.queries.is_empty() && response.answers.is_empty();
    response.queries == slice::from_ref(question) || is_bare && (!is_answer || response.truncation)
}

/// FORMERR and NOTIMP are how a name server without EDNS answers a question with it.
pub(super) fn refuses_form(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp)
}

/// The aliases among `answers` that lead on from `name`. Each step is one record, so there are no
/// more steps than records; nor more than `limit`.
fn chain(name: &Name, answers: &[Record], limit: usize) -> Chain {
    let (mut end, mut ttl) = (name, Duration::MAX);
    for _ in 0..answers.len().min(limit) {
        let step = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if &record.name == end => Some((record.ttl, &target.0)),
            _ => None,
        });
        let Some((lives, target)) = step else { break };
        (end, ttl) = (target, ttl.min(lifetime::from_wire(lives)));
    }
    Chain { end: end.clone(), ttl }
}

#[cfg(test)]
mod tests;
