//! `mailvet store`: looks after the database that several services share.

use anstyle::Style;
use toml::Table;

use super::args::StoreCommand;
use super::common::Common;
use super::render::{self, BAD, CAREFUL, DIM, GOOD};
use crate::batch::StoreConfig;
use crate::batch::postgres::{self, SettingFinding, SettingStatus};
use crate::telemetry;

pub(super) async fn run(command: &StoreCommand, common: &Common) -> anyhow::Result<bool> {
    let mut config = common.load(Table::new())?;
    if !common.names_log_level() && config.log == telemetry::Config::default() {
        "warn".clone_into(&mut config.log.level);
    }
    telemetry::init_logs(&config.log)?;
    let has_url = config.store.url.is_some();
    anyhow::ensure!(has_url, "store.url names no database: set it in the configuration");
    match command {
        StoreCommand::Migrate => {
            print_line!("{}", postgres::migrate(&config.store).await?);
            Ok(true)
        }
        StoreCommand::Check => check(&config.store).await,
    }
}

async fn check(store: &StoreConfig) -> anyhow::Result<bool> {
    let found = postgres::look_at_settings(store).await?;
    for finding in &found {
        print(finding);
    }
    Ok(found.iter().all(|finding| finding.status != SettingStatus::Lossy))
}

fn style(status: SettingStatus) -> (Style, &'static str) {
    match status {
        SettingStatus::Good => (GOOD, "pass"),
        SettingStatus::Careful => (CAREFUL, "warn"),
        SettingStatus::Lossy => (BAD, "FAIL"),
    }
}

fn print(finding: &SettingFinding) {
    let (style, word) = style(finding.status);
    print_line!("{style}{word}{style:#}  {}", render::printable(&finding.seen));
    for (label, text) in [("means", finding.means), ("do", finding.remedy)] {
        for (at, line) in render::wrapped(text, render::WIDTH - 13).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            print_line!("      {DIM}{label:<5} {line}{DIM:#}");
        }
    }
}
