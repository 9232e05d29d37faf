//! The exchangers, in a process of their own: this binary, started again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use anyhow::Context as _;
use mailvet::sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::workload::Workload;

/// Where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) nameserver: SocketAddr,
    pub(crate) smtp_port: u16,
    pub(crate) network: String,
    pub(crate) exchangers: BTreeMap<String, Ipv4Addr>,
}

/// What all exchangers together saw; of the peaks, the greatest.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Smtp {
    pub(crate) connections: u64,
    pub(crate) peak_parallel: u64,
    pub(crate) peak_connections_in_window: u64,
    pub(crate) mail: u64,
    pub(crate) rcpt: u64,
    pub(crate) flights: u64,
    pub(crate) violations: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dns {
    pub(crate) mx: u64,
    pub(crate) a: u64,
    pub(crate) aaaa: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) smtp: Smtp,
    pub(crate) dns: Dns,
}

/// Runs the exchangers of a workload, in the other process, until standard input ends.
pub(crate) async fn serve(workload: &Workload) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(workload.world()?).await?;
    let hosts = workload.list().into_iter().map(|entry| entry.exchanger);
    let exchangers = hosts.filter_map(|host| match sandbox.exchanger(&host)? {
        SocketAddr::V4(address) => Some((host, *address.ip())),
        SocketAddr::V6(_) => None,
    });
    let place = Place {
        nameserver: sandbox.nameserver(),
        smtp_port: sandbox.smtp_port(),
        network: sandbox.network().to_string(),
        exchangers: exchangers.collect(),
    };
    let mut out = tokio::io::stdout();
    say(&mut out, &place).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let counts = sandbox.counts();
        let total = counts.total();
        let seen = Seen {
            smtp: Smtp {
                connections: total.connections,
                peak_parallel: total.peak_parallel,
                peak_connections_in_window: total.peak_connections_in_window,
                mail: total.mail,
                rcpt: total.rcpt,
                flights: total.flights,
                violations: total.violations,
            },
            dns: Dns { mx: counts.dns.mx, a: counts.dns.a, aaaa: counts.dns.aaaa },
        };
        if line == "reset" {
            sandbox.reset_counts();
        }
        say(&mut out, &seen).await?;
    }
    sandbox.shutdown().await;
    Ok(())
}

async fn say(out: &mut tokio::io::Stdout, what: &impl Serialize) -> anyhow::Result<()> {
    out.write_all(format!("{}\n", serde_json::to_string(what)?).as_bytes()).await?;
    Ok(out.flush().await?)
}

/// The other process, from this side.
pub(crate) struct Sink {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) place: Place,
}

impl Sink {
    pub(crate) async fn start(workload: &Workload) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--sink", workload.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut output = BufReader::new(output).lines();
        let line = output.next_line().await?.context("the exchangers did not start")?;
        Ok(Self { child, input, output, place: serde_json::from_str(&line)? })
    }

    /// What was seen until now; counts anew from here.
    pub(crate) async fn take(&mut self) -> anyhow::Result<Seen> {
        self.input.write_all(b"reset\n").await?;
        let line = self.output.next_line().await?.context("the exchangers are gone")?;
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { mut child, input, .. } = self;
        drop(input);
        child.wait().await?;
        Ok(())
    }
}
