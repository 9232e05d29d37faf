//! `mailvet demo`: the whole thing at work, on loopback. A small mail world (real DNS packets, real
//! SMTP over TCP), the service on top of it, and a real gRPC client that sends a sample list.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use toml::Table;
use tonic::transport::Endpoint;

use super::args::Common;
use super::render::{self, DIM};
use super::serve::{Started, start};
use crate::grpc;
use crate::proto::verification_service_client::VerificationServiceClient;
use crate::proto::verify_addresses_response::Outcome;
use crate::proto::{Verdict, Verification, VerifyAddressesRequest};
use crate::sandbox::World;

pub(super) async fn run() -> anyhow::Result<bool> {
    let started = start(&Common::default(), Table::new(), true, "warn").await?;
    let Started { app, sandbox: Some(sandbox) } = started else {
        anyhow::bail!("the sandbox did not start");
    };
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let (verifier, config) = (Arc::clone(&app.verifier), app.config.server.clone());
    let serving = grpc::serve(listener, verifier, config, app.clock, shutdown.clone());
    let list = World::built_in()?.demo().to_vec();
    anstream::println!(
        "A mail world on loopback: {} exchangers, DNS at {}.\nThe service at {address}, \
         and a client that sends it {} addresses.\n",
        sandbox.counts().exchangers.len(),
        sandbox.nameserver(),
        list.len(),
    );
    let client = async {
        let verifications = ask(address, list).await;
        shutdown.cancel();
        verifications
    };
    let (_, verifications) = tokio::try_join!(async { Ok(serving.await?) }, client)?;
    print_table(&verifications);
    print_counts(&verifications);
    app.drain().await;
    let counts = sandbox.counts();
    anstream::println!(
        "\n{DIM}The mail world counted {} connections, {} RCPT, {} DNS queries and {} messages.{DIM:#}",
        counts.total().connections,
        counts.total().rcpt,
        counts.dns.total(),
        counts.total().violations,
    );
    sandbox.shutdown().await;
    Ok(true)
}

/// Sends the list through one stream; the results come back in the list's order.
async fn ask(address: SocketAddr, list: Vec<String>) -> anyhow::Result<Vec<Verification>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let requests: Vec<_> = list
        .into_iter()
        .enumerate()
        .map(|(row, address)| VerifyAddressesRequest {
            correlation_id: row.to_string(),
            address,
            options: None,
        })
        .collect();
    let mut responses = VerificationServiceClient::new(channel)
        .verify_addresses(stream::iter(requests))
        .await?
        .into_inner();
    let mut rows = BTreeMap::new();
    while let Some(response) = responses.message().await? {
        let row: usize = response.correlation_id.parse().context("an unknown correlation id")?;
        match response.outcome {
            Some(Outcome::Verification(verification)) => rows.insert(row, verification),
            Some(Outcome::Error(error)) => anyhow::bail!("row {row}: {}", error.message),
            None => anyhow::bail!("row {row} came back empty"),
        };
    }
    Ok(rows.into_values().collect())
}

fn print_table(verifications: &[Verification]) {
    const ADDRESS: usize = 34;
    const WORDS: usize = render::WIDTH - ADDRESS - 13 - 12 - 21 - 4;
    anstream::println!(
        "{DIM}{} {} {} {} the server's own words{DIM:#}",
        render::fit("address", ADDRESS),
        render::fit("verdict", 13),
        render::fit("action", 12),
        render::fit("reason", 21),
    );
    for v in verifications {
        let verdict = lower(v.verdict().as_str_name(), "VERDICT_");
        let style = render::style(&verdict);
        anstream::println!(
            "{} {style}{}{style:#} {} {} {DIM}{}{DIM:#}",
            render::fit(&render::printable(&v.address), ADDRESS),
            render::fit(&verdict, 13),
            render::fit(&lower(v.action().as_str_name(), "ACTION_"), 12),
            render::fit(&lower(v.reason().as_str_name(), "REASON_"), 21),
            render::fit(&words(v), WORDS).trim_end(),
        );
    }
}

/// What the server said, or what happened instead.
fn words(v: &Verification) -> String {
    let Some(evidence) = &v.evidence else { return String::new() };
    let mut words = match (evidence.code, &v.syntax_error) {
        (_, Some(error)) => error.message.clone(),
        (0, None) => evidence.failure.clone(),
        (code, None) => {
            format!("{code} {} {}", evidence.enhanced, evidence.reply).replace("  ", " ")
        }
    };
    if !v.suggestion.is_empty() {
        words = format!("did you mean {}? {words}", v.suggestion);
    }
    render::printable(&words)
}

fn print_counts(verifications: &[Verification]) {
    anstream::println!();
    for verdict in [Verdict::Deliverable, Verdict::Risky, Verdict::Undeliverable, Verdict::Unknown]
    {
        let count = verifications.iter().filter(|v| v.verdict() == verdict).count();
        let name = lower(verdict.as_str_name(), "VERDICT_");
        let style = render::style(&name);
        anstream::println!("{style}{name:<13}{style:#} {count:>3}");
    }
}

/// The enum value's name without its prefix, in lower case.
fn lower(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}
