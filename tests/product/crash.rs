//! The service is killed at any moment; the mail servers go on. Nothing is lost, nothing finished is
//! asked again, no row has two results.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::create_batch_request::Part;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchResult, BatchSpec, CreateBatchRequest,
    ListBatchesRequest, ResultOrder, StreamBatchResultsRequest,
};
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;
use tokio_stream as stream;
use tonic::transport::{Channel, Endpoint};

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

/// A service that may be killed.
struct Service {
    process: Child,
    address: String,
}

impl Service {
    fn start(sandbox: &Sandbox, store: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailvet"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "mailvet=info"])
            .arg("--data-dir")
            .arg(store)
            .args(["--nameserver", &sandbox.nameserver().to_string()])
            .args(["--smtp-port", &sandbox.smtp_port().to_string()])
            .args(["--allow-network", &sandbox.network().to_string()])
            .env_clear()
            .env("MAILVET_LOG__FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the service starts").unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = event["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        // What else it says is not read; a pipe that is full must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    async fn client(&self) -> BatchServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        BatchServiceClient::new(endpoint.connect().await.unwrap())
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
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

fn parts(number: usize) -> Vec<CreateBatchRequest> {
    let options = BatchOptions { skip_catch_all: true, ..BatchOptions::default() };
    let spec = BatchSpec {
        request_id: format!("request-{number}"),
        options: Some(options),
        ..BatchSpec::default()
    };
    let row = |address| BatchAddress { address, row_id: String::new() };
    let rows: Vec<BatchAddress> = list(number).into_iter().map(row).collect();
    let pages = rows.chunks(50).map(|page| Part::Page(BatchPage { addresses: page.to_vec() }));
    let end = Part::End(BatchEnd { rows: rows.len() as i64 });
    let parts = std::iter::once(Part::Spec(spec)).chain(pages).chain(std::iter::once(end));
    parts.map(|part| CreateBatchRequest { part: Some(part) }).collect()
}

/// What is known of a batch that was accepted.
#[derive(Default)]
struct Accepted {
    id: String,
    cursor: String,
    /// Row -> its result, as it was first read.
    seen: BTreeMap<i64, BatchResult>,
}

impl Accepted {
    /// Reads results until the batch is over or the service is gone. No row comes twice.
    async fn read(
        &mut self,
        client: &mut BatchServiceClient<Channel>,
    ) -> Result<(), tonic::Status> {
        let request = StreamBatchResultsRequest {
            batch_id: self.id.clone(),
            cursor: self.cursor.clone(),
            order: ResultOrder::Completion.into(),
            ..StreamBatchResultsRequest::default()
        };
        let mut pages = client.stream_batch_results(request).await?.into_inner();
        while let Some(page) = pages.message().await? {
            for result in page.results {
                let twice = self.seen.insert(result.row, result);
                assert!(twice.is_none(), "a row came twice");
            }
            self.cursor = page.cursor;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.seen.len() == DOMAINS * PER_DOMAIN
    }
}

/// The exchangers of the domains whose rows are all finished, and what each was asked.
fn finished(sandbox: &Sandbox, batches: &BTreeMap<usize, Accepted>) -> BTreeMap<String, u64> {
    let counts = sandbox.counts();
    let mut exchangers = BTreeMap::new();
    for (number, batch) in batches {
        for domain in 0..DOMAINS {
            let rows = (0..PER_DOMAIN).map(|n| (n * DOMAINS + domain) as i64);
            if rows.clone().all(|row| batch.seen.contains_key(&row)) {
                let host = format!("mx{}.crash-test.net", number * DOMAINS + domain);
                exchangers.insert(host.clone(), counts.exchanger(&host).rcpt);
            }
        }
    }
    exchangers
}

/// Lives a while: sends the next list, reads what it can.
async fn live(service: &Service, batches: &mut BTreeMap<usize, Accepted>) {
    let mut client = service.client().await;
    let number = batches.len();
    if batches.values().all(Accepted::is_over)
        && let Ok(created) = client.create_batch(stream::iter(parts(number))).await
    {
        let id = created.into_inner().batch.unwrap().batch_id;
        batches.insert(number, Accepted { id, ..Accepted::default() });
    }
    if let Some(batch) = batches.values_mut().last() {
        // An error is the kill.
        let _killed = batch.read(&mut client).await;
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
        let service = Service::start(&sandbox, store.path());
        let life = Duration::from_millis(dice.below(LONGEST_LIFE));
        let died = tokio::time::timeout(life, live(&service, &mut batches)).await;
        interrupted += u32::from(died.is_err());
        service.kill();
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
    let service = Service::start(sandbox, store);
    let mut client = service.client().await;
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert!(listed.batches.len() >= batches.len(), "an accepted batch is lost");
    assert!(listed.batches.len() <= batches.len() + 1, "a request made two batches");
    for (number, batch) in &mut batches {
        batch.read(&mut client).await.unwrap();
        let again = client.create_batch(stream::iter(parts(*number))).await.unwrap();
        assert_eq!(again.into_inner().batch.unwrap().batch_id, batch.id, "one request, one batch");
        let request = StreamBatchResultsRequest {
            batch_id: batch.id.clone(),
            order: ResultOrder::Row.into(),
            ..StreamBatchResultsRequest::default()
        };
        let mut pages = client.stream_batch_results(request).await.unwrap().into_inner();
        let mut rows = Vec::new();
        while let Some(page) = pages.message().await.unwrap() {
            rows.extend(page.results);
        }
        let expected = list(*number);
        assert_eq!(rows.len(), expected.len());
        for (row, address) in rows.iter().zip(&expected) {
            let verification = row.verification.as_ref().unwrap();
            assert_eq!(verification.address, *address);
            let verdict = if address.starts_with("gone") { 3 } else { 1 };
            assert_eq!(verification.verdict, verdict, "{verification:?}");
            assert_eq!(batch.seen[&row.row], *row, "a result changed");
        }
    }
    let after = finished(sandbox, &batches);
    for (host, rcpt) in before {
        assert_eq!(after[&host], rcpt, "{host} was asked again about what was finished");
    }
    service.kill();
}
