//! Callers that send what no gRPC client of ours would, and one that sends it packed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchPage, BatchSpec, GetBatchRequest, UploadBatchRequest,
    VerifyAddressRequest, VerifyAddressesRequest, VerifyAddressesResponse,
};
use mailvet::sandbox::{Sandbox, World};
use prost::Message as _;
use tokio_stream as stream;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::process::Service;
use crate::product::Product;

const VERIFY: &str = "/mailvet.v1.VerificationService/VerifyAddress";
const STREAM: &str = "/mailvet.v1.VerificationService/VerifyAddresses";
const APPEND: &str = "/mailvet.v1.BatchService/AppendBatchRows";

/// A message with gRPC's header: a flag and the length.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}

/// An address in a field of this tag, whatever its octets.
fn field(tag: u8, octets: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, u8::try_from(octets.len()).unwrap()], octets].concat()
}

fn packed(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

/// An answer: the HTTP status, the octets of its body, and gRPC's status.
struct Answer {
    http: u16,
    body: Vec<u8>,
    status: Status,
}

/// Sends these octets as a request of this content type.
async fn send(channel: &Channel, path: &str, content_type: &str, octets: Vec<u8>) -> Answer {
    let request = http::Request::post(path)
        .header("content-type", content_type)
        .header("te", "trailers")
        .header("grpc-encoding", "gzip")
        .body(Body::new(http_body_util::Full::from(octets)))
        .unwrap();
    let (head, body) = channel.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let status = body.trailers().and_then(Status::from_header_map);
    let status = status.or_else(|| Status::from_header_map(&head.headers));
    Answer { http: head.status.as_u16(), body: body.to_bytes().to_vec(), status: status.unwrap() }
}

async fn grpc(channel: &Channel, path: &str, octets: Vec<u8>) -> Status {
    send(channel, path, "application/grpc", octets).await.status
}

#[tokio::test]
async fn what_a_client_does_wrong_is_told_in_a_sentence_and_is_no_error_in_the_log() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut service = Service::on(&sandbox, store.path(), &[]).await;
    let channel = service.channel().await;
    let good = VerifyAddressRequest { address: "jane.doe@acme.test".to_owned(), options: None };
    let good = good.encode_to_vec();

    for path in ["/mailvet.v1.VerificationService/Guess", "/no.Service/Here", "/"] {
        let status = grpc(&channel, path, framed(0, &good)).await;
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
        assert!(status.message().contains("the services are mailvet.v1."), "{path}: {status}");
    }
    for content_type in ["text/html", "application/json"] {
        let answer = send(&channel, VERIFY, content_type, framed(0, &good)).await;
        assert_eq!(answer.http, 415, "{content_type}");
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains("send content-type application/grpc"), "{content_type}: {body}");
    }
    let not_utf_8 = framed(0, &field(1, b"j\xf6rg@acme.test"));
    let half = framed(0, &good)[..9].to_vec();
    for (what, octets, says) in [
        ("not UTF-8", not_utf_8, "text is UTF-8"),
        ("JSON", b"{\"address\": \"jane.doe@acme.test\"}".to_vec(), "send it with a gRPC client"),
        ("half a message", half, "ends within a message"),
        ("no message", Vec::new(), "holds no message"),
        ("not gzip", framed(1, &good), "cannot be unpacked"),
    ] {
        let status = grpc(&channel, VERIFY, octets).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status}");
        assert!(status.message().contains(says), "{what}: {status}");
    }
    let zeros = vec![0; 1 << 20];
    for (what, octets) in [
        ("a large message", framed(0, &zeros)),
        ("one that unpacks to 1 MiB", framed(1, &packed(&zeros))),
    ] {
        let status = grpc(&channel, VERIFY, octets).await;
        assert_eq!(status.code(), Code::OutOfRange, "{what}: {status}");
        assert!(status.message().contains("too large"), "{what}: {status}");
    }
    let status = grpc(&channel, VERIFY, framed(1, &packed(&good))).await;
    assert_eq!(status.code(), Code::Ok, "gzip is taken: {status}");

    let log = service.stop().await;
    let errors: Vec<_> = log.iter().filter(|line| line.contains("\"ERROR\"")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_stream_survives_a_bad_item_and_what_ends_it_comes_after_the_answers() {
    let product = Product::start().await;
    let channel = product.channel().await;
    let item = |address: String| VerifyAddressesRequest { address, ..Default::default() };
    let good = item("jane.doe@acme.test".to_owned()).encode_to_vec();
    let long = item(format!("{}@acme.test", "x".repeat(60_000))).encode_to_vec();
    let octets = [
        framed(0, &good),
        framed(0, &long),
        framed(1, &packed(&good)),
        framed(0, &field(2, b"j\xf6rg@acme.test")),
        framed(0, &good),
    ];
    let answer = send(&channel, STREAM, "application/grpc", octets.concat()).await;
    assert_eq!(answer.status.code(), Code::InvalidArgument, "{}", answer.status);
    let mut answers = 0;
    let mut body = answer.body.as_slice();
    while let Some((header, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize;
        let (message, rest) = rest.split_at(length);
        let message = VerifyAddressesResponse::decode(message).unwrap();
        assert!(message.outcome.is_some(), "{message:?}");
        (answers, body) = (answers + 1, rest);
    }
    assert_eq!(answers, 3, "the items before have their answers");
    product.stop().await;
}

#[tokio::test]
async fn rows_of_a_page_are_bounded_before_they_are_made() {
    let product = Product::start().await;
    let channel = product.channel().await;
    // A row of nothing takes two octets.
    let rows = [0x1a, 0].repeat(10_001);
    for octets in [framed(0, &rows), framed(1, &packed(&rows))] {
        let status = grpc(&channel, APPEND, octets).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(
            status.message().contains("rows: holds 10001 rows; send at most 10000"),
            "{status}"
        );
    }
    product.stop().await;
}

#[tokio::test]
async fn a_batch_is_taken_and_given_back_packed() {
    let product = Product::start().await;
    let mut client = BatchServiceClient::new(product.channel().await)
        .send_compressed(Gzip)
        .accept_compressed(Gzip);
    let addresses = (0..2_000).map(|row| BatchAddress {
        address: format!("row{row} at acme.test"),
        row_id: row.to_string(),
        ..BatchAddress::default()
    });
    let parts = [
        Part::Spec(BatchSpec::default()),
        Part::Page(BatchPage { addresses: addresses.collect() }),
        Part::End(BatchEnd { rows: 2_000 }),
    ];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let batch = client.upload_batch(stream::iter(parts)).await.unwrap().into_inner();
    let batch_id = batch.batch.unwrap().batch_id;
    let answer = client.get_batch(GetBatchRequest { batch_id }).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(answer.into_inner().batch.unwrap().progress.unwrap().rows, 2_000);
    product.stop().await;
}
