//! The time around now in which a signature counts. Pure.

use std::time::{Duration, SystemTime};

use super::refusal::HookRefusal;

/// Most digits of a time in seconds: some 30,000 years.
const MOST_DIGITS: usize = 12;

/// A window around now.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeWindow {
    /// The time now.
    pub(super) now: SystemTime,
    /// Time by which a signature may be older or newer.
    pub(super) tolerance: Duration,
}

impl TimeWindow {
    /// Checks the time of a signature.
    pub(super) fn check(self, signed_at: SystemTime) -> Result<(), HookRefusal> {
        let off = self.now.duration_since(signed_at).unwrap_or_else(|ahead| ahead.duration());
        if off > self.tolerance { Err(HookRefusal::Stale(self.tolerance)) } else { Ok(()) }
    }

    /// Checks a time in whole seconds since 1970, and returns it.
    pub(super) fn check_seconds(self, text: &str) -> Result<u64, HookRefusal> {
        let is_number = (1..=MOST_DIGITS).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| is_number);
        let seconds = seconds.ok_or(HookRefusal::Stale(self.tolerance))?;
        let signed_at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        self.check(signed_at.ok_or(HookRefusal::Stale(self.tolerance))?)?;
        Ok(seconds)
    }
}
