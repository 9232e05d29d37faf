//! Sessions that end early: who is asked again, and what is blamed for it.

use std::sync::Arc;
use std::time::Duration;

use super::rules::{code, open_one};
use super::simulation::*;
use crate::pacing::Config;
use crate::prober::memory::CatchAllState;
use crate::smtp::{Control, NoReply, RecipientAnswer, Stage};

const MX: &str = "mx.example.net";

#[test]
fn a_control_recipient_that_no_flight_came_to_was_not_tried() {
    let mut simulation = Simulation::new(Config::default());
    let token = simulation.submit("a.example", MX, true, 3600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    // Each session ends at another domain's recipient, before the control recipient's turn.
    let mut id = Some(id);
    for n in 0..4 {
        simulation.submit(&format!("d{n}.example"), MX, false, 3600);
        let session = id.take().unwrap_or_else(|| {
            while simulation.ids(|task| matches!(task, Task::Opening)).is_empty() {
                simulation.advance(Duration::from_secs(1));
            }
            let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
            simulation.opened(id);
            id
        });
        simulation.ask(session);
        simulation.land(session, Some(closed(Stage::Rcpt)), |_, _, _| None);
        simulation.close(session);
    }
    assert!(simulation.answers.iter().all(|(other, _)| *other != token), "it waits");
    simulation.serve();
    let (_, answer) = simulation.answers.iter().find(|(other, _)| *other == token).unwrap();
    assert_eq!(answer.control, Control::Answered(Arc::new(unknown_user())));
}

#[test]
fn a_session_that_ended_unanswered_keeps_its_place_until_its_connection_is_gone() {
    let mut simulation = Simulation::new(Config::default());
    for _ in 0..200 {
        simulation.submit("a.example", MX, false, 3600);
    }
    let ids = simulation.ids(|task| matches!(task, Task::Opening));
    assert_eq!(ids.len(), 2);
    for id in &ids {
        simulation.opened(*id);
        simulation.ask(*id);
    }
    let places = |simulation: &Simulation| simulation.core.lanes[&name(MX)].session_count();
    simulation.land(ids[0], Some(closed(Stage::Mail)), |_, _, _| None);
    assert_eq!(places(&simulation), 2, "the server may count both");
    simulation.close(ids[0]);
    assert_eq!(places(&simulation), 1);
}

#[test]
fn a_recipient_that_was_answered_is_not_blamed_for_the_end_of_its_session() {
    let mut simulation = Simulation::new(Config::default());
    let (domain, now) = (name("a.example"), simulation.now);
    simulation.memory.learn_catch_all(&domain, CatchAllState::Yes, now);
    let answered = simulation.submit("a.example", MX, false, 3600);
    simulation.submit("a.example", MX, false, 3600);
    let id = open_one(&mut simulation);
    // Refused where everybody was accepted: that is doubted. The session ends at the second one.
    simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, n| (n == 0).then(unknown_user));
    let tries = |token: u32| simulation.core.jobs[&simulation.open[&token]].tries;
    assert_eq!((tries(answered), tries(answered + 1)), (0, 1));
}

#[test]
fn the_first_flight_that_goes_well_after_a_pause_opens_the_door_for_all() {
    let mut simulation = Simulation::new(Config::default());
    for _ in 0..400 {
        simulation.submit("a.example", MX, false, 3600);
    }
    while let Some(id) = simulation.ids(|task| matches!(task, Task::Opening)).front().copied() {
        simulation.refused(id, busy(Stage::Banner));
        simulation.close(id);
    }
    simulation.advance(Duration::from_secs(2));
    let id = open_one(&mut simulation);
    // One is left unanswered: the transaction takes no more.
    simulation.land(id, None, |transaction, _, recipient| {
        ((transaction, recipient) != (0, 49)).then(accepted)
    });
    assert!(simulation.ids(|task| matches!(task, Task::Opening)).is_empty(), "one knocks for all");
    simulation.ask(id);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert!(!simulation.ids(|task| matches!(task, Task::Opening)).is_empty(), "others may follow");
}

#[test]
fn a_session_that_ends_over_its_first_recipient_keeps_nobody_else_waiting() {
    let mut simulation = Simulation::new(Config::default());
    let suspect = simulation.submit("a.example", MX, false, 3600);
    let others = [(); 2].map(|()| simulation.submit("b.example", MX, false, 3600));
    let id = open_one(&mut simulation);
    simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
    simulation.close(id);
    let id = open_one(&mut simulation);
    let Task::Flying(flight) = &simulation.sessions[&id].task else { panic!("it asks") };
    assert_eq!(flight[0].domain, name("b.example"), "the one it hung up over comes last");
    simulation.land(id, Some(closed(Stage::Rcpt)), |n, _, _| (n == 0).then(accepted));
    assert!(others.iter().all(|token| code(&simulation, *token) == 250));
    simulation.close(id);
    simulation.serve();
    assert_eq!(code(&simulation, suspect), 250);
}

#[test]
fn a_session_that_ends_over_a_caller_with_little_time_keeps_no_list_waiting() {
    let mut simulation = Simulation::new(Config::default());
    let suspect = simulation.submit("a.example", MX, false, 60);
    let others = [(); 2].map(|()| simulation.submit("b.example", MX, false, 3600));
    let id = open_one(&mut simulation);
    simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
    simulation.close(id);
    let id = open_one(&mut simulation);
    let Task::Flying(flight) = &simulation.sessions[&id].task else { panic!("it asks") };
    assert_eq!(flight[0].domain, name("b.example"), "the one it hung up over comes last");
    simulation.land(id, Some(closed(Stage::Rcpt)), |n, _, _| (n == 0).then(accepted));
    assert!(others.iter().all(|token| code(&simulation, *token) == 250));
    simulation.close(id);
    simulation.serve();
    assert_eq!(code(&simulation, suspect), 250);
}

#[test]
fn an_exchanger_that_ends_a_second_session_over_its_first_recipient_is_left_alone() {
    let mut simulation = Simulation::new(Config::default());
    for _ in 0..5 {
        simulation.submit("a.example", MX, false, 3600);
    }
    for _ in 0..2 {
        let id = open_one(&mut simulation);
        simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
        simulation.close(id);
    }
    assert!(simulation.ids(|task| matches!(task, Task::Opening)).is_empty());
    simulation.serve();
    assert_eq!(simulation.answers.len(), 5);
}

/// Replies and commands did not fit together when a recipient was named.
fn out_of_step() -> RecipientAnswer {
    let reason = NoReply::Protocol("bytes that no command asked for".to_owned());
    RecipientAnswer::NoReply { stage: Stage::Rcpt, reason }
}

#[test]
fn a_recipient_that_brings_a_new_session_out_of_step_is_told_and_harms_nobody_else() {
    let mut simulation = Simulation::new(Config::default());
    let suspect = simulation.submit("a.example", MX, false, 10);
    let id = open_one(&mut simulation);
    let other = simulation.submit("b.example", MX, false, 10);
    simulation.land(id, Some(out_of_step()), |_, _, _| None);
    assert_eq!((simulation.answers.len(), code(&simulation, suspect)), (1, 0));
    simulation.close(id);
    simulation.serve();
    assert_eq!(code(&simulation, other), 250, "the exchanger does not rest");
}

#[test]
fn the_others_of_a_flight_that_is_out_of_step_are_asked_at_once() {
    let mut simulation = Simulation::new(Config::default());
    let suspect = simulation.submit("a.example", MX, false, 10);
    let other = simulation.submit("b.example", MX, false, 10);
    let id = open_one(&mut simulation);
    simulation.land(id, Some(out_of_step()), |_, _, _| None);
    assert!(simulation.answers.is_empty(), "nothing is told of either");
    simulation.close(id);
    simulation.serve();
    assert_eq!((code(&simulation, other), code(&simulation, suspect)), (250, 250));
}

#[test]
fn a_recipient_beside_a_control_recipient_is_not_blamed_for_a_flight_out_of_step() {
    let mut simulation = Simulation::new(Config::default());
    let first = simulation.submit("a.example", MX, true, 10);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    simulation.ask(id);
    simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
    let other = simulation.submit("b.example", MX, false, 10);
    simulation.close(id);
    let id = open_one(&mut simulation);
    let Task::Flying(flight) = &simulation.sessions[&id].task else { panic!("it asks") };
    assert_eq!(flight.len(), 2, "the other one and the control recipient");
    simulation.land(id, Some(out_of_step()), |_, _, _| None);
    assert!(simulation.answers.iter().all(|(token, _)| *token == first));
    simulation.close(id);
    simulation.serve();
    assert_eq!(code(&simulation, other), 250);
}

#[test]
fn an_exchanger_that_is_out_of_step_with_everybody_rests() {
    let mut simulation = Simulation::new(Config::default());
    for _ in 0..3 {
        simulation.submit("a.example", MX, false, 10);
    }
    for _ in 0..2 {
        let id = open_one(&mut simulation);
        simulation.land(id, Some(out_of_step()), |_, _, _| None);
        simulation.close(id);
    }
    assert_eq!(simulation.answers.len(), 3);
    let later = simulation.submit("b.example", MX, false, 10);
    assert_eq!(code(&simulation, later), 0, "nobody knocks");
}
