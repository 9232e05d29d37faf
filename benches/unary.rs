//! Warm unary answers: `VerifyAddress` from cache beside an empty handler of the same service, same
//! client, same run.
//!
//! `cargo bench --bench unary`. The figure to read is the ratio of calls a second, median of the
//! rounds; the machine's speed cancels out of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mailvet::app::App;
use mailvet::config::Config;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verification_service_server::{VerificationService, VerificationServiceServer};
use mailvet::proto::{
    Verification, VerifyAddressRequest, VerifyAddressResponse, VerifyAddressesRequest,
    VerifyAddressesResponse, VerifyDomainRequest, VerifyDomainResponse,
};
use mailvet::sandbox::{Sandbox, World};
use tokio::net::TcpListener;
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sandbox = Sandbox::start(World::built_in()?).await?;
    let mut config = Config::default();
    mailvet::cli::sandboxed(&mut config, &sandbox);
    let app = App::build(config)?;
    let shutdown = CancellationToken::new();
    let mut servers = JoinSet::new();

    let (listener, ours) = listen().await?;
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

    let (ours, empty) = (channels(ours).await?, channels(empty).await?);
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
