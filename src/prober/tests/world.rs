//! A network of scripted exchangers: on in-memory streams under a paused clock, or listening on
//! loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, duplex};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::address::{Address, DomainName};
use crate::clock::Clock;
use crate::dns::{DnsFailure, Exchanger, HostFacts};
use crate::prober::{Config, Connection, Dial, Hosts, Path, ProbeRequest, Prober, Target};
use crate::smtp::dialogue::Interpret;
use crate::smtp::{self, Explanation, Meaning, NoReply, Reply, Stage};

/// How an exchanger behaves. Local parts that begin with `user` exist.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) pipelining: bool,
    /// Refuses connections (TCP).
    pub(super) down: bool,
    /// Said instead of 220.
    pub(super) banner: Option<&'static str>,
    /// Said to `EHLO` instead of its capabilities.
    pub(super) ehlo: Option<&'static str>,
    /// What it says of its limits in `EHLO`, and keeps: (transactions in a session, recipients in
    /// a transaction).
    pub(super) limits: Option<(usize, usize)>,
    /// Offers TLS, and hangs up when it is to begin.
    pub(super) broken_tls: bool,
    /// Refuses `<>`.
    pub(super) refuses_null_sender: bool,
    /// Said to `MAIL` instead of 250.
    pub(super) mail: Option<&'static str>,
    /// Said to every `RCPT`.
    pub(super) rcpt: Option<&'static str>,
    pub(super) catch_all: bool,
    /// Refuses unknown users with a bare code.
    pub(super) bare: bool,
    /// 421 in the banner beyond so many sessions.
    pub(super) sessions: usize,
    /// 421 after so many answered recipients.
    pub(super) recipients_per_session: usize,
    /// 421 in the banner beyond so many new connections in such a time.
    pub(super) connections: Option<(usize, Duration)>,
    /// 421 after so many 452s.
    pub(super) overshoot: usize,
    /// 452 after so many accepted recipients.
    pub(super) recipients_per_transaction: usize,
    /// 421 after so many refused recipients in a session, as Postfix does.
    pub(super) errors: usize,
    /// Hangs up when asked about a local part that begins so.
    pub(super) dies_at: Option<&'static str>,
    /// 450 for so long after a recipient was first seen.
    pub(super) greylist: Option<Duration>,
    /// Sees these addresses of ours and refuses them.
    pub(super) blocks: Vec<IpAddr>,
    /// Before each reply.
    pub(super) delay: Duration,
    /// Before each reply to `RCPT`, from this time on.
    pub(super) tarpit: Option<(SystemTime, Duration)>,
    /// How long it takes to close a connection that is over. Until then it counts.
    pub(super) close_delay: Duration,
    /// Has an IPv6 address and no other.
    pub(super) v6: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pipelining: true,
            down: false,
            banner: None,
            ehlo: None,
            limits: None,
            broken_tls: false,
            refuses_null_sender: false,
            mail: None,
            rcpt: None,
            catch_all: false,
            bare: false,
            sessions: usize::MAX,
            recipients_per_session: usize::MAX,
            connections: None,
            overshoot: usize::MAX,
            recipients_per_transaction: usize::MAX,
            errors: usize::MAX,
            dies_at: None,
            greylist: None,
            blocks: Vec::new(),
            delay: Duration::from_millis(1),
            tarpit: None,
            close_delay: Duration::ZERO,
            v6: false,
        }
    }
}

/// What an exchanger saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// When connections were made, refused ones too.
    pub(super) connections: Vec<SystemTime>,
    pub(super) open: usize,
    pub(super) peak: usize,
    pub(super) quits: usize,
    /// From where each connection came.
    pub(super) clients: Vec<Option<IpAddr>>,
    /// What each said in `EHLO`.
    pub(super) helos: Vec<String>,
    /// The senders of each transaction.
    pub(super) senders: Vec<String>,
    /// The recipients of each transaction.
    pub(super) transactions: Vec<Vec<String>>,
    /// From where each recipient was named, and when.
    pub(super) named: Vec<(String, Option<IpAddr>, SystemTime)>,
    /// How long each connection lasted that is over.
    pub(super) lasted: Vec<Duration>,
    first_seen: HashMap<(String, Option<IpAddr>), SystemTime>,
    let_in: Vec<SystemTime>,
}

impl Seen {
    pub(super) fn rcpt(&self) -> Vec<&str> {
        self.transactions.iter().flatten().map(String::as_str).collect()
    }
}

struct Host {
    rules: Rules,
    seen: Arc<Mutex<Seen>>,
    address: IpAddr,
}

/// The network.
pub(super) struct World {
    pub(super) clock: Clock,
    hosts: Mutex<HashMap<DomainName, Host>>,
    tasks: TaskTracker,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let hosts = Mutex::new(HashMap::new());
        Arc::new(Self { clock: Clock::start(), hosts, tasks: TaskTracker::new() })
    }

    /// Adds an exchanger, or changes its ways.
    pub(super) fn host(&self, name: &str, rules: Rules) {
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
    pub(super) async fn listen(&self, name: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut hosts = self.hosts.lock().unwrap();
        let host = hosts.get_mut(&DomainName::from_ascii(name)).unwrap();
        host.address = address.ip();
        let (rules, seen, clock) = (host.rules.clone(), Arc::clone(&host.seen), self.clock);
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            while let Ok((stream, client)) = listener.accept().await {
                let (rules, seen) = (rules.clone(), Arc::clone(&seen));
                seen.lock().unwrap().connections.push(clock.now());
                let server = Server { rules, seen, clock, client: Some(client.ip()) };
                tasks.spawn(server.serve(stream));
            }
        });
        address
    }

    pub(super) fn seen(&self, name: &str) -> Seen {
        let hosts = self.hosts.lock().unwrap();
        hosts[&DomainName::from_ascii(name)].seen.lock().unwrap().clone()
    }

    pub(super) fn prober(self: &Arc<Self>, config: Config) -> Prober {
        self.prober_with(config, &smtp::Config::default())
    }

    pub(super) fn prober_with(self: &Arc<Self>, config: Config, smtp: &smtp::Config) -> Prober {
        let hosts = Arc::clone(self);
        let dial = Arc::clone(self);
        Prober::with_dial(config, smtp, hosts, Arc::new(Plain), self.clock, dial).unwrap()
    }

    /// A prober that asks over TCP.
    pub(super) fn tcp_prober(self: &Arc<Self>, config: Config, smtp: smtp::Config) -> Prober {
        let hosts = Arc::clone(self);
        Prober::new(config, smtp, hosts, Arc::new(Plain), self.clock).unwrap()
    }

    pub(super) fn request(&self, address: &str, exchangers: &[(&str, u16)]) -> ProbeRequest {
        let exchanger = |(host, preference): &(&str, u16)| Exchanger {
            host: DomainName::from_ascii(host),
            preference: *preference,
        };
        ProbeRequest {
            address: Address::parse(address).unwrap(),
            target: Target::Exchangers(exchangers.iter().map(exchanger).collect()),
            test_catch_all: false,
            deadline: self.clock.now() + Duration::from_secs(600),
            retry_until: self.clock.now() + Duration::from_secs(600),
            transcript: false,
        }
    }
}

#[async_trait]
impl Hosts for World {
    async fn addresses(&self, host: &DomainName) -> Result<Arc<HostFacts>, DnsFailure> {
        let hosts = self.hosts.lock().unwrap();
        let known = hosts.get(host);
        Ok(Arc::new(HostFacts {
            host: host.clone(),
            addresses: known.map(|known| known.address).into_iter().collect(),
            exists: known.is_some(),
            alias_of: None,
            looked_up_at: self.clock.now(),
            valid_until: self.clock.now() + Duration::from_secs(60),
        }))
    }
}

#[async_trait]
impl Dial for World {
    async fn dial(&self, target: smtp::Target, path: Path<'_>) -> Result<Connection, NoReply> {
        sleep(Duration::from_millis(1)).await;
        let hosts = self.hosts.lock().unwrap();
        let host = hosts.values().find(|host| host.address == target.address()).unwrap();
        host.seen.lock().unwrap().connections.push(self.clock.now());
        if host.rules.down {
            return Err(NoReply::ConnectFailed("connection refused".to_owned()));
        }
        let (ours, theirs) = duplex(64 * 1024);
        let server = Server {
            rules: host.rules.clone(),
            seen: Arc::clone(&host.seen),
            clock: self.clock,
            client: path.source,
        };
        self.tasks.spawn(server.serve(theirs));
        Ok(Connection { stream: Box::new(ours), local: path.source })
    }
}

struct Server {
    rules: Rules,
    seen: Arc<Mutex<Seen>>,
    clock: Clock,
    client: Option<IpAddr>,
}

impl Server {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let began = self.clock.now();
        let open = {
            let mut seen = self.seen.lock().unwrap();
            seen.clients.push(self.client);
            seen.open += 1;
            seen.peak = seen.peak.max(seen.open.min(self.rules.sessions));
            seen.open
        };
        // Whatever happens on the connection, it ends.
        let _ = self.talk(&mut stream, open).await;
        sleep(self.rules.close_delay).await;
        let mut seen = self.seen.lock().unwrap();
        seen.open -= 1;
        seen.lasted.push(self.clock.now().duration_since(began).unwrap());
    }

    async fn talk<S>(&self, stream: &mut S, open: usize) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut lines = BufReader::new(reader).lines();
        sleep(self.rules.delay).await;
        let blocked = self.client.is_some_and(|client| self.rules.blocks.contains(&client));
        let banner = match self.rules.banner {
            _ if open > self.rules.sessions => "421 4.7.0 too many connections",
            _ if self.comes_too_often() => "421 4.7.0 too many new connections",
            _ if blocked => "554 5.7.1 your address is listed",
            Some(banner) => banner,
            None => "220 mx.example ESMTP",
        };
        writer.write_all(format!("{banner}\r\n").as_bytes()).await?;
        if !banner.starts_with("220") && !banner.starts_with("554") {
            return Ok(());
        }
        let (mut answered, mut accepted, mut errors) = (0, 0, 0);
        let (mut transactions, mut named, mut full) = (0, 0, 0);
        let (most_transactions, most_named) = self.rules.limits.unwrap_or((usize::MAX, usize::MAX));
        while let Some(line) = lines.next_line().await? {
            sleep(self.rules.delay).await;
            let reply = match line.get(..4).unwrap_or("") {
                "EHLO" => self.ehlo(&line),
                "STAR" => {
                    writer.write_all(b"220 go ahead\r\n").await?;
                    return Ok(());
                }
                "MAIL" if transactions >= most_transactions => {
                    writer.write_all(b"421 4.7.0 too many transactions\r\n").await?;
                    return Ok(());
                }
                "MAIL" => {
                    accepted = 0;
                    named = 0;
                    transactions += 1;
                    self.mail(&line)
                }
                "RCPT" if named >= most_named => "452 4.5.3 too many recipients".to_owned(),
                "RCPT" if answered >= self.rules.recipients_per_session => {
                    writer.write_all(b"421 4.7.0 too many in this session\r\n").await?;
                    return Ok(());
                }
                "RCPT" if errors >= self.rules.errors => {
                    writer.write_all(b"421 4.7.0 too many errors\r\n").await?;
                    return Ok(());
                }
                "RCPT" => {
                    let recipient = line["RCPT TO:<".len()..line.len() - 1].to_owned();
                    if self.rules.dies_at.is_some_and(|local| recipient.starts_with(local)) {
                        return Ok(());
                    }
                    if let Some((_, delay)) =
                        self.rules.tarpit.filter(|(from, _)| *from <= self.clock.now())
                    {
                        sleep(delay).await;
                    }
                    let reply = self.rcpt(recipient, accepted);
                    answered += 1;
                    named += 1;
                    accepted += usize::from(reply.starts_with("250"));
                    full += usize::from(reply.starts_with("452"));
                    if full > self.rules.overshoot {
                        writer.write_all(b"421 4.7.0 too many errors\r\n").await?;
                        return Ok(());
                    }
                    errors += usize::from(!reply.starts_with("250"));
                    reply
                }
                "QUIT" => {
                    self.seen.lock().unwrap().quits += 1;
                    return Ok(());
                }
                _ => "250 2.0.0 ok".to_owned(),
            };
            writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn comes_too_often(&self) -> bool {
        let Some((most, time)) = self.rules.connections else { return false };
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.let_in.retain(|at| *at + time > now);
        if seen.let_in.len() < most {
            seen.let_in.push(now);
            return false;
        }
        true
    }

    fn ehlo(&self, line: &str) -> String {
        self.seen.lock().unwrap().helos.push(line["EHLO ".len()..].to_owned());
        if let Some(reply) = self.rules.ehlo {
            return reply.to_owned();
        }
        let mut offered = vec!["mx.example".to_owned()];
        offered.extend(self.rules.pipelining.then(|| "PIPELINING".to_owned()));
        offered.extend(self.rules.broken_tls.then(|| "STARTTLS".to_owned()));
        let limits =
            self.rules.limits.map(|(mail, rcpt)| format!("LIMITS MAILMAX={mail} RCPTMAX={rcpt}"));
        offered.extend(limits);
        let last = offered.pop().unwrap();
        let others: String = offered.iter().map(|line| format!("250-{line}\r\n")).collect();
        format!("{others}250 {last}")
    }

    fn mail(&self, line: &str) -> String {
        let sender = line["MAIL FROM:<".len()..].split('>').next().unwrap().to_owned();
        let mut seen = self.seen.lock().unwrap();
        let refused = self.rules.refuses_null_sender && sender.is_empty();
        seen.transactions.push(Vec::new());
        seen.senders.push(sender);
        match self.rules.mail {
            Some(reply) => reply.to_owned(),
            None if refused => "550 5.7.1 no null sender here".to_owned(),
            None => "250 2.1.0 ok".to_owned(),
        }
    }

    fn rcpt(&self, recipient: String, accepted: usize) -> String {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.transactions.last_mut().unwrap().push(recipient.clone());
        seen.named.push((recipient.clone(), self.client, now));
        let first = *seen.first_seen.entry((recipient.clone(), self.client)).or_insert(now);
        if let Some(reply) = self.rules.rcpt {
            return reply.to_owned();
        }
        if accepted >= self.rules.recipients_per_transaction {
            return "452 4.5.3 too many recipients".to_owned();
        }
        if let Some(wait) = self.rules.greylist
            && now < first + wait
        {
            return format!("450 4.2.0 greylisted, try again in {} seconds", wait.as_secs());
        }
        if self.rules.catch_all || recipient.starts_with("user") {
            "250 2.1.5 ok".to_owned()
        } else if self.rules.bare {
            "550 no".to_owned()
        } else {
            "550 5.1.1 no such user".to_owned()
        }
    }
}

/// Reads what the scripted servers say.
struct Plain;

impl Interpret for Plain {
    fn explain(&self, _: Stage, _: &DomainName, reply: &Reply) -> Explanation {
        let text = reply.text();
        let has = |word| text.contains(word);
        let (meaning, rule) = match reply.code {
            200..300 => (Meaning::Accepted, "code/2yz"),
            _ if has("greylisted") => (Meaning::Greylisted, "test/greylisted"),
            _ if has("too m") || has("slow down") => (Meaning::RateLimited, "test/rate"),
            _ if has("listed") => (Meaning::SenderBlocked, "test/listed"),
            _ if has("relay") => (Meaning::RelayDenied, "test/relay"),
            _ if has("no such user") => (Meaning::MailboxNotFound, "test/unknown"),
            550 => (Meaning::MailboxNotFound, "bare-550"),
            400..500 => (Meaning::TemporaryFailure, "code/4yz"),
            _ => (Meaning::Unknown, "code/unknown"),
        };
        Explanation { meaning, rule: Arc::from(rule) }
    }
}
