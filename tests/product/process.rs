//! The binary as a process of its own: a command to its end, or the service on a mail world that
//! outlives it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::sandbox::Sandbox;
use tonic::transport::{Channel, Endpoint};

/// Begins a command in this folder. It knows no variable.
pub(crate) fn begin(folder: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a command in this folder, with this on its standard input.
pub(crate) fn run(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = begin(folder, args);
    // A command that fails at once does not read.
    let _unread = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A service that may be killed, or told to stop.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
}

impl Service {
    pub(crate) fn start(sandbox: &Sandbox, store: &Path) -> Self {
        Self::with(sandbox, store, &[])
    }

    /// With these variables.
    pub(crate) fn with(sandbox: &Sandbox, store: &Path, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailvet"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "mailvet=info"])
            .arg("--data-dir")
            .arg(store)
            .args(["--nameserver", &sandbox.nameserver().to_string()])
            .args(["--smtp-port", &sandbox.smtp_port().to_string()])
            .args(["--allow-network", &sandbox.network().to_string()])
            .env_clear()
            .env("MAILVET_LOG__FORMAT", "json")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the service starts").unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["fields"]["message"] == "serving" {
                break event["fields"]["address"].as_str().unwrap().to_owned();
            }
        };
        // What else it says is not read; a pipe that is full must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn batch_client(&self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel().await)
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.process.wait().unwrap()).await.unwrap()
    }
}
