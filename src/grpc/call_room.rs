//! The room for calls that are under way: so many of all callers together, and no more than a share
//! of one, so that whoever opens as many as it can shuts nobody else out.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;

/// The room for calls. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct CallRoom(Arc<RoomState>);

#[derive(Debug)]
struct RoomState {
    most: usize,
    /// Calls of one caller at most.
    share: usize,
    taken: Mutex<TakenPlaces>,
}

#[derive(Debug, Default)]
struct TakenPlaces {
    count: usize,
    /// Those of each caller that has a name.
    by_caller: HashMap<Arc<str>, usize>,
}

/// A call's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct CallPlace {
    room: CallRoom,
    caller: Arc<str>,
}

/// The reason for which there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All callers together have as many calls under way as there may be.
    Full,
    /// This one has its share.
    ShareTaken,
}

impl CallRoom {
    /// Room for `most` calls; three quarters of it are the share of a caller.
    pub(super) fn new(most: usize) -> Self {
        let share = most - most / 4;
        Self(Arc::new(RoomState { most, share, taken: Mutex::default() }))
    }

    /// A place for a call of `caller`. Callers without a name may be anybody: none of them has a
    /// share.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn take(&self, caller: &Arc<str>) -> Result<CallPlace, NoPlace> {
        let mut taken = self.0.taken.lock();
        if taken.count >= self.0.most {
            return Err(NoPlace::Full);
        }
        if !caller.is_empty() {
            let calls = taken.by_caller.entry(Arc::clone(caller)).or_default();
            if *calls >= self.0.share {
                return Err(NoPlace::ShareTaken);
            }
            *calls += 1;
        }
        taken.count += 1;
        Ok(CallPlace { room: self.clone(), caller: Arc::clone(caller) })
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        let mut taken = self.room.0.taken.lock();
        taken.count -= 1;
        if let Some(calls) = taken.by_caller.get_mut(&self.caller) {
            *calls -= 1;
            if *calls == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(room: &CallRoom, caller: &str, calls: usize) -> Vec<Result<CallPlace, NoPlace>> {
        let caller = caller.into();
        (0..calls).map(|_| room.take(&caller)).collect()
    }

    #[test]
    fn a_caller_with_all_the_calls_it_may_have_shuts_nobody_out() {
        let room = CallRoom::new(8);
        let mut greedy = take(&room, "greedy", 7);
        assert_eq!(greedy.pop().unwrap().unwrap_err(), NoPlace::ShareTaken);
        assert!(greedy.iter().all(Result::is_ok), "six of eight are its share");
        let other = take(&room, "other", 3);
        assert!(other[..2].iter().all(Result::is_ok));
        assert_eq!(*other[2].as_ref().unwrap_err(), NoPlace::Full);
        drop(other);
        greedy.pop();
        assert!(room.take(&"greedy".into()).is_ok(), "what is over is given back");
    }

    #[test]
    fn callers_without_a_name_have_all_the_room_there_is() {
        let room = CallRoom::new(4);
        let taken = take(&room, "", 5);
        assert!(taken[..4].iter().all(Result::is_ok));
        assert_eq!(*taken[4].as_ref().unwrap_err(), NoPlace::Full);
    }

    #[test]
    fn of_callers_whose_calls_are_over_nothing_is_kept() {
        let room = CallRoom::new(4);
        drop(take(&room, "gone", 4));
        let taken = room.0.taken.lock();
        assert_eq!((taken.count, taken.by_caller.len()), (0, 0));
    }
}
