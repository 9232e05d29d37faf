//! The service is killed at any moment; the mail servers go on. Nothing is lost, nothing finished
//! is asked again, no row has two results.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::{ListBatchesRequest, ResultOrder};
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::customer::{self, Accepted};
use crate::process::Service;

/// How often the service is killed.
const ROUNDS: u64 = 50;

/// The longest it lives.
const LONGEST_LIFE: u64 = 600;

/// Domains of a list, each with an exchanger of its own, and addresses of a domain.
const DOMAINS: usize = 40;
const PER_DOMAIN: usize = 6;

const WORLD: &str = r#"
[settings]
round_trip = "15ms"
[[generated]]
domain = "d{n}.crash-test.org"
domains = 4000
host = "mx{n}.crash-test.net"
hosts = 4000
[generated.exchanger.recipients]
"user*" = "accept"
"#;

/// Numbers that look like chance and are the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The list of a request: every domain is in one list only.
fn list(number: usize) -> Vec<String> {
    let domain = |n: usize| format!("d{}.crash-test.org", number * DOMAINS + n % DOMAINS);
    let local = |n: usize| if n % 7 == 3 { format!("gone{n}") } else { format!("user{n}") };
    (0..DOMAINS * PER_DOMAIN).map(|n| format!("{}@{}", local(n), domain(n))).collect()
}

async fn create(
    client: &mut BatchServiceClient<Channel>,
    number: usize,
) -> Result<String, tonic::Status> {
    customer::create(client, &format!("request-{number}"), list(number)).await
}

fn is_over(batch: &Accepted) -> bool {
    batch.rows.len() == DOMAINS * PER_DOMAIN
}

/// The exchangers of the domains whose rows are all finished, and what each was asked.
fn finished(sandbox: &Sandbox, batches: &BTreeMap<usize, Accepted>) -> BTreeMap<String, u64> {
    let counts = sandbox.counts();
    let mut exchangers = BTreeMap::new();
    for (number, batch) in batches {
        for domain in 0..DOMAINS {
            let rows = (0..PER_DOMAIN).map(|n| (n * DOMAINS + domain) as i64);
            if rows.clone().all(|row| batch.rows.contains_key(&row)) {
                let host = format!("mx{}.crash-test.net", number * DOMAINS + domain);
                exchangers.insert(host.clone(), counts.exchanger(&host).rcpt);
            }
        }
    }
    exchangers
}

/// Lives a while: sends the next list, reads what it can.
async fn live(service: &mut Service, batches: &mut BTreeMap<usize, Accepted>) {
    let mut client = service.batch_client().await;
    let number = batches.len();
    if batches.values().all(is_over)
        && let Ok(batch_id) = create(&mut client, number).await
    {
        batches.insert(number, Accepted::new(batch_id));
    }
    if let Some(batch) = batches.values_mut().last() {
        // An error is the kill.
        let _killed = batch.read(&mut client, usize::MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_fifty_times_loses_nothing_and_does_nothing_twice() {
    let sandbox = Sandbox::start(World::from_toml(WORLD).unwrap()).await.unwrap();
    let store = TempDir::new().unwrap();
    let mut batches = BTreeMap::new();
    let mut dice = Dice(0x6d61_696c_7665_7431);
    let mut interrupted = 0;
    for _ in 0..ROUNDS {
        let mut service = Service::on(&sandbox, store.path(), &[]).await;
        let life = Duration::from_millis(dice.below(LONGEST_LIFE));
        let died = tokio::time::timeout(life, live(&mut service, &mut batches)).await;
        interrupted += u32::from(died.is_err());
        service.kill().await;
        let before = finished(&sandbox, &batches);
        let after = finished(&sandbox, &batches);
        assert_eq!(before, after, "a killed service asks nobody");
    }
    assert!(interrupted > 10, "hardly anything was interrupted: {interrupted}");
    check(&sandbox, store.path(), batches).await;
    sandbox.shutdown().await;
}

/// Lets everything finish, and looks at every row.
async fn check(sandbox: &Sandbox, store: &Path, mut batches: BTreeMap<usize, Accepted>) {
    let before = finished(sandbox, &batches);
    let mut service = Service::on(sandbox, store, &[]).await;
    let mut client = service.batch_client().await;
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert!(listed.batches.len() >= batches.len(), "an accepted batch is lost");
    assert!(listed.batches.len() <= batches.len() + 1, "a request made two batches");
    for (number, batch) in &mut batches {
        batch.read(&mut client, usize::MAX).await.unwrap();
        let again = create(&mut client, *number).await.unwrap();
        assert_eq!(again, batch.batch_id, "one request, one batch");
        let in_order = customer::results_of(&batch.batch_id, ResultOrder::Row);
        let rows = customer::read(&mut client, in_order).await;
        let expected = list(*number);
        assert_eq!(rows.len(), expected.len());
        for (row, address) in rows.iter().zip(&expected) {
            let verification = row.verification.as_ref().unwrap();
            assert_eq!(verification.address, *address);
            let verdict = if address.starts_with("gone") { 3 } else { 1 };
            assert_eq!(verification.verdict, verdict, "{verification:?}");
            assert_eq!(batch.rows[&row.row], *row, "a result changed");
        }
    }
    let after = finished(sandbox, &batches);
    for (host, rcpt) in before {
        assert_eq!(after[&host], rcpt, "{host} was asked again about what was finished");
    }
    service.kill().await;
}
