//! Asks one name server what shows whether it is honest, quick and whole.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;

use futures_util::future::{join, join_all, join3};

use super::dns_client::DnsClient;
use crate::address::DomainName;
use crate::dns::query::Query;
use crate::doctor::config::{Config, ConfiguredName};
use crate::doctor::facts::{NameserverFacts, TimedResult};

pub(super) async fn look(
    address: SocketAddr,
    asker: &DnsClient,
    config: &Config,
) -> NameserverFacts {
    let resolver = &config.resolver;
    let made_up_in = |named: &ConfiguredName| Query::Ipv4(made_up(named.name()));
    let ipv4 = |named: &ConfiguredName| Query::Ipv4(named.name().clone());
    let mx = |named: &ConfiguredName| Query::Exchangers(named.name().clone());
    let txt = |named: &ConfiguredName| Query::Texts(named.name().clone());
    let ((made_up, made_up_below, known), (bogus, signed, large)) = join(
        join3(
            all(asker, &resolver.made_up_under, made_up_in),
            all(asker, &resolver.registered, made_up_in),
            all(asker, &config.exchangers, mx),
        ),
        join3(
            all(asker, &resolver.bogus, ipv4),
            all(asker, &resolver.signed, ipv4),
            all(asker, &resolver.large, txt),
        ),
    )
    .await;
    NameserverFacts { address, made_up, made_up_below, known, bogus, signed, large }
}

async fn all(
    asker: &DnsClient,
    names: &[ConfiguredName],
    question: impl Fn(&ConfiguredName) -> Query,
) -> Vec<TimedResult> {
    join_all(names.iter().map(|name| {
        let question = question(name);
        async move { asker.timed(&question).await }
    }))
    .await
}

/// A name that nobody has: std's hash keys are random.
fn made_up(parent: &DomainName) -> DomainName {
    let random = RandomState::new().build_hasher().finish();
    DomainName::from_ascii(&format!("mailvet-{random:016x}.{parent}"))
}
