//! File descriptors: one for each caller, each session with a mail server and each open file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most descriptors kept free for what is no caller's connection: mail servers, DNS, batches.
const RESERVE: u64 = 1024;

/// Raises the soft limit of this process to the hard one. Many shells and systemd set it to 1024,
/// for the sake of programs that cannot count any further.
pub(super) fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where the system refuses, the soft limit stays, and `limit` tells of it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Number of descriptors this process may have; `None` for any number.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Number of callers' connections, of the `wanted` ones, that leave the reserve free; with few
/// descriptors the reserve is half of them.
pub(super) fn connections(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = limit - RESERVE.min(limit / 2);
    usize::try_from(room).map_or(wanted, |room| wanted.min(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_leave_a_reserve_free() {
        assert_eq!(connections(1000, None), 1000);
        assert_eq!(connections(1000, Some(1_048_576)), 1000);
        assert_eq!(connections(1000, Some(2024)), 1000);
        assert_eq!(connections(1000, Some(1024)), 512);
        assert_eq!(connections(1000, Some(64)), 32);
        assert_eq!(connections(5000, Some(4096)), 3072);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_limit();
        let limits = getrlimit(Resource::Nofile);
        assert_eq!(limits.current, limits.maximum);
        assert_eq!(limit(), limits.maximum);
    }
}
