//! A network of scripted exchangers: on in-memory streams under a paused clock, or listening on
//! loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::duplex;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::exchanger::{Rules, Seen, Server};
use crate::address::{Address, DomainName};
use crate::cache::{self, DnsCache};
use crate::clock::Clock;
use crate::dns::{DnsFailure, DomainFacts, DomainLookup, Exchanger, HostFacts, Lookup, Route};
use crate::egress::{Connection, Dial, DialOptions};
use crate::prober::{Config, ProbeRequest, ProbeTarget, Prober};
use crate::smtp::dialogue::Interpret;
use crate::smtp::{self, Classifier, Explanation, Meaning, NoReply, Reply, RuleBasis, Stage};

struct Host {
    rules: Rules,
    seen: Arc<Mutex<Seen>>,
    address: IpAddr,
}

impl Host {
    fn addresses(&self) -> Vec<IpAddr> {
        let refusing = (1..=self.rules.refusing).map(|last| IpAddr::from([192, 89, 1, last]));
        refusing.chain([self.address]).collect()
    }
}

/// The network.
pub(crate) struct World {
    pub(crate) clock: Clock,
    hosts: Mutex<HashMap<DomainName, Host>>,
    domains: Mutex<Domains>,
    tasks: TaskTracker,
}

/// What DNS says of domains.
#[derive(Default)]
struct Domains {
    routes: HashMap<DomainName, Route>,
    /// How long each look-up of a domain takes, and of a host.
    delay: Duration,
    host_delay: Duration,
    /// The one host whose look-up does not end.
    mute_host: Option<String>,
    /// The domains asked for, in order.
    asked: Vec<String>,
    /// The hosts asked for, in order.
    asked_hosts: Vec<String>,
    /// Whether look-ups of domains fail, and those of hosts.
    failing: (bool, bool),
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let hosts = Mutex::new(HashMap::new());
        let (clock, domains) = (Clock::start(), Mutex::default());
        Arc::new(Self { clock, hosts, domains, tasks: TaskTracker::new() })
    }

    /// Has `host` receive the mail of `domain`.
    pub(crate) fn domain(&self, domain: &str, host: &str) {
        let exchanger = Exchanger { host: DomainName::from_ascii(host), preference: 10 };
        let route = Route::Exchangers([exchanger].into());
        self.domains.lock().unwrap().routes.insert(DomainName::from_ascii(domain), route);
    }

    /// Has `host` receive the mail of `domain`, and `backup` while it cannot.
    pub(crate) fn domain_with_backup(&self, domain: &str, host: &str, backup: &str) {
        let exchanger =
            |host, preference| Exchanger { host: DomainName::from_ascii(host), preference };
        let route = Route::Exchangers([exchanger(host, 10), exchanger(backup, 20)].into());
        self.domains.lock().unwrap().routes.insert(DomainName::from_ascii(domain), route);
    }

    /// Has `domain` name all of `hosts`, as equals.
    pub(crate) fn equal_exchangers(&self, domain: &str, hosts: &[&str]) {
        let exchanger =
            |host: &&str| Exchanger { host: DomainName::from_ascii(host), preference: 10 };
        let route = Route::Exchangers(hosts.iter().map(exchanger).collect());
        self.domains.lock().unwrap().routes.insert(DomainName::from_ascii(domain), route);
    }

    /// Has `domain` name so many exchangers, none of which exists: `mx0` is the best.
    pub(crate) fn many_exchangers(&self, domain: &str, count: u16) {
        let exchanger = |n: u16| Exchanger {
            host: DomainName::from_ascii(&format!("mx{n}.{domain}")),
            preference: n,
        };
        let route = Route::Exchangers((0..count).map(exchanger).collect());
        self.domains.lock().unwrap().routes.insert(DomainName::from_ascii(domain), route);
    }

    /// The hosts that DNS was asked for since the last time.
    pub(crate) fn asked_hosts(&self) -> Vec<String> {
        std::mem::take(&mut self.domains.lock().unwrap().asked_hosts)
    }

    /// Makes each look-up of a domain take so long.
    pub(crate) fn slow_dns(&self, delay: Duration) {
        self.domains.lock().unwrap().delay = delay;
    }

    /// Makes each look-up of a host take so long.
    pub(crate) fn slow_hosts(&self, delay: Duration) {
        self.domains.lock().unwrap().host_delay = delay;
    }

    /// Makes the look-up of one host take for ever.
    pub(crate) fn mute_host(&self, host: &str) {
        self.domains.lock().unwrap().mute_host = Some(host.to_owned());
    }

    /// Makes all look-ups of domains fail or not, and those of hosts.
    pub(crate) fn fail_dns(&self, domains: bool, hosts: bool) {
        self.domains.lock().unwrap().failing = (domains, hosts);
    }

    /// The domains that DNS was asked for since the last time.
    pub(crate) fn asked_domains(&self) -> Vec<String> {
        std::mem::take(&mut self.domains.lock().unwrap().asked)
    }

    /// Adds an exchanger, or changes its ways.
    pub(crate) fn host(&self, name: &str, rules: Rules) {
        let mut hosts = self.hosts.lock().unwrap();
        let name = DomainName::from_ascii(name);
        let seen = hosts.get(&name).map(|host| Arc::clone(&host.seen)).unwrap_or_default();
        let last = u8::try_from(hosts.len() + 1).unwrap();
        let address = match hosts.get(&name) {
            Some(host) => host.address,
            None if rules.v6 => IpAddr::from([0x2600, 0, 0, 0, 0, 0, 0, u16::from(last)]),
            None => IpAddr::from([192, 88, 1, last]),
        };
        hosts.insert(name, Host { rules, seen, address });
    }

    /// Has the exchanger listen on a loopback address; returns where.
    pub(crate) async fn listen(&self, name: &str) -> SocketAddr {
        let replies = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = replies.local_addr().unwrap();
        let mut hosts = self.hosts.lock().unwrap();
        let host = hosts.get_mut(&DomainName::from_ascii(name)).unwrap();
        host.address = address.ip();
        let (rules, seen, clock) = (host.rules.clone(), Arc::clone(&host.seen), self.clock);
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            while let Ok((stream, client)) = replies.accept().await {
                let (rules, seen) = (rules.clone(), Arc::clone(&seen));
                seen.lock().unwrap().connections.push(clock.now());
                let server = Server { rules, seen, clock, client: Some(client.ip()) };
                tasks.spawn(server.serve(stream));
            }
        });
        address
    }

    pub(crate) fn seen(&self, name: &str) -> Seen {
        let hosts = self.hosts.lock().unwrap();
        hosts[&DomainName::from_ascii(name)].seen.lock().unwrap().clone()
    }

    pub(crate) fn prober(self: &Arc<Self>, config: Config) -> Prober {
        self.prober_with(config, &smtp::Config::default())
    }

    pub(crate) fn prober_with(self: &Arc<Self>, config: Config, smtp: &smtp::Config) -> Prober {
        let hosts = self.dns();
        let dial = Arc::clone(self);
        Prober::with_dial(config, smtp, hosts, Arc::new(Plain), self.clock, dial).unwrap()
    }

    pub(crate) fn dns(self: &Arc<Self>) -> DnsCache {
        let lookup = Arc::clone(self);
        DnsCache::new(lookup, cache::Config::default(), self.clock).unwrap()
    }

    /// A prober that asks over TCP.
    pub(crate) fn tcp_prober(self: &Arc<Self>, config: Config, smtp: smtp::Config) -> Prober {
        let hosts = self.dns();
        Prober::new(config, smtp, hosts, Arc::new(Plain), self.clock).unwrap()
    }

    pub(crate) fn request(&self, address: &str, exchangers: &[(&str, u16)]) -> ProbeRequest {
        let exchanger = |(host, preference): &(&str, u16)| Exchanger {
            host: DomainName::from_ascii(host),
            preference: *preference,
        };
        ProbeRequest {
            address: Address::parse(address).unwrap(),
            target: ProbeTarget::Exchangers(exchangers.iter().map(exchanger).collect()),
            max_age: None,
            test_catch_all: false,
            deadline: self.clock.now() + Duration::from_secs(600),
            retry_until: self.clock.now() + Duration::from_secs(600),
            transcript: false,
            consented_at: None,
        }
    }
}

#[async_trait]
impl Lookup for World {
    async fn domain(&self, domain: &DomainName) -> Result<DomainLookup, DnsFailure> {
        let (route, delay) = {
            let mut domains = self.domains.lock().unwrap();
            domains.asked.push(domain.to_string());
            if domains.failing.0 {
                return Err(DnsFailure::Timeout);
            }
            (domains.routes.get(domain).cloned().unwrap_or(Route::NoSuchDomain), domains.delay)
        };
        sleep(delay).await;
        let looked_up_at = self.clock.now();
        let facts = DomainFacts {
            domain: domain.clone(),
            route,
            notes: Vec::new(),
            looked_up_at,
            valid_until: looked_up_at + Duration::from_secs(3600),
        };
        Ok(DomainLookup { facts, host: None })
    }

    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure> {
        let delay = {
            let mut domains = self.domains.lock().unwrap();
            domains.asked_hosts.push(host.to_string());
            if domains.failing.1 {
                return Err(DnsFailure::Timeout);
            }
            let is_mute = domains.mute_host.as_deref() == Some(host.as_str());
            if is_mute { Duration::from_secs(3600) } else { domains.host_delay }
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let hosts = self.hosts.lock().unwrap();
        let known = hosts.get(host);
        Ok(HostFacts {
            host: host.clone(),
            addresses: known.map(Host::addresses).unwrap_or_default(),
            exists: known.is_some(),
            alias_of: None,
            looked_up_at: self.clock.now(),
            valid_until: self.clock.now() + Duration::from_secs(60),
        })
    }
}

#[async_trait]
impl Dial for World {
    async fn dial(
        &self,
        target: smtp::Target,
        options: DialOptions<'_>,
    ) -> Result<Connection, NoReply> {
        sleep(Duration::from_millis(1)).await;
        let hosts = self.hosts.lock().unwrap();
        let Some(host) = hosts.values().find(|host| host.address == target.address()) else {
            return Err(NoReply::ConnectFailed("connection refused".to_owned()));
        };
        host.seen.lock().unwrap().connections.push(self.clock.now());
        if host.rules.down {
            return Err(NoReply::ConnectFailed("connection refused".to_owned()));
        }
        let (ours, theirs) = duplex(64 * 1024);
        let server = Server {
            rules: host.rules.clone(),
            seen: Arc::clone(&host.seen),
            clock: self.clock,
            client: options.source,
        };
        self.tasks.spawn(server.serve(theirs));
        Ok(Connection { stream: Box::new(ours), local: options.source })
    }
}

/// The rule of [`Plain`] for a bare code.
const BY_CODE: &str = "code/550";

/// Reads what the scripted servers say.
struct Plain;

impl Interpret for Plain {
    fn explain(
        &self,
        stage: Stage,
        exchanger: &DomainName,
        us: &smtp::ClientIdentity,
        reply: &Reply,
    ) -> Explanation {
        let read = Interpret::explain(&**Classifier::builtin(), stage, exchanger, us, reply);
        let text = reply.text();
        let has = |word| text.contains(word);
        let (meaning, rule) = match reply.code {
            200..300 => (Meaning::Accepted, "code/2yz"),
            _ if has("greylisted") => (Meaning::Greylisted, "test/greylisted"),
            _ if has("too m") || has("slow down") => (Meaning::RateLimited, "test/rate"),
            _ if has("listed") => (Meaning::SenderBlocked, "test/listed"),
            _ if has("relay") => (Meaning::RelayDenied, "test/relay"),
            _ if has("no such user") => (Meaning::MailboxNotFound, "test/unknown"),
            550 => (Meaning::MailboxNotFound, BY_CODE),
            400..500 => (Meaning::TemporaryFailure, "code/4yz"),
            _ => (Meaning::Unknown, "code/unknown"),
        };
        let basis = if rule == BY_CODE { RuleBasis::Code } else { RuleBasis::Words };
        Explanation { meaning, rule: Arc::from(rule), basis, ..read }
    }
}
