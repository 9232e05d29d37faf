//! Whole lists, as a user has them vetted: how fast, how much memory, how much disk, and what a
//! kill in the middle costs. Beside it, in the same run, the same addresses through
//! `VerifyAddresses`, which keeps nothing.
//!
//! `cargo bench --bench batches` takes 1,000,000 rows, `-- N` that many. The service and the
//! command line are processes of their own; all answers are cached: the addresses of 5000 domains
//! are vetted as far as DNS, whose answers were asked for before. `-- registration` takes 10,000
//! rows of as many domains instead, with their registrations and without, near and far; `-- wide`
//! 1,000,000 rows of 300,000 domains, whose exchangers are asked.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod load;
mod memory;
mod registration;
mod service;
mod wide;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use mailvet::sandbox::{Sandbox, World};

use load::Client;
use memory::peak_mib;
use service::Service;

/// Different domains.
pub(crate) const DOMAINS: usize = 5_000;

const WORLD: &str = r#"
[[generated]]
domain = "d{n}.bench-list.org"
domains = 5000
host = "mx{n}.bench-list.net"
hosts = 50
"#;

/// The address of a row.
pub(crate) fn address(row: usize) -> String {
    // A stride without a common divisor: neighbours in the list are of different domains.
    format!("user{row:07}@d{}.bench-list.org", row * 7919 % DOMAINS)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok());
    if std::env::args().any(|word| word == "registration") {
        return registration::run(rows.unwrap_or(10_000)).await;
    }
    let rows = rows.unwrap_or(1_000_000);
    if std::env::args().any(|word| word == "wide") {
        return wide::run(rows).await;
    }
    let sandbox = Sandbox::start(World::from_toml(WORLD)?).await?;
    let store = tempfile::tempdir()?;
    println!("{rows} rows of {DOMAINS} domains");

    let service = Service::start(&sandbox, store.path(), &[])?;
    let client = Client::connect(&service.address).await?;
    let warm = client.batch(DOMAINS).await?;
    client.delete(&warm.id).await?;
    let stream = client.stream(rows).await?;
    let batch = client.batch(rows).await?;
    let disk = size(&store.path().join("batches"))?;
    let service_mib = peak_mib(service.process.id())?;
    println!("{:>42} {:>12} rows/s", "a stream that keeps nothing", per_second(rows, stream));
    println!("{:>42} {:>12} rows/s", "a batch", per_second(rows, batch.all));
    println!("{:>42} {:>12.2}", "of the stream's speed", stream / batch.all);
    println!("{:>42} {:>12.1} s", "until all rows are on the disk", batch.accepted);
    println!("{:>42} {:>12.1} s", "until the first result", batch.first);
    println!("{:>42} {:>12.1} s", "until the last result", batch.all);
    println!("{:>42} {:>12} octets a row", "on the disk", disk / rows as u64);
    println!("{:>42} {service_mib:>12.0} MiB", "the service's peak memory");
    client.delete(&batch.id).await?;

    let killed = client.batch_until(rows, rows / 2).await?;
    drop(client);
    service.kill()?;
    let restarted = Instant::now();
    let service = Service::start(&sandbox, store.path(), &[])?;
    let ready = restarted.elapsed().as_secs_f64();
    let client = Client::connect(&service.address).await?;
    let (first, all) = client.read_on(&killed, rows).await?;
    println!("killed after {} results", killed.seen);
    println!("{:>42} {ready:>12.1} s", "until the service is there again");
    println!("{:>42} {:>12.1} s", "until the next result", ready + first);
    println!("{:>42} {:>12.1} s", "until the last", ready + all);
    drop(client);
    service.kill()?;

    let (seconds, mib) = command_line(&sandbox, rows).await?;
    println!("mailvet list, in one process");
    println!("{:>42} {:>12} rows/s", "from file to file", per_second(rows, seconds));
    println!("{:>42} {mib:>12.0} MiB", "peak memory");
    sandbox.shutdown().await;
    Ok(())
}

fn per_second(rows: usize, seconds: f64) -> u64 {
    (rows as f64 / seconds) as u64
}

/// The octets of all files in a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(folder)? {
        octets += entry?.metadata()?.len();
    }
    Ok(octets)
}

/// Vets a file with the command line: seconds, and peak memory in MiB.
async fn command_line(sandbox: &Sandbox, rows: usize) -> anyhow::Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let mut file = BufWriter::new(fs::File::create(folder.path().join("list.csv"))?);
    writeln!(file, "id,email,name")?;
    for row in 0..rows {
        writeln!(file, "{row},{},Somebody Number {row}", address(row))?;
    }
    file.into_inner()?.sync_all()?;
    let started = Instant::now();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(["list", "list.csv", "--depth", "domain", "--quiet"])
        .args(["--nameserver", &sandbox.nameserver().to_string()])
        .current_dir(folder.path())
        .env_clear()
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let pid = child.id().unwrap_or_default();
    let mut mib: f64 = 0.0;
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(100));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = looks.tick() => mib = mib.max(peak_mib(pid).unwrap_or_default()),
        }
    };
    anyhow::ensure!(status.code().is_some_and(|code| code < 2), "mailvet list failed: {status}");
    let seconds = started.elapsed().as_secs_f64();
    let written = fs::read_to_string(folder.path().join("list.vetted.csv"))?;
    anyhow::ensure!(written.lines().count() == rows + 1, "a row is missing");
    Ok((seconds, mib))
}
