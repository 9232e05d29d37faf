//! The verifier as the service has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use mailvet::app::App;
use mailvet::fair;
use mailvet::smtp::AllowedNetworks;
use mailvet::verdict::Verdict;
use mailvet::verifier::{Depth, Options, Subject};
use tokio::task::JoinSet;

use crate::Measured;
use crate::process::Meter;
use crate::sink::Sink;
use crate::workload::{Entry, Workload};

/// How many callers ask, and how many addresses each has under way.
const CALLERS: usize = 4;
const IN_FLIGHT: usize = 2_500;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn run(
    workload: &Workload,
    list: &[Entry],
    sink: &mut Sink,
) -> anyhow::Result<Measured> {
    let mut config = workload.config()?;
    config.dns.nameservers = vec![sink.place.nameserver];
    config.smtp.port = sink.place.smtp_port;
    config.smtp.allow_networks =
        AllowedNetworks::new([AllowedNetworks::parse(&sink.place.network)?]);
    let app = App::build(config)?;
    let options = Options {
        depth: Depth::Mailbox,
        max_age: None,
        test_catch_all: true,
        transcript: false,
        deadline: app.clock.now() + Duration::from_secs(600),
        retry_until: app.clock.now() + Duration::from_secs(600),
        registration: false,
        registration_wait: Duration::ZERO,
        consented_at: None,
    };
    let parts: Vec<Vec<(String, bool)>> = list
        .chunks(list.len().div_ceil(CALLERS))
        .map(|part| part.iter().map(|e| (e.address.clone(), e.reachable)).collect())
        .collect();
    sink.take().await?;
    let meter = Meter::start()?;
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for part in parts {
        let verifier = Arc::clone(&app.verifier);
        callers.spawn(async move {
            let verify = async |(address, reachable): (String, bool)| {
                let verification = verifier.verify_with(Subject::parse(address), &options).await;
                usize::from(reachable && verification.judgement.verdict == Verdict::Unknown)
            };
            fair::buffer_unordered(stream::iter(part).map(verify), IN_FLIGHT)
                .fold(0, async |sum, unknown| sum + unknown)
                .await
        });
    }
    let unknown = callers.join_all().await.into_iter().sum();
    let took = began.elapsed();
    let usage = meter.read()?;
    let seen = sink.take().await?;
    app.drain().await;
    Ok(Measured { name: "ours", took, usage, seen, unknown })
}
