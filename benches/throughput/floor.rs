//! The floor: nothing but the bytes, over as many sessions and connections a minute.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Measured;
use crate::process::Meter;
use crate::sink::Sink;
use crate::workload::{Entry, Workload};

/// Recipients in a flight, and in a transaction: the verifier's defaults, and room for the control
/// recipients of two full transactions.
const FLIGHT: usize = 102;
const TRANSACTION: usize = 50;

const MINUTE: Duration = Duration::from_secs(60);

/// What an exchanger is asked to bear: as much as from ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Sessions at a time.
    pub(crate) sessions: usize,
    /// Connections in a minute.
    pub(crate) connections_a_minute: u32,
}

/// One flight: the bytes, and how many replies they bring.
type Flight = (Vec<u8>, usize);

/// A host: its name, the time after which it is asked again, and the recipients a session may name.
type Host<'l> = (&'l str, Duration, usize);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn run(
    workload: &Workload,
    list: &[Entry],
    manners: Manners,
    sink: &mut Sink,
) -> anyhow::Result<Measured> {
    let mut by_host: BTreeMap<Host<'_>, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for entry in list.iter().filter(|entry| entry.reachable) {
        let host = (entry.exchanger.as_str(), entry.asked_again_after, entry.session_limit);
        let domains = by_host.entry(host).or_default();
        domains.entry(&entry.domain).or_default().push(&entry.address);
    }
    let pipelining = workload.name != "E";
    let Manners { sessions, connections_a_minute } = manners;
    let mut work = Vec::new();
    for ((host, asked_again_after, limit), domains) in by_host {
        let flights = flights(&domains, pipelining, limit);
        // As few as there is work for.
        let each = flights.len().div_ceil(sessions).max(1);
        let address = sink.place.exchangers[host];
        // Where a session may name a flight's recipients and no more, each flight has its own.
        let of_session = if limit < FLIGHT { 1 } else { each };
        let mut begun = 0u32;
        for part in flights.chunks(each) {
            let in_turn = part.chunks(of_session).map(|flights| {
                let not_before = MINUTE * (begun / connections_a_minute);
                begun += 1;
                (not_before, flights.to_vec())
            });
            let in_turn: Vec<_> = in_turn.collect();
            work.push((address, in_turn, asked_again_after));
        }
    }
    sink.take().await?;
    let meter = Meter::start()?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let port = sink.place.smtp_port;
    for (address, in_turn, asked_again_after) in work {
        tasks.spawn(async move {
            for (not_before, flights) in &in_turn {
                tokio::time::sleep(not_before.saturating_sub(began.elapsed())).await;
                session(address, port, flights).await?;
            }
            if asked_again_after.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(asked_again_after).await;
            for (_, flights) in &in_turn {
                session(address, port, flights).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let took = began.elapsed();
    let usage = meter.read()?;
    Ok(Measured { name: "floor", took, usage, seen: sink.take().await?, unknown: 0 })
}

/// Each domain's recipients, then its control recipient; at most `limit` recipients in a flight.
fn flights(domains: &BTreeMap<&str, Vec<&str>>, pipelining: bool, limit: usize) -> Vec<Flight> {
    let (in_flight, in_transaction) = (FLIGHT.min(limit), TRANSACTION.min(limit));
    let mut flights: Vec<Flight> = Vec::new();
    let (mut bytes, mut replies, mut named) = (Vec::new(), 0, 0);
    for (domain, addresses) in domains {
        let control = [format!("control@{domain}")];
        let control: Vec<&str> = control.iter().map(String::as_str).collect();
        // One unknown user tells as much as a control recipient.
        let tells = addresses.iter().any(|address| address.starts_with("gone"));
        let transactions = addresses.chunks(in_transaction).chain((!tells).then_some(&control[..]));
        for recipients in transactions {
            let mut commands = vec!["MAIL FROM:<>\r\n".to_owned()];
            commands.extend(recipients.iter().map(|r| format!("RCPT TO:<{r}>\r\n")));
            commands.push("RSET\r\n".to_owned());
            if !pipelining {
                flights.extend(commands.into_iter().map(|command| (command.into_bytes(), 1)));
                continue;
            }
            if named + recipients.len() > in_flight {
                flights.push((std::mem::take(&mut bytes), replies));
                (replies, named) = (0, 0);
            }
            replies += commands.len();
            named += recipients.len();
            bytes.extend(commands.concat().into_bytes());
        }
    }
    if replies > 0 {
        flights.push((bytes, replies));
    }
    flights
}

async fn session(address: Ipv4Addr, port: u16, flights: &[Flight]) -> anyhow::Result<()> {
    let stream = TcpStream::connect(SocketAddr::from((address, port))).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    read(&mut stream, &mut line, 1).await?;
    stream.get_mut().write_all(b"EHLO bench.example.com\r\n").await?;
    read(&mut stream, &mut line, 1).await?;
    for (bytes, replies) in flights {
        stream.get_mut().write_all(bytes).await?;
        read(&mut stream, &mut line, *replies).await?;
    }
    Ok(stream.get_mut().write_all(b"QUIT\r\n").await?)
}

async fn read(
    stream: &mut BufReader<TcpStream>,
    line: &mut Vec<u8>,
    replies: usize,
) -> anyhow::Result<()> {
    for _ in 0..replies {
        loop {
            line.clear();
            anyhow::ensure!(stream.read_until(b'\n', line).await? > 0, "closed");
            if line.get(3) == Some(&b' ') {
                break;
            }
        }
    }
    Ok(())
}
