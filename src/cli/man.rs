//! `mailvet man`: the manual page on standard output, or a page for each command in a folder.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::args::{Cli, ManArgs};
use super::stdout::print_all;

pub(super) fn run(args: &ManArgs) -> anyhow::Result<bool> {
    match &args.dir {
        Some(dir) => write_pages(dir)
            .with_context(|| format!("the pages cannot be written to {}", dir.display()))?,
        None => print_all(&page()?),
    }
    Ok(true)
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

fn write_pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_command() {
        let page = String::from_utf8(page().unwrap()).unwrap().replace('\\', "");
        assert!(page.contains(".TH mailvet 1"), "{page}");
        for command in Cli::command().get_subcommands() {
            let name = format!("mailvet-{}(1)", command.get_name());
            assert!(page.contains(&name), "{name} is missing\n{page}");
        }
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("man1");
        write_pages(&dir).unwrap();
        assert!(dir.join("mailvet.1").exists());
        for command in Cli::command().get_subcommands() {
            let page = dir.join(format!("mailvet-{}.1", command.get_name()));
            let page = fs::read_to_string(page).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
    }
}
