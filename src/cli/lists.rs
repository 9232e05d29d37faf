//! `mailvet lists`: the lists in use, where they come from, how many names they hold.

use toml::Table;

use super::common::Common;
use super::render::{self, DIM};
use crate::lists::ListsHandle;

pub(super) fn run(common: &Common) -> anyhow::Result<bool> {
    let lists = ListsHandle::open(&common.load(Table::new())?.lists)?.current();
    print_line!(
        "{DIM}{} {:>7} {:>7}  {} {} source{DIM:#}",
        render::fit("list", 22),
        "adds",
        "takes",
        render::fit("date", 10),
        render::fit("licence", 10),
    );
    for source in lists.sources() {
        print_line!(
            "{} {:>7} {:>7}  {} {} {}",
            render::fit(source.name(), 22),
            source.count,
            source.removed,
            render::fit(source.date.as_deref().unwrap_or("-"), 10),
            render::fit(source.licence.as_deref().unwrap_or("-"), 10),
            source.origin,
        );
    }
    print_line!("{DIM}{} octets in memory{DIM:#}", lists.memory_bytes());
    Ok(true)
}
