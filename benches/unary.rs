//! Warm unary answers: `VerifyAddress` from cache beside an empty handler of the same service, same
//! client, same run; and beside itself as JSON over HTTP/1.1.
//!
//! `cargo bench --bench unary`. The figure to read is the ratio of calls a second, median of the
//! rounds; the machine's speed cancels out of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::from_utf8;
use std::time::{Duration, Instant};

use mailvet::app::App;
use mailvet::config::Config;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verification_service_server::{VerificationService, VerificationServiceServer};
use mailvet::proto::{
    ExplainReplyRequest, ExplainReplyResponse, Verification, VerifyAddressRequest,
    VerifyAddressResponse, VerifyAddressesRequest, VerifyAddressesResponse, VerifyDomainRequest,
    VerifyDomainResponse,
};
use mailvet::sandbox::{Sandbox, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

const ROUNDS: usize = 9;
const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 16;
const CALLS: usize = 1_000;
const ADDRESS: &str = "jane.doe@acme.test";

/// Answers nothing, at once.
struct Empty;

#[tonic::async_trait]
impl VerificationService for Empty {
    async fn verify_address(
        &self,
        _: Request<VerifyAddressRequest>,
    ) -> Result<Response<VerifyAddressResponse>, Status> {
        Ok(Response::new(VerifyAddressResponse { verification: Some(Verification::default()) }))
    }

    type VerifyAddressesStream = tokio_stream::Empty<Result<VerifyAddressesResponse, Status>>;

    async fn verify_addresses(
        &self,
        _: Request<Streaming<VerifyAddressesRequest>>,
    ) -> Result<Response<Self::VerifyAddressesStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn verify_domain(
        &self,
        _: Request<VerifyDomainRequest>,
    ) -> Result<Response<VerifyDomainResponse>, Status> {
        Ok(Response::new(VerifyDomainResponse::default()))
    }

    async fn explain_reply(
        &self,
        _: Request<ExplainReplyRequest>,
    ) -> Result<Response<ExplainReplyResponse>, Status> {
        Ok(Response::new(ExplainReplyResponse::default()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(World::built_in()?).await?;
    let mut config = Config::default();
    mailvet::cli::sandboxed(&mut config, &sandbox);
    let app = App::build(config)?;
    let shutdown = CancellationToken::new();
    let mut servers = JoinSet::new();

    let (listener, address) = listen().await?;
    let store = tempfile::tempdir()?;
    let services = app.services(&app.open_batches(store.path()).await?)?;
    let (batches, settings) = (services.batches.clone(), app.config.server.clone());
    let (clock, stop) = (app.clock, shutdown.clone());
    servers.spawn(async move {
        mailvet::grpc::serve(listener, services, settings, clock, stop).await?;
        anyhow::Ok(())
    });
    let (listener, empty) = listen().await?;
    let stop = shutdown.clone();
    servers.spawn(async move {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .add_service(VerificationServiceServer::new(Empty))
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await?;
        anyhow::Ok(())
    });

    let (ours, empty) = (channels(address).await?, channels(empty).await?);
    let first = VerificationServiceClient::new(ours[0].clone())
        .verify_address(request())
        .await?
        .into_inner();
    anyhow::ensure!(first.verification.is_some(), "the first answer is empty");
    let mut ratios = Vec::new();
    println!("{:>5} {:>12} {:>12} {:>7}", "round", "ours/s", "empty/s", "ratio");
    for round in 0..=ROUNDS {
        let (a, b) = (rate(&ours).await?, rate(&empty).await?);
        // The first round warms up.
        if round > 0 {
            println!("{round:>5} {a:>12.0} {b:>12.0} {:>7.3}", a / b);
            ratios.push(a / b);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3} (target 0.70)", ratios[ratios.len() / 2]);
    compare_json(&ours, address).await?;
    let rcpt = sandbox.counts().total().rcpt;
    println!("RCPT sent for all calls together: {rcpt}");

    drop((ours, empty));
    shutdown.cancel();
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    batches.drain().await;
    app.drain().await;
    sandbox.shutdown().await;
    Ok(())
}

fn request() -> VerifyAddressRequest {
    VerifyAddressRequest { address: ADDRESS.to_owned(), options: None }
}

async fn listen() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn channels(address: SocketAddr) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_secs(5));
        channels.push(endpoint.connect().await?);
    }
    Ok(channels)
}

/// Calls a second, over all connections.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn rate(channels: &[Channel]) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for channel in channels {
        for _ in 0..IN_FLIGHT {
            let mut client = VerificationServiceClient::new(channel.clone());
            callers.spawn(async move {
                for _ in 0..CALLS {
                    client.verify_address(request()).await?;
                }
                anyhow::Ok(())
            });
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok((channels.len() * IN_FLIGHT * CALLS) as f64 / started.elapsed().as_secs_f64())
}

/// Prints the rates of JSON over HTTP/1.1 and of gRPC, with as many calls in flight.
async fn compare_json(grpc: &[Channel], address: SocketAddr) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    println!("{:>5} {:>12} {:>12} {:>7}", "round", "JSON/s", "gRPC/s", "ratio");
    for round in 0..=ROUNDS {
        let (a, b) = (json_rate(address).await?, rate(grpc).await?);
        if round > 0 {
            println!("{round:>5} {a:>12.0} {b:>12.0} {:>7.3}", a / b);
            ratios.push(a / b);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of JSON to gRPC {:.3} (target 0.60)", ratios[ratios.len() / 2]);
    Ok(())
}

/// Calls a second by JSON, over connections that stay open and carry one call at a time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn json_rate(address: SocketAddr) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS * IN_FLIGHT {
        callers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let body = format!("{{\"address\":\"{ADDRESS}\"}}");
            let request = format!(
                "POST /v1/addresses:verify HTTP/1.1\r\nhost: localhost\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut buffer = vec![0; 16 * 1024];
            for _ in 0..CALLS {
                stream.write_all(request.as_bytes()).await?;
                read_answer(&mut stream, &mut buffer).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok((CONNECTIONS * IN_FLIGHT * CALLS) as f64 / started.elapsed().as_secs_f64())
}

/// Reads one answer to its end.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the connection ended in an answer");
        filled += read;
        let end = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = from_utf8(&buffer[..end])?;
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or_default().parse()?;
        if filled >= end + 4 + length {
            return Ok(());
        }
    }
}
