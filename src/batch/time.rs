//! Times as the store keeps them: milliseconds since 1970.

use std::time::{Duration, SystemTime};

use crate::campaign::progress::Batch;

/// The last millisecond that was over at `at`.
pub(super) fn floor(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}

/// The first millisecond that does not begin before `at`, so that nothing is due early.
pub(super) fn ceiling(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i64::MAX)
}

/// The time again. What no clock can show is the end of the year 9999.
pub(super) fn time(milliseconds: i64) -> SystemTime {
    const LAST: u64 = 253_402_300_799_999;
    let since = u64::try_from(milliseconds).unwrap_or_default().min(LAST);
    SystemTime::UNIX_EPOCH + Duration::from_millis(since)
}

/// `at` as the store would give it back.
pub(super) fn kept(at: SystemTime) -> SystemTime {
    time(floor(at))
}

/// The time at which a chunk of `batch` that was given back `until` then is due: not after the
/// batch's deadline; zero: at once.
pub(super) fn chunk_due(batch: &Batch, until: SystemTime) -> i64 {
    let due = match batch.deadline() {
        Some(deadline) => ceiling(until).min(floor(deadline)),
        None => ceiling(until),
    };
    let sealed = batch.sealed_at.map_or(0, floor);
    if due <= sealed { 0 } else { due }
}
