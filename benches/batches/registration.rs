//! A list of many domains, with their registrations and without: what asking registries costs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use mailvet::sandbox::{Sandbox, World};

/// Runs of each kind, in turn.
const RUNS: usize = 3;

/// Vets lists of `domains` rows, each of a domain of its own; prints the times and the requests.
pub(crate) async fn run(domains: usize) -> anyhow::Result<()> {
    let world = format!(
        r#"
[[generated]]
domain = "bench{{n}}.test"
domains = {domains}
host = "mx.bench-host{{n}}.test"
hosts = 50
[generated.exchanger]
recipients = {{ "user*" = "accept" }}
"#
    );
    println!("{domains} rows of as many domains");
    let (mut without, mut with) = (f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        without = without.min(list(&world, domains, false).await?);
        with = with.min(list(&world, domains, true).await?);
    }
    println!("{:>42} {:>12.2}", "with registrations, of the time without", with / without);
    Ok(())
}

/// Vets the list once, on a world of its own: seconds.
async fn list(world: &str, domains: usize, registration: bool) -> anyhow::Result<f64> {
    let sandbox = Sandbox::start(World::from_toml(world)?).await?;
    let folder = tempfile::tempdir()?;
    let mut rows = String::from("email\n");
    for n in 0..domains {
        writeln!(rows, "user{n}@bench{n}.test")?;
    }
    fs::write(folder.path().join("list.csv"), rows)?;
    fs::write(folder.path().join("mailvet.toml"), config(&sandbox, registration))?;
    let seconds = vet(folder.path(), registration).await?;
    let requests = sandbox.registry_requests() as f64 / domains as f64;
    let kind = if registration { "with registrations" } else { "without" };
    println!("{kind:>42} {seconds:>12.1} s, {requests:.2} requests a domain");
    sandbox.shutdown().await;
    Ok(seconds)
}

fn config(sandbox: &Sandbox, registration: bool) -> String {
    format!(
        "[dns]\nnameservers = [\"{}\"]\n\
         [smtp]\nport = {}\nallow_networks = [\"{}\"]\n\
         [registration]\nenabled = {registration}\nbootstrap_refresh = \"0s\"\n\
         requests_per_second = 10000\nservices = {{ test = \"{}\" }}\n",
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
