//! The gRPC API, called by a real client over a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use mailvet::proto::verify_addresses_response::Outcome;
use mailvet::proto::{
    Depth, Reason, Route, Verdict, Verification, VerifyAddressRequest, VerifyAddressesRequest,
    VerifyDomainRequest, VerifyOptions,
};
use mailvet::verdict;
use tokio_stream as stream;
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_types::{RpcStatusExt as _, StatusExt as _};

use crate::product::Product;

fn ask(address: &str) -> VerifyAddressRequest {
    VerifyAddressRequest { address: address.to_owned(), options: None }
}

async fn verify(product: &Product, address: &str) -> Verification {
    let response = product.client().await.verify_address(ask(address)).await.unwrap();
    response.into_inner().verification.unwrap()
}

#[tokio::test]
async fn every_sample_of_the_sandbox_gets_the_verdict_and_reason_it_promises() {
    let product = Product::start().await;
    let mut reasons = std::collections::BTreeSet::new();
    let mut client = product.client().await;
    for sample in product.world.samples() {
        let mut request = ask(&sample.address);
        let depth = match sample.depth {
            mailvet::sandbox::SampleDepth::Syntax => Depth::Syntax,
            mailvet::sandbox::SampleDepth::Domain => Depth::Domain,
            mailvet::sandbox::SampleDepth::Mailbox => Depth::Mailbox,
        };
        request.options = Some(VerifyOptions { depth: depth.into(), ..Default::default() });
        let answer = client.verify_address(request).await.unwrap().into_inner();
        let v = answer.verification.unwrap();
        let got: Vec<_> = v.reasons().map(|reason| reason.as_str_name()).collect();
        assert_eq!(v.verdict().as_str_name(), format!("VERDICT_{}", sample.verdict), "{v:?}");
        assert!(got.contains(&&*format!("REASON_{}", sample.reason)), "{} {v:?}", sample.reason);
        reasons.insert(sample.reason.clone());
    }
    // What became of the operator's own mail decides these two: no server answers with them.
    let own = [verdict::Reason::BouncedBefore, verdict::Reason::OptedOut];
    assert_eq!(reasons.len() + own.len(), verdict::Reason::ALL.len(), "one sample a reason");
    assert_eq!(product.sandbox.counts().total().violations, 0, "a message was begun");
    product.stop().await;
}

#[tokio::test]
async fn a_verdict_carries_its_evidence() {
    let product = Product::start().await;
    let v = verify(&product, "nobody@acme.test").await;
    assert_eq!(v.reason(), Reason::MailboxNotFound);
    assert_eq!(v.canonical(), "nobody@acme.test");
    let evidence = v.evidence.unwrap();
    assert_eq!(evidence.code, Some(550));
    assert!(evidence.exchanger.is_some() && evidence.exchanger_ip.is_some());
    assert!(evidence.reply.is_some() && evidence.rule.is_some() && evidence.failure.is_none());
    assert!(evidence.gather_time.is_some() && !evidence.from_cache);
    let again = verify(&product, "nobody@acme.test").await.evidence.unwrap();
    assert!(again.from_cache, "asked a moment ago");
    assert_eq!(again.gather_time, evidence.gather_time);
    product.stop().await;
}

#[tokio::test]
async fn evidence_older_than_the_caller_accepts_is_gathered_again() {
    let product = Product::start().await;
    verify(&product, "jane.doe@acme.test").await;
    let mut request = ask("jane.doe@acme.test");
    request.options = Some(VerifyOptions {
        max_age: Some(prost_types::Duration::default()),
        ..Default::default()
    });
    let answer = product.client().await.verify_address(request).await.unwrap().into_inner();
    assert!(!answer.verification.unwrap().evidence.unwrap().from_cache);
    product.stop().await;
}

#[tokio::test]
async fn an_invalid_address_is_a_verdict_and_an_empty_one_an_error() {
    let product = Product::start().await;
    let v = verify(&product, "a b@example.com").await;
    assert_eq!((v.verdict(), v.reason()), (Verdict::Undeliverable, Reason::InvalidSyntax));
    assert_eq!(v.syntax_error.unwrap().offset, 1);
    let status = product.client().await.verify_address(ask("")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "address");
    product.stop().await;
}

#[tokio::test]
async fn depth_decides_who_is_asked() {
    let product = Product::start().await;
    let mut client = product.client().await;
    let mut at_depth = async |depth: Depth| {
        let mut request = ask("jane.doe@acme.test");
        request.options = Some(VerifyOptions { depth: depth.into(), ..Default::default() });
        client.verify_address(request).await.unwrap().into_inner().verification.unwrap()
    };
    assert_eq!(at_depth(Depth::Syntax).await.reason(), Reason::NotProbed);
    assert_eq!(product.sandbox.counts().dns.total(), 0);
    assert_eq!(at_depth(Depth::Domain).await.reason(), Reason::NotProbed);
    assert!(product.sandbox.counts().dns.total() > 0);
    assert_eq!(product.sandbox.counts().total().connections, 0);
    assert_eq!(at_depth(Depth::Mailbox).await.reason(), Reason::MailboxAccepted);
    assert!(product.sandbox.counts().total().connections > 0);
    product.stop().await;
}

#[tokio::test]
async fn the_transcript_comes_on_request_and_redacted() {
    let product = Product::start().await;
    assert!(verify(&product, "jane.doe@acme.test").await.transcript.is_empty());
    let mut request = ask("jane.doe@acme.test");
    request.options = Some(VerifyOptions { include_transcript: true, ..Default::default() });
    let answer = product.client().await.verify_address(request).await.unwrap().into_inner();
    let said = answer.verification.unwrap().transcript;
    assert!(said.iter().any(|line| line.text.contains("RCPT TO:<j***@acme.test>")), "{said:?}");
    assert!(said.iter().all(|line| !line.text.contains("jane")));
    product.stop().await;
}

#[tokio::test]
async fn a_stream_answers_every_item_and_a_bad_one_does_not_end_it() {
    let product = Product::start().await;
    let items =
        ["jane.doe@acme.test", "", "nobody@acme.test", "not an address", "x@no-such-domain.test"];
    let requests = items.iter().enumerate().map(|(row, address)| VerifyAddressesRequest {
        correlation_id: format!("row {row}"),
        address: (*address).to_owned(),
        options: None,
    });
    let requests: Vec<_> = requests.collect();
    let mut client = product.client().await;
    let mut responses = client.verify_addresses(stream::iter(requests)).await.unwrap().into_inner();
    let mut outcomes = BTreeMap::new();
    while let Some(response) = responses.message().await.unwrap() {
        let earlier = outcomes.insert(response.correlation_id, response.outcome.unwrap());
        assert!(earlier.is_none(), "one answer a row");
    }
    assert_eq!(outcomes.len(), items.len());
    let reason = |row: usize| match &outcomes[&format!("row {row}")] {
        Outcome::Verification(v) => v.reason(),
        Outcome::Error(error) => panic!("{error:?}"),
    };
    assert_eq!(reason(0), Reason::MailboxAccepted);
    let Outcome::Error(error) = &outcomes["row 1"] else { panic!("{outcomes:?}") };
    assert_eq!(error.code, i32::from(Code::InvalidArgument));
    let details = error.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "address");
    assert_eq!(reason(2), Reason::MailboxNotFound);
    assert_eq!(reason(3), Reason::InvalidSyntax);
    assert_eq!(reason(4), Reason::DomainNotFound);
    product.stop().await;
}

#[tokio::test]
async fn the_caller_gets_a_verdict_before_its_deadline_not_an_error() {
    let product = Product::with(|config| {
        config.smtp.time_limits = mailvet::smtp::TimeLimits::default();
    })
    .await;
    let silent = product.sample("TIMEOUT");
    let mut request = Request::new(ask(&silent));
    request.set_timeout(Duration::from_millis(400));
    let answer = product.client().await.verify_address(request).await.unwrap().into_inner();
    let v = answer.verification.unwrap();
    assert_eq!((v.verdict(), v.reason()), (Verdict::Unknown, Reason::Timeout), "{v:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_rate_limit_is_told_the_same_way_however_long_the_caller_waits() {
    let product = Product::start().await;
    let mut client = product.client().await;
    let address = product.sample("RATE_LIMITED");
    // The first is told by the server; the others find it resting, and wait in vain.
    for seconds in [30, 2, 3] {
        let options =
            VerifyOptions { max_age: Some(prost_types::Duration::default()), ..Default::default() };
        let asked = VerifyAddressRequest { address: address.clone(), options: Some(options) };
        let mut request = Request::new(asked);
        request.set_timeout(Duration::from_secs(seconds));
        let answer = client.verify_address(request).await.unwrap().into_inner();
        let v = answer.verification.unwrap();
        assert_eq!(v.reason(), Reason::RateLimited, "within {seconds} s: {v:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_domain_shows_how_it_receives_mail() {
    let product = Product::start().await;
    let mut client = product.client().await;
    let mut domain = async |name: &str| {
        let request = VerifyDomainRequest { domain: name.to_owned(), ..Default::default() };
        client.verify_domain(request).await.map(|answer| answer.into_inner().report.unwrap())
    };
    let answer = domain("acme.test").await.unwrap();
    assert_eq!(answer.route(), Route::Exchangers);
    assert!(!answer.exchangers[0].addresses.is_empty());
    assert!(!answer.from_cache);
    assert!(domain("ACME.test.").await.unwrap().from_cache);
    let missing = domain("no-such-domain.test").await.unwrap();
    assert_eq!(missing.route(), Route::NoSuchDomain);
    assert_eq!(domain("not a domain").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(domain("").await.unwrap_err().code(), Code::InvalidArgument);
    product.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let product = Product::start().await;
    let channel = product.channel().await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "mailvet.v1.VerificationService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer: ServerReflectionResponse = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list of services");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"mailvet.v1.VerificationService"), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_changed_list_is_taken_up_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let product = Product::with(|config| {
        config.lists.dir = Some(dir.path().to_path_buf());
        config.lists.poll_interval = Duration::from_secs(1);
    })
    .await;
    let mut client = product.client().await;
    let mut is_disposable = async || {
        let request = VerifyDomainRequest { domain: "acme.test".to_owned(), ..Default::default() };
        client.verify_domain(request).await.unwrap().into_inner().report.unwrap().disposable
    };
    assert!(!is_disposable().await);
    std::fs::write(dir.path().join("disposable.txt"), "acme.test\n").unwrap();
    let taken_up = tokio::time::timeout(Duration::from_secs(60), async {
        while !is_disposable().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(taken_up.await.is_ok(), "the list was never read again");
    product.stop().await;
}
