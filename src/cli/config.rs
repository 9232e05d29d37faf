//! `mailvet config`: the effective configuration, as TOML that can be used as a file.

use anyhow::Context as _;
use toml::Table;

use super::args::Common;

pub(super) fn run(common: &Common) -> anyhow::Result<bool> {
    let config = common.load(Table::new())?;
    let text = toml::to_string(&config).context("the configuration cannot be printed")?;
    anstream::print!("{text}");
    Ok(true)
}
