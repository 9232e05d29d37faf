//! The cache above a scripted lookup, under a paused clock; and above a real name server.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::*;
use crate::dns::{DomainLookup, Exchanger, Route};

mod turns;

/// Answers as it is told to, after as long as it is told to, and counts.
struct Script {
    clock: Clock,
    says: Mutex<Result<Route, DnsFailure>>,
    takes: Mutex<Duration>,
    domains: AtomicUsize,
    hosts: AtomicUsize,
}

const LIFE: Duration = Duration::from_secs(100);

impl Script {
    fn says(&self, says: Result<Route, DnsFailure>) {
        *self.says.lock().unwrap() = says;
    }

    fn takes(&self, takes: Duration) {
        *self.takes.lock().unwrap() = takes;
    }

    /// Domain lookups since the last time.
    fn domains(&self) -> usize {
        self.domains.swap(0, Ordering::SeqCst)
    }

    async fn say(&self) -> Result<(Route, SystemTime), DnsFailure> {
        let looked_up_at = self.clock.now();
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        self.says.lock().unwrap().clone().map(|route| (route, looked_up_at))
    }

    fn host_facts(host: &DomainName, addresses: usize, looked_up_at: SystemTime) -> HostFacts {
        HostFacts {
            host: host.clone(),
            addresses: (0..addresses).map(|_| IpAddr::from([192, 0, 2, 1])).collect(),
            exists: true,
            alias_of: None,
            looked_up_at,
            valid_until: looked_up_at + LIFE,
        }
    }
}

#[async_trait]
impl Lookup for Script {
    async fn domain(&self, domain: &DomainName) -> Result<DomainLookup, DnsFailure> {
        self.domains.fetch_add(1, Ordering::SeqCst);
        let (route, looked_up_at) = self.say().await?;
        let host = matches!(route, Route::ImplicitMx(_))
            .then(|| Self::host_facts(domain, 1, looked_up_at));
        let facts = DomainFacts {
            domain: domain.clone(),
            route,
            notes: vec![],
            looked_up_at,
            valid_until: looked_up_at + LIFE,
        };
        Ok(DomainLookup { facts, host })
    }

    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure> {
        self.hosts.fetch_add(1, Ordering::SeqCst);
        let (_, looked_up_at) = self.say().await?;
        Ok(Self::host_facts(host, 80, looked_up_at))
    }
}

fn cache_of(config: Config) -> (Arc<Script>, DnsCache) {
    let clock = Clock::start();
    let script = Arc::new(Script {
        clock,
        says: Mutex::new(Ok(mail())),
        takes: Mutex::default(),
        domains: AtomicUsize::new(0),
        hosts: AtomicUsize::new(0),
    });
    let lookup: Arc<dyn Lookup> = Arc::<Script>::clone(&script);
    (script, DnsCache::new(lookup, config, clock).unwrap())
}

fn cache() -> (Arc<Script>, DnsCache) {
    cache_of(Config::default())
}

fn name(text: &str) -> DomainName {
    DomainName::from_ascii(text)
}

fn mail() -> Route {
    Route::Exchangers([Exchanger { host: name("mx.example"), preference: 10 }].into())
}

fn servfail() -> DnsFailure {
    DnsFailure::ServerFailure("SERVFAIL".into())
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn pass(seconds: u64) {
    tokio::time::advance(s(seconds)).await;
}

/// Lets the background tasks run until they wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Asks about the one domain of these tests; says whether it came from the cache, and stale.
async fn ask(cache: &DnsCache, max_age: Option<Duration>) -> Result<(bool, bool), DnsFailure> {
    let cached = cache.domain(&name("a.example"), max_age).await?;
    Ok((cached.from_cache, cached.stale))
}

const LOOKED_UP: Result<(bool, bool), DnsFailure> = Ok((false, false));
const REMEMBERED: Result<(bool, bool), DnsFailure> = Ok((true, false));
const STALE: Result<(bool, bool), DnsFailure> = Ok((true, true));

#[tokio::test(start_paused = true)]
async fn an_answer_is_looked_up_once_in_its_life() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    pass(80).await;
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    assert_eq!(script.domains(), 1);
    pass(20).await;
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    assert_eq!(script.domains(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_negative_answer_is_remembered_as_an_answer() {
    let (script, cache) = cache();
    script.says(Ok(Route::NoSuchDomain));
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    assert_eq!(script.domains(), 1);
}

#[tokio::test(start_paused = true)]
async fn evidence_older_than_asked_for_is_looked_up_again() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    pass(10).await;
    assert_eq!(ask(&cache, Some(s(10))).await, REMEMBERED);
    pass(1).await;
    assert_eq!(ask(&cache, Some(s(10))).await, LOOKED_UP);
    assert_eq!(script.domains(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_questions_at_once_cost_one_lookup() {
    let (script, cache) = cache();
    script.takes(s(1));
    let mut askers = JoinSet::new();
    for _ in 0..1_000 {
        let cache = cache.clone();
        askers.spawn(async move { ask(&cache, Some(Duration::ZERO)).await });
    }
    for asked in askers.join_all().await {
        assert_eq!(asked, LOOKED_UP);
    }
    assert_eq!(script.domains(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_goes_on_when_the_first_asker_leaves() {
    let (script, cache) = cache();
    script.takes(s(2));
    let left = tokio::time::timeout(s(1), ask(&cache, None)).await;
    assert!(left.is_err());
    assert_eq!(ask(&cache, None).await, LOOKED_UP, "joined, not begun again");
    assert_eq!(script.domains(), 1);

    let left = tokio::time::timeout(s(1), ask(&cache, Some(Duration::ZERO))).await;
    assert!(left.is_err());
    pass(3).await;
    settle().await;
    assert_eq!(ask(&cache, Some(s(5))).await, REMEMBERED, "it ended with nobody waiting");
    assert_eq!(script.domains(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_seconds() {
    let (script, cache) = cache();
    script.says(Err(servfail()));
    assert_eq!(ask(&cache, None).await, Err(servfail()));
    script.says(Ok(mail()));
    pass(4).await;
    assert_eq!(ask(&cache, Some(Duration::ZERO)).await, Err(servfail()));
    assert_eq!(script.domains(), 1);
    pass(1).await;
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_serves_while_dns_fails() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    script.says(Err(servfail()));
    pass(200).await;
    script.domains();
    assert_eq!(ask(&cache, None).await, STALE);
    assert_eq!(ask(&cache, None).await, STALE);
    assert_eq!(script.domains(), 1, "the failure is remembered too");
    assert_eq!(ask(&cache, Some(s(150))).await, Err(servfail()), "too old for this asker");
    pass(5).await;
    script.says(Ok(mail()));
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    pass(100 + 24 * 60 * 60).await;
    script.says(Err(servfail()));
    assert_eq!(ask(&cache, None).await, Err(servfail()), "a day after its end");
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_serves_when_dns_is_slow_and_the_lookup_goes_on() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    pass(200).await;
    script.takes(s(4));
    let before = script.clock.now();
    assert_eq!(ask(&cache, None).await, STALE);
    assert_eq!(script.clock.now().duration_since(before).unwrap(), Duration::from_millis(1_800));
    pass(3).await;
    settle().await;
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    assert_eq!(script.domains(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_no_never_serves() {
    for route in [Route::NoSuchDomain, Route::NoMail, Route::NullMx] {
        let (script, cache) = cache();
        script.says(Ok(route));
        assert_eq!(ask(&cache, None).await, LOOKED_UP);
        script.says(Err(servfail()));
        pass(100).await;
        assert_eq!(ask(&cache, None).await, Err(servfail()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_use_is_refreshed_before_its_end() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    script.takes(s(2));
    pass(91).await;
    for _ in 0..10 {
        assert_eq!(ask(&cache, None).await, REMEMBERED, "nobody waits for the refresh");
    }
    settle().await;
    pass(3).await;
    settle().await;
    assert_eq!(script.domains(), 2);
    pass(50).await;
    assert_eq!(ask(&cache, None).await, REMEMBERED, "past the first answer's end");
    assert_eq!(script.domains(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_changes_nothing_and_is_tried_again_after_seconds() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    script.says(Err(servfail()));
    pass(91).await;
    for _ in 0..3 {
        assert_eq!(ask(&cache, None).await, REMEMBERED);
        settle().await;
    }
    assert_eq!(script.domains(), 2);
    pass(5).await;
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    settle().await;
    assert_eq!(script.domains(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_addresses_of_an_implicit_mx_are_not_asked_for_twice() {
    let (script, cache) = cache();
    let domain = name("a.example");
    script.says(Ok(Route::ImplicitMx(Exchanger { host: domain.clone(), preference: 0 })));
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    let host = cache.host(&domain, None).await.unwrap();
    assert!(host.from_cache && host.value.addresses.len() == 1);
    assert_eq!(script.hosts.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_memory_stays_within_its_capacity_and_keeps_the_latest() {
    let (script, cache) = cache_of(Config { domains: 10, hosts: 110, ..Config::default() });
    for i in 0..200 {
        cache.domain(&name(&format!("{i}.example")), None).await.unwrap();
    }
    assert!(cache.domains.weight().await <= 10);
    assert!(cache.domain(&name("199.example"), None).await.unwrap().from_cache);
    assert!(!cache.domain(&name("0.example"), None).await.unwrap().from_cache);

    for i in 0..200 {
        cache.host(&name(&format!("{i}.example")), None).await.unwrap();
    }
    let weight = cache.hosts.weight().await;
    assert!((11..=110).contains(&weight), "eighty addresses weigh eleven: {weight}");
    assert_eq!(weight % 11, 0);
    assert_eq!(script.hosts.load(Ordering::SeqCst), 200);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_lookups_and_starts_none() {
    let (script, cache) = cache();
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    script.takes(s(2));
    let left = tokio::time::timeout(s(1), cache.domain(&name("b.example"), None)).await;
    assert!(left.is_err());
    let before = script.clock.now();
    cache.drain().await;
    assert_eq!(script.clock.now().duration_since(before).unwrap(), s(1));
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    let refused = cache.domain(&name("c.example"), None).await;
    assert!(matches!(refused, Err(DnsFailure::Unreachable(_))));
    assert_eq!(script.domains(), 2);
}

#[tokio::test]
async fn a_thousand_questions_cost_one_mx_query_at_the_name_server() {
    use crate::dns::test_server::{AnswerTable, NODATA, NameServer, Says, address, mx};
    use crate::dns::{Config as DnsConfig, Resolver};
    use hickory_resolver::proto::rr::RecordType::{A, AAAA, MX};

    let table = AnswerTable::default()
        .with("a.test", MX, Says::Records(mx("a.test", 60, &[(10, "mx.test")])))
        .with("mx.test", A, Says::Records(vec![address("mx.test", 60, "192.0.2.1")]))
        .otherwise(NODATA);
    let server = NameServer::start(table).await;
    let clock = Clock::start();
    let config = DnsConfig { nameservers: vec![server.address], ..DnsConfig::default() };
    let resolver = Arc::new(Resolver::new(config, clock).unwrap());
    let cache = DnsCache::new(resolver, Config::default(), clock).unwrap();
    let mut askers = JoinSet::new();
    for _ in 0..1_000 {
        let cache = cache.clone();
        askers.spawn(async move {
            let route = cache.domain(&name("a.test"), None).await.unwrap();
            let host = &route.value.route.exchangers()[0].host;
            cache.host(host, None).await.unwrap().value.addresses.len()
        });
    }
    assert_eq!(askers.join_all().await, vec![1; 1_000]);
    // Over UDP the client may send a slow query again, three times at most.
    for (text, record_type) in [("a.test", MX), ("mx.test", A), ("mx.test", AAAA)] {
        let asked = server.asked(text, record_type);
        assert!((1..=4).contains(&asked), "{text} {record_type}: {asked}");
    }
    assert_eq!(server.asked("a.test", A) + server.asked("a.test", AAAA), 0);
    cache.drain().await;
}
