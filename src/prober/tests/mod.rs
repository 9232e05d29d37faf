//! The rules of the lanes, shown on scripted exchangers under a paused clock.

mod backoff;
mod contradictions;
mod dialogues;
mod early;
pub(crate) mod exchanger;
mod expected_end;
mod identities;
mod inspections;
mod limits;
mod manners;
mod places;
mod refusals;
mod retries;
mod reuse;
mod session_limits;
mod socks5;
mod starving;
pub(crate) mod world;

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;

use self::exchanger::Rules;
use self::world::World;
use super::{Config, ProbeRequest, Prober};
use crate::smtp::{Attempt, Control, NoReply, ProbeOutcome, RecipientAnswer, Stage};

const MX: &str = "mx.example.net";

fn world(rules: Rules) -> (Arc<World>, Prober) {
    let world = World::new();
    world.host(MX, rules);
    let prober = world.prober(Config::default());
    (world, prober)
}

/// Asks about all of them at once, at one exchanger.
async fn probe_all(world: &World, prober: &Prober, addresses: &[String]) -> Vec<ProbeOutcome> {
    let requests = addresses.iter().map(|address| world.request(address, &[(MX, 10)]));
    probe_requests(prober, requests.collect()).await
}

async fn probe_requests(prober: &Prober, requests: Vec<ProbeRequest>) -> Vec<ProbeOutcome> {
    join_all(requests.into_iter().map(|request| prober.probe(request))).await
}

fn users(count: usize, domain: &str) -> Vec<String> {
    (0..count).map(|n| format!("user{n}@{domain}")).collect()
}

fn last(outcome: &ProbeOutcome) -> &Attempt {
    outcome.attempts.last().unwrap()
}

/// The code of the reply to `RCPT`; 0 if there was none.
fn code(outcome: &ProbeOutcome) -> u16 {
    match &last(outcome).observation.answer {
        RecipientAnswer::Replied { stage: Stage::Rcpt, reply, .. } => reply.code,
        _ => 0,
    }
}

/// The code of the reply to the control recipient; 0 if it was not asked about just now.
fn control_code(outcome: &ProbeOutcome) -> u16 {
    match &outcome.control {
        Control::Answered(answer) => match &**answer {
            RecipientAnswer::Replied { reply, .. } => reply.code,
            RecipientAnswer::NoReply { .. } => 0,
        },
        _ => 0,
    }
}

fn no_reply(outcome: &ProbeOutcome) -> Option<(Stage, NoReply)> {
    match &last(outcome).observation.answer {
        RecipientAnswer::NoReply { stage, reason } => Some((*stage, reason.clone())),
        RecipientAnswer::Replied { .. } => None,
    }
}
