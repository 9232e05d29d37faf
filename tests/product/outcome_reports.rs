//! Outcomes that callers report, by gRPC and by JSON: who may, what is taken, what it changes.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use mailvet::access;
use mailvet::config::Config;
use mailvet::proto::outcome_service_client::OutcomeServiceClient;
use mailvet::proto::{Outcome, OutcomeKind, ReportOutcomesRequest};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tonic::Code;

use crate::http::client::{HttpAnswer, HttpRequest};
use crate::product::Product;

/// A service that keeps outcomes.
struct Reported {
    product: Product,
    folder: TempDir,
}

impl Reported {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), change).await
    }

    /// A service that keeps outcomes in this folder.
    async fn on(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let file: PathBuf = folder.path().join("outcomes.db");
        let product = Product::with(|config| {
            config.outcomes.file = Some(file);
            // The bounces are of a fixed day.
            config.outcomes.suppress_gone = Duration::from_secs(100 * 365 * 86_400);
            change(config);
        })
        .await;
        Self { product, folder }
    }

    /// The service started anew: what it counted before is not remembered.
    async fn restarted(self) -> Self {
        self.product.stop().await;
        Self::on(self.folder, |_| {}).await
    }

    /// The path of a finished batch of these addresses.
    async fn vet(&self, addresses: &[&str]) -> String {
        let created = self.post("/v1/batches", json!({ "spec": {} })).await;
        let path = format!("/v1/batches/{}", created["batch"]["batchId"].as_str().unwrap());
        let rows: Vec<Value> =
            addresses.iter().map(|address| json!({ "address": address })).collect();
        self.post(&format!("{path}:append"), json!({ "rows": rows })).await;
        self.post(&format!("{path}:seal"), json!({ "rows": rows.len() })).await;
        let watch = HttpRequest::get(&format!("{path}:watch")).send(self.product.address).await;
        assert!(watch.body.contains("BATCH_STATE_FINISHED"), "{watch:?}");
        path
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = HttpRequest::post(path, body).send(self.product.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = HttpRequest::get(path).send(self.product.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn report(&self, outcomes: Value) -> Value {
        self.post("/v1/outcomes:report", json!({ "outcomes": outcomes })).await
    }

    /// The reason of an address's verdict.
    async fn reason(&self, address: &str) -> Value {
        let answer = self.post("/v1/addresses:verify", json!({ "address": address })).await;
        answer["verification"]["reason"].clone()
    }
}

fn gone(address: &str) -> Value {
    json!({ "address": address, "kind": "OUTCOME_KIND_BOUNCED", "words": "550 5.1.1 no such user",
        "eventTime": "2026-11-28T09:00:00Z" })
}

#[tokio::test]
async fn a_reported_bounce_suppresses_and_the_same_event_twice_changes_nothing() {
    let service = Reported::start().await;
    let blocked = json!({ "address": "sales@acme.test", "kind": "OUTCOME_KIND_BOUNCED",
        "words": "554 5.7.1 blocked using a blocklist" });
    let outcomes = json!([
        gone("jane.doe@acme.test"),
        blocked,
        { "address": "nobody", "kind": "OUTCOME_KIND_DELIVERED" },
        { "address": "jane.doe@acme.test" },
        { "address": "a@acme.test", "kind": "OUTCOME_KIND_SENT", "eventId": "x".repeat(257) },
        { "address": "a@acme.test", "kind": "OUTCOME_KIND_SENT", "row": "3" },
    ]);
    let answer = service.report(outcomes).await;
    assert_eq!((&answer["taken"], &answer["notUnderstood"]), (&json!("2"), &json!("4")));
    let first = answer["first"].as_array().unwrap();
    let positions: Vec<&str> = first.iter().map(|it| it["position"].as_str().unwrap()).collect();
    assert_eq!(positions, ["2", "3", "4", "5"], "{answer}");
    assert!(first[1]["why"].as_str().unwrap().contains("`kind`"), "{answer}");
    let again = service.report(json!([gone("Jane.Doe@ACME.test")])).await;
    assert_eq!(again, json!({ "repeated": "1" }));
    assert_eq!(service.reason("jane.doe@acme.test").await, "REASON_BOUNCED_BEFORE");
    assert_eq!(service.reason("sales@acme.test").await, "REASON_MAILBOX_ACCEPTED");
    service.product.stop().await;
}

#[tokio::test]
async fn a_stream_of_pages_is_one_report_in_grpc_and_in_lines() {
    let service = Reported::start().await;
    let page = |address: &str| ReportOutcomesRequest {
        outcomes: vec![Outcome {
            address: address.to_owned(),
            kind: OutcomeKind::Unsubscribed.into(),
            ..Outcome::default()
        }],
    };
    let mut client = OutcomeServiceClient::new(service.product.channel().await);
    let pages = tokio_stream::iter([page("jane.doe@acme.test"), page("nobody")]);
    let answer = client.report_outcomes(pages).await.unwrap().into_inner();
    assert_eq!((answer.taken, answer.not_understood, answer.first[0].position), (1, 1, 1));
    assert_eq!(service.reason("jane.doe@acme.test").await, "REASON_OPTED_OUT");
    let lines = |last: &str| {
        let page = json!({ "outcomes": [gone("sales@acme.test")] });
        let request = HttpRequest::new("POST", "/v1/outcomes:report");
        let request = request.header("content-type", "application/x-ndjson");
        request.body(format!("{page}\n\n{page}\n{last}")).send(service.product.address)
    };
    assert_eq!(lines("").await.json(), json!({ "taken": "1", "repeated": "1" }));
    let refused = lines("{\"outcome\": []}").await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("line 4"), "{refused:?}");
    service.product.stop().await;
}

#[tokio::test]
async fn a_row_of_a_batch_names_its_address() {
    let service = Reported::start().await;
    let created = service.post("/v1/batches", json!({ "spec": {} })).await;
    let id = created["batch"]["batchId"].as_str().unwrap();
    let path = format!("/v1/batches/{id}");
    let rows = json!([{ "address": "sales@acme.test" }, { "address": "jane.doe@acme.test" }]);
    service.post(&format!("{path}:append"), json!({ "rows": rows })).await;
    service.post(&format!("{path}:seal"), json!({ "rows": 2 })).await;
    let watch = HttpRequest::get(&format!("{path}:watch")).send(service.product.address).await;
    assert!(watch.body.contains("BATCH_STATE_FINISHED"), "{watch:?}");
    let kind = "OUTCOME_KIND_COMPLAINED";
    let of = |row: i64, batch: &str| json!({ "batchId": batch, "row": row, "kind": kind });
    let other = "0193a1b2-0000-7000-8000-000000000000";
    let answer = service.report(json!([of(1, id), of(2, id), of(-1, id), of(0, other)])).await;
    assert_eq!((&answer["taken"], &answer["notUnderstood"]), (&json!("1"), &json!("3")));
    assert_eq!(service.reason("jane.doe@acme.test").await, "REASON_OPTED_OUT");
    assert_eq!(service.reason("sales@acme.test").await, "REASON_MAILBOX_ACCEPTED");
    service.product.stop().await;
}

#[tokio::test]
async fn a_service_that_keeps_no_outcomes_says_what_to_configure() {
    let product = Product::start().await;
    let mut client = OutcomeServiceClient::new(product.channel().await);
    let refused = client.report_outcomes(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("outcomes.file"), "{refused}");
    product.stop().await;
}

#[tokio::test]
async fn only_callers_that_the_operator_named_report() {
    let keys = ["crm", "shop"].map(|name| access::issue(name, [name.len() as u8; 32], None));
    let [crm, shop] = keys.map(Result::unwrap);
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}\n{}", crm.entry, shop.entry).unwrap();
    let path = file.path().to_owned();
    let service = Reported::with(|config| {
        config.server.api_keys = Some(path);
        config.outcomes.reporters = vec!["crm".to_owned()];
    })
    .await;
    let report = async |key: &str| -> HttpAnswer {
        let body = json!({ "outcomes": [gone("jane.doe@acme.test")] });
        let request = HttpRequest::post("/v1/outcomes:report", body);
        let request = request.header("authorization", &format!("Bearer {key}"));
        request.send(service.product.address).await
    };
    let refused = report(&shop.key).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("outcomes.reporters"), "{refused:?}");
    assert_eq!(report(&crm.key).await.json(), json!({ "taken": "1" }));
    service.product.stop().await;
}

#[tokio::test]
async fn verdicts_on_rows_are_held_against_what_became_of_mail() {
    let service = Reported::start().await;
    let none = service.get("/v1/accuracy").await;
    assert_eq!(none["accuracy"]["right"], json!({}));
    // From the first outcome on verdicts are remembered.
    service.report(json!([gone("somebody@acme.test")])).await;
    let rows = ["jane.doe@acme.test", "sales@acme.test", "nobody@acme.test", "x@catch-all.test"];
    service.vet(&rows).await;
    let now = json!({ "kind": "OUTCOME_KIND_DELIVERED", "address": "sales@acme.test" });
    let mut bounced = gone("jane.doe@acme.test");
    bounced.as_object_mut().unwrap().remove("eventTime");
    service.report(json!([now, bounced])).await;
    let service = service.restarted().await;
    let accuracy = service.get("/v1/accuracy").await["accuracy"].clone();
    assert_eq!(accuracy["right"], json!({ "count": "1", "of": "2" }), "{accuracy}");
    assert_eq!(accuracy["decided"], json!({ "count": "3", "of": "4" }), "{accuracy}");
    assert_eq!(accuracy["sends"][0]["mails"], "2");
    assert!(accuracy["definitions"].as_str().unwrap().contains("within 7 days"));
    let path = service.vet(&["sales@acme.test"]).await;
    let batch = service.get(&path).await["batch"].clone();
    assert_eq!(batch["preflight"]["expected"], json!({ "mails": "2" }), "too few to expect of");
    let told = batch["preflight"]["explanation"].as_str().unwrap();
    assert!(told.contains("Too little is known of earlier sends (2)"), "{told}");
    service.product.stop().await;
}
