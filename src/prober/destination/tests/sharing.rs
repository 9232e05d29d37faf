//! What a destination does where several processes share an egress address.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::simulation::*;
use crate::pacing::Config;
use crate::prober::destination::Destination;
use crate::prober::memory::observe_habit;
use crate::smtp::{Control, NoReply, RecipientAnswer};

const MX: &str = "mx.example.net";

fn postponed(simulation: &Simulation) -> usize {
    let is_so = |answer: &RecipientAnswer| {
        matches!(answer, RecipientAnswer::NoReply { reason: NoReply::Postponed, .. })
    };
    simulation.answers.iter().filter(|(_, answer)| is_so(&answer.evidence.answer)).count()
}

#[test]
fn a_suspended_destination_answers_those_who_wait_reads_its_flight_and_opens_nothing() {
    let mut simulation = Simulation::new(Config::default());
    let flying = simulation.submit("a.example", MX, false, 600);
    let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
    simulation.opened(id);
    simulation.ask(id);
    let queued = simulation.submit("b.example", MX, false, 600);
    simulation.core.suspend(simulation.now);
    simulation.carry_out();
    assert_eq!(postponed(&simulation), 1);
    assert_eq!(simulation.answers[0].0, queued);
    simulation.submit("c.example", MX, false, 600);
    assert_eq!(postponed(&simulation), 2);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert!(simulation.answers.iter().any(|(token, _)| *token == flying));
    let sessions = simulation.sessions.len();
    simulation.ask(id);
    assert!(matches!(simulation.sessions[&id].task, Task::Closing), "it says QUIT");
    simulation.close(id);
    assert!(simulation.sessions.len() <= sessions, "no other is opened");
    simulation.core.resume(simulation.now);
    let again = simulation.submit("c.example", MX, false, 600);
    simulation.serve();
    assert!(simulation.answers.iter().any(|(token, _)| *token == again));
    assert_eq!(postponed(&simulation), 2);
}

#[test]
fn an_answer_that_waits_for_the_control_recipient_is_told_when_the_destination_is_suspended() {
    let mut simulation = Simulation::new(Config::default());
    let token = simulation.submit("a.example", MX, true, 3600);
    let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
    simulation.opened(id);
    simulation.ask(id);
    simulation.land(id, None, |_, _, _| Some(busy_mailbox()));
    simulation.ask(id);
    simulation.advance(Duration::from_secs(20));
    simulation.ask(id);
    simulation.core.suspend(simulation.now);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    // As after every step.
    simulation.core.suspend(simulation.now);
    simulation.carry_out();
    let (_, answer) = simulation.answers.iter().find(|(other, _)| *other == token).unwrap();
    assert_eq!(answer.evidence.answer, accepted(), "not what was said before, nor nothing");
    assert!(matches!(answer.control, Control::Answered(_)), "{:?}", answer.control);
}

#[test]
fn the_next_holder_counts_the_connections_of_the_last_one_and_a_dead_one_s_as_all_but_one() {
    let connections = NonZeroU32::new(10).unwrap();
    let config = Config { connections_per_minute: connections, ..Config::default() };
    let mut before = Simulation::new(config.clone());
    before.submit("a.example", MX, false, 600);
    before.serve();
    let (core, memory, now) = (&mut before.core, &mut before.memory, before.now);
    let state = core.hand_over(memory, now).unwrap();
    let opened = before.connections.len();
    assert!(opened > 0);
    let mut after = Simulation::new(config.clone());
    // Its clock is another one.
    after.now += Duration::from_secs(100_000);
    let (memory, now) = (&mut after.memory, after.now);
    after.core.take_over(&state, Duration::from_secs(1), memory, now);
    let opened = u32::try_from(opened).unwrap();
    assert_eq!(after.core.connection_room(now), 10 - opened);
    let mut heir: Destination<u32> = Destination::new(Arc::new(config), 0);
    heir.survive(Duration::from_secs(20), now);
    assert_eq!(heir.connection_room(now), 1);
    assert_eq!(heir.connection_room(now + Duration::from_secs(41)), 1);
    assert_eq!(heir.connection_room(now + Duration::from_secs(43)), 10);
}

#[test]
fn the_one_connection_after_a_dead_holder_is_not_kept_from_a_list() {
    let mut simulation = Simulation::new(Config::default());
    simulation.core.survive(Duration::from_secs(20), simulation.now);
    simulation.submit("a.example", MX, false, 600);
    assert_eq!(simulation.connections.len(), 1);
}

#[test]
fn a_pause_that_the_server_named_is_kept_and_handed_over() {
    let mut before = Simulation::new(Config::default());
    before.submit("a.example", MX, false, 0);
    let id = before.ids(|task| matches!(task, Task::Opening))[0];
    before.opened(id);
    before.ask(id);
    before.land(id, None, |_, _, _| Some(slow_down(900)));
    before.close(id);
    let in_a_while = before.now + Duration::from_secs(100);
    assert!(!before.core.is_over(in_a_while), "it is not forgotten with the destination");
    let (core, memory, now) = (&mut before.core, &mut before.memory, before.now);
    let state = core.hand_over(memory, now).unwrap();
    let written = serde_json::to_string(&state).unwrap();
    let mut after = Simulation::new(Config::default());
    // Its clock is another one.
    after.now += Duration::from_secs(100_000);
    let (memory, now) = (&mut after.memory, after.now);
    let state = serde_json::from_str(&written).unwrap();
    after.core.take_over(&state, Duration::from_secs(1), memory, now);
    let token = after.submit("b.example", MX, false, 60);
    assert_eq!(after.answers.len(), 1, "who has no time for it is told at once");
    assert_eq!((after.answers[0].0, after.connections.len()), (token, 0));
    after.submit("b.example", MX, false, 3600);
    after.serve();
    assert_eq!(after.named, [now + Duration::from_secs(899)]);
}

#[test]
fn a_habit_of_an_exchanger_is_handed_over_with_its_end() {
    let mut before = Simulation::new(Config::default());
    before.submit("a.example", MX, false, 600);
    before.serve();
    let now = before.now;
    observe_habit(&mut before.memory.exchanger_mut(&name(MX)).breaks_pipelining, now);
    let hour = Duration::from_secs(3600);
    let state = before.core.hand_over(&mut before.memory, now).unwrap();
    let mut written = serde_json::to_value(&state).unwrap();
    let believed_for = |written: &serde_json::Value, elapsed: Duration| {
        let mut after = Simulation::new(Config::default());
        let state = serde_json::from_value(written.clone()).unwrap();
        after.core.take_over(&state, elapsed, &mut after.memory, now);
        let habit = after.memory.exchanger(&name(MX)).unwrap().breaks_pipelining;
        habit.until().duration_since(now).unwrap_or_default()
    };
    assert_eq!(believed_for(&written, hour / 2), hour / 2);
    assert_eq!(believed_for(&written, 2 * hour), Duration::ZERO);
    // A replica of before tells no end, and reads none.
    let exchanger = written["exchangers"][0].as_object_mut().unwrap();
    assert_eq!(exchanger["breaks_pipelining"], true);
    assert!(exchanger.remove("without_pipelining").is_some());
    assert_eq!(believed_for(&written, hour / 2), hour);
}

/// A destination that has used its one connection of the minute, and wants another.
fn waiting_for_a_connection() -> Simulation {
    let connections = NonZeroU32::new(1).unwrap();
    let config = Config { connections_per_minute: connections, ..Config::default() };
    let mut simulation = Simulation::new(config);
    simulation.submit("a.example", MX, false, 600);
    simulation.serve();
    simulation.submit("b.example", "mx.example.com", false, 600);
    simulation
}

#[test]
fn a_suspended_destination_is_not_woken_for_a_session_that_it_will_not_open() {
    let mut simulation = waiting_for_a_connection();
    assert!(simulation.core.wake_at().is_some(), "there is room in a minute");
    simulation.core.suspend(simulation.now);
    simulation.carry_out();
    simulation.now += Duration::from_secs(100);
    simulation.core.tick(&mut simulation.memory, simulation.now);
    simulation.carry_out();
    assert!(simulation.core.wake_at().is_none_or(|at| at > simulation.now));
}

#[test]
fn a_drained_destination_waits_for_nothing() {
    let mut simulation = waiting_for_a_connection();
    simulation.core.suspend(simulation.now);
    simulation.core.drain(simulation.now);
    simulation.serve();
    assert_eq!((simulation.core.job_count(), simulation.sessions.len()), (0, 0));
    assert_eq!(simulation.core.wake_at(), None);
}
