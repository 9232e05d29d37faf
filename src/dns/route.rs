//! From an MX answer to a [`Route`] (RFC 5321 section 5.1, RFC 7505). Pure.
//!
//! It finds the exchangers that a domain names, not their addresses: those are looked up only for
//! the exchangers that are dialled.

use std::net::IpAddr;

use super::answer::{Answer, MxRecord};
use super::facts::{Exchanger, HostFacts, Note, Route};
use crate::address::DomainName;

/// The route that the MX answer settles, with the oddities seen.
///
/// The route is `None` if there is no MX record at all: then the domain's own addresses decide
/// (see [`without_mx`]). MX records of which none is usable are a settled [`Route::NoMail`]:
/// RFC 5321 section 5.1 forbids falling back to the addresses.
#[must_use]
pub fn from_mx(answer: &Answer<MxRecord>) -> (Option<Route>, Vec<Note>) {
    let mut notes: Vec<Note> =
        answer.alias_of().cloned().map(Note::DomainIsAlias).into_iter().collect();
    let route = match answer {
        Answer::NoSuchName { .. } => Some(Route::NoSuchDomain),
        Answer::NoData { .. } => None,
        Answer::Records { records, .. } => Some(from_records(records, &mut notes)),
    };
    (route, notes)
}

/// The route of a domain without MX records: itself, if it has an address.
#[must_use]
pub fn without_mx(domain: &DomainName, addresses: &HostFacts) -> Route {
    if addresses.addresses.is_empty() {
        Route::NoMail
    } else {
        Route::ImplicitMx(Exchanger { host: domain.clone(), preference: 0 })
    }
}

fn from_records(records: &[MxRecord], notes: &mut Vec<Note>) -> Route {
    // RFC 7505 asks for preference 0; the root as the only exchange says the same without it.
    if records.iter().all(|record| is_root(&record.exchange)) {
        return Route::NullMx;
    }
    let mut exchangers: Vec<Exchanger> = Vec::with_capacity(records.len());
    for MxRecord { preference, exchange } in records {
        match kind(exchange) {
            ExchangeKind::Root => push_new(notes, Note::NullMxBesideOthers),
            ExchangeKind::Literal => push_new(notes, Note::ExchangerIsLiteral(exchange.clone())),
            ExchangeKind::NotAHost => push_new(notes, Note::ExchangerIsNotAHost(exchange.clone())),
            ExchangeKind::Host => {
                exchangers.push(Exchanger { host: exchange.clone(), preference: *preference });
            }
        }
    }
    keep_the_best_of_each_host(&mut exchangers);
    if exchangers.is_empty() { Route::NoMail } else { Route::Exchangers(exchangers.into()) }
}

/// Sorts by preference, then name; a host named twice is tried once, at its best preference.
fn keep_the_best_of_each_host(exchangers: &mut Vec<Exchanger>) {
    exchangers.sort_by(|a, b| (&a.host, a.preference).cmp(&(&b.host, b.preference)));
    exchangers.dedup_by(|later, first| later.host == first.host);
    exchangers.sort_by(|a, b| (a.preference, &a.host).cmp(&(b.preference, &b.host)));
}

fn push_new(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// The kinds of thing an MX record can point to.
enum ExchangeKind {
    Host,
    Root,
    Literal,
    NotAHost,
}

fn kind(exchange: &DomainName) -> ExchangeKind {
    if is_root(exchange) {
        ExchangeKind::Root
    } else if is_literal(exchange) {
        ExchangeKind::Literal
    } else if exchange.as_str().split('.').all(is_host_label) {
        ExchangeKind::Host
    } else {
        ExchangeKind::NotAHost
    }
}

fn is_root(exchange: &DomainName) -> bool {
    exchange.as_str().is_empty()
}

/// `192.0.2.1`, `2001:db8::1`, and either in square brackets.
fn is_literal(exchange: &DomainName) -> bool {
    let text = exchange.as_str();
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    inner.strip_prefix("ipv6:").unwrap_or(inner).parse::<IpAddr>().is_ok()
}

/// Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore that real hosts use.
fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests;
