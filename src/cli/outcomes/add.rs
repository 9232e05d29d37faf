//! `mailvet outcomes add`: keeps outcomes, and says what became of each.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::runtime::Handle;
use toml::Table;

use super::super::common::Common;
use super::super::render::{BAD, DIM};
use super::args::AddArgs;
use super::source::SourceReader;
use crate::clock::Clock;
use crate::outcomes::readers::ReadItem;
use crate::outcomes::{AddedEvent, OutcomeEvent, OutcomeKind, OutcomeStore};
use crate::report::printable;
use crate::verifier::read_reply_rules;

/// Events that are kept in one transaction: the more, the fewer pages of the indexes are written
/// again and again.
const AT_ONCE: usize = 20_000;

/// Bounces without proof that wait for the end of the last source. Those beyond are not counted,
/// until they are read again.
const SET_ASIDE: usize = 100_000;

/// Items that were not understood, and bounces that do not count, that are named.
const NAMED: usize = 10;

/// The answer to `add`.
#[derive(Debug, Default, Serialize)]
struct AddSummary {
    /// New outcomes, now kept.
    taken: u64,
    /// Outcomes that were there before.
    repeated: u64,
    /// Bounces that prove nothing.
    not_counted: u64,
    /// Items that were not understood.
    not_understood: u64,
    /// New outcomes by kind.
    kinds: BTreeMap<&'static str, u64>,
    /// The first items of the last two kinds.
    first: Vec<LeftOut>,
}

/// An item that was left out.
#[derive(Debug, Serialize)]
struct LeftOut {
    source: String,
    line: u64,
    why: &'static str,
}

/// Events on their way into the store.
struct Adding<'a> {
    store: &'a OutcomeStore,
    runtime: Handle,
    trusted: bool,
    now: std::time::SystemTime,
    waiting: Vec<OutcomeEvent>,
    places: Vec<(String, u64)>,
    /// Bounces without proof and their places: a later source may name their addresses.
    unproven: Vec<(OutcomeEvent, (String, u64))>,
    summary: AddSummary,
}

pub(super) fn run(args: &AddArgs, common: &Common) -> anyhow::Result<bool> {
    let config = common.load(Table::new())?;
    let classifier = read_reply_rules(config.replies.rules.as_deref())?;
    let runtime = Handle::current();
    let store = runtime.block_on(super::place(&config)?.open(&config.outcomes))?;
    let now = Clock::start().now();
    let reader = SourceReader { classifier: &classifier, kind: args.kind, now };
    let mut adding = Adding {
        store: &store,
        runtime,
        trusted: args.trust_bounces,
        now,
        waiting: Vec::new(),
        places: Vec::new(),
        unproven: Vec::new(),
        summary: AddSummary::default(),
    };
    let read = args.sources.iter().try_for_each(|source| {
        reader.read(source, &mut |name, line, item| adding.take(name, line, item))
    });
    // What was read before a fault is kept.
    adding.finish()?;
    read?;
    let summary = adding.summary;
    if args.json {
        print_line!("{}", serde_json::to_string(&summary)?);
    } else {
        print(&summary);
    }
    Ok(summary.taken + summary.repeated > 0 || summary.not_understood + summary.not_counted == 0)
}

impl Adding<'_> {
    fn take(&mut self, name: &str, line: u64, item: ReadItem) -> anyhow::Result<()> {
        match item {
            ReadItem::NotUnderstood(why) => {
                self.summary.not_understood += 1;
                self.leave_out(name.to_owned(), line, why);
            }
            ReadItem::Events(events) => {
                self.places.extend(events.iter().map(|_| (name.to_owned(), line)));
                self.waiting.extend(events);
                if self.waiting.len() >= AT_ONCE {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Adds what is waiting, and sets bounces without proof aside.
    fn flush(&mut self) -> anyhow::Result<()> {
        let events = std::mem::take(&mut self.waiting);
        let places = std::mem::take(&mut self.places);
        let added =
            self.runtime.block_on(self.store.add(events.clone(), self.trusted, self.now))?;
        for ((event, added), place) in events.into_iter().zip(added).zip(places) {
            if added == AddedEvent::NotCounted && self.unproven.len() < SET_ASIDE {
                self.unproven.push((event, place));
            } else {
                self.count(event.kind, added, place);
            }
        }
        Ok(())
    }

    /// Adds the rest. What proves a bounce may stand in a source behind it, so that bounces without
    /// proof are judged when all sources are read.
    fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        let mut unproven = std::mem::take(&mut self.unproven);
        while !unproven.is_empty() {
            let rest = unproven.split_off(unproven.len().min(AT_ONCE));
            let (events, places): (Vec<OutcomeEvent>, Vec<_>) = unproven.into_iter().unzip();
            let kinds: Vec<OutcomeKind> = events.iter().map(|event| event.kind).collect();
            let added = self.runtime.block_on(self.store.add(events, self.trusted, self.now))?;
            for ((kind, added), place) in kinds.into_iter().zip(added).zip(places) {
                self.count(kind, added, place);
            }
            unproven = rest;
        }
        Ok(())
    }

    /// Counts what became of one event.
    fn count(&mut self, kind: OutcomeKind, added: AddedEvent, (name, line): (String, u64)) {
        match added {
            AddedEvent::Taken => {
                self.summary.taken += 1;
                *self.summary.kinds.entry(kind.name()).or_default() += 1;
            }
            AddedEvent::Repeated => self.summary.repeated += 1,
            AddedEvent::NotCounted => {
                self.summary.not_counted += 1;
                self.leave_out(name, line, "a bounce without proof");
            }
            AddedEvent::NoAddress => {
                self.summary.not_understood += 1;
                self.leave_out(name, line, "the recipient is no address");
            }
        }
    }

    fn leave_out(&mut self, source: String, line: u64, why: &'static str) {
        if self.summary.first.len() < NAMED {
            self.summary.first.push(LeftOut { source, line, why });
        }
    }
}

fn print(summary: &AddSummary) {
    let AddSummary { taken, repeated, not_counted, not_understood, kinds, first } = summary;
    print_line!(
        "{taken} taken, {repeated} repeated, {not_counted} not counted, {not_understood} not \
         understood"
    );
    if taken + repeated + not_counted + not_understood == 0 {
        print_line!(
            "{DIM}Nothing in it tells what became of mail: is it the log of deliveries, and in a form \
             that is known?{DIM:#}"
        );
    }
    for (kind, count) in kinds {
        print_line!("  {count:>8}  {kind}");
    }
    for LeftOut { source, line, why } in first {
        print_line!("  {BAD}{}:{line}{BAD:#} {why}", printable(source));
    }
    if *not_counted > 0 {
        print_line!(
            "{DIM}Anyone can write a bounce. One counts if it came to an address with a token of \
             `mailvet outcomes token`, or is about an address that a log, a service or a list \
             of yours names; --trust-bounces counts all.{DIM:#}"
        );
    }
}
