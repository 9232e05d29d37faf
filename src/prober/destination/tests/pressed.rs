//! Callers with little time behind a slow flight.

use std::num::NonZeroU32;
use std::time::Duration;

use super::rules::{code, open_one};
use super::simulation::*;
use crate::pacing::Config;
use crate::smtp::Stage;

const MX: &str = "mx.example.net";

/// A session whose flight is under way and does not come back.
fn with_slow_flight(config: Config) -> Simulation {
    let mut simulation = Simulation::new(config);
    simulation.submit("slow.example", MX, false, 600);
    open_one(&mut simulation);
    simulation
}

fn opening(simulation: &Simulation) -> usize {
    simulation.ids(|task| matches!(task, Task::Opening)).len()
}

#[test]
fn a_caller_with_little_time_behind_a_slow_flight_gets_a_session_of_its_own() {
    let mut simulation = with_slow_flight(Config::default());
    simulation.advance(Duration::from_millis(200));
    let token = simulation.submit_until("a.example", MX, false, (0, 5));
    assert_eq!(opening(&simulation), 0, "the flight may be back in a moment");
    simulation.advance(Duration::from_millis(400));
    assert_eq!(opening(&simulation), 1);
    simulation.submit_until("b.example", MX, false, (0, 5));
    assert_eq!(opening(&simulation), 1, "one for all who wait");
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!(code(&simulation, token), 250);
}

#[test]
fn who_comes_when_a_flight_is_slow_already_waits_for_nothing() {
    let mut simulation = with_slow_flight(Config::default());
    simulation.advance(Duration::from_secs(3));
    simulation.submit_until("a.example", MX, false, (0, 5));
    assert_eq!(opening(&simulation), 1);
}

#[test]
fn a_caller_with_time_waits_for_the_session_there_is() {
    let mut simulation = with_slow_flight(Config::default());
    simulation.submit_until("a.example", MX, false, (0, 240));
    simulation.advance(Duration::from_secs(30));
    assert_eq!(opening(&simulation), 0);
}

#[test]
fn a_flight_that_leaves_somebody_with_little_time_behind_is_watched() {
    let mut simulation = Simulation::new(Config::default());
    for n in 0..=simulation.config.transactions_per_flight.get() {
        simulation.submit_until(&format!("d{n}.example"), MX, false, (0, 5));
    }
    open_one(&mut simulation);
    assert_eq!(opening(&simulation), 0);
    simulation.advance(Duration::from_secs(1));
    assert_eq!(opening(&simulation), 1);
}

#[test]
fn little_time_opens_no_more_sessions_than_are_allowed() {
    let one = NonZeroU32::new(1).unwrap();
    let mut simulation =
        with_slow_flight(Config { sessions_per_exchanger: one, ..Config::default() });
    simulation.submit_until("a.example", MX, false, (0, 5));
    simulation.advance(Duration::from_secs(3));
    assert_eq!(opening(&simulation), 0);
}

#[test]
fn a_caller_with_little_time_is_asked_about_before_a_list_of_the_same_domain() {
    let list = || {
        let mut simulation = Simulation::new(Config::default());
        for _ in 0..2000 {
            simulation.submit("a.example", MX, false, 240);
        }
        simulation
    };
    let mut alone = list();
    let id = open_one(&mut alone);
    alone.land(id, None, |_, _, _| Some(accepted()));
    let mut simulation = list();
    let token = simulation.submit_until("a.example", MX, false, (0, 5));
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!(code(&simulation, token), 250);
    let answers = [&alone, &simulation].map(|it| it.answers.len());
    assert_eq!(answers[0], answers[1], "of a flight it takes no more than its place");
}

#[test]
fn a_caller_with_little_time_that_went_unanswered_is_the_first_of_the_next_flight_too() {
    let mut simulation = Simulation::new(Config::default());
    for _ in 0..2000 {
        simulation.submit("a.example", MX, false, 240);
    }
    let token = simulation.submit_until("a.example", MX, false, (0, 90));
    let id = open_one(&mut simulation);
    let ended = Some(closed(Stage::Rcpt));
    simulation.land(id, ended, |transaction, _, n| ((transaction, n) != (0, 0)).then(accepted));
    assert!(simulation.answers.iter().all(|(other, _)| *other != token));
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!(code(&simulation, token), 250);
}

#[test]
fn a_list_that_has_used_up_its_minute_leaves_recipients_to_callers_with_little_time() {
    let per_minute = NonZeroU32::new(200).unwrap();
    let config = Config { recipients_per_minute: per_minute, ..Config::default() };
    let mut simulation = Simulation::new(config);
    for _ in 0..300 {
        simulation.submit("a.example", MX, false, 240);
    }
    let ids = simulation.ids(|task| matches!(task, Task::Opening));
    for id in &ids {
        simulation.opened(*id);
        simulation.ask(*id);
        if matches!(simulation.sessions[id].task, Task::Flying(_)) {
            simulation.land(*id, None, |_, _, _| Some(accepted()));
            simulation.ask(*id);
        }
    }
    assert_eq!((ids.len(), simulation.named.len()), (3, 198));
    simulation.advance(Duration::from_secs(1));
    let token = simulation.submit_until("b.example", MX, true, (0, 5));
    let id = simulation.ids(|task| matches!(task, Task::Ready))[0];
    simulation.ask(id);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    simulation.ask(id);
    simulation.land(id, None, |_, is_control, _| is_control.then(unknown_user));
    assert_eq!(code(&simulation, token), 250, "with its control recipient");
    assert_eq!(simulation.named.len(), 200);
    assert_eq!(simulation.connections.len(), 3, "those who may not be named open no sessions");
    simulation.serve();
    assert_eq!(simulation.answers.len(), 301);
}

/// A list that has used up its connections of the minute, and waits at further exchangers.
fn without_connections() -> Simulation {
    let mut simulation = Simulation::new(Config::default());
    for n in 0..40 {
        let exchanger = format!("mx{n}.example.net");
        simulation.submit(&format!("d{n}.example"), &exchanger, false, 240);
    }
    while let Some(id) = simulation.ids(|task| matches!(task, Task::Opening)).front().copied() {
        simulation.opened(id);
        simulation.ask(id);
        simulation.land(id, None, |_, _, _| Some(accepted()));
        simulation.close(id);
    }
    assert_eq!(simulation.connections.len(), 29);
    simulation
}

#[test]
fn a_list_that_has_used_up_its_connections_leaves_one_to_a_caller_with_little_time() {
    let mut simulation = without_connections();
    let token = simulation.submit_until("late.example", "mx.example.net", false, (0, 5));
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!((code(&simulation, token), simulation.connections.len()), (250, 30));
    simulation.close(id);
    simulation.serve();
    assert_eq!(simulation.answers.len(), 41);
}

#[test]
fn a_caller_with_little_time_gets_its_connection_where_a_list_waits_for_one_already() {
    let mut simulation = without_connections();
    let token = simulation.submit_until("d39.example", "mx39.example.net", false, (0, 5));
    simulation.advance(Duration::from_millis(1));
    let id = open_one(&mut simulation);
    assert_eq!(simulation.sessions[&id].exchanger, name("mx39.example.net"));
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!((code(&simulation, token), simulation.connections.len()), (250, 30));
    simulation.close(id);
    simulation.serve();
    assert_eq!(simulation.answers.len(), 41);
}

#[test]
fn a_caller_with_little_time_that_goes_away_takes_no_connection() {
    let mut simulation = without_connections();
    let token = simulation.submit_until("d39.example", "mx39.example.net", false, (0, 5));
    simulation.withdraw(token);
    simulation.advance(Duration::from_secs(1));
    assert_eq!((opening(&simulation), simulation.connections.len()), (0, 29));
    simulation.serve();
    assert_eq!(simulation.answers.len(), 40);
}
