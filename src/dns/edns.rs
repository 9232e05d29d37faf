//! Whether a name server is asked with EDNS. Pure.
//!
//! Two things show that it has none: a refusal, and silence, because some servers and middleboxes
//! drop such questions. But a server is silent about a slow name as well.

use std::time::{Duration, SystemTime};

/// The time for which the lack of EDNS is remembered. Short, because the server may be repaired,
/// and without EDNS every answer over 512 octets costs a TCP connection.
const OFF_FOR: Duration = Duration::from_secs(10 * 60);

/// The questions with EDNS to one name server, as far as they tell how it takes them.
#[derive(Debug, Default)]
pub(super) struct EdnsUse {
    off_until: Option<SystemTime>,
    heard_at: Option<SystemTime>,
}

impl EdnsUse {
    /// `true` if questions go without EDNS.
    pub(super) fn is_off(&self, now: SystemTime) -> bool {
        self.off_until.is_some_and(|until| now < until)
    }

    /// A question with EDNS was answered.
    pub(super) fn answered(&mut self, now: SystemTime) {
        self.heard_at = Some(now);
    }

    /// A question was refused with EDNS, and then answered without.
    pub(super) fn refused(&mut self, now: SystemTime) {
        self.off_until = Some(now + OFF_FOR);
    }

    /// A question with EDNS found no answer in the time `waited`, and another one without EDNS,
    /// asked at `asked_at`, did. If questions with EDNS were answered meanwhile, the name is slow.
    pub(super) fn silent(&mut self, asked_at: SystemTime, waited: Duration) {
        let is_deaf = self.heard_at.is_none_or(|heard_at| heard_at + waited < asked_at);
        if is_deaf && !self.is_off(asked_at) {
            self.off_until = Some(asked_at + OFF_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITED: Duration = Duration::from_secs(3);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_refusal_counts_for_ten_minutes_and_silence_meanwhile_does_not_prolong_it() {
        let mut edns = EdnsUse::default();
        assert!(!edns.is_off(at(0)));
        edns.refused(at(100));
        edns.silent(at(600), WAITED);
        assert!(edns.is_off(at(699)) && !edns.is_off(at(700)));
    }

    #[test]
    fn silence_counts_if_nobody_was_answered_and_not_if_others_were() {
        let mut edns = EdnsUse::default();
        edns.silent(at(100), WAITED);
        assert!(edns.is_off(at(100)), "it has never answered");
        let mut edns = EdnsUse::default();
        edns.answered(at(97));
        edns.silent(at(100), WAITED);
        assert!(!edns.is_off(at(100)), "one name is slow");
        edns.silent(at(101), WAITED);
        assert!(edns.is_off(at(101)), "nothing came for longer than one question waits");
    }
}
