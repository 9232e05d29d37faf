//! A list that is worked off by several services while they are killed, and their database is
//! killed, loses its power and fails over to its standby. No row is lost, none has two results, and
//! every list that was accepted meanwhile is there.
//!
//! In CI a short one. By hand, as root, where loop devices can be mounted, one of as many rows as
//! the variable says:
//!
//! `TEST_MAILVET_CHAOS=1000000 cargo test --release --features external-tests --test product
//! chaos -- --nocapture`

mod disk;
mod node;
mod pair;
mod readers;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailvet::clock::Clock;
use mailvet::proto::ResultOrder;
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::addresses::Addresses;
use crate::crash::Dice;
use crate::customer;
use crate::process::Service;
use pair::Pair;
use readers::Reader;

const WORLD: &str = r#"
[settings]
round_trip = "10ms"
[[generated]]
domain = "d{n}.chaos-test.org"
domains = 4000
host = "mx.chaos{n}-test.net"
hosts = 400
[generated.exchanger.recipients]
"user*" = "accept"
"#;

/// Domains of a list.
const DOMAINS: usize = 4000;

/// Services at a time.
const SERVICES: usize = 3;

/// Rows of a list that is sent while all this goes on.
const SMALL: usize = 10;

/// How long nothing may come of the list.
const STALLED: Duration = Duration::from_secs(180);

/// What happens to the services and their database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A service is killed, and another one takes its place.
    ServiceKill,
    /// The first process of the database is killed.
    DatabaseKill,
    /// The database's host loses its power: what was not made to last is gone.
    PowerCut,
    /// The database's host is gone for good, and its standby takes over.
    Failover,
}

/// What a run does.
struct Plan {
    rows: usize,
    events: Vec<(Event, usize)>,
}

impl Plan {
    /// The long one if a variable says of how many rows, else the short one.
    #[expect(clippy::disallowed_methods, reason = "a run by hand is told so by a variable")]
    fn read() -> Self {
        use Event::{DatabaseKill, Failover, PowerCut, ServiceKill};
        match std::env::var("TEST_MAILVET_CHAOS") {
            Ok(rows) => Self {
                rows: rows.parse().unwrap(),
                events: vec![(ServiceKill, 50), (DatabaseKill, 20), (PowerCut, 10), (Failover, 10)],
            },
            Err(_) => Self {
                rows: 3000,
                events: vec![(ServiceKill, 1), (DatabaseKill, 1), (Failover, 1)],
            },
        }
    }

    fn cuts_power(&self) -> bool {
        self.events.iter().any(|(event, _)| *event == Event::PowerCut)
    }

    /// All events in an order that looks like chance and is the same every time.
    fn shuffled(&self) -> Vec<Event> {
        let mut events: Vec<Event> =
            self.events.iter().flat_map(|(event, times)| vec![*event; *times]).collect();
        let mut dice = Dice(0x6368_616f_735f_6f6e);
        for last in (1..events.len()).rev() {
            events.swap(last, usize::try_from(dice.below(last as u64 + 1)).unwrap());
        }
        events
    }
}

/// The row `n` of the list `name`.
fn address(name: &str, n: usize) -> String {
    let local = if n % 7 == 3 { "gone" } else { "user" };
    format!("{local}{name}{n}@d{}.chaos-test.org", n % DOMAINS)
}

fn verdict(address: &str) -> i32 {
    if address.starts_with("gone") { 3 } else { 1 }
}

/// The services, and what they share.
struct Chaos {
    services: Vec<(Service, String)>,
    addresses: Addresses,
    database: Pair,
    sandbox: Sandbox,
    dice: Dice,
    folder: TempDir,
}

impl Chaos {
    async fn start(plan: &Plan) -> Self {
        let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
        let folder = TempDir::new().unwrap();
        open_to_all(&folder);
        std::fs::write(folder.path().join("secret"), "a secret of all replicas").unwrap();
        let database = Pair::start(folder.path(), plan.cuts_power());
        let mut chaos = Self {
            services: Vec::new(),
            addresses: Addresses::default(),
            database,
            sandbox,
            dice: Dice(0x6368_616f_735f_7477),
            folder,
        };
        for _ in 0..SERVICES {
            chaos.add_service().await;
        }
        chaos
    }

    async fn add_service(&mut self) {
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (url, secret) = (self.database.url(), self.folder.path().join("secret"));
        let variables = [
            ("MAILVET_STORE__URL", url.as_str()),
            ("MAILVET_CLUSTER__LISTEN", &listen),
            ("MAILVET_CLUSTER__SECRET_FILE", secret.to_str().unwrap()),
        ];
        let mut service = Service::on(&self.sandbox, self.folder.path(), &variables).await;
        let address = service.address().await;
        self.services.push((service, address));
        self.addresses.set(self.services.iter().map(|(_, address)| address.clone()).collect());
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::ServiceKill => {
                let which = usize::try_from(self.dice.below(SERVICES as u64)).unwrap();
                self.services.remove(which).0.kill().await;
                self.add_service().await;
            }
            Event::DatabaseKill => self.database.kill(),
            Event::PowerCut => self.database.cut_power(),
            Event::Failover => self.database.fail_over(),
        }
    }

    /// Sends a list until it is accepted, to one service after the other; its id.
    async fn send(&self, request_id: &str, rows: usize) -> String {
        for turn in 0.. {
            let list = (0..rows).map(|n| address(request_id, n)).collect();
            if let Ok(channel) = self.addresses.connect(turn).await {
                let mut client = BatchServiceClient::new(channel);
                if let Ok(batch_id) = customer::create(&mut client, request_id, list).await {
                    return batch_id;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!("it is sent for ever")
    }

    /// Everything the services said.
    fn log(&self) -> Vec<String> {
        self.services.iter().flat_map(|(service, _)| service.log()).collect()
    }
}

/// The database's servers run as another user.
fn open_to_all(folder: &TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
}

/// Waits until so many rows were read.
async fn reach(seen: &AtomicUsize, rows: usize, chaos: &Chaos) {
    let reached = async {
        while seen.load(Ordering::Relaxed) < rows {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(STALLED, reached).await.is_err() {
        let last: Vec<_> = chaos.log().into_iter().rev().take(100).collect();
        panic!("{} of {rows} rows, and no more: {last:#?}", seen.load(Ordering::Relaxed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_in_the_chaos_of_a_list_no_row_is_lost_and_none_has_two_results() {
    let plan = Plan::read();
    let mut chaos = Chaos::start(&plan).await;
    let clock = Clock::start();
    let began = clock.now();
    let batch_id = chaos.send("", plan.rows).await;
    println!("{} rows accepted after {:.1?}", plan.rows, since(&clock, began));
    let mut readers = JoinSet::new();
    let reader =
        |turn| Reader::new(&chaos.addresses, &batch_id, ResultOrder::Completion, plan.rows, turn);
    let (one, two) = (reader(0), reader(1));
    let seen = Arc::clone(&one.seen);
    readers.spawn(one.read(|_| ()));
    readers.spawn(two.read(|_| ()));

    let events = plan.shuffled();
    let mut accepted = Vec::new();
    for (number, event) in events.iter().enumerate() {
        reach(&seen, plan.rows / (events.len() + 1) * (number + 1), &chaos).await;
        let happened = clock.now();
        chaos.happen(*event).await;
        let request_id = format!("list{number}-");
        accepted.push((chaos.send(&request_id, SMALL).await, request_id));
        let paused = since(&clock, happened);
        println!("{event:?}: a list was accepted after {paused:.1?}");
        if *event == Event::Failover {
            chaos.database.add_standby();
        }
    }
    let mut read = Vec::new();
    while let Some(reader) = readers.join_next().await {
        read.push(reader.unwrap());
    }
    println!(
        "all was read after {:.1?}, with these moves to another service:",
        since(&clock, began)
    );
    println!("{:?}", read.iter().map(|reader| reader.moves).collect::<Vec<_>>());
    accepted.push((batch_id, String::new()));
    for (batch_id, name) in accepted {
        let rows = if name.is_empty() { plan.rows } else { SMALL };
        let in_order = Reader::new(&chaos.addresses, &batch_id, ResultOrder::Row, rows, 0);
        let look = |row: &mailvet::proto::BatchResult| {
            let expected = address(&name, usize::try_from(row.row).unwrap());
            let verification = row.verification.as_ref().unwrap();
            assert_eq!(verification.address, expected);
            assert_eq!(verification.verdict, verdict(&expected), "{verification:?}");
        };
        let in_order = in_order.read(look).await;
        if name.is_empty() {
            for reader in &read {
                assert!(reader.digests == in_order.digests, "a result changed");
            }
        }
    }
    let asked = chaos.sandbox.counts().total().rcpt;
    println!("recipients asked about: {asked} for {} rows", plan.rows + SMALL * events.len());
    for (service, _) in std::mem::take(&mut chaos.services) {
        service.stop().await;
    }
    chaos.sandbox.shutdown().await;
}

fn since(clock: &Clock, began: std::time::SystemTime) -> Duration {
    clock.now().duration_since(began).unwrap()
}
