//! Everything runs with everything told, and none of what is told holds an address or a local part.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, DeleteBatchRequest,
    GetBatchRequest, StreamBatchResultsRequest, UploadBatchRequest, VerifyAddressRequest,
    VerifyAddressesRequest, VerifyDomainRequest, VerifyOptions,
};
use mailvet::sandbox::World;
use serde_json::Value;
use tokio_stream as stream;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::collector::Collector;
use crate::process::Service;

/// In every local part that is sent in this test, and in nothing else.
const MARK: &str = "zq7wombat";

/// The first part of it, for local parts that are cut or encoded in a way nobody foresaw.
const HINT: &str = "zq7";

/// Local parts of all shapes at every domain of the sandbox, and things that are no address.
fn addresses() -> Vec<String> {
    let world = World::built_in().unwrap();
    let mut domains: BTreeSet<String> = BTreeSet::new();
    for sample in world.samples() {
        domains.extend(sample.address.rsplit_once('@').map(|(_, domain)| domain.to_owned()));
    }
    let mut all: Vec<String> = domains.iter().map(|domain| format!("{MARK}@{domain}")).collect();
    all.extend(
        ["acme.test", "catch-all.test", "gmial.com", "no-such-domain.test"].iter().flat_map(
            |domain| {
                [
                    format!("{MARK}+news@{domain}"),
                    format!("\"{MARK} q\"@{domain}"),
                    format!("{MARK}-jörg@{domain}"),
                    format!("{MARK}..x@{domain}"),
                ]
            },
        ),
    );
    all.extend([
        MARK.to_owned(),
        format!("{MARK}@"),
        format!("{MARK}@@acme.test"),
        format!("{MARK}@acme..test"),
        format!("{MARK}@[127.0.0.1]"),
        format!("{MARK} <{MARK}@acme.test>"),
        format!("{MARK}@{}", "x".repeat(300)),
    ]);
    all
}

fn options(transcript: bool) -> Option<VerifyOptions> {
    Some(VerifyOptions { include_transcript: transcript, ..VerifyOptions::default() })
}

async fn calls(channel: &Channel, addresses: &[String]) {
    let mut client = VerificationServiceClient::new(channel.clone());
    let unary = addresses.iter().map(|address| {
        let mut client = client.clone();
        let request = VerifyAddressRequest { address: address.clone(), options: options(true) };
        let mut request = Request::new(request);
        request.metadata_mut().insert("x-user", format!("{MARK}@acme.test").parse().unwrap());
        async move {
            // Some are refused as requests: that is an answer too.
            let _ = client.verify_address(request).await;
        }
    });
    futures_util::future::join_all(unary).await;
    let items: Vec<_> = addresses
        .iter()
        .map(|address| VerifyAddressesRequest {
            address: address.clone(),
            correlation_id: address.clone(),
            options: options(false),
        })
        .collect();
    let mut answers = client.verify_addresses(stream::iter(items)).await.unwrap().into_inner();
    let mut count = 0;
    while answers.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, addresses.len());
    for domain in ["acme.test", "dns-failure.test", "no domain"] {
        let request = VerifyDomainRequest { domain: domain.to_owned(), ..Default::default() };
        let _ = client.verify_domain(request).await;
    }
    // A method that is an address, a request that is too large, a batch that is none.
    let path = format!("/mailvet.v1.VerificationService/{MARK}@acme.test").parse().unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<VerifyAddressRequest, VerifyAddressRequest>::default();
    let request = VerifyAddressRequest { address: MARK.to_owned(), options: None };
    let refused = grpc.unary(Request::new(request), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let request = VerifyAddressRequest { address: MARK.repeat(50_000), options: None };
    client.verify_address(request).await.unwrap_err();
    let mut batches = BatchServiceClient::new(channel.clone());
    let batch_id = format!("{MARK}@acme.test");
    batches.get_batch(GetBatchRequest { batch_id }).await.unwrap_err();
}

/// Makes a batch of these addresses; its name.
async fn batch(channel: &Channel, addresses: &[String]) -> String {
    let rows = addresses.iter().zip(0..).map(|(address, row)| BatchAddress {
        address: address.clone(),
        row_id: format!("{MARK} {row}"),
        ..BatchAddress::default()
    });
    let options =
        BatchOptions { retry_window: Some(prost_types::Duration::default()), ..Default::default() };
    let spec = BatchSpec {
        display_name: format!("{MARK}'s list"),
        options: Some(options),
        ..BatchSpec::default()
    };
    let end = BatchEnd { rows: i64::try_from(addresses.len()).unwrap() };
    let page = BatchPage { addresses: rows.collect() };
    let parts = [Part::Spec(spec), Part::Page(page), Part::End(end)];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let created = BatchServiceClient::new(channel.clone()).upload_batch(stream::iter(parts)).await;
    created.unwrap().into_inner().batch.unwrap().batch_id
}

/// Reads all results of a batch, and deletes it.
async fn read(channel: &Channel, batch_id: &str, rows: usize) {
    let mut client = BatchServiceClient::new(channel.clone());
    let batch_id = batch_id.to_owned();
    let request = StreamBatchResultsRequest { batch_id: batch_id.clone(), ..Default::default() };
    let mut pages = client.stream_batch_results(request).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(page) = pages.message().await.unwrap() {
        count += page.results.len();
    }
    assert_eq!(count, rows);
    client.delete_batch(DeleteBatchRequest { batch_id }).await.unwrap();
}

#[tokio::test]
async fn no_address_is_in_logs_spans_or_metrics_whatever_happens() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    let environment = [collector.named(), ("MAILVET_LOG__LEVEL", "trace".to_owned())];
    let args = ["--sandbox", "--data-dir", data.to_str().unwrap()];
    let addresses = addresses();
    let mut told = Vec::new();

    let mut service = Service::start(&args, &environment).await;
    let channel = service.channel().await;
    calls(&channel, &addresses).await;
    let many: Vec<String> =
        (0..300).map(|n| format!("{MARK}{n}@catch-all.test")).chain(addresses.clone()).collect();
    let name = batch(&channel, &many).await;
    told.push(service.scrape().await);
    // In the middle of the batch.
    told.extend(service.stop().await);

    let mut service = Service::start(&args, &environment).await;
    let channel = service.channel().await;
    read(&channel, &name, many.len()).await;
    told.push(service.scrape().await);
    for path in ["/readyz", "/healthz", &format!("/{MARK}@acme.test")] {
        told.push(service.get(path).await.1);
    }
    told.extend(service.stop().await);
    told.push(collector.text());

    // There was something to be told.
    let of = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert!(of("\"level\":\"DEBUG\"") > 100 && of("\"target\":\"hickory_") > 0);
    assert_eq!(of("\"message\":\"the batch is finished\""), 1);
    assert_eq!(of("\"message\":\"the batch is deleted\""), 1);
    assert!(of("\"smtp_flight\"") > 0 && of("mailvet_verifications_total") == 2);
    let leaks: Vec<_> = told.iter().filter(|text| text.to_lowercase().contains(HINT)).collect();
    let shown: Vec<_> = leaks.iter().take(10).map(|text| excerpt(text)).collect();
    assert_eq!(leaks.len(), 0, "{shown:#?}");
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the batches are their owner's");
}

/// Where the mark is in a long text.
fn excerpt(text: &str) -> String {
    let text = text.to_lowercase();
    let at = text.find(HINT).unwrap();
    let from = text.floor_char_boundary(at.saturating_sub(300));
    let to = text.floor_char_boundary((at + 100).min(text.len()));
    text[from..to].to_owned()
}

#[tokio::test]
async fn other_crates_are_not_heard_below_info_whoever_asks() {
    for level in
        ["trace", "info,h2=trace,hyper=trace,tonic=debug,rustls=trace,log=trace,tower=trace"]
    {
        let level = ("MAILVET_LOG__LEVEL", level.to_owned());
        let mut service = Service::start(&["--sandbox"], &[level]).await;
        let address = "jane.doe@acme.test".to_owned();
        let request = VerifyAddressRequest { address, options: None };
        service.client().await.verify_address(request).await.unwrap();
        service.said("answered").await;
        for line in service.stop().await {
            let line: Value = serde_json::from_str(&line).unwrap();
            let (level, target) = (line["level"].as_str(), line["target"].as_str().unwrap());
            let is_ours = target.starts_with("mailvet") || target.starts_with("hickory_");
            assert!(is_ours || !matches!(level, Some("TRACE" | "DEBUG")), "{line}");
        }
    }
}
