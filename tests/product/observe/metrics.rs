//! What `/metrics` says after some work, and what the port does not do.

use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchPage, BatchSpec, StreamBatchResultsRequest, UploadBatchRequest,
    VerifyAddressRequest, VerifyDomainRequest,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tonic::transport::Channel;

use crate::process::{Service, TIME_LIMIT, ask};

/// The value of a series, as it is written in the text.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

/// Has a batch of these addresses vetted to its end.
async fn vet(channel: Channel, addresses: &[&str]) {
    let mut client = BatchServiceClient::new(channel);
    let address =
        |address: &&str| BatchAddress { address: (*address).to_owned(), ..BatchAddress::default() };
    let page = BatchPage { addresses: addresses.iter().map(address).collect() };
    let end = BatchEnd { rows: i64::try_from(addresses.len()).unwrap() };
    let parts = [Part::Spec(BatchSpec::default()), Part::Page(page), Part::End(end)];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let created = client.upload_batch(tokio_stream::iter(parts)).await.unwrap().into_inner();
    let batch_id = created.batch.unwrap().batch_id;
    let request = StreamBatchResultsRequest { batch_id, ..StreamBatchResultsRequest::default() };
    let mut pages = client.stream_batch_results(request).await.unwrap().into_inner();
    while pages.message().await.unwrap().is_some() {}
}

#[tokio::test]
async fn what_was_done_is_counted() {
    let mut service = Service::start(&["--sandbox"], &[]).await;
    let mut client = service.client().await;
    for address in ["jane.doe@acme.test", "jane.doe@acme.test", "nobody@acme.test", "no address"] {
        let request = VerifyAddressRequest { address: address.to_owned(), options: None };
        client.verify_address(request).await.unwrap();
    }
    let request =
        VerifyDomainRequest { domain: "dns-failure.test".to_owned(), ..Default::default() };
    client.verify_domain(request).await.unwrap_err();
    let batch = service.channel().await;
    vet(batch, &["jane.doe@acme.test", "jane.doe@acme.test", "nobody@acme.test"]).await;
    let text = service.scrape().await;
    let counted = |series: &str| value(&text, series);
    let reason = |verdict, reason| {
        counted(&format!(
            "mailvet_verifications_total{{verdict=\"{verdict}\",reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(reason("deliverable", "mailbox_accepted"), 3.0, "the batch's included");
    assert_eq!(reason("undeliverable", "mailbox_not_found"), 2.0);
    assert_eq!(reason("undeliverable", "invalid_syntax"), 1.0);
    assert_eq!(reason("unknown", "timeout"), 0.0);
    let calls = "mailvet_grpc_calls_total{method=\"mailvet.v1.VerificationService";
    assert_eq!(counted(&format!("{calls}/VerifyAddress\",code=\"ok\"}}")), 4.0);
    assert_eq!(counted(&format!("{calls}/VerifyDomain\",code=\"unavailable\"}}")), 1.0);
    assert_eq!(counted("mailvet_verification_duration_seconds_count"), 6.0);
    assert_eq!(counted("mailvet_verification_duration_seconds_bucket{le=\"+Inf\"}"), 6.0);
    assert_eq!(counted("mailvet_cache_requests_total{cache=\"mailboxes\",result=\"hit\"}"), 3.0);
    assert_eq!(counted("mailvet_cache_requests_total{cache=\"domains\",result=\"miss\"}"), 1.0);
    assert_eq!(counted("mailvet_cache_requests_total{cache=\"domains\",result=\"failure\"}"), 1.0);
    assert!(counted("mailvet_dns_questions_total{outcome=\"server_failure\"}") >= 1.0);
    assert!(counted("mailvet_dns_questions_total{outcome=\"records\"}") >= 2.0);
    for answer in ["registered", "not_registered", "rate_limited"] {
        assert_eq!(
            counted(&format!("mailvet_registry_requests_total{{answer=\"{answer}\"}}")),
            0.0
        );
    }
    assert!(counted("mailvet_smtp_replies_total{meaning=\"mailbox_not_found\"}") >= 1.0);
    assert!(counted("mailvet_smtp_connections_total{result=\"opened\"}") >= 1.0);
    assert!(counted("mailvet_stage_duration_seconds_count{stage=\"flight\"}") >= 1.0);
    assert_eq!(counted("mailvet_batches_running"), 0.0);
    assert_eq!(counted("mailvet_batch_rows{state=\"open\"}"), 0.0);
    assert_eq!(counted("mailvet_batch_results_total"), 2.0);
    assert_eq!(counted("mailvet_grpc_calls_in_flight"), 0.0);
    assert!(counted("process_resident_memory_bytes") > 1e6);
    assert!(counted("process_start_time_seconds") > 1.7e9);
    assert!(counted("process_open_fds") > 3.0 && counted("process_cpu_seconds_total") > 0.0);
    assert_eq!(
        counted(&format!("mailvet_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        1.0
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
    service.stop().await;
}

#[tokio::test]
async fn the_port_answers_three_questions_and_is_not_kept_waiting() {
    let service = Service::start(&["--sandbox"], &[]).await;
    service.answers("/readyz", 200).await;
    for path in ["/", "/metrics/x", "/debug"] {
        assert_eq!(service.get(path).await.0, 404, "{path}");
    }
    assert_eq!(ask(service.metrics, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.0, 405);
    assert_eq!(ask(service.metrics, "nonsense\r\n\r\n").await.0, 400);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(service.metrics).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, long.as_bytes()).await.ok();
    // More than there are places for begin a request and do not end it; they lose them at once, or
    // after five seconds, and keep nobody waiting so long.
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(service.metrics).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /readyz HT").await.ok();
        silent.push(stream);
    }
    let answer = tokio::time::timeout(Duration::from_secs(4), service.get("/readyz")).await;
    assert_eq!(answer.expect("slow clients delay nobody").0, 200);
    for mut stream in silent {
        let mut nothing = Vec::new();
        let closed = stream.read_to_end(&mut nothing);
        tokio::time::timeout(TIME_LIMIT, closed).await.expect("the connection is closed").ok();
    }
    service.stop().await;
}

#[tokio::test]
async fn the_port_is_not_opened_to_others_unless_somebody_says_so() {
    let serve = |arguments: &'static [&'static str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
        command.args(["serve", "--sandbox", "--listen", "127.0.0.1:0"]).args(arguments).env_clear();
        command.kill_on_drop(true);
        async move { tokio::time::timeout(Duration::from_secs(60), command.output()).await }
    };
    let refused = serve(&["--metrics-listen", "0.0.0.0:0"]).await.unwrap().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("0.0.0.0:0") && said.contains("--metrics-allow-remote"), "{said}");
    let args = ["--sandbox", "--metrics-allow-remote"];
    let everywhere = ("MAILVET_METRICS__LISTEN", "0.0.0.0:0".to_owned());
    let service = Service::start(&args, &[everywhere]).await;
    service.stop().await;
}
