//! The binary as a process of its own: a command to its end, or the service, with everything it
//! logs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::sandbox::Sandbox;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// Time limit for anything that is waited for.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(60);

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

/// The running service.
pub(crate) struct Service {
    child: tokio::process::Child,
    lines: watch::Receiver<Vec<String>>,
    reading: JoinSet<()>,
    pub(crate) metrics: SocketAddr,
}

impl Service {
    /// Starts the service, logging JSON, with its metrics on a port of their own. It knows no other
    /// variable.
    pub(crate) async fn start(args: &[&str], environment: &[(&str, String)]) -> Self {
        let binary = tokio::process::Command::new(env!("CARGO_BIN_EXE_mailvet"));
        Self::spawn(binary, args, environment).await
    }

    /// Starts it by a program that executes what follows on its command line.
    pub(crate) async fn start_by(program: &[&str], args: &[&str]) -> Self {
        let mut command = tokio::process::Command::new(program[0]);
        command.args(&program[1..]).arg(env!("CARGO_BIN_EXE_mailvet"));
        Self::spawn(command, args, &[]).await
    }

    async fn spawn(
        mut command: tokio::process::Command,
        args: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(args)
            .env_clear()
            .env("MAILVET_LOG__FORMAT", "json")
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = tokio::io::BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, lines) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = said.next_line().await {
                send.send_modify(|lines: &mut Vec<String>| lines.push(line));
            }
        });
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self { child, lines, reading, metrics: unknown };
        let metrics = service.said("metrics can be scraped").await;
        service.metrics = metrics["fields"]["address"].as_str().unwrap().parse().unwrap();
        service
    }

    /// Starts the service on a mail world that outlives it, with these variables.
    pub(crate) async fn on(sandbox: &Sandbox, store: &Path, variables: &[(&str, &str)]) -> Self {
        let (nameserver, port) =
            (sandbox.nameserver().to_string(), sandbox.smtp_port().to_string());
        let network = sandbox.network().to_string();
        let args = [
            ["--log", "mailvet=info"],
            ["--data-dir", store.to_str().unwrap()],
            ["--nameserver", &nameserver],
            ["--smtp-port", &port],
            ["--allow-network", &network],
        ];
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut service = Self::start(&args.concat(), &variables).await;
        service.address().await;
        service
    }

    /// The address it serves, once it does.
    pub(crate) async fn address(&mut self) -> String {
        let serving = self.said("serving").await;
        serving["fields"]["address"].as_str().unwrap().to_owned()
    }

    /// Waits for a log line with this message.
    pub(crate) async fn said(&mut self, message: &str) -> Value {
        let find = |lines: &Vec<String>| {
            lines.iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                line["fields"]["message"].as_str()?.contains(message).then_some(line)
            })
        };
        let waiting = self.lines.wait_for(|lines| find(lines).is_some());
        let found = match tokio::time::timeout(TIME_LIMIT, waiting).await {
            Ok(Ok(lines)) => find(&lines),
            _ => None,
        };
        found.unwrap_or_else(|| panic!("never said {message:?}: {:#?}", *self.lines.borrow()))
    }

    /// Everything said so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    pub(crate) async fn channel(&mut self) -> Channel {
        let address = self.address().await;
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&mut self) -> VerificationServiceClient<Channel> {
        VerificationServiceClient::new(self.channel().await)
    }

    pub(crate) async fn batch_client(&mut self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel().await)
    }

    /// The most memory it has had so far, in octets.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the port of the metrics; the status and the body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        ask(self.metrics, &format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await
    }

    pub(crate) async fn scrape(&self) -> String {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Waits until this is in a scrape.
    pub(crate) async fn measures(&self, wanted: &str) {
        let measured = async { while !self.scrape().await.contains(wanted) {} };
        let measured = tokio::time::timeout(TIME_LIMIT, measured).await;
        measured.unwrap_or_else(|_| panic!("{wanted:?} is never in a scrape"));
    }

    /// Waits until the port of the metrics answers with this status.
    pub(crate) async fn answers(&self, path: &str, wanted: u16) -> String {
        let answered = async {
            loop {
                let (status, body) = self.get(path).await;
                if status == wanted {
                    break body;
                }
            }
        };
        let answered = tokio::time::timeout(TIME_LIMIT, answered).await;
        answered.unwrap_or_else(|_| panic!("{path} is never {wanted}"))
    }

    pub(crate) async fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal, as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(status.success());
    }

    /// Tells the service to stop, and waits until it has; everything it said.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.terminate().await;
        self.ended().await
    }

    /// Waits until the service has ended well; everything it said.
    pub(crate) async fn ended(&mut self) -> Vec<String> {
        let status = tokio::time::timeout(TIME_LIMIT, self.child.wait()).await.unwrap().unwrap();
        while self.reading.join_next().await.is_some() {}
        let log = self.log();
        assert!(status.success(), "{status}: {log:#?}");
        log
    }
}

/// Sends a request as it stands; the status and the body of the answer.
pub(crate) async fn ask(at: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), body.to_owned())
}
