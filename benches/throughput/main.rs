//! Lists verified against exchangers with a simulated round trip, beside one connection per address
//! and beside the floor, in the same run.
//!
//! `cargo bench --bench throughput` runs all workloads; `-- A D2` only those, `-- A ours` without
//! what stands beside them. The exchangers run in
//! a process of their own (this binary again), so that CPU time and memory are the verifier's, and
//! every count is the exchangers' own.
//!
//! - *ours*: the verifier as the service has it, caches cold, with its default limits where the
//!   workload does not say otherwise.
//! - *peers*: three DNS queries, one connection and two RCPT (the recipient, a made-up one) for
//!   each address, one command at a time, 100 addresses at once.
//! - *floor*: a bare loop over as many sessions as ours had at once, and as many connections with
//!   an exchanger in a minute, sending the minimal pipelined bytes: each domain's recipients and
//!   its control recipient, and reading as many replies.

mod floor;
mod ours;
mod peers;
mod process;
mod sink;
mod workload;

use std::time::Duration;

use floor::Manners;
use mimalloc::MiMalloc;
use process::Usage;
use sink::{Seen, Sink};
use workload::Workload;

/// As the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// One way of verifying a list, measured.
pub(crate) struct Measured {
    name: &'static str,
    took: Duration,
    usage: Usage,
    seen: Seen,
    unknown: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [flag, name] = &arguments[..]
        && flag == "--sink"
    {
        return runtime.block_on(sink::serve(&workload::named(name)?));
    }
    println!(
        "round trip {:?}; figures per address unless they say otherwise\n",
        workload::ROUND_TRIP
    );
    for workload in workload::all() {
        if arguments.is_empty() || arguments.iter().any(|name| name == workload.name) {
            let alone = arguments.iter().any(|name| name == "ours");
            runtime.block_on(run(&workload, alone))?;
        }
    }
    Ok(())
}

async fn run(workload: &Workload, alone: bool) -> anyhow::Result<()> {
    let list = workload.list();
    println!("{}: {} ({} addresses)", workload.name, workload.what, list.len());
    println!(
        "{:<6} {:>9} {:>9} {:>7} {:>7} {:>9} {:>7} {:>7} {:>7} {:>9} {:>7} {:>7}",
        "",
        "address/s",
        "connect",
        "RCPT",
        "MAIL",
        "flights",
        "DNS",
        "CPU µs",
        "MiB",
        "unknown",
        "peak",
        "a minute"
    );
    let mut sink = Sink::start(workload).await?;
    let ours = ours::run(workload, &list, &mut sink).await?;
    print(&ours, list.len());
    if alone {
        return sink.stop().await;
    }
    let manners = Manners {
        sessions: usize::try_from(ours.seen.smtp.peak_parallel)?,
        connections_a_minute: u32::try_from(ours.seen.smtp.peak_connections_in_window)?,
    };
    let floor = floor::run(workload, &list, manners, &mut sink).await?;
    print(&floor, list.len());
    if workload.beside_peers {
        let peers = peers::run(workload, &list, &mut sink).await?;
        print(&peers, list.len());
    }
    let queries = ours.seen.dns;
    println!(
        "ours: {:.0} % of the floor's speed; DNS queries: MX {}, A {}, AAAA {}; domains {}, exchangers {}\n",
        100.0 * floor.took.as_secs_f64() / ours.took.as_secs_f64(),
        queries.mx,
        queries.a,
        queries.aaaa,
        workload.domains(),
        workload.exchangers(),
    );
    anyhow::ensure!(ours.seen.smtp.violations == 0, "a message was begun");
    sink.stop().await
}

fn print(measured: &Measured, addresses: usize) {
    let count = f64::from(u32::try_from(addresses).unwrap_or(u32::MAX));
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let each = |n: u64| n as f64 / count;
    let Seen { smtp, dns } = &measured.seen;
    println!(
        "{:<6} {:>9.0} {:>9.4} {:>7.3} {:>7.3} {:>9.4} {:>7.3} {:>7.1} {:>7.1} {:>9} {:>7} {:>7}",
        measured.name,
        count / measured.took.as_secs_f64(),
        each(smtp.connections),
        each(smtp.rcpt),
        each(smtp.mail),
        each(smtp.flights),
        each(dns.mx + dns.a + dns.aaaa),
        measured.usage.cpu.as_secs_f64() * 1e6 / count,
        measured.usage.peak_mib,
        measured.unknown,
        smtp.peak_parallel,
        smtp.peak_connections_in_window,
    );
}
