//! Warm unary answers: `VerifyAddress` from cache beside an empty handler of the same service, same
//! client, same run; beside one that has the whole answer at hand, which costs the client and the
//! wire what ours does; and beside itself as JSON over HTTP/1.1.
//!
//! `cargo bench --bench unary`; `-- postgres://user@host/database` adds the same service with its
//! batches in that database. The figure to read is the ratio of calls a second, median of the
//! rounds; the machine's speed cancels out of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::from_utf8;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mailvet::app::App;
use mailvet::batch::Batches;
use mailvet::config::Config;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::verification_service_server::{VerificationService, VerificationServiceServer};
use mailvet::proto::{
    ExplainReplyRequest, ExplainReplyResponse, Verification, VerifyAddressRequest,
    VerifyAddressResponse, VerifyAddressesRequest, VerifyAddressesResponse, VerifyDomainRequest,
    VerifyDomainResponse,
};
use mailvet::sandbox::{Sandbox, World};
use mimalloc::MiMalloc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// As the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ROUNDS: usize = 9;
const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 16;
const CALLS: usize = 1_000;
const ADDRESS: &str = "jane.doe@acme.test";

/// Answers the same at once, whatever it is asked.
struct Fixed(Verification);

#[tonic::async_trait]
impl VerificationService for Fixed {
    async fn verify_address(
        &self,
        _: Request<VerifyAddressRequest>,
    ) -> Result<Response<VerifyAddressResponse>, Status> {
        Ok(Response::new(VerifyAddressResponse { verification: Some(self.0.clone()) }))
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
    let mut servers = Servers::default();
    let ours = servers.ours(&sandbox, None).await?;
    let first = VerificationServiceClient::new(ours.channels[0].clone())
        .verify_address(request())
        .await?
        .into_inner();
    let answer = first.verification.context("the first answer is empty")?;
    let empty = servers.fixed(Verification::default()).await?;
    let same = servers.fixed(answer).await?;
    compare(["ours/s", "empty/s"], || rate(&ours.channels), || rate(&empty), 0.70).await?;
    compare(["ours/s", "same/s"], || rate(&ours.channels), || rate(&same), 0.70).await?;
    let json = || json_rate(ours.address);
    compare(["JSON/s", "gRPC/s"], json, || rate(&ours.channels), 0.60).await?;
    if let Some(url) = std::env::args().find(|word| word.starts_with("postgres")) {
        let shared = servers.ours(&sandbox, Some(url)).await?;
        let shared = || rate(&shared.channels);
        compare(["shared/s", "own/s"], shared, || rate(&ours.channels), 0.95).await?;
    }
    let rcpt = sandbox.counts().total().rcpt;
    println!("RCPT sent for all calls together: {rcpt}");
    servers.stop().await?;
    sandbox.shutdown().await;
    Ok(())
}

/// Prints the rates of two and their ratio, in rounds, each in turn.
async fn compare<A, B>(
    [name, other]: [&str; 2],
    mut rate: impl FnMut() -> A,
    mut rate_of_other: impl FnMut() -> B,
    target: f64,
) -> anyhow::Result<()>
where
    A: Future<Output = anyhow::Result<f64>>,
    B: Future<Output = anyhow::Result<f64>>,
{
    let mut ratios = Vec::new();
    println!("{:>5} {name:>12} {other:>12} {:>7}", "round", "ratio");
    for round in 0..=ROUNDS {
        let (a, b) = (rate().await?, rate_of_other().await?);
        // The first round warms up.
        if round > 0 {
            println!("{round:>5} {a:>12.0} {b:>12.0} {:>7.3}", a / b);
            ratios.push(a / b);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3} (target {target:.2})", ratios[ratios.len() / 2]);
    Ok(())
}

/// What runs, until it is stopped.
#[derive(Default)]
struct Servers {
    running: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
    apps: Vec<(App, Batches)>,
    stores: Vec<TempDir>,
}

/// A running service of ours.
struct Ours {
    address: SocketAddr,
    channels: Vec<Channel>,
}

impl Servers {
    /// Our service, its batches in files of its own or in the database of `url`.
    async fn ours(&mut self, sandbox: &Sandbox, url: Option<String>) -> anyhow::Result<Ours> {
        let mut config = Config::default();
        mailvet::cli::sandboxed(&mut config, sandbox);
        config.store.url = url;
        let app = App::build(config)?;
        let store = tempfile::tempdir()?;
        let batches = match app.config.store.url {
            None => app.open_batches(store.path()).await?,
            Some(_) => app.open_shared_batches().await?,
        };
        let (listener, address) = listen().await?;
        let services = app.services(&batches)?;
        let (settings, clock, stop) = (app.config.server.clone(), app.clock, self.shutdown.clone());
        self.running.spawn(async move {
            mailvet::grpc::serve(listener, services, settings, clock, stop).await?;
            Ok(())
        });
        self.apps.push((app, batches));
        self.stores.push(store);
        Ok(Ours { address, channels: channels(address).await? })
    }

    /// A bare service that always answers this.
    async fn fixed(&mut self, answer: Verification) -> anyhow::Result<Vec<Channel>> {
        let (listener, address) = listen().await?;
        let stop = self.shutdown.clone();
        self.running.spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            Server::builder()
                .add_service(VerificationServiceServer::new(Fixed(answer)))
                .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
                .await?;
            Ok(())
        });
        channels(address).await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        for (app, batches) in self.apps {
            batches.drain().await;
            app.drain().await;
        }
        Ok(())
    }
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
