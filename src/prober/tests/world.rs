//! A network of scripted exchangers on in-memory streams, under a paused clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
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
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            pipelining: true,
            down: false,
            banner: None,
            mail: None,
            rcpt: None,
            catch_all: false,
            bare: false,
            sessions: usize::MAX,
            recipients_per_session: usize::MAX,
            recipients_per_transaction: usize::MAX,
            errors: usize::MAX,
            dies_at: None,
            greylist: None,
            blocks: Vec::new(),
            delay: Duration::from_millis(1),
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
    /// The recipients of each transaction.
    pub(super) transactions: Vec<Vec<String>>,
    first_seen: HashMap<String, SystemTime>,
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
        let address = hosts.get(&name).map_or(IpAddr::from([192, 88, 1, last]), |h| h.address);
        hosts.insert(name, Host { rules, seen, address });
    }

    pub(super) fn seen(&self, name: &str) -> Seen {
        let hosts = self.hosts.lock().unwrap();
        hosts[&DomainName::from_ascii(name)].seen.lock().unwrap().clone()
    }

    pub(super) fn prober(self: &Arc<Self>, config: Config) -> Prober {
        let hosts = Arc::clone(self);
        let dial = Arc::clone(self);
        let smtp = smtp::Config::default();
        Prober::with_dial(config, &smtp, hosts, Arc::new(Plain), self.clock, dial).unwrap()
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
    async fn serve(self, stream: DuplexStream) {
        let open = {
            let mut seen = self.seen.lock().unwrap();
            seen.open += 1;
            seen.peak = seen.peak.max(seen.open.min(self.rules.sessions));
            seen.open
        };
        // Whatever happens on the connection, it ends.
        let _ = self.talk(stream, open).await;
        self.seen.lock().unwrap().open -= 1;
    }

    async fn talk(&self, stream: DuplexStream, open: usize) -> std::io::Result<()> {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut lines = BufReader::new(reader).lines();
        sleep(self.rules.delay).await;
        let blocked = self.client.is_some_and(|client| self.rules.blocks.contains(&client));
        let banner = match self.rules.banner {
            _ if open > self.rules.sessions => "421 4.7.0 too many connections",
            _ if blocked => "554 5.7.1 your address is listed",
            Some(banner) => banner,
            None => "220 mx.example ESMTP",
        };
        writer.write_all(format!("{banner}\r\n").as_bytes()).await?;
        if !banner.starts_with("220") && !banner.starts_with("554") {
            return Ok(());
        }
        let (mut answered, mut accepted, mut errors) = (0, 0, 0);
        while let Some(line) = lines.next_line().await? {
            sleep(self.rules.delay).await;
            let reply = match line.get(..4).unwrap_or("") {
                "EHLO" if self.rules.pipelining => "250-mx.example\r\n250 PIPELINING".to_owned(),
                "EHLO" => "250 mx.example".to_owned(),
                "MAIL" => {
                    accepted = 0;
                    self.seen.lock().unwrap().transactions.push(Vec::new());
                    self.rules.mail.unwrap_or("250 2.1.0 ok").to_owned()
                }
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
                    let reply = self.rcpt(recipient, accepted);
                    answered += 1;
                    accepted += usize::from(reply.starts_with("250"));
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

    fn rcpt(&self, recipient: String, accepted: usize) -> String {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.transactions.last_mut().unwrap().push(recipient.clone());
        let first = *seen.first_seen.entry(recipient.clone()).or_insert(now);
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
