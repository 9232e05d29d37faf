//! Whatever happens in whatever order: every submission is answered once, counts are right, limits
//! hold, and nothing waits for ever.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::simulation::*;
use crate::pacing::Config;
use crate::prober::destination::SessionState;
use crate::smtp::{EarlyAnswer, RecipientAnswer, Stage};

const EXCHANGERS: [&str; 3] = ["mx0.example.net", "mx1.example.net", "mx2.example.net"];
const DOMAINS: [&str; 4] = ["a.example", "b.example", "c.example", "example.net"];

/// Something that may happen. A number chooses among those it may happen to.
#[derive(Clone, Debug)]
enum Event {
    Submit { domain: usize, exchanger: usize, test_catch_all: bool, retry_for: u64 },
    Withdraw(usize),
    Opened(usize),
    Refused(usize, u8),
    Ask(usize),
    Hear(usize, Vec<u8>),
    Land(usize, Vec<u8>, bool),
    Close(usize),
    Advance(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let n = 0..100_usize;
    prop_oneof![
        6 => (0..4_usize, 0..3_usize, any::<bool>(), prop_oneof![Just(0), 1..1000_u64]).prop_map(
            |(domain, exchanger, test_catch_all, retry_for)| Event::Submit {
                domain,
                exchanger,
                test_catch_all,
                retry_for,
            }
        ),
        1 => n.clone().prop_map(Event::Withdraw),
        4 => n.clone().prop_map(Event::Opened),
        1 => (n.clone(), 0..4_u8).prop_map(|(n, kind)| Event::Refused(n, kind)),
        6 => n.clone().prop_map(Event::Ask),
        3 => (n.clone(), prop::collection::vec(0..9_u8, 1..4))
            .prop_map(|(n, answers)| Event::Hear(n, answers)),
        6 => (n.clone(), prop::collection::vec(0..9_u8, 1..8), prop::bool::weighted(0.15))
            .prop_map(|(n, answers, ends)| Event::Land(n, answers, ends)),
        2 => n.prop_map(Event::Close),
        2 => prop_oneof![0..1000_u64, 1000..70_000_u64].prop_map(Event::Advance),
    ]
}

fn answer(kind: u8) -> Option<RecipientAnswer> {
    match kind {
        0..4 => Some(accepted()),
        4 => Some(unknown_user()),
        5 => Some(greylisted()),
        6 => Some(busy(Stage::Rcpt)),
        7 => Some(too_many()),
        _ => None,
    }
}

fn obstacle(kind: u8) -> RecipientAnswer {
    match kind {
        0 => busy(Stage::Banner),
        1 => closed(Stage::Banner),
        2 => blocked(),
        _ => not_found(),
    }
}

/// Answers to the first recipients of a transaction of a flight under way.
fn early(transaction: usize, kinds: Vec<u8>) -> Vec<EarlyAnswer> {
    let heard = |(recipient, kind): (usize, u8)| {
        answer(kind).map(|answer| EarlyAnswer { transaction, recipient, answer })
    };
    kinds.into_iter().enumerate().filter_map(heard).collect()
}

fn happen(simulation: &mut Simulation, event: Event) {
    let pick = |simulation: &Simulation, n: usize, is_it: fn(&Task) -> bool| {
        let ids = simulation.ids(is_it);
        (!ids.is_empty()).then(|| ids[n % ids.len()])
    };
    let is_opening = |task: &Task| matches!(task, Task::Opening);
    match event {
        Event::Submit { domain, exchanger, test_catch_all, retry_for } => {
            let (domain, exchanger) = (DOMAINS[domain], EXCHANGERS[exchanger]);
            simulation.submit(domain, exchanger, test_catch_all, retry_for);
        }
        Event::Withdraw(n) => {
            let token = simulation.open.keys().copied().nth(n % simulation.open.len().max(1));
            if let Some(token) = token {
                simulation.withdraw(token);
            }
        }
        Event::Opened(n) => {
            if let Some(id) = pick(simulation, n, is_opening) {
                simulation.opened(id);
            }
        }
        Event::Refused(n, kind) => {
            if let Some(id) = pick(simulation, n, is_opening) {
                simulation.refused(id, obstacle(kind));
            }
        }
        Event::Ask(n) => {
            let is_ready = |task: &Task| matches!(task, Task::Ready | Task::Waiting { .. });
            if let Some(id) = pick(simulation, n, is_ready) {
                simulation.ask(id);
            }
        }
        Event::Hear(n, kinds) => {
            if let Some(id) = pick(simulation, n, |task| matches!(task, Task::Flying(_))) {
                simulation.hear(id, early(n % 3, kinds));
            }
        }
        Event::Land(n, answers, ends) => {
            if let Some(id) = pick(simulation, n, |task| matches!(task, Task::Flying(_))) {
                let ended = ends.then(|| closed(Stage::Rcpt));
                let mut kinds = answers.into_iter().cycle();
                simulation.land(id, ended, |_, _, _| kinds.next().and_then(answer));
            }
        }
        Event::Close(n) => {
            if let Some(id) = pick(simulation, n, |task| matches!(task, Task::Closing)) {
                simulation.close(id);
            }
        }
        Event::Advance(millis) => simulation.advance(Duration::from_millis(millis)),
    }
}

/// The limits of the configuration, and every count of the scheduler against a recount.
fn check(simulation: &Simulation) {
    let (core, config) = (&simulation.core, &simulation.config);
    assert_eq!(core.job_count(), simulation.open.len(), "jobs");
    assert_eq!(core.session_count(), simulation.sessions.len(), "sessions");
    assert!(core.session_count() <= config.sessions_per_destination.get() as usize);
    let mut per_exchanger: BTreeMap<&str, usize> = BTreeMap::new();
    for session in simulation.sessions.values() {
        *per_exchanger.entry(session.exchanger.as_str()).or_default() += 1;
        assert!(session.named <= config.recipients_per_session.get() as usize);
        assert!(session.transactions <= config.transactions_per_session.get() as usize);
        if let Task::Flying(flight) = &session.task {
            for transaction in flight {
                let most = config.recipients_per_transaction.get() as usize;
                assert!(transaction.recipients.len() <= most);
            }
        }
    }
    let most = config.sessions_per_exchanger.get() as usize;
    assert!(per_exchanger.values().all(|count| *count <= most), "{per_exchanger:?}");
    for (exchanger, lane) in &core.lanes {
        let of = |is_it: fn(SessionState) -> bool| {
            let sessions = core.pool.iter().map(|(_, session)| session);
            sessions.filter(|s| s.exchanger == *exchanger && is_it(s.state)).count()
        };
        assert_eq!(lane.closing, of(|s| s == SessionState::Closing), "closing");
        assert_eq!(lane.woken, of(|s| matches!(s, SessionState::Woken { .. })), "woken");
        assert_eq!(lane.due(), lane.recount_due(), "due");
        assert_eq!(lane.pressed(), lane.recount_pressed(), "due in a hurry");
        assert!(lane.wanting || !lane.hurries, "wants nothing, and in a hurry");
        assert_eq!(lane.hurries, core.pool.hurrying.contains(exchanger), "in a hurry");
    }
    let hurrying = core.lanes.values().filter(|lane| lane.hurries).count();
    assert_eq!(core.pool.hurrying.len(), hurrying, "each lane once, and none that is gone");
}

fn check_window(times: &[std::time::SystemTime], most: u32, what: &str) {
    for (index, first) in times.iter().enumerate() {
        let minute = *first + Duration::from_secs(60);
        let within = times[index..].iter().filter(|at| **at < minute).count();
        assert!(within <= most as usize, "{within} {what} within a minute");
    }
}

fn small() -> Config {
    let count = |n| NonZeroU32::new(n).unwrap();
    Config {
        sessions_per_exchanger: count(2),
        sessions_per_destination: count(4),
        connections_per_minute: count(9),
        recipients_per_minute: count(40),
        recipients_per_transaction: count(3),
        recipients_per_flight: count(6),
        transactions_per_flight: count(3),
        recipients_per_session: count(12),
        transactions_per_session: count(7),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_submission_is_answered_once_and_no_limit_is_exceeded(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut simulation = Simulation::new(small());
        for event in events {
            happen(&mut simulation, event);
            check(&simulation);
        }
        simulation.serve();
        check(&simulation);
        prop_assert!(simulation.open.is_empty(), "{:?} wait for ever", simulation.open);
        prop_assert_eq!(simulation.core.session_count(), 0, "a session stays open for ever");
        check_window(&simulation.connections, small().connections_per_minute.get(), "connections");
        check_window(&simulation.named, small().recipients_per_minute.get(), "recipients");
    }
}
