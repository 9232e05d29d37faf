//! Vets addresses with mailvet from Rust: one by one, as a stream, and as a batch.
//!
//! ```text
//! export MAILVET_API_KEY=mailvet_...
//! cargo run --example vet -- --ca ca.pem https://vet.example.com:50051 ADDRESS...
//! cargo run --example vet -- http://127.0.0.1:50051 ADDRESS...
//! ```

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use futures_util::stream;
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verify_addresses_response::Outcome;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchPage, BatchSpec, DeleteBatchRequest, GetBatchRequest,
    StreamBatchResultsRequest, UploadBatchRequest, Verification, VerifyAddressRequest,
    VerifyAddressesRequest,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// How many rows go in one page of a batch; the service takes 10,000.
const PAGE: usize = 1000;

/// Vets addresses with mailvet.
#[derive(Parser)]
struct Options {
    /// The authorities to trust with https, as PEM [default: the public ones]
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The API key to show
    #[arg(long, env = "MAILVET_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Where the service is
    url: String,
    /// Whom to ask about
    #[arg(required = true)]
    addresses: Vec<String>,
}

/// Shows the API key with each call.
#[derive(Clone)]
struct ShowKey(Option<MetadataValue<Ascii>>);

impl Interceptor for ShowKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// A connection that is made when it is needed, again and again. Clones share it.
type Connection = InterceptedService<Channel, ShowKey>;

fn connect(options: &Options) -> anyhow::Result<Connection> {
    let mut endpoint = Endpoint::from_shared(options.url.clone())?;
    if options.url.starts_with("https:") {
        let tls = ClientTlsConfig::new();
        endpoint = endpoint.tls_config(match &options.ca {
            Some(file) => tls.ca_certificate(Certificate::from_pem(std::fs::read(file)?)),
            None => tls.trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        })?;
    }
    let key = options.api_key.as_ref().map(|key| format!("Bearer {key}").parse());
    let key = key.transpose().ok().context("the API key holds characters that no key has")?;
    Ok(InterceptedService::new(endpoint.connect_lazy(), ShowKey(key)))
}

fn show(call: &str, address: &str, verification: Option<Verification>) {
    let verification = verification.unwrap_or_default();
    let verdict = verification.verdict().as_str_name().trim_start_matches("VERDICT_");
    let reason = verification.reason().as_str_name().trim_start_matches("REASON_");
    println!("{call} {address} {verdict} {reason}");
}

async fn one_by_one(connection: Connection, addresses: &[String]) -> anyhow::Result<()> {
    let mut service = VerificationServiceClient::new(connection);
    for address in addresses {
        let message = VerifyAddressRequest { address: address.clone(), options: None };
        let mut request = Request::new(message);
        // With a deadline there is an answer in time: UNKNOWN, if nothing better is known by then.
        request.set_timeout(Duration::from_secs(60));
        let answer = service.verify_address(request).await?.into_inner();
        show("one", address, answer.verification);
    }
    Ok(())
}

async fn as_a_stream(connection: Connection, addresses: &[String]) -> anyhow::Result<()> {
    let requests = addresses.iter().enumerate().map(|(row, address)| VerifyAddressesRequest {
        correlation_id: row.to_string(),
        address: address.clone(),
        options: None,
    });
    let requests = stream::iter(requests.collect::<Vec<_>>());
    let mut service = VerificationServiceClient::new(connection);
    let mut answers = service.verify_addresses(requests).await?.into_inner();
    // Answers come as they are found, in any order.
    while let Some(answer) = answers.message().await? {
        let address = &addresses[answer.correlation_id.parse::<usize>()?];
        match answer.outcome {
            Some(Outcome::Error(error)) => println!("stream {address} ERROR {}", error.message),
            Some(Outcome::Verification(verification)) => {
                show("stream", address, Some(verification));
            }
            None => {}
        }
    }
    Ok(())
}

async fn as_a_batch(connection: Connection, addresses: &[String]) -> anyhow::Result<()> {
    let mut service = BatchServiceClient::new(connection);
    // With a request_id of your own, sending the same list again makes no second batch.
    let spec = BatchSpec { display_name: "an example".to_owned(), ..BatchSpec::default() };
    let mut parts = vec![UploadBatchRequest { part: Some(Part::Spec(spec)) }];
    for page in addresses.chunks(PAGE) {
        let row =
            |address: &String| BatchAddress { address: address.clone(), ..Default::default() };
        let page = BatchPage { addresses: page.iter().map(row).collect() };
        parts.push(UploadBatchRequest { part: Some(Part::Page(page)) });
    }
    // A list that breaks off on the way is no batch: the end says that this is all.
    let end = BatchEnd { rows: i64::try_from(addresses.len())? };
    parts.push(UploadBatchRequest { part: Some(Part::End(end)) });
    let created = service.upload_batch(stream::iter(parts)).await?.into_inner();
    let batch_id = created.batch.unwrap_or_default().batch_id;
    // From here on the batch outlives this client, and the service.
    let mut cursor = String::new();
    while let Err(status) = results(&mut service, &batch_id, &mut cursor, addresses).await {
        // The service restarts, or the network broke: the cursor says where to go on.
        if status.code() != Code::Unavailable {
            return Err(status.into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let request = GetBatchRequest { batch_id: batch_id.clone() };
    let batch = service.get_batch(request).await?.into_inner().batch.unwrap_or_default();
    println!("campaign {}", batch.preflight.unwrap_or_default().decision().as_str_name());
    service.delete_batch(DeleteBatchRequest { batch_id }).await?;
    Ok(())
}

/// Shows the results after `cursor`, which moves with them, until the batch is over.
async fn results(
    service: &mut BatchServiceClient<Connection>,
    batch_id: &str,
    cursor: &mut String,
    addresses: &[String],
) -> Result<(), Status> {
    let request = StreamBatchResultsRequest {
        batch_id: batch_id.to_owned(),
        cursor: cursor.clone(),
        ..StreamBatchResultsRequest::default()
    };
    let mut pages = service.stream_batch_results(request).await?.into_inner();
    while let Some(page) = pages.message().await? {
        for result in page.results {
            let row = usize::try_from(result.row).unwrap_or_default();
            show("batch", &addresses[row], result.verification);
        }
        *cursor = page.cursor;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let connection = connect(&options)?;
    one_by_one(connection.clone(), &options.addresses).await?;
    as_a_stream(connection.clone(), &options.addresses).await?;
    as_a_batch(connection, &options.addresses).await
}
