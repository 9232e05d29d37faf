//! Several services behind one egress address: to a mail server they look like one.

use std::net::TcpListener;
use std::time::Duration;

use mailvet::clock::Clock;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{BatchResult, ResultOrder, Verification, VerifyAddressRequest, VerifyOptions};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::customer::{self, Accepted};
use crate::process::Service;
use crate::replicas::Cluster;

/// A mail server that bears 10 sessions, and 30 connections a minute.
const WORLD: &str = r#"
[settings]
round_trip = "40ms"
[[generated]]
domain = "d{n}.shared-test.org"
domains = 60
host = "mx{n}.shared-test.net"
hosts = 1
[generated.exchanger]
pipelining = false
limits = { parallel = 10, connections = 30, window = "1min" }
[generated.exchanger.recipients]
"user*" = "accept"
"#;

const MX: &str = "mx0.shared-test.net";

/// Sessions and connections in a minute that one service may have with one destination.
const SESSIONS: u64 = 10;
const CONNECTIONS: u64 = 30;

fn addresses(from: usize, count: usize) -> Vec<String> {
    let local = |n: usize| if n % 30 == 4 { format!("gone{n}") } else { format!("user{n}") };
    (from..from + count).map(|n| format!("{}@d{}.shared-test.org", local(n), n % 60)).collect()
}

/// A service that shares its destinations with the others, and where they ask it.
pub(crate) struct Sharing {
    pub(crate) service: Service,
    address: String,
}

impl Sharing {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let secret = cluster.folder.path().join("secret");
        std::fs::write(&secret, "a secret of all replicas").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let variables = [
            ("MAILVET_CLUSTER__LISTEN", address.clone()),
            ("MAILVET_CLUSTER__SECRET_FILE", secret.display().to_string()),
            ("MAILVET_PROBER__PACING__SESSIONS_PER_EXCHANGER", SESSIONS.to_string()),
        ];
        let variables: Vec<_> = variables.iter().map(|(name, it)| (*name, it.as_str())).collect();
        Self { service: cluster.service_with(&variables).await, address }
    }
}

/// Kills of a run: one, or as many as the variable says.
#[expect(clippy::disallowed_methods, reason = "a run by hand is told so by a variable")]
fn kills() -> usize {
    std::env::var("TEST_MAILVET_KILLS").map_or(1, |kills| kills.parse().unwrap())
}

async fn verify(client: &mut VerificationServiceClient<Channel>, address: &str) -> Verification {
    let options = VerifyOptions { skip_catch_all: true, ..VerifyOptions::default() };
    let request = VerifyAddressRequest { address: address.to_owned(), options: Some(options) };
    client.verify_address(request).await.unwrap().into_inner().verification.unwrap()
}

fn is_right(verification: &Verification) -> bool {
    verification.verdict == if verification.address.starts_with("gone") { 3 } else { 1 }
}

fn all_right(rows: &[BatchResult], expected: &[String]) {
    assert_eq!(rows.len(), expected.len());
    for (row, address) in rows.iter().zip(expected) {
        let verification = row.verification.as_ref().unwrap();
        assert_eq!(verification.address, *address);
        assert!(is_right(verification), "{verification:?}");
    }
}

/// The most sessions at a time, and the most connections in a minute.
fn manners(cluster: &Cluster) -> (u64, u64) {
    let seen = cluster.sandbox.counts().exchanger(MX);
    (seen.peak_parallel, seen.peak_connections_in_window)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_or_eight_services_are_to_a_mail_server_what_one_is() {
    let alone = connections_of(1).await;
    for services in [3, 8] {
        let connections = connections_of(services).await;
        let most = alone + alone.div_ceil(10);
        assert!(connections <= most, "{services} services made {connections}, one {alone}");
    }
}

/// The connections that so many services make for a list and 120 calls.
async fn connections_of(count: usize) -> u64 {
    let cluster = Cluster::start_in(WORLD).await;
    let mut services = Vec::new();
    for _ in 0..count {
        services.push(Sharing::start(&cluster).await.service);
    }
    let list = addresses(0, 600);
    let mut batches = services[0].batch_client().await;
    let batch = customer::create(&mut batches, "one", list.clone()).await.unwrap();
    let mut calls = JoinSet::new();
    for (number, service) in services.iter_mut().enumerate() {
        let mut client = service.client().await;
        calls.spawn(async move {
            for address in addresses(1000 + number * 200, 120 / count) {
                let verification = verify(&mut client, &address).await;
                assert!(is_right(&verification), "{verification:?}");
            }
        });
    }
    let rows = customer::read(&mut batches, customer::results_of(&batch, ResultOrder::Row)).await;
    all_right(&rows, &list);
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let (sessions, in_a_minute) = manners(&cluster);
    let connections = cluster.sandbox.counts().exchanger(MX).connections;
    println!("{count} services: sessions {sessions}, connections {connections}");
    assert!(sessions <= SESSIONS && in_a_minute <= CONNECTIONS, "{sessions}, {in_a_minute}");
    // One of them holds the one destination there is.
    assert_eq!(cluster.sql("SELECT count(DISTINCT holder) FROM mailvet.destinations"), "1");
    for service in services {
        service.stop().await;
    }
    // They hand over, and nobody has to be missed.
    let left = "SELECT count(*) FROM mailvet.destinations WHERE holder IS NULL AND state <> ''";
    assert_eq!(cluster.sql(left), "1");
    cluster.sandbox.shutdown().await;
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_holder_is_killed_another_takes_over_and_no_answer_is_lost() {
    let cluster = Cluster::start_in(WORLD).await;
    let clock = Clock::start();
    let mut services = Vec::new();
    for _ in 0..3 {
        services.push(Sharing::start(&cluster).await);
    }
    let list: Vec<String> =
        (0..400 * kills()).map(|n| format!("user{n}@d{}.shared-test.org", n % 60)).collect();
    let mut batches = services[0].service.batch_client().await;
    let batch = customer::create(&mut batches, "one", list.clone()).await.unwrap();
    let mut reader = Accepted::new(batch.clone());
    reader.read(&mut batches, 20).await.unwrap();
    for number in 1..=kills() {
        let before = holder(&cluster);
        let killed = services.iter().position(|it| it.address == before).unwrap();
        services.remove(killed).service.kill().await;
        let (asked, killed_at) = (named(&cluster), clock.now());
        let replacement = Sharing::start(&cluster).await;
        services.push(replacement);
        while named(&cluster) == asked {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let paused = clock.now().duration_since(killed_at).unwrap();
        println!("kill {number}: nobody was asked for {paused:.1?}");
        assert_ne!(holder(&cluster), before);
    }
    let mut batches = services[0].service.batch_client().await;
    let rows = customer::read(&mut batches, customer::results_of(&batch, ResultOrder::Row)).await;
    all_right(&rows, &list);
    let (sessions, connections) = manners(&cluster);
    println!("sessions {sessions}, connections {connections}, recipients {}", named(&cluster));
    assert!(sessions <= SESSIONS + 1 && connections <= CONNECTIONS + 1);
    for Sharing { service, .. } in services {
        service.stop().await;
    }
    cluster.sandbox.shutdown().await;
}

/// Where the holder of the one destination is asked.
fn holder(cluster: &Cluster) -> String {
    cluster.sql(
        "SELECT m.address FROM mailvet.destinations d JOIN mailvet.members m ON m.id = d.holder",
    )
}

/// Recipients that the mail server was asked about.
fn named(cluster: &Cluster) -> u64 {
    cluster.sandbox.counts().total().rcpt
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_what_is_remembered_is_told_and_nobody_is_asked() {
    let cluster = Cluster::start_in(WORLD).await;
    let mut service = Sharing::start(&cluster).await.service;
    let mut client = service.client().await;
    assert!(is_right(&verify(&mut client, "user1@d0.shared-test.org").await));
    cluster.let_in(false);
    service.said("mail servers are not asked until it is back").await;
    let asked = cluster.sandbox.counts().total().rcpt;
    for _ in 0..20 {
        assert!(is_right(&verify(&mut client, "user1@d0.shared-test.org").await));
    }
    let postponed = verify(&mut client, "user2@d0.shared-test.org").await;
    assert_eq!(postponed.verdict, 4, "{postponed:?}");
    assert!(postponed.retry_time.is_some());
    assert_eq!(cluster.sandbox.counts().total().rcpt, asked);
    // It serves: a load balancer must not take all services away with their database.
    let (status, body) = service.get("/readyz").await;
    assert_eq!(status, 200, "{body}");
    cluster.let_in(true);
    service.said("mail servers are asked again").await;
    let back = async {
        while !is_right(&verify(&mut client, "user2@d0.shared-test.org").await) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.expect("an answer");
    service.stop().await;
    cluster.sandbox.shutdown().await;
}
