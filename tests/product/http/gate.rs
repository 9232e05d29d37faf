//! The gate: no route answers without what gRPC would ask for.

use std::io::Write as _;

use mailvet::access;
use mailvet::proto::VerifyAddressRequest;
use mailvet::proto::json::descriptors;
use prost_reflect::Value;
use tempfile::NamedTempFile;
use tonic::{Request, Status};

use super::client::HttpRequest;
use crate::product::Product;

/// Every route, as (method, path), and what is none.
pub(super) fn routes() -> Vec<(String, String)> {
    let http = descriptors().get_extension_by_name("google.api.http").unwrap();
    let mut routes = Vec::new();
    for rpc in descriptors().services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = rpc.options();
        let Value::Message(rule) = options.get_extension(&http).into_owned() else { continue };
        for method in ["get", "post", "delete"] {
            let path = rule.get_field_by_name(method).unwrap();
            let path = path.as_str().unwrap().replace("{batch_id}", "x");
            if !path.is_empty() {
                routes.push((method.to_uppercase(), path));
            }
        }
    }
    assert!(routes.len() >= 13, "{routes:?}");
    let others = [
        ("GET", "/openapi.json"),
        ("POST", "/v1/batches:upload"),
        ("GET", "/v1/batches:upload"),
        ("GET", "/v1/batches/x:download"),
        ("POST", "/v1/batches/x:download"),
        ("POST", "/openapi.json"),
        ("GET", "/"),
        ("GET", "/v1/addresses:verify"),
        ("PATCH", "/v1/batches"),
        ("OPTIONS", "/v1/batches"),
        ("GET", "/metrics"),
        ("POST", "/v1/../mailvet.v1.Http/Answer"),
    ];
    routes.extend(others.map(|(method, path)| (method.to_owned(), path.to_owned())));
    routes
}

pub(super) async fn with_key() -> (Product, String, NamedTempFile) {
    let issued = access::issue("crm", [1; 32], None).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{}", issued.entry).unwrap();
    let path = file.path().to_owned();
    let product = Product::with(|config| config.server.api_keys = Some(path)).await;
    (product, issued.key, file)
}

/// What gRPC answers to a caller who says this.
async fn grpc(product: &Product, authorization: Option<&str>) -> Status {
    let mut request = Request::new(VerifyAddressRequest {
        address: "jane.doe@acme.test".to_owned(),
        options: None,
    });
    if let Some(authorization) = authorization {
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    }
    product.client().await.verify_address(request).await.unwrap_err()
}

#[tokio::test]
async fn no_route_answers_a_caller_whom_grpc_refuses() {
    let (product, key, _file) = with_key().await;
    let wrong = format!("Bearer mailvet_{}", "0".repeat(64));
    let basic = format!("Basic {key}");
    for authorization in [None, Some(wrong.as_str()), Some(&basic), Some("")] {
        let expected = grpc(&product, authorization).await;
        for (method, path) in routes() {
            let request = HttpRequest::new(&method, &path);
            let request = match authorization {
                Some(authorization) => request.header("authorization", authorization),
                None => request,
            };
            let answer = request.send(product.address).await;
            assert_eq!(answer.status, 401, "{method} {path} {authorization:?}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            let body = answer.json();
            assert_eq!(body["code"], i32::from(expected.code()), "{method} {path}");
            assert_eq!(body["message"], expected.message(), "{method} {path}");
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn a_caller_with_the_key_is_let_in_at_every_route() {
    let (product, key, _file) = with_key().await;
    for (method, path) in routes() {
        let request = HttpRequest::new(&method, &path);
        let request = request.header("authorization", &format!("Bearer {key}"));
        let answer = request.send(product.address).await;
        assert!(![401, 403].contains(&answer.status), "{method} {path}: {answer:?}");
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_caller_without_a_key_is_refused_before_its_body_is_read() {
    let (product, key, _file) = with_key().await;
    let request = HttpRequest::post("/v1/addresses:verify", "");
    let answer = request.clone().send_with_length(product.address, 60_000).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let twice = request
        .header("authorization", &format!("Bearer {key}"))
        .header("authorization", &format!("Bearer {key}"));
    assert_eq!(twice.send(product.address).await.status, 401, "two keys are none");
    product.stop().await;
}

#[tokio::test]
async fn calls_over_http_are_counted_under_their_rpc_and_their_caller() {
    let (product, key, _file) = with_key().await;
    let request = HttpRequest::post("/v1/addresses:verify", r#"{"address":"jane.doe@acme.test"}"#);
    let request = request.header("authorization", &format!("Bearer {key}"));
    assert_eq!(request.send(product.address).await.status, 200);
    let calls = product.app.sources.calls.by_caller();
    let method = "mailvet.v1.VerificationService/VerifyAddress".to_owned();
    assert!(calls.contains(&("crm".into(), method, 1)), "{calls:?}");
    product.stop().await;
}
