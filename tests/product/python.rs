//! gRPC clients that no one here wrote: Python's grpcio, which learns the service by reflection,
//! and grpc-js.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::examples::told;
use crate::product::Product;

/// What the client prints, a JSON value a line.
async fn client(product: &Product, arguments: &[&str], input: &str) -> Vec<Value> {
    let mut command = std::process::Command::new(told("TEST_MAILVET_PYTHON"));
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/client.py"))
        .arg(product.address.to_string())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn python_finds_the_services_by_reflection_and_asks_for_their_health() {
    let product = Product::start().await;
    let services = client(&product, &["services"], "").await;
    assert!(services.contains(&json!("mailvet.v1.VerificationService")), "{services:?}");
    let health = client(&product, &["health", "mailvet.v1.VerificationService"], "").await;
    assert_eq!(health, [json!({"status": "SERVING"})]);
    product.stop().await;
}

#[tokio::test]
async fn python_verifies_an_address_and_reads_the_evidence() {
    let product = Product::start().await;
    let method = "mailvet.v1.VerificationService/VerifyAddress";
    let request = json!({"address": "nobody@acme.test"}).to_string();
    let answers = client(&product, &["call", method, &request], "").await;
    let v = &answers[0]["verification"];
    assert_eq!(v["verdict"], "VERDICT_UNDELIVERABLE", "{answers:?}");
    assert_eq!(v["reason"], "REASON_MAILBOX_NOT_FOUND");
    assert_eq!(v["evidence"]["code"], 550);
    let answers = client(&product, &["call", method, "{}"], "").await;
    let error = &answers[0]["error"];
    assert_eq!(error["code"], "INVALID_ARGUMENT", "{answers:?}");
    assert!(error["details"].to_string().contains("address"), "{answers:?}");
    product.stop().await;
}

#[tokio::test]
async fn python_streams_a_list_and_asks_about_a_domain() {
    let product = Product::start().await;
    let rows = ["jane.doe@acme.test", "nobody@acme.test", "not an address", ""];
    let input: String = rows
        .iter()
        .enumerate()
        .map(|(row, address)| {
            json!({"correlation_id": row.to_string(), "address": address}).to_string() + "\n"
        })
        .collect();
    let method = "mailvet.v1.VerificationService/VerifyAddresses";
    let answers = client(&product, &["call", method, "-"], &input).await;
    assert_eq!(answers.len(), rows.len(), "{answers:?}");
    let row = |row: &str| answers.iter().find(|answer| answer["correlation_id"] == row).unwrap();
    assert_eq!(row("0")["verification"]["verdict"], "VERDICT_DELIVERABLE");
    assert_eq!(row("1")["verification"]["verdict"], "VERDICT_UNDELIVERABLE");
    assert_eq!(row("2")["verification"]["reason"], "REASON_INVALID_SYNTAX");
    let refused = &row("3")["error"];
    assert_eq!(refused["code"], 3, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("address"), "{refused}");
    let method = "mailvet.v1.VerificationService/VerifyDomain";
    let request = json!({"domain": "acme.test"}).to_string();
    let answers = client(&product, &["call", method, &request], "").await;
    assert_eq!(answers[0]["report"]["route"], "ROUTE_EXCHANGERS", "{answers:?}");
    product.stop().await;
}

/// The number of answers that a client counts on one stream of `COUNT` addresses.
async fn answers(product: &Product, mut client: std::process::Command) -> String {
    client.arg(product.address.to_string()).arg(COUNT.to_string());
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Addresses in one stream: many times what fits in the windows.
const COUNT: usize = 20_000;

#[tokio::test]
async fn a_stream_of_any_length_from_grpcio_and_grpc_js_gets_every_answer() {
    // One item at a time: the clients send much faster than they are answered.
    let product = Product::with(|config| config.server.stream_concurrency = 1).await;
    let root = env!("CARGO_MANIFEST_DIR");
    let mut python = std::process::Command::new(told("TEST_MAILVET_PYTHON"));
    python.arg(format!("{root}/tests/python/stream.py"));
    assert_eq!(answers(&product, python).await, COUNT.to_string());
    let mut node = std::process::Command::new("node");
    node.arg(format!("{root}/tests/node/stream.cjs"));
    node.env("NODE_PATH", told("TEST_MAILVET_NODE_MODULES"));
    assert_eq!(answers(&product, node).await, COUNT.to_string());
    product.stop().await;
}
