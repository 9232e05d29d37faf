//! Callbacks: the end of a batch is told to the URL that was named, signed, at least once.

#[cfg(feature = "external-tests")]
mod clients;
mod crash;
mod receiver;

use std::io::Write as _;
use std::path::PathBuf;

use mailvet::access;
use mailvet::callbacks::config::KeyCallbacks;
use mailvet::callbacks::{read_secrets, sign};
use mailvet::config::Config;
use mailvet::proto::callback_service_client::CallbackServiceClient;
use mailvet::proto::{
    Callback, CallbackState, ListCallbacksRequest, ResendCallbackRequest, TestCallbackRequest,
    TestCallbackResponse,
};
use mailvet::smtp::AllowedNetworks;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tonic::transport::Channel;

use crate::http::client::HttpRequest;
use crate::process::TIME_LIMIT;
use crate::product::Product;
use receiver::{Received, Receiver};

/// Two secrets: while receivers change from one to the other, each signs.
const SECRETS: [&str; 2] = [
    "whsec_bmV3IHNlY3JldCBvZiB0aGUgY2FsbGJhY2tzISEh",
    "whsec_b2xkIHNlY3JldCBvZiB0aGUgY2FsbGJhY2tzISEh",
];

/// A service that calls back to loopback.
struct Calling {
    product: Product,
    secrets: NamedTempFile,
    /// The key that is shown with JSON requests, if the service asks for one.
    key: Option<String>,
}

impl Calling {
    /// A service that signs the callbacks of all.
    async fn start() -> Self {
        Self::with(|config, secrets| config.callbacks.secrets = Some(secrets)).await
    }

    /// A service with these settings about a file of secrets.
    async fn with(change: impl FnOnce(&mut Config, PathBuf)) -> Self {
        let mut secrets = NamedTempFile::new().unwrap();
        write!(secrets, "{}", SECRETS.join("\n")).unwrap();
        let path = secrets.path().to_owned();
        let product = Product::with(|config| {
            let loopback = AllowedNetworks::parse("127.0.0.1/32").unwrap();
            config.callbacks.allow_networks = AllowedNetworks::new([loopback]);
            change(config, path);
        })
        .await;
        Self { product, secrets, key: None }
    }

    async fn client(&self) -> CallbackServiceClient<Channel> {
        CallbackServiceClient::new(self.product.channel().await)
    }

    /// Makes a batch of two rows that calls this URL back, and seals it.
    async fn batch(&self, url: &str) -> String {
        let callback = json!({ "url": url });
        self.batch_of(json!({ "displayName": "jane@acme.test.csv", "callback": callback })).await
    }

    /// Makes a batch of two rows with this specification, and seals it.
    async fn batch_of(&self, spec: Value) -> String {
        let created = self.post("/v1/batches", json!({ "spec": spec })).await;
        let id = created["batch"]["batchId"].as_str().unwrap().to_owned();
        let rows = json!([{ "address": "jane.doe@acme.test" }, { "address": "nobody@acme.test" }]);
        self.post(&format!("/v1/batches/{id}:append"), json!({ "rows": rows })).await;
        self.post(&format!("/v1/batches/{id}:seal"), json!({ "rows": 2 })).await;
        id
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let mut request = HttpRequest::post(path, body);
        if let Some(key) = &self.key {
            request = request.header("authorization", &format!("Bearer {key}"));
        }
        let answer = request.send(self.product.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn listed(&self) -> Vec<Callback> {
        let request = ListCallbacksRequest::default();
        self.client().await.list_callbacks(request).await.unwrap().into_inner().callbacks
    }

    /// The one callback, once its standing is this after so many tries.
    async fn becomes(&self, state: CallbackState, tries: u32) -> Callback {
        let reached = async {
            loop {
                let callback = self.listed().await.into_iter().next();
                match callback {
                    Some(found) if (found.state(), found.tries) == (state, tries) => return found,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(TIME_LIMIT, reached)
            .await
            .unwrap_or_else(|_| panic!("never {state:?}"))
    }

    async fn resend(&self, callback_id: &str) {
        let request = ResendCallbackRequest { callback_id: callback_id.to_owned() };
        self.client().await.resend_callback(request).await.unwrap();
    }

    async fn test(&self, url: &str) -> Result<TestCallbackResponse, tonic::Status> {
        let request = TestCallbackRequest { url: url.to_owned() };
        self.client().await.test_callback(request).await.map(tonic::Response::into_inner)
    }

    async fn stop(self) {
        self.product.stop().await;
        drop(self.secrets);
    }
}

/// Checks the signatures of both secrets.
fn is_signed(received: &Received) -> bool {
    let secrets = read_secrets(&SECRETS.join("\n")).unwrap();
    let timestamp = received.header("webhook-timestamp").parse().unwrap();
    let signature =
        sign(&secrets, received.header("webhook-id"), timestamp, received.body.as_bytes());
    assert_eq!(signature.split(' ').count(), 2);
    received.header("webhook-signature") == signature
}

#[tokio::test]
async fn the_end_of_a_batch_is_told_signed_and_without_an_address() {
    let calling = Calling::start().await;
    let mut receiver = Receiver::start().await;
    receiver.answer("HTTP/1.1 204 No Content\r\n\r\n");
    let id = calling.batch(&receiver.url).await;
    let received = receiver.next().await;
    assert!(is_signed(&received), "{received:?}");
    assert_eq!(received.header("content-type"), "application/json");
    assert!(!received.body.contains('@'), "{received:?}");
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["batchId"]), (&json!("batch.finished"), &json!(id)));
    assert_eq!(body["data"]["verdicts"]["undeliverable"], 1);
    let callback = calling.becomes(CallbackState::Delivered, 1).await;
    assert_eq!(
        (callback.callback_id.as_str(), callback.result.as_str()),
        (received.header("webhook-id"), "204")
    );
    let stats = calling.product.batches.stats().await.unwrap();
    assert_eq!(stats.pending_callbacks, 0);
    calling.stop().await;
}

#[tokio::test]
async fn the_batches_of_a_key_have_a_callback_and_secrets_of_their_own() {
    let mut receiver = Receiver::start().await;
    receiver.answer("HTTP/1.1 204 No Content\r\n\r\n");
    let issued = access::issue("crm", [1; 32], None).unwrap();
    let mut keys = NamedTempFile::new().unwrap();
    write!(keys, "{}", issued.entry).unwrap();
    let mut calling = Calling::with(|config, secrets| {
        config.server.api_keys = Some(keys.path().to_owned());
        config.callbacks.keys = vec![KeyCallbacks {
            name: "crm".to_owned(),
            secrets: Some(secrets),
            url: Some(receiver.url.clone()),
            events: vec!["batch.finished".to_owned()],
        }];
    })
    .await;
    calling.key = Some(issued.key);
    let id = calling.batch_of(json!({})).await;
    let received = receiver.next().await;
    assert!(is_signed(&received), "{received:?}");
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(body["data"]["batchId"], json!(id));
    receiver.answer("HTTP/1.1 204 No Content\r\n\r\n");
    let trial = calling.post("/v1/callbacks:test", json!({ "url": receiver.url })).await;
    assert_eq!(trial["delivered"], true, "its secrets sign a trial too: {trial}");
    calling.stop().await;
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_under_the_same_id_and_410_ends_it() {
    let calling = Calling::start().await;
    let mut receiver = Receiver::start().await;
    receiver.answer("HTTP/1.1 503 Service Unavailable\r\nretry-after: 7200\r\n\r\n");
    calling.batch(&receiver.url).await;
    let first = receiver.next().await;
    let callback = calling.becomes(CallbackState::Pending, 1).await;
    assert_eq!(callback.result, "503");
    let (due, event) = (callback.next_try_time.unwrap(), callback.event_time.unwrap());
    assert!(due.seconds >= event.seconds + 7200, "it is waited as long as was asked for");
    let stats = calling.product.batches.stats().await.unwrap();
    assert_eq!(stats.pending_callbacks, 1);
    assert!(!stats.oldest_callback.is_zero());

    receiver.answer("HTTP/1.1 410 Gone\r\n\r\n");
    calling.resend(&callback.callback_id).await;
    let second = receiver.next().await;
    assert_eq!(second.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(second.body, first.body);
    assert!(is_signed(&second));
    calling.becomes(CallbackState::SwitchedOff, 1).await;

    receiver.answer("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\nnever whole");
    calling.resend(&callback.callback_id).await;
    receiver.next().await;
    calling.becomes(CallbackState::Delivered, 1).await;
    let other = ResendCallbackRequest { callback_id: "msg_none".to_owned() };
    let error = calling.client().await.resend_callback(other).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    calling.stop().await;
}

#[tokio::test]
async fn two_trials_of_one_moment_are_two_messages() {
    let calling = Calling::start().await;
    let mut receiver = Receiver::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        receiver.answer("HTTP/1.1 204 No Content\r\n\r\n");
        assert!(calling.test(&receiver.url).await.unwrap().delivered);
        ids.push(receiver.next().await.header("webhook-id").to_owned());
    }
    assert_ne!(ids[0], ids[1], "a receiver would take the second for the first, sent again");
    calling.stop().await;
}

#[tokio::test]
async fn redirects_private_addresses_and_plain_text_are_not_followed() {
    let calling = Calling::start().await;
    let mut receiver = Receiver::start().await;
    let metadata = "http://169.254.169.254/latest/meta-data/";
    receiver.answer(&format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {metadata}\r\n\r\n"));
    let answer = calling.test(&receiver.url).await.unwrap();
    assert_eq!(
        (answer.delivered, answer.result.as_str()),
        (false, "307: redirects are not followed")
    );
    assert_eq!(receiver.next().await.header("webhook-id").split('_').nth(1), Some("test"));
    let private =
        ["https://169.254.169.254/", "https://127.0.0.2/", "https://10.0.0.1/", "https://[::1]/"];
    for url in private {
        let answer = calling.test(url).await.unwrap();
        assert!(!answer.delivered && answer.result.contains("no public address"), "{answer:?}");
    }
    // The sandbox's names are on loopback, where nobody allowed them.
    let host = "https://mx1.acme.test/";
    let answer = calling.test(host).await.unwrap();
    assert!(!answer.delivered && answer.result.contains("address"), "{answer:?}");
    for url in [metadata, "http://crm.example.com/", "https://me:x@crm.example.com/", "gopher://a/"]
    {
        assert_eq!(
            calling.test(url).await.unwrap_err().code(),
            tonic::Code::InvalidArgument,
            "{url}"
        );
        let spec = json!({ "spec": { "callback": { "url": url } } });
        let answer = HttpRequest::post("/v1/batches", spec).send(calling.product.address).await;
        assert_eq!(answer.status, 400, "{url}: {answer:?}");
    }
    calling.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_or_floods_costs_a_try_and_no_more() {
    let calling = Calling::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(200_000)));
    let answer = calling.test(&receiver.url).await.unwrap();
    assert!(!answer.delivered && answer.result.contains("broke off"), "{answer:?}");
    // It has nothing to say: as long as a try may take.
    let answer = calling.test(&receiver.url).await.unwrap();
    assert_eq!((answer.delivered, answer.result.as_str()), (false, "no answer within 15 s"));
    calling.stop().await;
}

#[tokio::test]
async fn a_page_token_that_was_never_given_out_is_refused() {
    let calling = Calling::start().await;
    let mut client = calling.client().await;
    let batch = "018f4d6e-0000-7000-8000-000000000000";
    for page_token in [
        "x".to_owned(),
        batch.to_owned(),
        "msg_x_finished".to_owned(),
        format!("msg_{batch}_begun"),
        format!("msg_{}_finished", batch.to_uppercase()),
    ] {
        let request = ListCallbacksRequest { page_token: page_token.clone(), page_size: 1 };
        let status = client.list_callbacks(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{page_token}");
        assert!(status.message().contains("page_token"), "{status}");
    }
    for event in ["finished", "cancelled", "preflight_ready"] {
        let page_token = format!("msg_{batch}_{event}");
        let request = ListCallbacksRequest { page_token, page_size: 1 };
        client.list_callbacks(request).await.unwrap();
    }
    calling.stop().await;
}

#[tokio::test]
async fn without_secrets_no_callback_is_taken() {
    let product = Product::start().await;
    let spec = json!({ "spec": { "callback": { "url": "https://crm.example.com/" } } });
    let answer = HttpRequest::post("/v1/batches", spec).send(product.address).await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (400, Some(9)), "{answer:?}");
    assert!(answer.body.contains("callbacks.secrets"));
    // Nor is one tried, whatever its URL.
    for url in ["https://crm.example.com/", "none"] {
        let trial = HttpRequest::post("/v1/callbacks:test", json!({ "url": url }));
        let answer = trial.send(product.address).await;
        assert_eq!((answer.status, answer.json()["code"].as_i64()), (400, Some(9)), "{answer:?}");
    }
    // Nor is one of earlier days sent again: it would wait for a signature for ever.
    let again = HttpRequest::post("/v1/callbacks/msg_x_finished:resend", json!({}));
    let answer = again.send(product.address).await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (400, Some(9)), "{answer:?}");
    product.stop().await;
}
