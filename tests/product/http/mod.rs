//! JSON over HTTP: every route as its callers meet it, on the wire of HTTP/1.1.

pub(crate) mod client;

mod batches;
#[cfg(feature = "external-tests")]
mod clients;
mod errors;
mod gate;
mod upload;
mod web;

use mailvet::proto::VerifyAddressRequest;
use serde_json::json;

use self::client::HttpRequest;
use crate::product::Product;

#[tokio::test]
async fn an_address_gets_the_verdict_that_grpc_gives() {
    let product = Product::start().await;
    let request = VerifyAddressRequest { address: "nobody@acme.test".to_owned(), options: None };
    let grpc = product.client().await.verify_address(request).await.unwrap().into_inner();
    let request = HttpRequest::post("/v1/addresses:verify", r#"{"address":"nobody@acme.test"}"#);
    let answer = request.send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut grpc = grpc.verification.unwrap();
    // The second answer is from the cache.
    grpc.elapsed_duration = None;
    grpc.evidence.as_mut().unwrap().from_cache = true;
    let grpc = mailvet::proto::json::to_string("Verification", &grpc).unwrap();
    let mut http = answer.json()["verification"].clone();
    http.as_object_mut().unwrap().remove("elapsedDuration");
    assert_eq!(http, serde_json::from_str::<serde_json::Value>(&grpc).unwrap());
    assert_eq!(http["reason"], "REASON_MAILBOX_NOT_FOUND");
    assert_eq!(http["evidence"]["code"], 550);
    product.stop().await;
}

#[tokio::test]
async fn a_domain_and_a_reply_are_answered_about() {
    let product = Product::start().await;
    let request = HttpRequest::post("/v1/domains:verify", r#"{"domain":"acme.test"}"#);
    let answer = request.send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["report"]["route"], "ROUTE_EXCHANGERS");
    let body = json!({ "reply": "452 4.2.2 mailbox full", "stage": "STAGE_RCPT" });
    let answer = HttpRequest::post("/v1/replies:explain", body).send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["meaning"], "REPLY_MEANING_MAILBOX_FULL");
    product.stop().await;
}

#[tokio::test]
async fn the_callers_time_limit_brings_a_verdict_before_it_ends() {
    let product = Product::start().await;
    let body = json!({ "address": product.sample("GREYLISTED") });
    let request = HttpRequest::post("/v1/addresses:verify", body.clone());
    let answer = request.header("x-server-timeout", "0.5").send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["verification"]["verdict"], "VERDICT_UNKNOWN");
    let request = HttpRequest::post("/v1/addresses:verify", body);
    let answer = request.header("x-server-timeout", "soon").send(product.address).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"].as_str().unwrap().contains("x-server-timeout"), "{answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn the_openapi_document_is_served() {
    let product = Product::start().await;
    let answer = HttpRequest::get("/openapi.json").send(product.address).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, mailvet::http::openapi());
    product.stop().await;
}

#[tokio::test]
async fn without_http_only_grpc_is_answered() {
    let product = Product::with(|config| config.server.http.enabled = false).await;
    let request = VerifyAddressRequest { address: "nobody@acme.test".to_owned(), options: None };
    assert!(product.client().await.verify_address(request).await.is_ok());
    let mut stream = tokio::net::TcpStream::connect(product.address).await.unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: here\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut answer = Vec::new();
    let _closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1"), "{}", String::from_utf8_lossy(&answer));
    product.stop().await;
}
