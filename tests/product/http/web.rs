//! Calls from web pages: gRPC-Web, and cross-origin requests.

use mailvet::proto::VerifyAddressRequest;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::HttpRequest;
use super::gate::{routes, with_key};
use crate::product::Product;

const PAGE: &str = "https://crm.example.com";

/// What the service answers to a call by gRPC-Web over HTTP/1.1, as octets.
async fn grpc_web(product: &Product, message: &[u8]) -> Vec<u8> {
    grpc_over_http_1(product, &product.address.to_string(), "application/grpc-web+proto", message)
        .await
}

/// The same for a request to this host, with this content type.
async fn grpc_over_http_1(
    product: &Product,
    host: &str,
    content_type: &str,
    message: &[u8],
) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let head = format!(
        "POST /mailvet.v1.VerificationService/VerifyAddress HTTP/1.1\r\nhost: {host}\r\n\
         connection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        frame.len()
    );
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    stream.write_all(&[head.as_bytes(), &frame].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn find(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|window| window == part)
}

#[tokio::test]
async fn grpc_web_over_http_1_gets_the_message_and_then_the_status() {
    let product = Product::start().await;
    let request = VerifyAddressRequest { address: "nobody@acme.test".to_owned(), options: None };
    let answer = grpc_web(&product, &request.encode_to_vec()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(find(&answer, b"grpc-status:0").is_some(), "{}", String::from_utf8_lossy(&answer));
    assert!(find(&answer, b"nobody@acme.test").is_some());
    let refused = grpc_web(&product, &[]).await;
    let refused = String::from_utf8_lossy(&refused).to_lowercase();
    assert!(refused.contains("grpc-status: 3") || refused.contains("grpc-status:3"), "{refused}");
    product.stop().await;
}

#[tokio::test]
async fn a_media_type_near_that_of_grpc_web_is_taken_for_it_or_told_what_is_wrong() {
    let product = Product::start().await;
    let request = VerifyAddressRequest { address: "nobody@acme.test".to_owned(), options: None };
    let (host, message) = (product.address.to_string(), request.encode_to_vec());
    let call = |kind: &'static str| grpc_over_http_1(&product, &host, kind, &message);
    let answer = call("Application/grpc-web+proto; charset=utf-8").await;
    assert!(find(&answer, b"grpc-status:0").is_some(), "{}", String::from_utf8_lossy(&answer));
    let answer = String::from_utf8(call("application/grpc-web+json").await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(answer.contains("send content-type application/grpc"), "{answer}");
    product.stop().await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_call_and_others_may_not() {
    let product =
        Product::with(|config| config.server.http.cors_origins = vec![PAGE.to_owned()]).await;
    let preflight = |origin| {
        HttpRequest::new("OPTIONS", "/v1/addresses:verify")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send(product.address)
    };
    let allowed = preflight(PAGE).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some(PAGE));
    let headers = allowed.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("x-grpc-web"), "{headers}");
    let other = preflight("https://elsewhere.example").await;
    assert_eq!(other.header("access-control-allow-origin"), None, "{other:?}");
    let call = HttpRequest::post("/v1/addresses:verify", r#"{"address":"nobody@acme.test"}"#);
    let answer = call.header("origin", PAGE).send(product.address).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("retry-after"));
    product.stop().await;
}

#[tokio::test]
async fn without_listed_origins_no_page_of_another_origin_may_call() {
    let product = Product::start().await;
    let preflight = HttpRequest::new("OPTIONS", "/v1/addresses:verify").header("origin", PAGE);
    let answer = preflight.send(product.address).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    product.stop().await;
}

/// A web page of somebody else, at a name that it has pointed at this machine.
const REBOUND: &str = "evil.example:50051";

#[tokio::test]
async fn a_page_whose_name_was_pointed_at_this_machine_is_refused_everywhere() {
    let product = Product::start().await;
    for (method, path) in routes() {
        let request = HttpRequest::new(&method, &path).header("host", REBOUND);
        let answer = request.send(product.address).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
        let body = answer.json();
        assert_eq!(body["code"], 7);
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("evil.example") && message.contains("server.http.hosts"));
    }
    let request = VerifyAddressRequest { address: "nobody@acme.test".to_owned(), options: None };
    let message = request.encode_to_vec();
    for content_type in
        ["application/grpc-web+proto", "application/grpc-web-text", "application/grpc"]
    {
        let answer = grpc_over_http_1(&product, REBOUND, content_type, &message).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 403"), "{content_type}: {answer}");
    }
    assert_eq!(product.sandbox.counts().total().connections, 0, "nothing was verified");
    product.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_by_requests_that_need_no_leave() {
    let product = Product::start().await;
    let create = HttpRequest::post("/v1/batches", "{}");
    let batch = create.send(product.address).await.json()["batch"]["batchId"].clone();
    let path = format!("/v1/batches/{}", batch.as_str().unwrap());
    for origin in ["https://evil.example", "null"] {
        for path in [&format!("{path}:seal"), &format!("{path}:cancel"), "/v1/batches"] {
            let answer =
                HttpRequest::new("POST", path).header("origin", origin).send(product.address).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(message.contains("server.http.cors_origins"), "{message}");
        }
        let delete = HttpRequest::new("DELETE", &path).header("origin", origin);
        assert_eq!(delete.send(product.address).await.status, 403);
    }
    let state = HttpRequest::get(&path).send(product.address).await.json();
    assert_eq!(state["batch"]["state"], "BATCH_STATE_RECEIVING", "{state}");
    let listed = HttpRequest::get("/v1/batches").send(product.address).await.json();
    assert_eq!(listed["batches"].as_array().unwrap().len(), 1, "{listed}");
    product.stop().await;
}

#[tokio::test]
async fn a_configured_name_is_answered_under_and_with_keys_every_name_is() {
    let ask = |host| HttpRequest::get("/v1/batches").header("host", host);
    let product =
        Product::with(|config| config.server.http.hosts = vec!["mailvet.internal".to_owned()])
            .await;
    assert_eq!(ask("mailvet.internal:80").send(product.address).await.status, 200);
    assert_eq!(ask("localhost:50051").send(product.address).await.status, 200);
    product.stop().await;
    let (product, key, _file) = with_key().await;
    let ask = ask(REBOUND).header("authorization", &format!("Bearer {key}"));
    assert_eq!(ask.send(product.address).await.status, 200);
    product.stop().await;
}
