//! A list of many domains, with their registrations and without: what asking registries costs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use mailvet::sandbox::{Sandbox, World};

/// Runs of each kind, in turn.
const RUNS: usize = 3;

/// Lets every domain be asked about while a list of thousands takes seconds.
const EVERY_DOMAIN: &str = "requests_per_second = 10000\n";

/// What a list took.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    /// CPU time of the command alone: the sandbox is in this process.
    cpu: f64,
}

/// Vets lists of `domains` rows, each of a domain of its own; prints the times and the requests.
/// First nothing takes time but work, and the exchangers and the registry work on the same
/// machine; then exchangers have a round trip, and the registry, which is to be asked about every
/// domain all the same, still has none; last the registry is asked at the pace that is shipped.
pub(crate) async fn run(domains: usize) -> anyhow::Result<()> {
    for (round_trip, pace) in [("0s", EVERY_DOMAIN), ("100ms", EVERY_DOMAIN), ("100ms", "")] {
        let world = format!(
            r#"
[settings]
round_trip = "{round_trip}"
[[generated]]
domain = "bench{{n}}.test"
domains = {domains}
host = "mx.bench-host{{n}}.test"
hosts = 50
[generated.exchanger]
recipients = {{ "user*" = "accept" }}
"#
        );
        let asked = if pace.is_empty() { "at the shipped pace" } else { "without a pace" };
        println!(
            "{domains} rows of as many domains, exchangers' round trip {round_trip}, \
             the registry {asked}"
        );
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            without.push(list(&world, domains, pace, false).await?);
            with.push(list(&world, domains, pace, true).await?);
        }
        let least = |costs: &[Cost], of: fn(&Cost) -> f64| {
            costs.iter().map(of).min_by(f64::total_cmp).unwrap_or_default()
        };
        let ratio = |of| least(&with, of) / least(&without, of);
        let (time, cpu) = (ratio(|cost| cost.seconds), ratio(|cost| cost.cpu));
        println!("{:>42} {time:>12.2}", "with registrations, of the time without");
        println!("{:>42} {cpu:>12.2}", "of the CPU time without");
    }
    Ok(())
}

/// Vets the list once, on a world of its own.
async fn list(world: &str, domains: usize, pace: &str, registration: bool) -> anyhow::Result<Cost> {
    let sandbox = Sandbox::start(World::from_toml(world)?).await?;
    let folder = tempfile::tempdir()?;
    let mut rows = String::from("email\n");
    for n in 0..domains {
        writeln!(rows, "user{n}@bench{n}.test")?;
    }
    fs::write(folder.path().join("list.csv"), rows)?;
    fs::write(folder.path().join("mailvet.toml"), config(&sandbox, pace, registration))?;
    let before = cpu_of_children()?;
    let seconds = vet(folder.path(), registration).await?;
    let cpu = cpu_of_children()? - before;
    let requests = sandbox.registry_requests() as f64 / domains as f64;
    let connections = sandbox.registry_connections();
    let kind = if registration { "with registrations" } else { "without" };
    println!(
        "{kind:>42} {seconds:>12.1} s, {cpu:.2} s of CPU; {requests:.2} requests a domain, \
         {connections} connections"
    );
    sandbox.shutdown().await;
    Ok(Cost { seconds, cpu })
}

/// CPU time of the processes that ended and were waited for, in seconds: fields 16 and 17, in
/// hundredths on every Linux of today, counted after the name, which may hold spaces.
fn cpu_of_children() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(13).take(2);
    Ok(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn config(sandbox: &Sandbox, pace: &str, registration: bool) -> String {
    format!(
        "[dns]\nnameservers = [\"{}\"]\n\
         [smtp]\nport = {}\nallow_networks = [\"{}\"]\n\
         [registration]\nenabled = {registration}\nbootstrap_refresh = \"0s\"\n\
         {pace}services = {{ test = \"{}\" }}\n",
        sandbox.nameserver(),
        sandbox.smtp_port(),
        sandbox.network(),
        sandbox.registry_url()
    )
}

async fn vet(folder: &Path, registration: bool) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mailvet"));
    command.args(["--config", "mailvet.toml", "list", "list.csv", "--quiet", "--skip-catch-all"]);
    if registration {
        command.arg("--registration");
    }
    let status = command.current_dir(folder).env_clear().stdout(Stdio::null()).status().await?;
    // 0 and 1 are answers; 2 is a failure of the program.
    anyhow::ensure!(matches!(status.code(), Some(0 | 1)), "mailvet list failed: {status}");
    Ok(started.elapsed().as_secs_f64())
}
