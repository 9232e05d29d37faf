//! Errors over HTTP: the code, `google.rpc.Status`, and a sentence that says what to do.

use serde_json::Value;

use super::client::{HttpAnswer, HttpRequest};
use crate::product::Product;

const VERIFY: &str = "/v1/addresses:verify";

/// Checks that this is an error with these codes, whose message holds `part`.
fn assert_error(answer: &HttpAnswer, status: u16, code: i32, part: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["code"], code, "{answer:?}");
    assert!(body["message"].as_str().unwrap().contains(part), "{part}: {answer:?}");
}

/// The fields that the error's `google.rpc.BadRequest` names.
fn fields(answer: &HttpAnswer) -> Vec<String> {
    let body = answer.json();
    let details = body["details"].as_array().unwrap();
    let violations =
        details.iter().flat_map(|detail| detail["fieldViolations"].as_array().unwrap());
    violations.map(|violation| violation["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_request_that_cannot_be_taken_says_what_is_wrong_with_it() {
    let product = Product::start().await;
    let send = |request: HttpRequest| request.send(product.address);
    let json = |body: &str| HttpRequest::post(VERIFY, body);
    assert_error(&send(json("{")).await, 400, 3, "not JSON");
    assert_error(&send(json("[1]")).await, 400, 3, "");
    let unknown = send(json(r#"{"address":"a@b.test","options":{"deph":1}}"#)).await;
    assert_error(&unknown, 400, 3, "options.deph");
    assert_eq!(fields(&unknown), ["options.deph"]);
    let empty = send(json("{}")).await;
    assert_error(&empty, 400, 3, "address");
    assert_eq!(fields(&empty), ["address"]);
    let form = HttpRequest::new("POST", VERIFY).body("address=a@b.test");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_error(&send(form).await, 415, 3, "content-type: application/json");
    let body = || json(r#"{"address":"jane.doe@acme.test"}"#);
    let packed = send(body().header("content-encoding", "gzip")).await;
    assert_error(&packed, 415, 3, "without `content-encoding`");
    for plain in ["identity", "", "Identity, "] {
        let taken = send(body().header("content-encoding", plain)).await;
        assert_eq!(taken.status, 200, "{plain:?}: {taken:?}");
    }
    assert_error(&send(HttpRequest::get("/v2/addresses:verify")).await, 404, 5, "/openapi.json");
    let wrong = send(HttpRequest::get(VERIFY)).await;
    assert_error(&wrong, 405, 12, "POST");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let in_url = HttpRequest::post(&format!("{VERIFY}?address=a@b.test"), "{}");
    assert_error(&send(in_url).await, 400, 3, "in the body");
    let parameter = send(HttpRequest::get("/v1/batches?page_sise=3")).await;
    assert_error(&parameter, 400, 3, "pageSize");
    product.stop().await;
}

#[tokio::test]
async fn a_field_has_one_name_whatever_is_wrong_with_it() {
    let product = Product::start().await;
    let send = |request: HttpRequest| request.send(product.address);
    for age in ["1 day", "-1s"] {
        let body = format!(r#"{{"address":"a@b.test","options":{{"maxAge":"{age}"}}}}"#);
        let refused = send(HttpRequest::post(VERIFY, body)).await;
        assert_error(&refused, 400, 3, "options.maxAge: ");
        assert_eq!(fields(&refused), ["options.maxAge"], "{age}");
    }
    for size in ["many", "-1"] {
        let refused = send(HttpRequest::get(&format!("/v1/batches?pageSize={size}"))).await;
        assert_error(&refused, 400, 3, "pageSize: ");
        assert_eq!(fields(&refused), ["pageSize"], "{size}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_domain_that_dns_cannot_tell_of_now_says_when_to_ask_again() {
    let product = Product::start().await;
    let body = r#"{"domain":"dns-failure.test"}"#;
    let answer = HttpRequest::post("/v1/domains:verify", body).send(product.address).await;
    assert_error(&answer, 503, 14, "SERVFAIL; ask again");
    assert_eq!(answer.header("retry-after"), Some("5"), "{answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_body_is_bounded_as_a_message_is() {
    let product = Product::with(|config| config.server.limits.request_octets = 2000).await;
    let body = format!(r#"{{"address":"{}"}}"#, "a".repeat(2000));
    let answer = HttpRequest::post(VERIFY, body).send(product.address).await;
    assert_error(&answer, 400, 11, "2000 octets");
    product.stop().await;
}

#[tokio::test]
async fn a_body_whose_chunks_cannot_be_read_is_the_callers_error() {
    let product = Product::start().await;
    for (path, kind) in [(VERIFY, "application/json"), ("/v1/batches:upload", "text/csv")] {
        let request = HttpRequest::new("POST", path).header("content-type", kind);
        let request = request.header("transfer-encoding", "chunked").body("no size\r\n");
        let answer = request.send(product.address).await;
        assert_error(&answer, 400, 3, "its chunks cannot be read");
    }
    product.stop().await;
}

#[tokio::test]
async fn an_address_in_a_path_is_not_repeated() {
    let product = Product::start().await;
    let answer = HttpRequest::get("/v1/addresses/jane.doe@acme.test").send(product.address).await;
    assert_error(&answer, 404, 5, "");
    assert!(!answer.body.contains("jane"), "{answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_spent_quota_says_when_to_come_back() {
    let product = Product::with(|config| config.server.quota.calls_per_minute = 1).await;
    let send =
        || HttpRequest::post(VERIFY, r#"{"address":"jane.doe@acme.test"}"#).send(product.address);
    assert_eq!(send().await.status, 200);
    let refused = send().await;
    assert_error(&refused, 429, 8, "");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    let types: Vec<Value> = refused.json()["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["@type"].clone())
        .collect();
    for wanted in ["ErrorInfo", "QuotaFailure", "RetryInfo"] {
        let wanted = format!("type.googleapis.com/google.rpc.{wanted}");
        assert!(types.iter().any(|found| *found == wanted), "{types:?}");
    }
    product.stop().await;
}
