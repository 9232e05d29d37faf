//! A list of many domains with few addresses each, from CSV to CSV, against exchangers with a
//! simulated round trip: what a real list costs, end to end.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use mailvet::sandbox::{Sandbox, World};

use crate::memory::peak_mib;

/// Rows of a domain, in thousandths: 300,000 domains in a list of 1,000,000.
const DOMAINS_OF_1000_ROWS: usize = 300;
/// Domains that share an exchanger.
const DOMAINS_OF_A_HOST: usize = 150;

/// One of so many addresses is an unknown user's.
const UNKNOWN_ONE_IN: usize = 12;

/// Vets a list of `rows` addresses; prints how fast, and what it took.
pub(crate) async fn run(rows: usize) -> anyhow::Result<()> {
    let domains = (rows * DOMAINS_OF_1000_ROWS / 1000).max(1);
    let hosts = (domains / DOMAINS_OF_A_HOST).max(1);
    let world = format!(
        r#"
[settings]
round_trip = "100ms"
[[generated]]
domain = "d{{n}}.wide-bench.org"
domains = {domains}
host = "mx.wide{{n}}-bench.org"
hosts = {hosts}
[generated.exchanger]
recipients = {{ "user*" = "accept" }}
"#
    );
    println!("{rows} rows of {domains} domains behind {hosts} exchangers, CSV to CSV");
    let sandbox = Sandbox::start(World::from_toml(&world)?).await?;
    let folder = tempfile::tempdir()?;
    write_list(folder.path(), rows, domains)?;
    let config = format!(
        "[dns]\nnameservers = [\"{}\"]\n[smtp]\nport = {}\nallow_networks = [\"{}\"]\n",
        sandbox.nameserver(),
        sandbox.smtp_port(),
        sandbox.network(),
    );
    fs::write(folder.path().join("mailvet.toml"), config)?;
    let (seconds, mib) = vet(folder.path()).await?;
    let counts = sandbox.counts();
    let (asked, all) = (counts.total(), rows as f64);
    println!("{:>42} {:>12.0} rows/s", "from CSV to CSV", all / seconds);
    println!("{:>42} {mib:>12.0} MiB", "peak memory");
    println!(
        "{:>42} {:>12.2}",
        "DNS questions a domain",
        counts.dns.total() as f64 / domains as f64
    );
    println!("{:>42} {:>12.4}", "connections an address", asked.connections as f64 / all);
    println!("{:>42} {:>12.3}", "recipients named an address", asked.rcpt as f64 / all);
    println!("{:>42} {:>12}", "rows without a yes or no", undecided(folder.path())?);
    sandbox.shutdown().await;
    Ok(())
}

fn write_list(folder: &Path, rows: usize, domains: usize) -> anyhow::Result<()> {
    let mut list = BufWriter::new(fs::File::create(folder.join("list.csv"))?);
    writeln!(list, "id,email")?;
    for n in 0..rows {
        // A stride without a common divisor: neighbours in the list are of different domains.
        let row = n.wrapping_mul(7919) % rows;
        let local = if row % UNKNOWN_ONE_IN == 1 { "gone" } else { "user" };
        writeln!(list, "{n},{local}{row}@d{}.wide-bench.org", row % domains)?;
    }
    Ok(list.flush()?)
}

/// The time it took in seconds, and the most memory.
async fn vet(folder: &Path) -> anyhow::Result<(f64, f64)> {
    let began = Instant::now();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mailvet"));
    command.args(["--config", "mailvet.toml", "list", "list.csv", "-o", "out.csv", "--quiet"]);
    let mut child = command.current_dir(folder).env_clear().stdout(Stdio::null()).spawn()?;
    let mut peak: f64 = 0.0;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                if let Some(mib) = child.id().and_then(|pid| peak_mib(pid).ok()) {
                    peak = peak.max(mib);
                }
            }
        }
    };
    // 0 and 1 are answers; 2 is a failure of the program.
    anyhow::ensure!(matches!(status.code(), Some(0 | 1)), "mailvet list failed: {status}");
    Ok((began.elapsed().as_secs_f64(), peak))
}

/// Rows whose verdict is "unknown".
fn undecided(folder: &Path) -> anyhow::Result<usize> {
    let rows = fs::read_to_string(folder.join("out.csv"))?;
    Ok(rows.lines().filter(|row| row.contains(",unknown,")).count())
}
