//! What the prober is doing, as numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::lanes::Counters;
use crate::instruments::{CounterVec, Histogram, HistogramSnapshot};
use crate::smtp::meaning::Meaning;
use crate::smtp::{NoReply, RecipientAnswer};

/// The state of the prober at one moment, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Destinations (each once per egress identity) that are in use or were lately.
    pub destinations: usize,
    /// Sessions opening, open or closing.
    pub sessions: usize,
    /// Recipients somebody waits for.
    pub waiting: usize,
    /// Exchangers at which some egress identity rests: blocked, or not reached.
    pub exchangers_resting: usize,
    /// Connections opened.
    pub connections: u64,
    /// Connections that could not be opened.
    pub connections_failed: u64,
    /// Flights: writes of one or more commands, each followed by waiting.
    pub flights: u64,
    /// `MAIL` commands sent.
    pub mail: u64,
    /// `RCPT` commands sent, control recipients included.
    pub rcpt: u64,
    /// Recipients refused as unknown users, control recipients included.
    pub unknown_users: u64,
}

impl Stats {
    pub(super) fn counted(counters: &Counters) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            connections: read(&counters.connections),
            connections_failed: read(&counters.connections_failed),
            flights: read(&counters.flights),
            mail: read(&counters.mail),
            rcpt: read(&counters.rcpt),
            unknown_users: read(&counters.unknown_users),
            ..Self::default()
        }
    }
}

/// What exchangers said, and how long they took, since the prober was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Recipients by what the reply meant that answered for them, at whatever stage.
    pub replies: Vec<(&'static str, u64)>,
    /// Recipients by why there was no reply.
    pub failures: Vec<(&'static str, u64)>,
    /// How long it took to connect, or not to.
    pub connect: HistogramSnapshot,
    /// How long it took from there to readiness, or a refusal: banner, `EHLO`, TLS.
    pub greet: HistogramSnapshot,
    /// How long a flight took: `MAIL` and `RCPT` of a few transactions, and the last reply.
    pub flight: HistogramSnapshot,
}

/// Counts what exchangers say.
pub(super) struct Listener {
    replies: CounterVec,
    failures: CounterVec,
    connect: Histogram,
    greet: Histogram,
    flight: Histogram,
}

/// What took its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Greet,
    Flight,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self {
            replies: CounterVec::new(Meaning::ALL.iter().map(|meaning| meaning.name())),
            failures: CounterVec::new(NoReply::NAMES),
            connect: Histogram::default(),
            greet: Histogram::default(),
            flight: Histogram::default(),
        }
    }

    /// An exchanger said this of a recipient, or nothing.
    pub(super) fn heard(&self, answer: &RecipientAnswer) {
        match answer {
            RecipientAnswer::Replied { explanation, .. } => {
                self.replies.inc(explanation.meaning.name());
            }
            RecipientAnswer::NoReply { reason, .. } => self.failures.inc(reason.name()),
        }
    }

    pub(super) fn took(&self, step: Step, time: Duration) {
        let times = match step {
            Step::Connect => &self.connect,
            Step::Greet => &self.greet,
            Step::Flight => &self.flight,
        };
        times.observe(time);
    }

    pub(super) fn said(&self) -> Said {
        Said {
            replies: self.replies.snapshot(),
            failures: self.failures.snapshot(),
            connect: self.connect.snapshot(),
            greet: self.greet.snapshot(),
            flight: self.flight.snapshot(),
        }
    }
}

/// The name of what an exchanger said of a recipient.
pub(super) fn name(answer: &RecipientAnswer) -> &'static str {
    match answer {
        RecipientAnswer::Replied { explanation, .. } => explanation.meaning.name(),
        RecipientAnswer::NoReply { reason, .. } => reason.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Stage;

    #[test]
    fn every_kind_of_silence_is_counted() {
        let listener = Listener::new();
        let reasons = [
            NoReply::NoAddress,
            NoReply::HostNotFound,
            NoReply::DnsFailure,
            NoReply::TargetRefused,
            NoReply::ConnectFailed(String::new()),
            NoReply::ProxyFailed(String::new()),
            NoReply::Timeout,
            NoReply::Closed,
            NoReply::Protocol(String::new()),
            NoReply::TlsFailed(String::new()),
            NoReply::Smtputf8Unsupported,
        ];
        for reason in reasons {
            listener.heard(&RecipientAnswer::NoReply { stage: Stage::Connect, reason });
        }
        let said = listener.said();
        assert!(said.failures.iter().all(|(_, count)| *count == 1), "{said:?}");
    }
}
