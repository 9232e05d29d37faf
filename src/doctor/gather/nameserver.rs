//! Asks one name server what shows whether it is honest, quick and whole.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;

use futures_util::future::{join, join_all, join3};

use super::dns_client::DnsClient;
use crate::address::DomainName;
use crate::dns::query::{Query, QueryResult};
use crate::doctor::config::Config;
use crate::doctor::facts::{NameserverFacts, TimedResult};
use crate::doctor::name::ConfiguredName;

pub(super) async fn gather_facts(
    address: SocketAddr,
    client: &DnsClient,
    config: &Config,
) -> NameserverFacts {
    let resolver = &config.resolver;
    let made_up_in = |named: &ConfiguredName| Query::Ipv4(made_up(named.name()));
    let ipv4 = |named: &ConfiguredName| Query::Ipv4(named.name().clone());
    let txt = |named: &ConfiguredName| Query::Texts(named.name().clone());
    let ((made_up, made_up_below, known), (bogus, signed, large)) = join(
        join3(
            ask_all(client, &resolver.made_up_under, made_up_in),
            ask_all(client, &resolver.registered, made_up_in),
            join_all(config.exchangers.iter().map(|named| mail(client, named.name()))),
        ),
        join3(
            ask_all(client, &resolver.bogus, ipv4),
            ask_all(client, &resolver.signed, ipv4),
            ask_all(client, &resolver.large, txt),
        ),
    )
    .await;
    NameserverFacts { address, made_up, made_up_below, known, bogus, signed, large }
}

/// Asks for the mail of a domain: its exchangers, or itself where it exists and names none
/// (RFC 5321 section 5.1).
async fn mail(client: &DnsClient, domain: &DomainName) -> TimedResult {
    let mx = client.timed(&Query::Exchangers(domain.clone())).await;
    if mx.heard != QueryResult::NoData {
        return mx;
    }
    for question in [Query::Ipv4(domain.clone()), Query::Ipv6(domain.clone())] {
        let own = client.timed(&question).await;
        if !own.heard.is_void() {
            return own;
        }
    }
    mx
}

async fn ask_all(
    client: &DnsClient,
    names: &[ConfiguredName],
    question: impl Fn(&ConfiguredName) -> Query,
) -> Vec<TimedResult> {
    join_all(names.iter().map(|name| {
        let question = question(name);
        async move { client.timed(&question).await }
    }))
    .await
}

/// A name that does not exist: std's hash keys are random.
fn made_up(parent: &DomainName) -> DomainName {
    let random = RandomState::new().build_hasher().finish();
    DomainName::from_ascii(&format!("mailvet-{random:016x}.{parent}"))
}
