//! SIGTERM under load: what is begun is finished, what is not goes on in the next process, and
//! nobody is asked twice.

use std::path::Path;
use std::time::Duration;

use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verify_addresses_response::Outcome;
use mailvet::proto::{Verdict, VerifyAddressRequest, VerifyAddressesRequest};
use mailvet::sandbox::{Sandbox, World};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::customer::{self, Accepted};
use crate::process::Service;

/// Single calls, and items of a stream, that are in flight when the signal comes; each has an
/// exchanger of its own.
const CALLS: usize = 20;
const ITEMS: usize = 20;

/// Domains of the batch whose servers answer at once, and addresses of each.
const QUICK: usize = 40;
const PER_QUICK: usize = 6;

/// Domains of the batch, of one address each, whose servers have not answered when the signal
/// comes.
const SLOW: usize = 40;

/// The longest anything may take on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(90);

/// `server.drain_timeout`, and what comes after.
const DRAIN: Duration = Duration::from_secs(30 + 5);

const WORLD: &str = r#"
[[generated]]
domain = "call{n}.org"
domains = 40
host = "mx.call{n}.net"
hosts = 40
[generated.exchanger]
accept_delay = "3s"
[generated.exchanger.recipients]
"user" = "accept"

[[generated]]
domain = "quick{n}.org"
domains = 40
host = "mx.quick{n}.net"
hosts = 40
[generated.exchanger.recipients]
"user*" = "accept"

[[generated]]
domain = "slow{n}.org"
domains = 40
host = "mx.slow{n}.net"
hosts = 40
[generated.exchanger]
accept_delay = "12s"
[generated.exchanger.recipients]
"user" = "accept"

[[generated]]
domain = "endless{n}.org"
domains = 1
host = "mx.endless{n}.net"
hosts = 1
[generated.exchanger]
accept_delay = "10m"
[generated.exchanger.recipients]
"user" = "accept"
"#;

/// The batch's addresses.
fn list() -> Vec<String> {
    let quick = (0..QUICK * PER_QUICK).map(|n| format!("user{n}@quick{}.org", n % QUICK));
    quick.chain((0..SLOW).map(|n| format!("user@slow{n}.org"))).collect()
}

/// The single calls, on their way.
fn call(channel: &Channel) -> JoinSet<Result<Verdict, Status>> {
    (0..CALLS)
        .map(|n| {
            let mut client = VerificationServiceClient::new(channel.clone());
            let address = format!("user@call{n}.org");
            async move {
                let request = VerifyAddressRequest { address, options: None };
                let answer = client.verify_address(request).await?.into_inner();
                Ok(answer.verification.unwrap().verdict())
            }
        })
        .collect()
}

/// What a stream with its items says until it ends, and how it ends. It is open for more.
async fn follow(channel: Channel) -> (Vec<Verdict>, Status) {
    let (send, receive) = tokio::sync::mpsc::channel(ITEMS);
    for n in CALLS..CALLS + ITEMS {
        let item = VerifyAddressesRequest {
            correlation_id: n.to_string(),
            address: format!("user@call{n}.org"),
            options: None,
        };
        send.send(item).await.unwrap();
    }
    let mut client = VerificationServiceClient::new(channel);
    let answers = client.verify_addresses(ReceiverStream::new(receive)).await;
    let mut answers = answers.unwrap().into_inner();
    let mut verdicts = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => match answer.outcome.unwrap() {
                Outcome::Verification(verification) => verdicts.push(verification.verdict()),
                Outcome::Error(error) => panic!("{error:?}"),
            },
            Ok(None) => panic!("the stream ended well while it was open for more"),
            Err(status) => return (verdicts, status),
        }
    }
}

/// What a watcher of the health hears, until it hears that the service is ending.
async fn watch(channel: Channel) -> Vec<i32> {
    let request = HealthCheckRequest { service: String::new() };
    let mut client = HealthClient::new(channel);
    let mut statuses = client.watch(request).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while heard.last() != Some(&(ServingStatus::NotServing as i32)) {
        heard.push(statuses.message().await.unwrap().unwrap().status);
    }
    heard
}

/// The exchangers of the calls and the items, and of the slow part of the batch.
fn asked_at_the_end() -> Vec<String> {
    let calls = (0..CALLS + ITEMS).map(|n| format!("mx.call{n}.net"));
    calls.chain((0..SLOW).map(|n| format!("mx.slow{n}.net"))).collect()
}

/// Waits until each of these exchangers was asked about somebody.
async fn all_are_asked(sandbox: &Sandbox, hosts: &[String]) {
    let reached = async {
        loop {
            let counts = sandbox.counts();
            if hosts.iter().all(|host| counts.exchanger(host).rcpt > 0) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, reached).await.expect("all are asked");
}

fn asked_about_quick_ones(sandbox: &Sandbox) -> Vec<u64> {
    let counts = sandbox.counts();
    (0..QUICK).map(|n| counts.exchanger(&format!("mx.quick{n}.net")).rcpt).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_stop_under_load_finishes_what_is_begun_and_loses_nothing() {
    let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let reader = stop_under_load(&sandbox, store.path()).await;
    let asked = asked_about_quick_ones(&sandbox);
    go_on(&sandbox, store.path(), reader).await;
    assert_eq!(asked_about_quick_ones(&sandbox), asked, "a finished row was asked about again");
    assert_eq!(asked, vec![PER_QUICK as u64; QUICK], "a row was asked about twice");
    sandbox.shutdown().await;
}

async fn stop_under_load(sandbox: &Sandbox, store: &Path) -> Accepted {
    let mut service = Service::on(sandbox, store, &[]).await;
    let mut batches = service.batch_client().await;
    let batch_id = customer::create(&mut batches, "", list()).await.unwrap();
    let mut reader = Accepted::new(batch_id);
    let quick = reader.read(&mut batches, QUICK * PER_QUICK);
    tokio::time::timeout(TIME_LIMIT, quick).await.expect("the quick ones answer").unwrap();

    let channel = service.channel().await;
    let calls = call(&channel);
    let watcher = service.channel().await;
    let (followed, watched, read, ended) = tokio::join!(
        follow(channel.clone()),
        watch(watcher),
        reader.read(&mut batches, usize::MAX),
        async {
            all_are_asked(sandbox, &asked_at_the_end()).await;
            service.terminate().await;
            tokio::time::timeout(DRAIN, service.ended()).await
        }
    );
    ended.expect("it ends within the drain time");
    for verdict in calls.join_all().await {
        assert_eq!(verdict.unwrap(), Verdict::Deliverable, "a call in flight is answered");
    }
    let (verdicts, status) = followed;
    assert_eq!(verdicts, [Verdict::Deliverable; ITEMS], "the stream gets its last results");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(read.unwrap_err().code(), Code::Unavailable);
    assert_eq!(watched, [ServingStatus::Serving as i32, ServingStatus::NotServing as i32]);
    assert!(reader.rows.len() < list().len(), "the batch was over before the signal came");
    reader
}

/// The next process opens the folder at once, and goes on where the batch was.
async fn go_on(sandbox: &Sandbox, store: &Path, mut reader: Accepted) {
    let mut service = Service::on(sandbox, store, &[]).await;
    let mut batches = service.batch_client().await;
    let rest = reader.read(&mut batches, usize::MAX);
    tokio::time::timeout(TIME_LIMIT, rest).await.expect("the batch ends").unwrap();
    let list = list();
    assert_eq!(reader.rows.len(), list.len(), "a row was lost");
    for (row, result) in &reader.rows {
        let verification = result.verification.as_ref().unwrap();
        assert_eq!(verification.address, list[usize::try_from(*row).unwrap()]);
        assert_eq!(verification.verdict(), Verdict::Deliverable, "{verification:?}");
    }
    service.terminate().await;
    let ended = tokio::time::timeout(DRAIN, service.ended()).await;
    ended.expect("an idle service ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_quit_though_somebody_holds_a_connection_of_the_metrics_open() {
    let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    let mut client = VerificationServiceClient::new(service.channel().await);
    for n in 0..5 {
        let address = format!("user@quick{n}.org");
        let request = VerifyAddressRequest { address, options: None };
        let verification = client.verify_address(request).await.unwrap().into_inner().verification;
        assert_eq!(verification.unwrap().verdict(), Verdict::Deliverable);
    }
    drop(client);
    let silent = tokio::net::TcpStream::connect(service.metrics).await.unwrap();
    // It was accepted once a later one is answered.
    service.scrape().await;
    service.terminate().await;
    tokio::time::timeout(DRAIN, service.ended()).await.expect("it ends");
    drop(silent);
    let counts = sandbox.counts();
    for n in 0..5 {
        let counts = counts.exchanger(&format!("mx.quick{n}.net"));
        assert!(counts.connections > 0 && counts.quit == counts.connections, "{n} {counts:?}");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_the_drain_time_does_not_hold_up_the_end() {
    let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let variables = [("MAILVET_SERVER__DRAIN_TIMEOUT", "1s")];
    let mut service = Service::on(&sandbox, store.path(), &variables).await;
    let mut client = VerificationServiceClient::new(service.channel().await);
    let address = "user@endless0.org".to_owned();
    let call = client.verify_address(VerifyAddressRequest { address, options: None });
    let (answer, ended) = tokio::join!(call, async {
        all_are_asked(&sandbox, &["mx.endless0.net".to_owned()]).await;
        service.terminate().await;
        tokio::time::timeout(DRAIN, service.ended()).await
    });
    ended.expect("the call would take two minutes");
    assert!(answer.is_err(), "nobody had an answer: {answer:?}");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_breaks_nothing_off_and_the_service_goes_on() {
    let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    service.signal("-HUP");
    service.said("SIGHUP changes nothing").await;
    let mut client = VerificationServiceClient::new(service.channel().await);
    let request = VerifyAddressRequest { address: "user@quick0.org".to_owned(), options: None };
    let verification = client.verify_address(request).await.unwrap().into_inner().verification;
    assert_eq!(verification.unwrap().verdict(), Verdict::Deliverable);
    drop(client);
    service.terminate().await;
    tokio::time::timeout(DRAIN, service.ended()).await.expect("it ends");
    sandbox.shutdown().await;
}
