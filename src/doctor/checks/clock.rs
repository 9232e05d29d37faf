//! Is the clock right? Compared with what banners say.

use std::time::Duration;

use crate::doctor::date;
use crate::doctor::facts::{Greeting, Observations};
use crate::doctor::finding::Diagnosis;

const ID: &str = "clock";

pub(super) fn check(facts: &Observations, tolerance: Duration) -> Diagnosis {
    let greetings = facts.identities.iter().flat_map(|identity| &identity.attempts);
    let greetings = greetings.filter_map(|attempt| attempt.outcome.as_ref().ok());
    let mut offsets: Vec<i64> = greetings.filter_map(ahead).collect();
    offsets.sort_unstable();
    let Some(median) = offsets.get(offsets.len() / 2).copied() else {
        return Diagnosis::skipped(ID, "no banner said the time");
    };
    let count = offsets.len();
    // A server's clock may be the wrong one: several that agree are believed.
    let agree = offsets.iter().filter(|offset| offset.abs_diff(median) <= tolerance.as_secs());
    let agree = agree.count();
    if median.unsigned_abs() <= tolerance.as_secs() {
        return Diagnosis::pass(
            ID,
            format!("within {} of {count} banner(s)", seconds(tolerance.as_secs())),
        );
    }
    let direction = if median > 0 { "ahead of" } else { "behind" };
    let far = seconds(median.unsigned_abs());
    let seen = format!("{far} {direction} what {agree} of {count} banner(s) say");
    let found = if agree > 1 { Diagnosis::fail(ID, seen) } else { Diagnosis::warn(ID, seen) };
    found
        .means(
            "evidence bears the wrong time, answers are kept too long or not long enough, and \
             times to retry at are wrong",
        )
        .remedy(
            "set the clock by NTP (systemd-timesyncd, chrony); in a container that is the host's \
             clock",
        )
}

/// Seconds our clock is ahead of the banner's.
fn ahead(greeting: &Greeting) -> Option<i64> {
    let theirs = date::find(&greeting.banner.text())?;
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Some(match greeting.at.duration_since(theirs) {
        Ok(ahead) => whole(ahead),
        Err(behind) => -whole(behind.duration()),
    })
}

fn seconds(count: u64) -> String {
    humantime::format_duration(Duration::from_secs(count)).to_string()
}
