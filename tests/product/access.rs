//! Who may call: keys, quotas, and no harvesting, over real sockets.

use std::io::Write as _;
use std::time::Duration;

use mailvet::access;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verify_addresses_response::Outcome;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchPage, BatchSpec, Depth, GetBatchRequest, UploadBatchRequest,
    VerifyAddressRequest, VerifyAddressesRequest, VerifyOptions,
};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tempfile::NamedTempFile;
use tokio_stream as stream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::{RpcStatusExt as _, StatusExt as _, pb};

use crate::product::Product;

/// A product that asks for keys, and its one key, with what `more` says about it.
async fn with_key(more: &str) -> (Product, String, NamedTempFile) {
    let issued = access::issue("crm", octets(1), None).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}{more}", issued.entry).unwrap();
    let path = file.path().to_owned();
    let product = Product::with(|config| {
        config.server.api_keys = Some(path);
        config.server.poll_interval = Duration::from_secs(1);
    })
    .await;
    (product, issued.key, file)
}

/// Different octets for different keys; a test's key is no secret.
fn octets(seed: u8) -> [u8; 32] {
    [seed; 32]
}

fn shown<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

fn ask(address: &str) -> VerifyAddressRequest {
    VerifyAddressRequest { address: address.to_owned(), options: None }
}

fn item(address: &str) -> VerifyAddressesRequest {
    VerifyAddressesRequest {
        correlation_id: address.to_owned(),
        address: address.to_owned(),
        options: None,
    }
}

/// What reflection answers to a caller with this key.
async fn reflect(channel: &Channel, key: &str, question: MessageRequest) -> MessageResponse {
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(shown(stream::iter([question]), key))
        .await
        .unwrap()
        .into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

/// The path of every method of every service that reflection knows.
async fn methods(channel: &Channel, key: &str) -> Vec<String> {
    let list = reflect(channel, key, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(list) = list else { panic!("no list") };
    let mut paths = Vec::new();
    for service in list.service {
        let symbol = MessageRequest::FileContainingSymbol(service.name.clone());
        let MessageResponse::FileDescriptorResponse(files) = reflect(channel, key, symbol).await
        else {
            panic!("{} has no descriptor", service.name);
        };
        for file in files.file_descriptor_proto {
            let file = FileDescriptorProto::decode(&*file).unwrap();
            for found in &file.service {
                if format!("{}.{}", file.package(), found.name()) == service.name {
                    let path = |method: &str| format!("/{}/{method}", service.name);
                    paths.extend(found.method.iter().map(|method| path(method.name())));
                }
            }
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// Calls a method with an empty message, and says how that ended.
async fn call(channel: &Channel, path: &str, key: Option<&str>) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let request = key.map_or_else(|| Request::new(()), |key| shown((), key));
    let answer = client.server_streaming(request, path.parse().unwrap(), codec).await;
    match answer {
        Err(status) => status.code(),
        Ok(_) => Code::Ok,
    }
}

#[tokio::test]
async fn every_method_of_every_service_but_health_refuses_a_caller_without_a_key() {
    let (product, key, _file) = with_key("").await;
    let channel = product.channel().await;
    let mut paths = methods(&channel, &key).await;
    for expected in ["mailvet.v1.VerificationService/VerifyAddresses", "ServerReflectionInfo"] {
        assert!(paths.iter().any(|path| path.contains(expected)), "{paths:?}");
    }
    // Reflection does not list its older self, and not what does not exist.
    paths.push("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo".to_owned());
    paths.push("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned());
    paths.push("/mailvet.v1.VerificationService/NoSuchMethod".to_owned());
    paths.push("/no.such.Service/Method".to_owned());
    for path in &paths {
        let is_health = path.starts_with("/grpc.health.v1.Health/");
        let without = call(&channel, path, None).await;
        assert_eq!(without == Code::Unauthenticated, !is_health, "{path}: {without:?}");
        let with_wrong = call(&channel, path, Some("mailvet_00")).await;
        assert_eq!(with_wrong == Code::Unauthenticated, !is_health, "{path}: {with_wrong:?}");
        let with = call(&channel, path, Some(&key)).await;
        assert_ne!(with, Code::Unauthenticated, "{path}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let (product, key, _file) = with_key("disabled = true\n").await;
    let mut client = product.client().await;
    let status = client.verify_address(ask("jane.doe@acme.test")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("Bearer KEY"), "{status}");
    let status = client.verify_address(shown(ask("a@acme.test"), &key)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("crm") && status.message().contains("disabled"), "{status}");
    let mut basic = Request::new(ask("a@acme.test"));
    basic.metadata_mut().insert("authorization", "Basic eDp5".parse().unwrap());
    let status = client.verify_address(basic).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(product.sandbox.counts().dns.total(), 0, "nobody was asked anything");
    product.stop().await;
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let (product, key, _file) = with_key("expires = \"2020-01-01T00:00:00Z\"\n").await;
    let status = product.client().await.verify_address(shown(ask("a@acme.test"), &key)).await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("expired"), "{status}");
    product.stop().await;
}

#[tokio::test]
async fn keys_come_and_go_without_a_restart_and_a_mistake_changes_nothing() {
    let (product, key, file) = with_key("").await;
    let mut client = product.client().await;
    let mut code = async |key: &str| {
        let answer = client.verify_address(shown(ask("jane.doe@acme.test"), key)).await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(code(&key).await, Code::Ok);
    let other = access::issue("erp", octets(2), None).unwrap();
    assert_eq!(code(&other.key).await, Code::Unauthenticated);
    let both = format!("{}{}", std::fs::read_to_string(file.path()).unwrap(), other.entry);
    std::fs::write(file.path(), &both).unwrap();
    let taken_up = async { while code(&other.key).await != Code::Ok {} };
    tokio::time::timeout(Duration::from_secs(60), taken_up).await.expect("the key is taken up");
    std::fs::write(file.path(), "[[key]]\nname = \"half\"\n").unwrap();
    assert_eq!(code(&key).await, Code::Ok);
    std::fs::write(file.path(), &other.entry).unwrap();
    let gone = async { while code(&key).await != Code::Unauthenticated {} };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the key is gone");
    assert_eq!(code(&other.key).await, Code::Ok);
    product.stop().await;
}

#[tokio::test]
async fn a_withdrawn_key_ends_its_open_streams() {
    let (product, key, file) = with_key("").await;
    let (_send, receive) = tokio::sync::mpsc::channel::<VerifyAddressesRequest>(1);
    let items = stream::wrappers::ReceiverStream::new(receive);
    let mut client = product.client().await;
    let mut answers = client.verify_addresses(shown(items, &key)).await.unwrap().into_inner();
    std::fs::write(file.path(), &access::issue("other", octets(2), None).unwrap().entry).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), answers.message()).await;
    let status = end.expect("the stream ends").unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    product.stop().await;
}

/// What a status says about a limit: its name, and when to come back.
fn limit(status: &Status) -> (String, Option<Duration>) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let details = status.get_error_details();
    assert!(!details.quota_failure().unwrap().violations.is_empty());
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    (details.error_info().unwrap().reason.clone(), retry)
}

/// The limit that the error of an item names.
fn limit_name(error: &pb::Status) -> String {
    error.get_error_details().error_info().unwrap().reason.clone()
}

/// The wait in seconds that the error of an item asks for.
fn retry_seconds(error: &pb::Status) -> u64 {
    let details = error.get_error_details();
    details.retry_info().unwrap().retry_delay.unwrap().as_secs()
}

#[tokio::test]
async fn calls_a_minute_are_counted_for_each_key_and_refused_with_when_to_retry() {
    let (product, key, _file) = with_key("calls_per_minute = 2\n").await;
    let mut client = product.client().await;
    for _ in 0..2 {
        client.verify_address(shown(ask("jane.doe@acme.test"), &key)).await.unwrap();
    }
    let status = client.verify_address(shown(ask("jane.doe@acme.test"), &key)).await.unwrap_err();
    let (name, retry) = limit(&status);
    assert_eq!(name, "CALLS_PER_MINUTE");
    let retry = retry.unwrap();
    assert!(retry > Duration::ZERO && retry <= Duration::from_secs(61), "{retry:?}");
    product.stop().await;
}

/// The errors and the number of verdicts that a stream of these items gets.
async fn stream_of(
    client: &mut VerificationServiceClient<Channel>,
    key: Option<&str>,
    items: Vec<VerifyAddressesRequest>,
) -> (Vec<pb::Status>, usize) {
    let items = stream::iter(items);
    let request = match key {
        Some(key) => shown(items, key),
        None => Request::new(items),
    };
    let mut answers = client.verify_addresses(request).await.unwrap().into_inner();
    let (mut errors, mut verdicts) = (Vec::new(), 0);
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.outcome.unwrap() {
            Outcome::Verification(_) => verdicts += 1,
            Outcome::Error(error) => errors.push(error),
        }
    }
    (errors, verdicts)
}

#[tokio::test]
async fn addresses_a_day_are_counted_item_by_item_and_the_stream_goes_on() {
    let (product, key, _file) = with_key("addresses_per_day = 3\n").await;
    let mut client = product.client().await;
    let items = (0..5).map(|n| item(&format!("n{n}@no-such-domain.test"))).collect();
    let (errors, verdicts) = stream_of(&mut client, Some(&key), items).await;
    assert_eq!((errors.len(), verdicts), (2, 3));
    for error in &errors {
        assert_eq!((error.code, &*limit_name(error)), (8, "ADDRESSES_PER_DAY"), "{error:?}");
        assert!(retry_seconds(error) > 23 * 3600, "{error:?}");
    }
    let status = client.verify_address(shown(ask("jane.doe@acme.test"), &key)).await.unwrap_err();
    assert_eq!(limit(&status).0, "ADDRESSES_PER_DAY");
    product.stop().await;
}

#[tokio::test]
async fn anonymous_callers_have_the_default_quota() {
    let product = Product::with(|config| config.server.quota.addresses_per_day = 1).await;
    let mut client = product.client().await;
    client.verify_address(ask("jane.doe@acme.test")).await.unwrap();
    let status = client.verify_address(ask("jane.doe@acme.test")).await.unwrap_err();
    assert_eq!(limit(&status).0, "ADDRESSES_PER_DAY");
    product.stop().await;
}

#[tokio::test]
async fn guessing_names_at_a_domain_is_stopped_and_asking_about_the_domain_is_not() {
    let product = Product::with(|config| {
        config.server.harvesting.spare_loopback = false;
        config.server.harvesting.local_parts_per_domain = 3;
    })
    .await;
    let mut client = product.client().await;
    let guesses = (0..6).map(|n| item(&format!("guess{n}@acme.test"))).collect();
    let (errors, verdicts) = stream_of(&mut client, None, guesses).await;
    assert_eq!((errors.len(), verdicts), (3, 3));
    assert!(errors.iter().all(|error| limit_name(error) == "LOCAL_PARTS_PER_DOMAIN"), "{errors:?}");
    assert!(retry_seconds(&errors[0]) >= 3500, "{errors:?}");
    let rcpt = product.sandbox.counts().total().rcpt;
    let status = client.verify_address(ask("guess9@acme.test")).await.unwrap_err();
    assert_eq!(limit(&status).0, "LOCAL_PARTS_PER_DOMAIN");
    assert!(status.message().contains("acme.test") && !status.message().contains("guess9"));
    assert_eq!(product.sandbox.counts().total().rcpt, rcpt, "the mail server was left alone");
    let options = VerifyOptions { depth: Depth::Domain.into(), ..Default::default() };
    let no_deeper = VerifyAddressRequest { options: Some(options), ..ask("guess9@acme.test") };
    client.verify_address(no_deeper).await.unwrap();
    client.verify_address(ask("lea.martin@northwind.test")).await.unwrap();
    product.stop().await;
}

#[tokio::test]
async fn a_caller_that_guesses_nearly_always_wrong_is_stopped_everywhere() {
    let product = Product::with(|config| {
        config.server.harvesting.spare_loopback = false;
        config.server.harvesting.unknown_sample = 5;
    })
    .await;
    let mut client = product.client().await;
    for n in 0..5 {
        client.verify_address(ask(&format!("guess{n}@acme.test"))).await.unwrap();
    }
    let status = client.verify_address(ask("lea.martin@northwind.test")).await.unwrap_err();
    let (name, retry) = limit(&status);
    assert_eq!(name, "UNKNOWN_MAILBOXES");
    assert!(retry.unwrap() <= Duration::from_secs(3660));
    product.stop().await;
}

#[tokio::test]
async fn a_caller_at_this_machine_that_nobody_asks_for_anything_is_spared() {
    let product = Product::with(|config| {
        config.server.harvesting.local_parts_per_domain = 1;
        config.server.harvesting.unknown_sample = 1;
    })
    .await;
    let mut client = product.client().await;
    for n in 0..3 {
        client.verify_address(ask(&format!("guess{n}@acme.test"))).await.unwrap();
    }
    product.stop().await;
}

/// The parts of a batch with these addresses.
fn batch(addresses: &[&str]) -> stream::Iter<std::vec::IntoIter<UploadBatchRequest>> {
    let row =
        |address: &&str| BatchAddress { address: (*address).to_owned(), ..BatchAddress::default() };
    let page = BatchPage { addresses: addresses.iter().map(row).collect() };
    let end = BatchEnd { rows: addresses.len() as i64 };
    let parts = [Part::Spec(BatchSpec::default()), Part::Page(page), Part::End(end)];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    stream::iter(parts.to_vec())
}

#[tokio::test]
async fn a_batch_is_its_caller_s_own_and_its_rows_are_counted() {
    let other = access::issue("erp", octets(2), None).unwrap();
    let (product, key, _file) = with_key(&format!("addresses_per_day = 3\n{}", other.entry)).await;
    let mut client = product.batch_client().await;
    let rows = ["jane.doe@acme.test", "nobody@acme.test"];
    let made = client.upload_batch(shown(batch(&rows), &key)).await.unwrap().into_inner();
    let get = || GetBatchRequest { batch_id: made.batch.as_ref().unwrap().batch_id.clone() };
    client.get_batch(shown(get(), &key)).await.unwrap();
    let status = client.get_batch(shown(get(), &other.key)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "it is not the other one's");
    let status = client.upload_batch(shown(batch(&rows), &key)).await.unwrap_err();
    assert_eq!(limit(&status).0, "ADDRESSES_PER_DAY");
    client.upload_batch(shown(batch(&rows), &other.key)).await.unwrap();
    product.stop().await;
}

#[tokio::test]
async fn a_batch_of_guesses_at_one_domain_is_refused() {
    let product = Product::with(|config| {
        config.server.harvesting.spare_loopback = false;
        config.server.harvesting.local_parts_per_domain = 2;
    })
    .await;
    let mut client = product.batch_client().await;
    let guesses = ["a@acme.test", "b@acme.test", "c@acme.test"];
    let status = client.upload_batch(batch(&guesses)).await.unwrap_err();
    assert_eq!(limit(&status), ("LOCAL_PARTS_PER_DOMAIN".to_owned(), None), "{status}");
    let part = client.upload_batch(batch(&["c@acme.test", "d@acme.test"])).await;
    part.expect("nobody was asked about those that were refused");
    let status = client.upload_batch(batch(&["d@acme.test", "e@acme.test"])).await.unwrap_err();
    let (name, retry) = limit(&status);
    assert_eq!(name, "LOCAL_PARTS_PER_DOMAIN");
    assert!(retry.is_some(), "in an hour it may be asked about");
    product.stop().await;
}
