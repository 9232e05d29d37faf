//! One connection per address, as the other open verifiers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use mailvet::address::DomainName;
use mailvet::clock::Clock;
use mailvet::dns::{self, Lookup as _, Resolver};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Measured;
use crate::process::Meter;
use crate::sink::Sink;
use crate::workload::{Entry, Workload};

const AT_ONCE: usize = 100;
const TIME_LIMIT: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn run(
    _workload: &Workload,
    list: &[Entry],
    sink: &mut Sink,
) -> anyhow::Result<Measured> {
    let config = dns::Config { nameservers: vec![sink.place.nameserver], ..dns::Config::default() };
    let resolver = Arc::new(Resolver::new(config, Clock::start())?);
    let port = sink.place.smtp_port;
    sink.take().await?;
    let meter = Meter::start()?;
    let began = Instant::now();
    let mut callers = JoinSet::new();
    let entries = list.to_vec();
    callers.spawn(async move {
        let verify = async |entry: Entry| {
            let known = timeout(TIME_LIMIT, verify(&resolver, port, &entry)).await;
            let unknown = !matches!(known, Ok(Ok(true)));
            usize::from(unknown && entry.reachable)
        };
        stream::iter(entries)
            .map(verify)
            .buffer_unordered(AT_ONCE)
            .fold(0, async |sum, unknown| sum + unknown)
            .await
    });
    let unknown = callers.join_all().await.into_iter().sum();
    let took = began.elapsed();
    let usage = meter.read()?;
    Ok(Measured { name: "peers", took, usage, seen: sink.take().await?, unknown })
}

/// Whether there was an answer.
async fn verify(resolver: &Resolver, port: u16, entry: &Entry) -> anyhow::Result<bool> {
    let found = resolver.domain(&DomainName::from_ascii(&entry.domain)).await?;
    let Some(exchanger) = found.facts.route.exchangers().first() else { return Ok(true) };
    let host = resolver.host(&exchanger.host).await?;
    let Some(address) = host.addresses.first() else { return Ok(false) };
    let mut stream = BufReader::new(TcpStream::connect(SocketAddr::new(*address, port)).await?);
    let recipient = format!("RCPT TO:<{}>\r\n", entry.address);
    let control = format!("RCPT TO:<xq7vk2m9w4@{}>\r\n", entry.domain);
    let mut answer = 0;
    for command in ["", "EHLO bench.example.com\r\n", "MAIL FROM:<>\r\n", &recipient, &control] {
        stream.get_mut().write_all(command.as_bytes()).await?;
        let code = reply(&mut stream).await?;
        if command.starts_with("RCPT") {
            answer = if answer == 0 { code } else { answer };
        } else if code >= 400 {
            return Ok(false);
        }
    }
    stream.get_mut().write_all(b"QUIT\r\n").await?;
    Ok(!(300..500).contains(&answer))
}

async fn reply(stream: &mut BufReader<TcpStream>) -> anyhow::Result<u16> {
    let mut line = String::new();
    loop {
        line.clear();
        anyhow::ensure!(stream.read_line(&mut line).await? > 3, "closed");
        if line.as_bytes().get(3) == Some(&b' ') {
            return Ok(line[..3].parse()?);
        }
    }
}
