//! The service, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use mailvet::sandbox::Sandbox;

/// A service that may be killed.
pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) address: String,
}

impl Service {
    /// Starts it, with these variables; it serves when this returns.
    pub(crate) fn start(
        sandbox: &Sandbox,
        store: &Path,
        variables: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailvet"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "mailvet=info", "--data-dir"])
            .arg(store)
            .args(["--nameserver", &sandbox.nameserver().to_string()])
            .args(["--smtp-port", &sandbox.smtp_port().to_string()])
            .args(["--allow-network", &sandbox.network().to_string()])
            .env_clear()
            .env("MAILVET_LOG__FORMAT", "json")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = process.stderr.take().context("standard error is a pipe")?;
        let mut lines = BufReader::new(said).lines();
        let address = loop {
            let line = lines.next().context("the service did not start")??;
            let event: serde_json::Value = serde_json::from_str(&line)?;
            let fields = &event["fields"];
            if fields["message"] == "serving"
                && let Some(address) = fields["address"].as_str()
            {
                break address.to_owned();
            }
        };
        // What else it says is not read; a pipe that is full must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, address })
    }

    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}
