//! `mailvet demo`: the whole thing at work, on loopback. A small mail world (real DNS packets, real
//! SMTP over TCP), the service on top of it, and a real gRPC client that has a sample list vetted
//! as a batch and asks whether a campaign may be sent to it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use futures_util::stream;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use toml::Table;
use tonic::transport::Endpoint;

use super::common::Common;
use super::render::{self, DIM};
use super::scratch::{NO_SCRATCH, scratch_folder};
use super::serve::{Started, start};
use super::summary;
use crate::grpc;
use crate::proto::batch_service_client::BatchServiceClient;
use crate::proto::from_message;
use crate::proto::names::enum_name;
use crate::proto::upload_batch_request::Part;
use crate::proto::{
    Batch, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, GetBatchRequest,
    ResultOrder, SendPolicy, StreamBatchResultsRequest, UploadBatchRequest, Verification,
};
use crate::sandbox::{Sandbox, SandboxCounts, World};

/// The mail world, the service at work on it, and the list to have vetted.
pub(super) struct DemoSite {
    sandbox: Sandbox,
    /// The folder of the service's batches.
    pub(super) store: TempDir,
    /// The address of the service.
    pub(super) address: SocketAddr,
    pub(super) list: Vec<String>,
}

pub(super) async fn run(common: &Common) -> anyhow::Result<bool> {
    let (vetted, counts) = with_service(common, Table::new(), async |site: &DemoSite| {
        print_line!(
            "A mail world on loopback: {} exchangers, DNS at {}.\nThe service at {}, \
             and a client that has it vet a list of {} addresses.\n",
            site.sandbox.counts().exchangers.len(),
            site.sandbox.nameserver(),
            site.address,
            site.list.len(),
        );
        vet(site.address, site.list.clone()).await
    })
    .await?;
    let (batch, verifications) = vetted;
    print_table(&verifications);
    let progress = from_message::progress(&batch)?;
    let preflight = from_message::preflight(&batch)?;
    print_text!(
        "\n{}",
        summary::text(&preflight, &progress, render::terminal_width(std::io::stdout()))
    );
    print_line!(
        "\n{DIM}The mail world counted {} connections, {} RCPT, {} DNS queries and {} messages.{DIM:#}",
        counts.total().connections,
        counts.total().rcpt,
        counts.dns.total(),
        counts.total().violations,
    );
    Ok(true)
}

/// Starts the mail world and the service on it, and ends both when `client` is through; what it
/// came to, and what the mail world counted.
pub(super) async fn with_service<T>(
    common: &Common,
    flags: Table,
    client: impl AsyncFnOnce(&DemoSite) -> anyhow::Result<T>,
) -> anyhow::Result<(T, SandboxCounts)> {
    let started = start(common, flags, true, "warn").await?;
    let Started { mut app, sandbox: Some(sandbox), traces } = started else {
        anyhow::bail!("the sandbox did not start");
    };
    // The client below shows no key and speaks no TLS, whatever callers of a real service need.
    let console = app.config.server.http.console;
    app.config.server = grpc::Config::default();
    app.config.server.http.console = console;
    let store = scratch_folder().context(NO_SCRATCH)?;
    let batches = app.open_batches(store.path()).await?;
    let services = app.services(&batches)?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let config = app.config.server.clone();
    let serving = grpc::serve(listener, services, config, app.clock, shutdown.clone());
    let list = World::built_in()?.demo().to_vec();
    let site = DemoSite { sandbox, store, address, list };
    let client = async {
        let done = client(&site).await;
        shutdown.cancel();
        done
    };
    let (_, done) = tokio::try_join!(async { Ok(serving.await?) }, client)?;
    batches.drain().await;
    app.drain().await;
    let counts = site.sandbox.counts();
    site.sandbox.shutdown().await;
    traces.close().await;
    Ok((done, counts))
}

/// Has the list vetted, for a campaign that would go to everybody on it; nobody waits for servers
/// that say "not now". The results come back in the list's order.
pub(super) async fn vet(
    address: SocketAddr,
    list: Vec<String>,
) -> anyhow::Result<(Batch, Vec<Verification>)> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = BatchServiceClient::new(channel);
    let options = BatchOptions {
        retry_window: Some(prost_types::Duration::default()),
        send_policy: SendPolicy::All.into(),
        ..BatchOptions::default()
    };
    let spec = BatchSpec {
        display_name: "demo".to_owned(),
        options: Some(options),
        ..BatchSpec::default()
    };
    let end = BatchEnd { rows: i64::try_from(list.len())? };
    let addresses = list
        .into_iter()
        .map(|address| BatchAddress { address, ..BatchAddress::default() })
        .collect();
    let parts = [Part::Spec(spec), Part::Page(BatchPage { addresses }), Part::End(end)];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let created = client.upload_batch(stream::iter(parts)).await?.into_inner();
    let batch_id = created.batch.unwrap_or_default().batch_id;
    let request = StreamBatchResultsRequest {
        batch_id: batch_id.clone(),
        order: ResultOrder::Row.into(),
        ..StreamBatchResultsRequest::default()
    };
    let mut pages = client.stream_batch_results(request).await?.into_inner();
    let mut verifications = Vec::new();
    while let Some(page) = pages.message().await? {
        verifications.extend(page.results.into_iter().filter_map(|row| row.verification));
    }
    let batch = client.get_batch(GetBatchRequest { batch_id }).await?.into_inner().batch;
    Ok((batch.unwrap_or_default(), verifications))
}

fn print_table(verifications: &[Verification]) {
    const ADDRESS: usize = 34;
    const WORDS: usize = render::WIDTH - ADDRESS - 13 - 12 - 21 - 4;
    print_line!(
        "{DIM}{} {} {} {} the server's own words{DIM:#}",
        render::fit("address", ADDRESS),
        render::fit("verdict", 13),
        render::fit("action", 12),
        render::fit("reason", 21),
    );
    for v in verifications {
        let verdict = enum_name(v.verdict().as_str_name(), "VERDICT_");
        let style = render::style(&verdict);
        print_line!(
            "{} {style}{}{style:#} {} {} {DIM}{}{DIM:#}",
            render::fit(&render::printable(&v.address), ADDRESS),
            render::fit(&verdict, 13),
            render::fit(&enum_name(v.action().as_str_name(), "ACTION_"), 12),
            render::fit(&from_message::reason_name(v.reason), 21),
            render::fit(&words(v), WORDS).trim_end(),
        );
    }
}

/// The server's words, or the event in place of them.
fn words(v: &Verification) -> String {
    let Some(evidence) = &v.evidence else { return String::new() };
    let mut words = match (evidence.code, &v.syntax_error) {
        (_, Some(error)) => error.text.clone(),
        (None, None) => evidence.failure.clone().unwrap_or_default(),
        (Some(code), None) => {
            format!("{code} {} {}", evidence.enhanced_status(), evidence.reply()).replace("  ", " ")
        }
    };
    if let Some(suggestion) = &v.suggestion {
        words = format!("did you mean {suggestion}? {words}");
    }
    render::printable(&words)
}
