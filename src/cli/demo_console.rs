//! `mailvet demo --console`: the demo's mail world with the page for people, until Ctrl-C.

use toml::Table;

use super::common::Common;
use super::demo::{self, DemoSite};
use super::render::{DIM, GOOD};
use super::serve::set_console;

/// The names beside the addresses of the sample list.
const NAMES: [&str; 4] = ["Ada", "Grace", "Edsger", "Barbara"];

pub(super) async fn run(common: &Common) -> anyhow::Result<bool> {
    let mut flags = Table::new();
    set_console(&mut flags);
    demo::with_service(common, flags, show).await?;
    Ok(true)
}

/// Has a first list vetted, says where the page is, and waits for Ctrl-C.
async fn show(site: &DemoSite) -> anyhow::Result<()> {
    let sample = site.store.path().join("sample.csv");
    std::fs::write(&sample, sample_list(&site.list))?;
    demo::vet(site.address, site.list.clone()).await?;
    print_line!(
        "The page: {GOOD}http://{}/console/{GOOD:#}\nA list to drop on it: {}\n\n{DIM}It \
         looks at a mail world on loopback, and no further. Stop it with Ctrl-C.{DIM:#}",
        site.address,
        sample.display()
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// The list as a person's file.
fn sample_list(addresses: &[String]) -> String {
    let rows = addresses.iter().zip(NAMES.iter().cycle());
    let rows = rows.map(|(address, name)| format!("{name},\"{}\"\n", address.replace('"', "\"\"")));
    std::iter::once("name,email\n".to_owned()).chain(rows).collect()
}
