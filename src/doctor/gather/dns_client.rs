//! DNS client with a deadline: every outcome becomes a [`QueryResult`].

use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::address::DomainName;
use crate::clock::Clock;
use crate::dns::answer::Answer;
use crate::dns::query::{Query, QueryResult};
use crate::dns::{self, DnsFailure, HostFacts, Lookup as _, Resolver, Route, SetupError};
use crate::doctor::facts::TimedResult;

/// Questions under way at a time: a check-up is no load.
const AT_A_TIME: usize = 32;

/// Asks name servers until the deadline; after it the answer is unknown.
pub(super) struct DnsClient {
    resolver: Resolver,
    clock: Clock,
    deadline: SystemTime,
    permits: Semaphore,
}

impl DnsClient {
    pub(super) fn new(
        config: dns::Config,
        clock: Clock,
        deadline: SystemTime,
    ) -> Result<Self, SetupError> {
        let resolver = Resolver::new(config, clock)?;
        Ok(Self { resolver, clock, deadline, permits: Semaphore::new(AT_A_TIME) })
    }

    /// The name servers that are asked.
    pub(super) fn servers(&self) -> &[SocketAddr] {
        self.resolver.servers()
    }

    pub(super) async fn ask(&self, question: &Query) -> QueryResult {
        self.timed(question).await.heard
    }

    /// The answer, and how long it took once it was asked for.
    pub(super) async fn timed(&self, question: &Query) -> TimedResult {
        let asked = self.in_time(async {
            let start = self.clock.now();
            let heard = self.hear(question).await;
            (heard, self.clock.now().duration_since(start).unwrap_or_default())
        });
        let (heard, took) = asked
            .await
            .unwrap_or_else(|failure| (QueryResult::Failed(failure), Default::default()));
        let name = match question {
            Query::Texts(name)
            | Query::Ipv4(name)
            | Query::Ipv6(name)
            | Query::Exchangers(name) => name.clone(),
            Query::Names(address) => dns::reverse::name(*address),
        };
        TimedResult { name, heard, took }
    }

    /// Looks up the mail route of a domain.
    pub(super) async fn route(&self, domain: &DomainName) -> Result<Route, DnsFailure> {
        Ok(self.in_time(self.resolver.domain(domain)).await??.facts.route)
    }

    /// The addresses of a host.
    pub(super) async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure> {
        self.in_time(self.resolver.host(host)).await?
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, DnsFailure> {
        let permitted = async {
            // Never closed, so a permit always comes.
            let _permit = self.permits.acquire().await;
            work.await
        };
        timeout_at(self.clock.instant(self.deadline), permitted)
            .await
            .map_err(|_| DnsFailure::Timeout)
    }

    async fn hear(&self, question: &Query) -> QueryResult {
        match question {
            Query::Texts(name) => heard(self.resolver.texts(name).await, QueryResult::Texts),
            Query::Ipv4(name) => heard(self.resolver.ipv4(name).await, QueryResult::Addresses),
            Query::Ipv6(name) => heard(self.resolver.ipv6(name).await, QueryResult::Addresses),
            Query::Names(address) => heard(self.resolver.names(*address).await, QueryResult::Names),
            Query::Exchangers(name) => heard(self.resolver.mx(name).await, |mut records| {
                records.sort_by_key(|record| record.preference);
                QueryResult::Names(records.into_iter().map(|record| record.exchange).collect())
            }),
        }
    }
}

fn heard<R>(
    answer: Result<Answer<R>, DnsFailure>,
    found: impl Fn(Vec<R>) -> QueryResult,
) -> QueryResult {
    match answer {
        Ok(Answer::Records { records, .. }) => found(records),
        Ok(Answer::NoData { .. }) => QueryResult::NoData,
        Ok(Answer::NoSuchName { ttl }) => QueryResult::NoSuchName { with_soa: ttl.is_some() },
        Err(failure) => QueryResult::Failed(failure),
    }
}
