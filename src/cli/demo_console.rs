//! `mailvet demo --console`: the demo's mail world with the page for people, until Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use toml::Table;

use super::common::Common;
use super::demo;
use super::render::{DIM, GOOD};
use super::scratch::scratch_folder;
use super::serve::{Started, set_console, start};
use crate::grpc;
use crate::sandbox::World;

/// The names beside the addresses of the sample list.
const NAMES: [&str; 4] = ["Ada", "Grace", "Edsger", "Barbara"];

pub(super) async fn run() -> anyhow::Result<bool> {
    let mut flags = Table::new();
    set_console(&mut flags);
    let started = start(&Common::default(), flags, true, "warn").await?;
    let Started { app, sandbox: Some(sandbox), traces } = started else {
        anyhow::bail!("the sandbox did not start");
    };
    let store = scratch_folder()?;
    let batches = app.open_batches(store.path()).await?;
    let services = app.services(&batches)?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let config = app.config.server.clone();
    let serving = grpc::serve(listener, services, config, app.clock, shutdown.clone());
    let list = World::built_in()?.demo().to_vec();
    let sample = store.path().join("sample.csv");
    std::fs::write(&sample, sample_list(&list))?;
    let shown = async {
        demo::vet(address, list).await?;
        anstream::println!(
            "The page: {GOOD}http://{address}/console/{GOOD:#}\nA list to drop on it: {}\n\n{DIM}It \
             looks at a mail world on loopback, and no further. Stop it with Ctrl-C.{DIM:#}",
            sample.display()
        );
        tokio::signal::ctrl_c().await?;
        shutdown.cancel();
        anyhow::Ok(())
    };
    tokio::try_join!(async { Ok(serving.await?) }, shown)?;
    batches.drain().await;
    app.drain().await;
    sandbox.shutdown().await;
    traces.close().await;
    Ok(true)
}

/// The list as a person's file.
fn sample_list(addresses: &[String]) -> String {
    let rows = addresses.iter().zip(NAMES.iter().cycle());
    let rows = rows.map(|(address, name)| format!("{name},\"{}\"\n", address.replace('"', "\"\"")));
    std::iter::once("name,email\n".to_owned()).chain(rows).collect()
}
