//! The times of tries. Pure.

use std::time::{Duration, SystemTime};

use super::answer::ReceiverAnswer;
use crate::batch::queue::{NextTry, TryReport};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Pauses after the first try, the second and so on, in seconds: over three days in all.
const PAUSES: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// The longest pause that a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(24 * HOUR);

/// The report of a try, given its answer, when there were `before` tries before it.
pub(super) fn report(answer: &ReceiverAnswer, before: u32, now: SystemTime) -> TryReport {
    let next = match answer {
        ReceiverAnswer::Status { code: 200..=299, .. } => NextTry::Delivered,
        ReceiverAnswer::Status { code: 410, .. } => NextTry::SwitchedOff,
        other => match pause(before) {
            Some(pause) => NextTry::At(now + pause.max(other.retry_after().min(LONGEST))),
            None => NextTry::GivenUp,
        },
    };
    TryReport { next, result: answer.to_string() }
}

/// The pause after a try, when there were `before` tries before it; `None`: it was the last one.
fn pause(before: u32) -> Option<Duration> {
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    PAUSES.get(before).map(|seconds| Duration::from_secs(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn next(code: u16, retry_after: u64, before: u32) -> NextTry {
        let retry_after = Duration::from_secs(retry_after);
        report(&ReceiverAnswer::Status { code, retry_after }, before, at(1000)).next
    }

    #[test]
    fn only_2xx_is_delivered_and_410_switches_off() {
        for code in [200, 202, 204, 299] {
            assert_eq!(next(code, 0, 0), NextTry::Delivered, "{code}");
        }
        assert_eq!(next(410, 0, 0), NextTry::SwitchedOff);
        for code in [101, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503] {
            assert_eq!(next(code, 0, 0), NextTry::At(at(1005)), "{code}");
        }
        let failed = report(&ReceiverAnswer::Failed("no connection".to_owned()), 1, at(0));
        assert_eq!(failed.next, NextTry::At(at(300)));
        assert_eq!(failed.result, "no connection");
    }

    #[test]
    fn tries_go_on_for_three_days_and_then_end() {
        let three_days = Duration::from_secs(3 * 24 * HOUR);
        let pauses: Vec<Duration> = (0..).map_while(pause).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        let all: Duration = pauses.iter().sum();
        assert!(all >= three_days && all < three_days + three_days / 10, "{all:?}");
        assert_eq!(next(500, 0, u32::try_from(pauses.len()).unwrap()), NextTry::GivenUp);
    }

    #[test]
    fn a_receiver_that_names_a_time_is_not_called_before_it() {
        assert_eq!(next(503, 120, 0), NextTry::At(at(1120)));
        assert_eq!(next(503, 1, 1), NextTry::At(at(1300)), "our own pause is longer");
        assert_eq!(next(429, 10_000_000, 0), NextTry::At(at(1000) + LONGEST));
        assert_eq!(next(503, 120, 9), NextTry::GivenUp);
    }
}
