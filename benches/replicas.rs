//! Several services on one PostgreSQL: what a question costs that another service has to ask, how
//! soon one hears of what another has done, and what four of them buy where mail servers take their
//! time.
//!
//! `cargo bench --bench replicas -- postgres://user@host/database`. The schema `mailvet` of that
//! database is dropped before each part: it should be an empty one. Services, with
//! `cluster.listen`, are processes of their own; the exchangers are in this one.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

#[path = "batches/service.rs"]
mod service;

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, BatchState,
    StreamBatchResultsRequest, UploadBatchRequest, VerifyAddressRequest, VerifyOptions,
    WatchBatchRequest,
};
use mailvet::sandbox::{Sandbox, World};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use tonic::transport::{Channel, Endpoint};

use service::Service;

/// Destinations: domains, each with an exchanger of its own.
const DESTINATIONS: usize = 400;

/// Calls to each of two services, one after the other.
const CALLS: usize = 4000;

/// Addresses at a destination, of the list: so many that its end, of which one hears within a
/// second, is little of the whole.
const ROWS_PER_DESTINATION: usize = 60;

/// Addresses that a service works on at a time, so that mail servers' time is what it waits for.
const ADDRESSES_AT_ONCE: usize = 200;

/// Lists that are watched.
const LISTS: usize = 100;

/// Rounds, of each number of services.
const ROUNDS: usize = 3;

fn world(round_trip: &str) -> anyhow::Result<World> {
    Ok(World::from_toml(&format!(
        r#"
[settings]
round_trip = "{round_trip}"
[[generated]]
domain = "d{{n}}.replica-bench.org"
domains = {DESTINATIONS}
host = "mx.replica{{n}}-bench.org"
hosts = {DESTINATIONS}
[generated.exchanger.recipients]
"user*" = "accept"
"#
    ))?)
}

fn address(name: &str, n: usize) -> String {
    format!("user{name}{n}@d{}.replica-bench.org", n % DESTINATIONS)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().find(|word| word.starts_with("postgres"));
    let Some(url) = url else {
        println!("needs the URL of an empty database: -- postgres://user@host/database");
        return Ok(());
    };
    forward(&url).await?;
    news(&url).await?;
    let mut rates = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        for (services, rates) in [1, 4].into_iter().zip(&mut rates) {
            let rate = work(&url, services).await?;
            println!("round {round}, {services} services: {rate:.0} rows/s");
            rates.push(rate);
        }
    }
    let [one, four] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!("{DESTINATIONS} destinations, a round trip of 50 ms, {ADDRESSES_AT_ONCE} at a time");
    println!("{:>42} {:>12.2} (target 3.6)", "four services' rate, of one's", four / one);
    Ok(())
}

/// Compares a question that a service asks itself with one that it has another service ask.
async fn forward(url: &str) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(world("0ms")?).await?;
    let folder = tempfile::tempdir()?;
    drop_schema(url).await?;
    let mut services = Vec::new();
    for _ in 0..2 {
        services.push(start(&sandbox, folder.path(), url)?);
    }
    let mut clients = Vec::new();
    for service in &services {
        clients.push(VerificationServiceClient::new(connect(service).await?));
    }
    // The first one holds all destinations from here on.
    for n in 0..DESTINATIONS {
        ask(&mut clients[0], &address("first", n)).await?;
    }
    let mut took = [Vec::new(), Vec::new()];
    for n in 0..CALLS {
        for (name, (client, took)) in ["own", "other"].iter().zip(clients.iter_mut().zip(&mut took))
        {
            took.push(ask(client, &address(name, n)).await?);
        }
    }
    let [own, forwarded] = took.map(|mut took| {
        took.sort();
        [took[CALLS / 2], took[CALLS * 99 / 100]].map(|it| it.as_secs_f64() * 1000.0)
    });
    println!("a call whose recipient has to be asked, {CALLS} of each in turn");
    for (what, [median, p99]) in [("by the holder", own), ("by way of another", forwarded)] {
        println!("{what:>42} {median:>8.2} ms, p99 {p99:>8.2} ms");
    }
    let more = forwarded[1] - own[1];
    println!("{:>42} {more:>8.2} ms more at p99 (target 2)", "the way there and back");
    services.into_iter().try_for_each(Service::kill)?;
    sandbox.shutdown().await;
    Ok(())
}

/// The time one call takes.
async fn ask(
    client: &mut VerificationServiceClient<Channel>,
    address: &str,
) -> anyhow::Result<Duration> {
    let options = VerifyOptions { skip_catch_all: true, ..VerifyOptions::default() };
    let request = VerifyAddressRequest { address: address.to_owned(), options: Some(options) };
    let began = Instant::now();
    let answer = client.verify_address(request).await?.into_inner();
    let took = began.elapsed();
    let verification = answer.verification.context("an empty answer")?;
    anyhow::ensure!(verification.verdict == 1, "{verification:?}");
    Ok(took)
}

/// How long it takes until one who watches a list at another service than the one it was sent to
/// hears that it is finished.
async fn news(url: &str) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(world("0ms")?).await?;
    let folder = tempfile::tempdir()?;
    drop_schema(url).await?;
    let services = [start(&sandbox, folder.path(), url)?, start(&sandbox, folder.path(), url)?];
    let mut here = BatchServiceClient::new(connect(&services[0]).await?);
    let mut there = BatchServiceClient::new(connect(&services[1]).await?);
    let mut took = Vec::new();
    for n in 0..LISTS {
        let batch_id = send(&mut here, 1, &format!("list{n}-")).await?;
        let began = Instant::now();
        let mut seen = there.watch_batch(WatchBatchRequest { batch_id }).await?.into_inner();
        let mut last = None;
        while let Some(state) = seen.message().await? {
            last = state.batch;
        }
        took.push(began.elapsed());
        let last = last.context("nothing was seen")?;
        anyhow::ensure!(last.state() == BatchState::Finished, "{last:?}");
    }
    took.sort();
    let [median, p99] = [took[LISTS / 2], took[LISTS * 99 / 100]].map(|it| it.as_secs_f64());
    println!("{LISTS} lists of one row, one after the other");
    let what = "sealed here until seen finished there";
    println!("{what:>42} {median:>8.2} s, p99 {p99:>8.2} s (target 1.5)");
    services.into_iter().try_for_each(Service::kill)?;
    sandbox.shutdown().await;
    Ok(())
}

/// Sends a list; its id.
async fn send(
    client: &mut BatchServiceClient<Channel>,
    rows: usize,
    name: &str,
) -> anyhow::Result<String> {
    let options = BatchOptions { skip_catch_all: true, ..BatchOptions::default() };
    let spec = BatchSpec { options: Some(options), ..BatchSpec::default() };
    let row = |n| BatchAddress { address: address(name, n), ..BatchAddress::default() };
    let list: Vec<BatchAddress> = (0..rows).map(row).collect();
    let pages: Vec<Part> =
        list.chunks(1000).map(|page| Part::Page(BatchPage { addresses: page.to_vec() })).collect();
    let parts = std::iter::once(Part::Spec(spec))
        .chain(pages)
        .chain(std::iter::once(Part::End(BatchEnd { rows: rows as i64 })))
        .map(|part| UploadBatchRequest { part: Some(part) });
    let created = client.upload_batch(stream::iter(parts)).await?.into_inner();
    Ok(created.batch.context("no batch")?.batch_id)
}

/// Rows a second of a list, by so many services.
async fn work(url: &str, services: usize) -> anyhow::Result<f64> {
    let sandbox = Sandbox::start(world("50ms")?).await?;
    let folder = tempfile::tempdir()?;
    drop_schema(url).await?;
    let services = (0..services)
        .map(|_| start(&sandbox, folder.path(), url))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let rows = DESTINATIONS * ROWS_PER_DESTINATION;
    let mut client = BatchServiceClient::new(connect(&services[0]).await?);
    let batch_id = send(&mut client, rows, "").await?;
    let began = Instant::now();
    let request = StreamBatchResultsRequest { batch_id, ..StreamBatchResultsRequest::default() };
    let mut pages = client.stream_batch_results(request).await?.into_inner();
    let mut read = 0;
    while let Some(page) = pages.next().await {
        for result in page?.results {
            let verification = result.verification.context("an empty result")?;
            anyhow::ensure!(verification.verdict == 1, "{verification:?}");
            read += 1;
        }
    }
    anyhow::ensure!(read == rows, "{read} of {rows} rows");
    let rate = rows as f64 / began.elapsed().as_secs_f64();
    services.into_iter().try_for_each(Service::kill)?;
    sandbox.shutdown().await;
    Ok(rate)
}

async fn drop_schema(url: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    client.batch_execute("DROP SCHEMA IF EXISTS mailvet CASCADE").await?;
    Ok(())
}

/// A service that shares its destinations with the others of the database.
fn start(sandbox: &Sandbox, folder: &Path, url: &str) -> anyhow::Result<Service> {
    let secret = folder.join("secret");
    std::fs::write(&secret, "a secret of all replicas")?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let variables = [
        ("MAILVET_STORE__URL", url.to_owned()),
        ("MAILVET_CLUSTER__LISTEN", listen),
        ("MAILVET_CLUSTER__SECRET_FILE", secret.display().to_string()),
        ("MAILVET_BATCH__ADDRESSES_AT_ONCE", ADDRESSES_AT_ONCE.to_string()),
    ];
    Service::start(sandbox, folder, &variables)
}

async fn connect(service: &Service) -> anyhow::Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{}", service.address))?.connect().await?)
}
