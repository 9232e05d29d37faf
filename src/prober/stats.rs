//! Statistics of the prober: its state at one moment, and its totals.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// Recipients that callers wait for.
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

/// Totals since the prober was made.
#[derive(Default)]
pub(super) struct ProberCounters {
    pub(super) connections: AtomicU64,
    pub(super) connections_failed: AtomicU64,
    pub(super) flights: AtomicU64,
    pub(super) mail: AtomicU64,
    pub(super) rcpt: AtomicU64,
    pub(super) unknown_users: AtomicU64,
}

impl Stats {
    pub(super) fn from_counters(counters: &ProberCounters) -> Self {
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

/// Replies of exchangers by meaning, and their reply times, since the prober was made.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyStats {
    /// Recipients by what the reply meant that answered for them, at whatever stage.
    pub replies: Vec<(&'static str, u64)>,
    /// Recipients by why there was no reply.
    pub failures: Vec<(&'static str, u64)>,
    /// Time to connect, or to fail.
    pub connect: HistogramSnapshot,
    /// Time from there to readiness, or a refusal: banner, `EHLO`, TLS.
    pub greet: HistogramSnapshot,
    /// Time of a flight: `MAIL` and `RCPT` of a few transactions, and the last reply.
    pub flight: HistogramSnapshot,
}

/// Counts replies by meaning and measures the time they take.
pub(super) struct ReplyCounters {
    replies: CounterVec,
    failures: CounterVec,
    connect: Histogram,
    greet: Histogram,
    flight: Histogram,
}

/// Phase of a session whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimedPhase {
    Connect,
    Greet,
    Flight,
}

impl ReplyCounters {
    pub(super) fn new() -> Self {
        Self {
            replies: CounterVec::new(Meaning::ALL.iter().map(|meaning| meaning.name())),
            failures: CounterVec::new(NoReply::NAMES),
            connect: Histogram::default(),
            greet: Histogram::default(),
            flight: Histogram::default(),
        }
    }

    /// Counts the answer for one recipient.
    pub(super) fn count(&self, answer: &RecipientAnswer) {
        match answer {
            RecipientAnswer::Replied { explanation, .. } => {
                self.replies.inc(explanation.meaning.name());
            }
            RecipientAnswer::NoReply { reason, .. } => self.failures.inc(reason.name()),
        }
    }

    pub(super) fn observe(&self, phase: TimedPhase, time: Duration) {
        let times = match phase {
            TimedPhase::Connect => &self.connect,
            TimedPhase::Greet => &self.greet,
            TimedPhase::Flight => &self.flight,
        };
        times.observe(time);
    }

    pub(super) fn snapshot(&self) -> ReplyStats {
        ReplyStats {
            replies: self.replies.snapshot(),
            failures: self.failures.snapshot(),
            connect: self.connect.snapshot(),
            greet: self.greet.snapshot(),
            flight: self.flight.snapshot(),
        }
    }
}

/// The name of the meaning of an answer, or of the reason for its absence.
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
        let replies = ReplyCounters::new();
        let reasons = [
            NoReply::NoAddress,
            NoReply::HostNotFound,
            NoReply::DnsFailure,
            NoReply::TargetRefused,
            NoReply::ConnectFailed(String::new()),
            NoReply::ProxyFailed(String::new()),
            NoReply::SourceFailed(String::new()),
            NoReply::SocketFailed(String::new()),
            NoReply::Timeout,
            NoReply::Closed,
            NoReply::Protocol(String::new()),
            NoReply::TlsFailed(String::new()),
            NoReply::Smtputf8Unsupported,
            NoReply::Postponed,
        ];
        for reason in reasons {
            replies.count(&RecipientAnswer::NoReply { stage: Stage::Connect, reason });
        }
        let said = replies.snapshot();
        assert!(said.failures.iter().all(|(_, count)| *count == 1), "{said:?}");
    }
}
