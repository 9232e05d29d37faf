//! The service, in a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use mailvet::sandbox::Sandbox;

/// A service that may be killed.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
}

impl Service {
    /// Starts it; it is there when this returns.
    pub(crate) fn start(sandbox: &Sandbox, store: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailvet"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "mailvet=info", "--data-dir"])
            .arg(store)
            .args(["--nameserver", &sandbox.nameserver().to_string()])
            .env_clear()
            .env("MAILVET_LOG__FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = process.stderr.take().context("standard error is a pipe")?;
        let mut lines = BufReader::new(said).lines();
        let address = loop {
            let line = lines.next().context("the service did not start")??;
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if let Some(address) = event["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        // What else it says is not read; a pipe that is full must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// The most memory a process had resident at one time, in MiB.
pub(crate) fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kib.context("no peak is told")? / 1024.0)
}
