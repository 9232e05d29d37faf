//! The expected end of a batch beside the end it comes to: the worker, the verifier and the lanes
//! as the service has them, against scripted exchangers under a paused clock.
//!
//! The workloads are those of `benches/throughput` in small, and with limits as much smaller.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;

use super::exchanger::Rules;
use super::world::World;
use crate::batch::queue::SubmittedBatch;
use crate::batch::{self, Batches, IncomingRow};
use crate::campaign::eta::Pace;
use crate::campaign::{Batch, BatchOptions, SendPolicy, Spec};
use crate::lists::{self, ListsHandle};
use crate::prober::Config;
use crate::queue_tests::memory::MemoryQueue;
use crate::verdict::Policy;
use crate::verifier::{self, Subject, Verifier};

/// A provider: its name, its domains, the rows on each, one of how many is unknown, its ways.
struct Provider {
    name: String,
    domains: usize,
    rows: usize,
    unknown_one_in: usize,
    rules: Rules,
}

fn provider(name: &str, domains: usize, rows: usize) -> Provider {
    let rules = Rules { delay: Duration::from_millis(50), ..Rules::default() };
    Provider { name: name.to_owned(), domains, rows, unknown_one_in: 0, rules }
}

fn list(providers: &[Provider]) -> Vec<String> {
    let mut list = Vec::new();
    for Provider { name, domains, rows, unknown_one_in, .. } in providers {
        for n in 0..domains * rows {
            let is_unknown = *unknown_one_in > 0 && n % unknown_one_in == 1;
            let local = if is_unknown { "gone" } else { "user" };
            list.push(format!("{local}{n}@d{}.{name}.example", n % domains));
        }
    }
    // Neighbours in the list share nothing.
    let mut state = 1_usize;
    for i in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        list.swap(i, (state >> 33) % (i + 1));
    }
    list
}

/// The states of a batch as a watcher sees them, with the time of each.
async fn watch(providers: &[Provider], config: Config) -> Vec<(SystemTime, Batch)> {
    let world = World::new();
    for Provider { name, rules, domains, .. } in providers {
        let host = format!("mx.{name}.example");
        world.host(&host, rules.clone());
        for n in 0..*domains {
            world.domain(&format!("d{n}.{name}.example"), &host);
        }
    }
    let count = |limit: NonZeroU32| u64::from(limit.get());
    let pace = Pace {
        identities: 1,
        recipients: count(config.pacing.recipients_per_minute),
        connections: count(config.pacing.connections_per_minute),
        recipients_per_session: count(config.pacing.recipients_per_session),
        refused_per_session: count(config.pacing.unknown_users_per_session),
    };
    let prober = world.prober(config);
    let verifier = Arc::new(Verifier::new(
        world.dns(),
        prober.clone(),
        Arc::new(ListsHandle::open(&lists::Config::default()).unwrap()),
        Policy::default(),
        verifier::Config::default(),
        world.clock,
    ));
    let queue = Arc::new(MemoryQueue::default());
    let batches =
        Batches::start(queue, verifier, None, batch::Config::default(), pace, world.clock);
    let spec = Spec {
        owner: String::new(),
        request_id: None,
        display_name: String::new(),
        callback: None,
        options: BatchOptions { send_policy: SendPolicy::Deliverable, ..BatchOptions::default() },
    };
    let SubmittedBatch::New(made) = batches.submit(spec).await.unwrap() else { panic!() };
    let rows = list(providers).into_iter().map(|row| IncomingRow::new(Subject::parse(row)));
    batches.append(&made.id, None, rows).await.unwrap();
    batches.seal(&made.id).await.unwrap();
    let clock = world.clock;
    let states = batches.watch(made.id).map(|batch| (clock.now(), batch.unwrap()));
    let states: Vec<_> = states.collect().await;
    batches.drain().await;
    prober.drain().await;
    states
}

/// The ends that were told, in seconds too late.
struct ToldEnds {
    /// Time that the batch took.
    whole: f64,
    /// The first one that was told, before any server had answered.
    at_least: f64,
    /// The first one that was told once servers had answered, and those of each quarter of the way.
    late: [f64; 4],
}

async fn told_ends(name: &str, providers: &[Provider], config: Config) -> ToldEnds {
    let states = watch(providers, config).await;
    let (end, last) = states.last().unwrap();
    let began = last.sealed_at.unwrap();
    let seconds = |from: SystemTime, to: SystemTime| match to.duration_since(from) {
        Ok(time) => time.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    };
    let whole = seconds(began, *end);
    let forecast = |(at, batch): &(SystemTime, Batch)| {
        let forecast = batch.progress.forecast.as_ref()?;
        Some((seconds(began, *at), forecast.end, forecast.at_least))
    };
    let told: Vec<_> = states.iter().filter_map(forecast).collect();
    let (_, first, true) = told[0] else { panic!("a server had answered: {:?}", told[0]) };
    let late = [0.0, 0.25, 0.5, 0.75].map(|share| {
        // What a watcher has before its eyes then.
        let mut told = told.iter().filter(|(.., at_least)| !at_least).peekable();
        let mut end_told = told.peek().expect("an end is told").1;
        while let Some((_, end, _)) = told.next_if(|(at, ..)| *at <= share * whole) {
            end_told = *end;
        }
        seconds(*end, end_told)
    });
    let at_least = seconds(*end, first);
    println!(
        "{name}: {whole:.0} s, at least told {at_least:.0} s late, then {late:.0?} at the first \
         answer and at 25, 50 and 75 % of the way"
    );
    ToldEnds { whole, at_least, late }
}

impl ToldEnds {
    /// What is told before any answer is within a fifth of the whole time. A later one may be a
    /// minute's worth off, a third of so short a list: rows count when their chunk is done.
    fn assert_near(&self) {
        assert!(self.at_least.abs() <= self.whole / 5.0, "{:?}", self.at_least);
        self.assert_later();
    }

    /// The same of what is told once servers have answered.
    fn assert_near_once_answered(&self) {
        assert!(self.late[0].abs() <= self.whole / 5.0, "{:?}", self.late);
        self.assert_later();
    }

    fn assert_later(&self) {
        let most = (self.whole / 5.0).max(70.0);
        assert!(self.late.iter().all(|late| late.abs() <= most), "{:?}", self.late);
    }
}

/// Limits a tenth of the default ones, as the lists are.
fn tenth() -> Config {
    let mut config = Config::default();
    config.pacing.recipients_per_minute = NonZeroU32::new(300).unwrap();
    config.pacing.connections_per_minute = NonZeroU32::new(10).unwrap();
    config
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_list_on_few_exchangers_is_foretold() {
    // A: 200 domains, 5 exchangers.
    let providers: Vec<_> = (0..5).map(|n| provider(&format!("list{n}"), 10, 110)).collect();
    told_ends("A", &providers, tenth()).await.assert_near();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_list_with_three_large_providers_and_a_tail_is_foretold() {
    // C: 45 % on 3 providers, a tail, 8 % unknown, 2 % catch-all.
    let mut providers: Vec<_> = (0..3).map(|n| provider(&format!("large{n}"), 1, 1000)).collect();
    providers.extend((0..60).map(|n| provider(&format!("tail{n}"), 5, 10)));
    for one in &mut providers {
        one.unknown_one_in = 12;
    }
    providers.extend((0..4).map(|n| {
        let mut all = provider(&format!("all{n}"), 4, 8);
        all.rules.catch_all = true;
        all
    }));
    told_ends("C", &providers, tenth()).await.assert_near();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_list_on_exchangers_that_limit_connections_is_foretold() {
    // D2: exchangers that allow a few connections a minute.
    let mut config = tenth();
    config.pacing.connections_per_minute = NonZeroU32::new(2).unwrap();
    let providers: Vec<_> = (0..5).map(|n| provider(&format!("list{n}"), 10, 110)).collect();
    told_ends("D2", &providers, config).await.assert_near();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_list_of_which_a_tenth_is_greylisted_is_foretold_once_it_is_seen() {
    let mut providers: Vec<_> = (0..3).map(|n| provider(&format!("large{n}"), 1, 1000)).collect();
    for n in 0..7 {
        let mut grey = provider(&format!("grey{n}"), 5, 10);
        grey.rules.greylist = Some(Duration::from_secs(300));
        providers.push(grey);
    }
    let told = told_ends("a mix, 10 % greylisted", &providers, tenth()).await;
    // It is not known before it was asked, and told as the least.
    assert!(told.at_least < 0.0);
    told.assert_near_once_answered();
}
