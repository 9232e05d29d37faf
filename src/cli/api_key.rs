//! `mailvet api-key new`: makes an API key. It is printed once, and kept nowhere.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio_rustls::rustls::crypto::ring;

use super::args::{ApiKeyCommand, NewKeyArgs};
use super::render::DIM;
use crate::access::{self, Keys};
use crate::clock::Clock;

pub(super) fn run(command: &ApiKeyCommand) -> anyhow::Result<bool> {
    let ApiKeyCommand::New(NewKeyArgs { name, expires_in, append }) = command;
    let mut random = [0; 32];
    ring::default_provider()
        .secure_random
        .fill(&mut random)
        .ok()
        .context("the system gives no randomness")?;
    let expires = expires_in.map(|time| Clock::start().now() + time);
    let issued = access::issue(name, random, expires)?;
    if let Some(file) = append {
        append_entry(file, &issued.entry)?;
        anstream::eprintln!(
            "{DIM}Its entry is in {}. The key, for its owner, is shown this once:{DIM:#}",
            file.display()
        );
        print_line!("{}", issued.key);
        return Ok(true);
    }
    anstream::eprintln!("{DIM}The key, for its owner. It is shown this once:{DIM:#}");
    print_line!("{}\n", issued.key);
    anstream::eprintln!("{DIM}Its entry, for the file that server.api_keys names:{DIM:#}");
    print_text!("{}", issued.entry);
    Ok(true)
}

/// Adds an entry to the file, which others may not read; nothing is written unless the whole is a
/// file of keys then.
fn append_entry(path: &Path, entry: &str) -> anyhow::Result<()> {
    let unusable = || format!("{} cannot be written", path.display());
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(path).with_context(unusable)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("{} cannot be read", path.display()))?;
    let gap = match text.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let added = format!("{gap}{entry}");
    text.push_str(&added);
    if let Err(error) = Keys::parse(&text) {
        bail!("{} stays as it is: {error}", path.display());
    }
    // In one write, so that a service that reads meanwhile finds no half an entry.
    file.write_all(added.as_bytes()).with_context(unusable)?;
    file.sync_all().with_context(unusable)
}
