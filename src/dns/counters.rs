//! Counters of the questions to name servers. Pure.

use std::time::Duration;

use super::answer::Answer;
use super::facts::DnsFailure;
use crate::instruments::{CounterVec, Histogram, HistogramSnapshot};

/// The ways in which a question can end.
const OUTCOMES: [&str; 6] =
    ["records", "no_data", "no_such_name", "server_failure", "timeout", "unreachable"];

/// Counters that the resolver increments.
#[derive(Debug)]
pub(super) struct QuestionCounters {
    outcomes: CounterVec,
    elapsed: Histogram,
}

/// Statistics of the questions since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Questions by how they ended: with an answer (`records`, `no_data`, `no_such_name`) or a
    /// failure (`server_failure`, `timeout`, `unreachable`) of all name servers asked.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Durations of the questions, over all name servers asked.
    pub elapsed: HistogramSnapshot,
}

impl QuestionCounters {
    pub(super) fn new() -> Self {
        Self { outcomes: CounterVec::new(OUTCOMES), elapsed: Histogram::default() }
    }

    pub(super) fn record(&self, outcome: &'static str, elapsed: Duration) {
        self.outcomes.inc(outcome);
        self.elapsed.observe(elapsed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        Stats { outcomes: self.outcomes.snapshot(), elapsed: self.elapsed.snapshot() }
    }
}

/// The name of a question's ending, one of [`OUTCOMES`].
pub(super) fn outcome<R>(asked: &Result<Answer<R>, DnsFailure>) -> &'static str {
    match asked {
        Ok(Answer::Records { .. }) => "records",
        Ok(Answer::NoData { .. }) => "no_data",
        Ok(Answer::NoSuchName { .. }) => "no_such_name",
        Err(DnsFailure::ServerFailure(_)) => "server_failure",
        Err(DnsFailure::Timeout) => "timeout",
        Err(DnsFailure::Unreachable(_)) => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_a_counter() {
        let counters = QuestionCounters::new();
        let failures = [
            DnsFailure::Timeout,
            DnsFailure::ServerFailure("SERVFAIL".to_owned()),
            DnsFailure::Unreachable("no route".to_owned()),
        ];
        let answers = [
            Answer::NoSuchName { ttl: None },
            Answer::NoData { alias_of: None, ttl: None },
            Answer::Records { records: vec![()], alias_of: None, ttl: Duration::ZERO },
        ];
        for asked in failures.into_iter().map(Err).chain(answers.into_iter().map(Ok)) {
            counters.record(outcome(&asked), Duration::from_millis(3));
        }
        assert!(counters.snapshot().outcomes.iter().all(|(_, count)| *count == 1));
        assert_eq!(counters.snapshot().elapsed.count(), 6);
    }
}
