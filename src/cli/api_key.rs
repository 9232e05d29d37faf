//! `mailvet api-key new`: makes an API key. It is printed once, and kept nowhere.

use anyhow::Context as _;
use tokio_rustls::rustls::crypto::ring;

use super::args::{ApiKeyCommand, NewKeyArgs};
use super::render::DIM;
use crate::access;
use crate::clock::Clock;

pub(super) fn run(command: &ApiKeyCommand) -> anyhow::Result<bool> {
    let ApiKeyCommand::New(NewKeyArgs { name, expires_in }) = command;
    let mut random = [0; 32];
    ring::default_provider()
        .secure_random
        .fill(&mut random)
        .ok()
        .context("the system gives no randomness")?;
    let expires = expires_in.map(|time| Clock::start().now() + time);
    let issued = access::issue(name, random, expires)?;
    anstream::eprintln!("{DIM}The key, for its owner. It is shown this once:{DIM:#}");
    anstream::println!("{}\n", issued.key);
    anstream::eprintln!("{DIM}Its entry, for the file that server.api_keys names:{DIM:#}");
    anstream::print!("{}", issued.entry);
    Ok(true)
}
