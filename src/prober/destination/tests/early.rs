//! Answers of a flight that is still under way.

use std::sync::Arc;

use super::rules::{code, open_one};
use super::simulation::*;
use crate::pacing::Config;
use crate::prober::memory::CatchAllState;
use crate::smtp::{Control, EarlyAnswer, RecipientAnswer, Stage};

const MX: &str = "mx.example.net";

fn early(recipient: usize, answer: RecipientAnswer) -> Vec<EarlyAnswer> {
    vec![EarlyAnswer { transaction: 0, recipient, answer }]
}

#[test]
fn a_caller_is_told_of_its_answer_while_the_flight_is_under_way() {
    let mut simulation = Simulation::new(Config::default());
    let first = simulation.submit("a.example", MX, false, 600);
    let second = simulation.submit("a.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.hear(id, early(1, accepted()));
    assert_eq!((simulation.answers.len(), code(&simulation, second)), (1, 250));
    simulation.land(id, None, |_, _, n| Some(if n == 0 { unknown_user() } else { accepted() }));
    assert_eq!((simulation.answers.len(), code(&simulation, first)), (2, 550));
}

#[test]
fn who_was_told_early_is_not_asked_again_when_the_flight_is_not_believed() {
    let mut simulation = Simulation::new(Config::default());
    let told = simulation.submit("a.example", MX, true, 600);
    let other = simulation.submit("a.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.hear(id, early(0, accepted()));
    assert!(simulation.answers.is_empty(), "it waits for the control recipient");
    simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
    simulation.serve();
    assert_eq!((code(&simulation, told), code(&simulation, other)), (250, 250));
    assert_eq!(simulation.named.len(), 4, "two, then the other one and the control recipient");
    let (_, answer) = simulation.answers.iter().find(|(token, _)| *token == told).unwrap();
    assert_eq!(answer.control, Control::Answered(Arc::new(unknown_user())));
}

#[test]
fn a_refusal_that_was_read_in_a_flight_under_way_spares_the_control_recipient() {
    let mut simulation = Simulation::new(Config::default());
    let first = simulation.submit("a.example", MX, true, 600);
    simulation.submit("a.example", MX, true, 600);
    let id = open_one(&mut simulation);
    simulation.hear(id, early(0, accepted()));
    simulation.hear(id, early(1, unknown_user()));
    assert_eq!((simulation.answers.len(), code(&simulation, first)), (2, 250));
    let known = simulation.answers.iter().all(|(_, answer)| answer.control == Control::KnownNo);
    assert!(known, "{:?}", simulation.answers);
}

#[test]
fn a_refusal_for_now_that_was_read_in_a_flight_under_way_is_told_at_the_deadline() {
    let mut simulation = Simulation::new(Config::default());
    let token = simulation.submit("a.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.hear(id, early(0, greylisted()));
    assert!(simulation.answers.is_empty(), "it may be asked again");
    let withdrawn = simulation.core.withdraw(simulation.open[&token], simulation.now).unwrap();
    assert_eq!(withdrawn.evidence.unwrap().answer, greylisted());
}

#[test]
fn a_refusal_that_contradicts_the_domain_is_not_told_before_it_was_asked_again() {
    let mut simulation = Simulation::new(Config::default());
    let now = simulation.now;
    simulation.memory.learn_catch_all(&name("a.example"), CatchAllState::Yes, now);
    let token = simulation.submit("a.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.hear(id, early(0, unknown_user()));
    simulation.land(id, None, |_, _, _| Some(unknown_user()));
    assert!(simulation.answers.is_empty());
    simulation.serve();
    assert_eq!(code(&simulation, token), 250);
}
