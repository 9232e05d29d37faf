//! One test for each rule.

use std::num::NonZeroU32;
use std::time::Duration;

use super::simulation::*;
use crate::pacing::Config;
use crate::prober::lane::SessionId;
use crate::smtp::{Control, NoReply, RecipientAnswer, Stage};

const MX: &str = "mx.example.net";

fn simulation() -> Simulation {
    Simulation::new(Config::default())
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Opens the first session that is opening, and has it ask what to do.
pub(super) fn open_one(simulation: &mut Simulation) -> SessionId {
    let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
    simulation.opened(id);
    simulation.ask(id);
    id
}

pub(super) fn code(simulation: &Simulation, token: u32) -> u16 {
    let (_, answer) = simulation.answers.iter().find(|(other, _)| *other == token).unwrap();
    match &answer.evidence.answer {
        RecipientAnswer::Replied { reply, .. } => reply.code,
        RecipientAnswer::NoReply { .. } => 0,
    }
}

#[test]
fn one_recipient_opens_one_session_and_is_answered_on_it() {
    let mut simulation = simulation();
    let token = simulation.submit("a.example", MX, false, 0);
    assert_eq!(simulation.sessions.len(), 1);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    assert_eq!(code(&simulation, token), 250);
    assert_eq!(simulation.core.job_count(), 0);
}

#[test]
fn a_session_that_is_idle_serves_the_next_caller() {
    let mut simulation = simulation();
    simulation.submit("a.example", MX, false, 0);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    simulation.ask(id);
    assert!(matches!(simulation.sessions[&id].task, Task::Waiting { .. }));
    simulation.submit("b.example", MX, false, 0);
    assert!(matches!(simulation.sessions[&id].task, Task::Ready), "it is woken");
    assert_eq!(simulation.sessions.len(), 1);
}

#[test]
fn what_a_session_did_not_answer_is_asked_on_another() {
    let mut simulation = simulation();
    let tokens: Vec<u32> = (0..3).map(|_| simulation.submit("a.example", MX, false, 60)).collect();
    let id = open_one(&mut simulation);
    simulation
        .land(id, Some(closed(Stage::Rcpt)), |_, _, recipient| (recipient == 0).then(accepted));
    assert_eq!(simulation.answers.len(), 1);
    simulation.serve();
    assert!(tokens.iter().all(|token| code(&simulation, *token) == 250));
}

#[test]
fn a_recipient_over_which_every_session_ends_is_answered_in_the_end() {
    let mut simulation = simulation();
    let token = simulation.submit("a.example", MX, false, 600);
    for _ in 0..20 {
        for id in simulation.ids(|task| matches!(task, Task::Opening)) {
            simulation.opened(id);
            simulation.ask(id);
            if matches!(simulation.sessions[&id].task, Task::Flying(_)) {
                simulation.land(id, Some(closed(Stage::Rcpt)), |_, _, _| None);
            }
            simulation.close(id);
        }
        simulation.advance(Duration::from_secs(30));
    }
    assert_eq!(code(&simulation, token), 0);
}

#[test]
fn a_refusal_spares_the_control_recipient_and_tells_those_who_wait_for_it() {
    let mut simulation = simulation();
    let first = simulation.submit("a.example", MX, true, 0);
    let second = simulation.submit("a.example", MX, true, 0);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, recipient| {
        Some(if recipient == 0 { accepted() } else { unknown_user() })
    });
    assert_eq!((code(&simulation, first), code(&simulation, second)), (250, 550));
    let known = simulation.answers.iter().all(|(_, answer)| answer.control == Control::KnownNo);
    assert!(known, "{:?}", simulation.answers);
}

#[test]
fn a_greylisted_recipient_is_asked_again_only_if_its_caller_has_the_time() {
    let mut simulation = simulation();
    let hasty = simulation.submit("a.example", MX, false, 0);
    let patient = simulation.submit("a.example", MX, false, 3600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(greylisted()));
    assert_eq!(code(&simulation, hasty), 450);
    assert_eq!(simulation.answers.len(), 1);
    simulation.serve();
    assert_eq!(code(&simulation, patient), 250);
}

#[test]
fn a_busy_exchanger_is_left_alone_for_longer_each_time() {
    let mut simulation = simulation();
    simulation.submit("a.example", MX, false, 3600);
    let mut pauses = Vec::new();
    let mut last = simulation.now;
    for _ in 0..4 {
        let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
        simulation.refused(id, busy(Stage::Banner));
        simulation.close(id);
        while simulation.ids(|task| matches!(task, Task::Opening)).is_empty() {
            simulation.advance(Duration::from_millis(100));
        }
        pauses.push(simulation.now.duration_since(last).unwrap().as_secs());
        last = simulation.now;
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
}

#[test]
fn a_lack_of_sockets_takes_nothing_from_the_sessions_that_are_open() {
    let mut simulation = simulation();
    for number in 0..400 {
        simulation.submit(&format!("d{number}.example"), MX, false, 60);
    }
    let first = open_one(&mut simulation);
    let is_opening = |task: &Task| matches!(task, Task::Opening);
    while simulation.ids(is_opening).is_empty() {
        simulation.land(first, None, |_, _, _| Some(accepted()));
        simulation.ask(first);
    }
    let (second, before) = (simulation.ids(is_opening)[0], simulation.answers.len());
    let reason = NoReply::SocketFailed("too many open files".to_owned());
    simulation.refused(second, RecipientAnswer::NoReply { stage: Stage::Connect, reason });
    simulation.close(second);
    assert_eq!(simulation.answers.len(), before, "nobody is told of it");
    simulation.serve();
    assert!(simulation.answers.iter().all(|(token, _)| code(&simulation, *token) == 250));
    assert_eq!(simulation.answers.len(), 400);
}

#[test]
fn no_more_connections_are_opened_in_a_minute_than_configured() {
    let config = Config {
        connections_per_minute: count(3),
        recipients_per_session: count(1),
        ..Config::default()
    };
    let mut simulation = Simulation::new(config);
    let began = simulation.now;
    for _ in 0..7 {
        simulation.submit("example.net", MX, false, 0);
    }
    simulation.serve();
    assert_eq!(simulation.answers.len(), 7);
    let within = |seconds| {
        let end = began + Duration::from_secs(seconds);
        simulation.connections.iter().filter(|at| **at < end).count()
    };
    assert_eq!((within(60), within(120)), (3, 6));
}

#[test]
fn an_obstacle_that_was_overcome_is_no_evidence_at_a_deadline() {
    let connections_per_minute = count(2);
    let mut simulation = Simulation::new(Config { connections_per_minute, ..Config::default() });
    simulation.submit("example.net", MX, false, 3600);
    let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
    simulation.refused(id, busy(Stage::Banner));
    simulation.close(id);
    let waits = simulation.submit("example.net", MX, false, 3600);
    let withdrawn = simulation.core.withdraw(simulation.open[&waits], simulation.now).unwrap();
    assert!(withdrawn.evidence.is_some(), "it was just now");
    simulation.open.remove(&waits);
    simulation.advance(Duration::from_secs(2));
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(accepted()));
    // Another recipient keeps the lane while no connection is left.
    simulation.submit("example.net", MX, false, 3600);
    simulation.close(id);
    let token = simulation.submit("example.net", MX, false, 3600);
    let withdrawn = simulation.core.withdraw(simulation.open[&token], simulation.now).unwrap();
    assert_eq!((withdrawn.evidence, withdrawn.stage), (None, Stage::Connect));
}

#[test]
fn a_caller_who_leaves_is_not_asked_about() {
    let mut simulation = simulation();
    let token = simulation.submit("a.example", MX, false, 0);
    simulation.withdraw(token);
    let id = open_one(&mut simulation);
    assert!(matches!(simulation.sessions[&id].task, Task::Waiting { .. }));
    assert!(simulation.named.is_empty());
}

#[test]
fn a_look_at_tls_takes_the_place_of_a_session_and_gives_it_back() {
    let mut config = Config { sessions_per_destination: count(1), ..Config::default() };
    config.sessions_per_exchanger = count(1);
    let mut simulation = Simulation::new(config);
    let id = simulation.inspect("a.example", MX).unwrap();
    assert!(simulation.inspect("a.example", MX).is_err(), "one place, and it is taken");
    let token = simulation.submit("a.example", MX, false, 60);
    assert!(simulation.sessions.is_empty(), "the recipient waits for the place");
    simulation.inspected(id);
    let session = open_one(&mut simulation);
    simulation.land(session, None, |_, _, _| Some(accepted()));
    simulation.ask(session);
    assert_eq!(code(&simulation, token), 250);
    assert!(simulation.inspect("a.example", MX).is_err(), "an idle session has the place");
}

#[test]
fn a_session_that_took_nobody_shows_no_limit_of_sessions() {
    let mut simulation = simulation();
    simulation.submit("a.example", MX, false, 600);
    simulation.submit("b.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(too_many()));
    assert_eq!(simulation.core.lanes[&name(MX)].limits.recipients(), None);
    assert!(simulation.core.lanes[&name(MX)].held_until(simulation.now).is_some());
}

#[test]
fn a_mailbox_that_is_sent_too_much_holds_nobody_else_back() {
    let mut simulation = simulation();
    let busy = simulation.submit("a.example", MX, false, 600);
    simulation.submit("a.example", MX, false, 600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, recipient| {
        Some(if recipient == 0 { busy_mailbox() } else { accepted() })
    });
    assert_eq!(simulation.answers.len(), 1, "the busy one is asked again later");
    simulation.submit("a.example", MX, false, 0);
    simulation.ask(id);
    assert!(matches!(simulation.sessions[&id].task, Task::Flying(_)));
    simulation.serve();
    assert_eq!(code(&simulation, busy), 250);
}

#[test]
fn nobody_connects_to_an_exchanger_that_asked_for_a_rest() {
    let mut simulation = simulation();
    let first = simulation.submit("a.example", MX, false, 3600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(slow_down(600)));
    let second = simulation.submit("b.example", MX, false, 3600);
    simulation.serve();
    assert_eq!((code(&simulation, first), code(&simulation, second)), (250, 250));
    assert_eq!(simulation.connections.len(), 2, "one before the rest, and one after it");
}

#[test]
fn flights_side_by_side_that_meet_one_rate_limit_begin_one_pause() {
    let mut simulation = simulation();
    for _ in 0..300 {
        simulation.submit("a.example", MX, false, 3600);
    }
    let ids = simulation.ids(|task| matches!(task, Task::Opening));
    assert!(ids.len() > 1, "{ids:?}");
    for id in &ids {
        simulation.opened(*id);
        simulation.ask(*id);
    }
    for id in &ids {
        simulation.land(*id, None, |_, _, _| Some(slow_down(1)));
    }
    let until = simulation.core.lanes[&name(MX)].held_until(simulation.now).unwrap();
    assert_eq!(until, simulation.now + Config::default().rate_wait);
}

#[test]
fn a_caller_without_the_time_for_a_rest_is_told_of_it_at_once() {
    let mut simulation = simulation();
    simulation.submit("a.example", MX, false, 3600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(slow_down(600)));
    let hasty = simulation.submit("b.example", MX, false, 600);
    assert_eq!(code(&simulation, hasty), 450);
    simulation.submit("b.example", MX, false, 603);
    assert_eq!(simulation.answers.len(), 1, "the other one waits");
}

#[test]
fn a_caller_who_waits_for_the_end_of_a_rest_is_asked_about_though_it_may_not_be_asked_again() {
    let mut simulation = simulation();
    simulation.submit("a.example", MX, false, 3600);
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(slow_down(15)));
    let patient = simulation.submit_until("b.example", MX, false, (0, 120));
    simulation.serve();
    assert_eq!(code(&simulation, patient), 250);
}

#[test]
fn nobody_whose_time_has_come_knocks_at_an_exchanger_that_blocks_us() {
    let mut simulation = simulation();
    let tokens: Vec<u32> = (0..5)
        .map(|n| {
            let token = simulation.submit("a.example", MX, n % 2 == 0, 3600);
            simulation.advance(Duration::from_secs(1));
            token
        })
        .collect();
    let id = open_one(&mut simulation);
    simulation.land(id, None, |_, _, _| Some(greylisted()));
    simulation.close(id);
    let other = simulation.submit("b.example", MX, false, 3600);
    let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
    simulation.refused(id, blocked());
    simulation.close(id);
    assert_eq!(code(&simulation, other), 554);
    let knocks = simulation.connections.len();
    simulation.advance(Duration::from_secs(1200));
    assert_eq!(simulation.connections.len(), knocks, "it is left alone");
    assert!(tokens.iter().all(|token| code(&simulation, *token) == 450), "as each was told");
    assert_eq!(simulation.core.job_count(), 0);
}

#[test]
fn nobody_connects_while_no_recipient_may_be_named() {
    let config = Config { recipients_per_minute: count(1), ..Config::default() };
    let mut simulation = Simulation::new(config);
    simulation.submit("a.example", MX, false, 600);
    simulation.submit("a.example", MX, false, 600);
    simulation.serve();
    assert_eq!(simulation.answers.len(), 2);
    assert_eq!(simulation.connections.len(), 2);
}

#[test]
fn an_exchanger_that_was_left_alone_is_forgotten_while_others_are_asked() {
    let config = Config { connections_per_minute: count(1000), ..Config::default() };
    let mut simulation = Simulation::new(config);
    for n in 0..100 {
        simulation.submit("a.example", &format!("mx{n}.example.net"), false, 0);
        let id = simulation.ids(|task| matches!(task, Task::Opening))[0];
        simulation.refused(id, busy(Stage::Banner));
        simulation.close(id);
    }
    assert_eq!(simulation.answers.len(), 100);
    simulation.submit("a.example", MX, false, 0);
    open_one(&mut simulation);
    simulation.advance(Duration::from_secs(300));
    assert_eq!(simulation.core.lanes.len(), 1);
}

#[test]
fn an_exchanger_whose_callers_left_before_it_had_a_session_is_forgotten() {
    let config = Config { connections_per_minute: count(1), ..Config::default() };
    let mut simulation = Simulation::new(config);
    simulation.submit("example.net", MX, false, 600);
    let id = open_one(&mut simulation);
    let leaving = simulation.submit("example.net", "other.example.net", false, 600);
    simulation.withdraw(leaving);
    simulation.advance(Duration::from_secs(100));
    assert!(matches!(simulation.sessions[&id].task, Task::Flying(_)));
    assert_eq!(simulation.core.lanes.len(), 1);
}
