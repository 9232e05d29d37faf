//! Verifies addresses in a program of your own: no gRPC, no database.
//!
//! `cargo run --example library` asks a small mail world on loopback. With addresses as arguments
//! it asks the internet, and then port 25 must be open and HELO_NAME be a name of this host:
//! `HELO_NAME=probe.example.com cargo run --example library -- alice@example.com`.

use mailvet::sandbox::{Sandbox, World};
use mailvet::{Judgement, Verification, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() { ask_the_sandbox().await } else { ask_the_internet(&addresses).await }
}

async fn ask_the_sandbox() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start(World::built_in()?).await?;
    let verifier = Verifier::builder()
        .helo_name("probe.example.com")
        .name_server(sandbox.nameserver())
        .smtp_port(sandbox.smtp_port())
        .allow_network(sandbox.network())
        .build()?;
    for address in
        ["jane.doe@acme.test", "nobody@acme.test", "jane@catch-all.test", "a..b@acme.test"]
    {
        print(&verifier.verify(address).await);
    }
    verifier.close().await;
    sandbox.shutdown().await;
    Ok(())
}

async fn ask_the_internet(addresses: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    #[expect(clippy::disallowed_methods, reason = "an example's own setting")]
    let helo_name =
        std::env::var("HELO_NAME").map_err(|_| "set HELO_NAME to a name of this host")?;
    let verifier = Verifier::builder().helo_name(helo_name).build()?;
    for address in addresses {
        print(&verifier.verify(address).await);
    }
    verifier.close().await;
    Ok(())
}

fn print(verification: &Verification) {
    let judgement: &Judgement = &verification.judgement;
    println!(
        "{:24} {:14} {:12} {}",
        verification.address,
        judgement.verdict.name(),
        judgement.action.name(),
        judgement.reason.name(),
    );
}
