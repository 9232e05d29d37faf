//! Statements about the time that a list takes, for people. Pure.

use std::time::Duration;

use super::eta::{self, DestinationWork, Pace, TimeEstimate, Workload};
use super::preflight::rows;

/// A time to come with no more digits than it deserves: `43m`, `2h 10m`, `45s`.
#[must_use]
pub fn time_left(time: Duration) -> humantime::FormattedDuration {
    let seconds = time.as_secs().max(1);
    let unit = match seconds {
        0..=119 => 1,
        120..=86_399 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs((seconds + unit / 2) / unit * unit))
}

/// The time that a run will take before any of its `open` rows was asked about, with the reason, as
/// a run's own forecast has it; without a pace, only what there is to do. `providers` are those
/// with the most open rows.
#[must_use]
pub fn before_start(
    providers: Vec<DestinationWork>,
    open: u64,
    rows_and_mailboxes: (u64, u64),
    pace: Option<Pace>,
) -> String {
    let are_left = if open == 1 { "is left" } else { "are left" };
    let left = format!("{} {are_left} to ask about", rows(open));
    let Some(pace) = pace.filter(|_| open > 0) else { return left };
    let work = Workload {
        destinations: providers,
        open,
        finished_lately: 0,
        observed: Duration::ZERO,
        rows_and_mailboxes,
        pace,
        waiting: None,
    };
    let Some(TimeEstimate { left: time, basis, .. }) = eta::estimate(&work) else {
        return format!(
            "{left}: less than a minute's worth at each provider, so as long as the servers need \
             to answer"
        );
    };
    format!(
        "at least {}: {}. Other providers are asked at the same time; servers that say \"not now\" \
         are waited for",
        time_left(time),
        basis.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace::USUAL;

    fn work(name: &str, open: u64) -> DestinationWork {
        DestinationWork { name: name.to_owned(), open, domains: 1, ..DestinationWork::default() }
    }

    fn told(providers: Vec<DestinationWork>, open: u64, pace: Option<Pace>) -> String {
        before_start(providers, open, (open, open), pace)
    }

    #[test]
    fn the_largest_provider_sets_the_time_and_is_named() {
        let providers = vec![work("google.com", 130_000), work("outlook.com", 9_000)];
        let text = told(providers, 139_000, Some(PACE));
        assert!(
            text.starts_with("at least 44m: 130,000 rows at google.com, 3,000 a minute"),
            "{text}"
        );
    }

    #[test]
    fn a_list_without_a_large_provider_takes_as_long_as_its_servers() {
        let text = told(vec![work("acme.test", 40)], 40, Some(PACE));
        assert!(text.starts_with("40 rows are left to ask about: less than a minute's"), "{text}");
        assert_eq!(told(vec![], 1, None), "1 row is left to ask about");
        assert_eq!(told(vec![], 0, Some(PACE)), "0 rows are left to ask about");
    }

    #[test]
    fn times_to_come_have_no_digits_that_nobody_knows() {
        for (seconds, text) in [(0, "1s"), (45, "45s"), (2_561, "43m"), (7_801, "2h 10m")] {
            assert_eq!(time_left(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
