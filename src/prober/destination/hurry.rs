//! Lanes that want a session for somebody with little time. Thousands may want one, and each of
//! their callers has them looked at: these are found without looking at the others.

use super::Destination;
use crate::address::DomainName;

impl<T> Destination<T> {
    /// Notes that somebody with little time waits in a lane that wants a session, if it is so.
    pub(super) fn note_hurry(&mut self, exchanger: &DomainName) {
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        if lane.pressed() > 0 && !std::mem::replace(&mut lane.hurries, true) {
            self.pool.hurrying.push_back(exchanger.clone());
        }
    }

    /// The first of the lanes that want a session wants none now.
    pub(super) fn stop_wanting(&mut self, exchanger: &DomainName) {
        self.pool.wanting.pop_front();
        let Some(lane) = self.lanes.get_mut(exchanger) else { return };
        lane.wanting = false;
        if std::mem::take(&mut lane.hurries) {
            self.pool.hurrying.retain(|other| other != exchanger);
        }
    }

    /// Puts the first lane before all others that wants a session for somebody with little time.
    /// Returns whether there is one.
    pub(super) fn bring_pressed_forward(&mut self) -> bool {
        let pool = &mut self.pool;
        while let Some(exchanger) = pool.hurrying.front().cloned() {
            let lane = self.lanes.get_mut(&exchanger);
            if lane.as_ref().is_some_and(|lane| lane.pressed() > 0)
                && let Some(index) = pool.wanting.iter().position(|other| *other == exchanger)
            {
                pool.wanting.remove(index);
                pool.wanting.push_front(exchanger);
                return true;
            }
            // Whoever it was did not wait so long.
            pool.hurrying.pop_front();
            if let Some(lane) = lane {
                lane.hurries = false;
            }
        }
        false
    }
}
