//! What a lane demands: recipients that are due, and sessions for them.

use crate::pacing::Config;
use crate::prober::lane::Lane;

/// Recipients that a session of this lane takes at a time.
pub(super) fn per_visit(config: &Config, lane: &Lane) -> usize {
    let count = if lane.pipelining {
        config.recipients_per_flight
    } else {
        config.recipients_without_pipelining
    };
    let count = count.get().min(lane.limits.recipients().unwrap_or(u32::MAX));
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Recipients of a lane that may be named now: of callers with little time, and others if they may.
pub(super) fn due_now(lane: &Lane, others_may: bool) -> usize {
    if others_may { lane.due() } else { lane.pressed() }
}

/// `true` if more is `due` than the present sessions will take with their next flights, without
/// those that are too `slow` for who waits. While one session knocks to see whether the door is
/// open again, nobody else does.
pub(super) fn wants_session(config: &Config, lane: &Lane, due: usize, slow: usize) -> bool {
    let most = usize::try_from(config.sessions_per_exchanger.get()).unwrap_or(usize::MAX);
    lane.session_count() < most
        && lane.half_open.is_none()
        && due > (lane.sessions.len() - slow) * per_visit(config, lane)
}

/// Connections in any 60 seconds that may be opened for one recipient domain alone: two thirds.
pub(super) fn share_of_one_domain(config: &Config) -> u32 {
    (config.connections_per_minute.get() / 3 * 2).max(1)
}
