//! Calls from web pages: gRPC-Web, and cross-origin requests.

use mailvet::proto::VerifyAddressRequest;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::HttpRequest;
use crate::product::Product;

const PAGE: &str = "https://crm.example.com";

/// What the service answers to a call by gRPC-Web over HTTP/1.1, as octets.
async fn grpc_web(product: &Product, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let head = format!(
        "POST /mailvet.v1.VerificationService/VerifyAddress HTTP/1.1\r\nhost: here\r\n\
         connection: close\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: {}\r\n\r\n",
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
    assert_eq!(answer.status, 405, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    product.stop().await;
}
