//! A destination in operation: the state machine behind a lock, its sessions' tasks, its alarm.
//!
//! A destination without sessions and without anything to wait for has no task and no timer.

use std::sync::Arc;
use std::time::SystemTime;

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::sleep_until;

use super::conversation;
use super::destination::{Destination, Effect};
use super::egress::Egress;
use super::evidence::Answered;
use super::lane::SessionId;
use super::lanes::Shared;
use super::memory::Memory;
use crate::address::DomainName;

/// Whom to tell.
pub(super) type Token = oneshot::Sender<Answered>;

/// One destination through one identity.
pub(super) struct Station {
    pub(super) shared: Arc<Shared>,
    pub(super) egress: Arc<Egress>,
    /// One for each recipient that may wait here.
    pub(super) places: Semaphore,
    inner: Mutex<Inner>,
    rearm: Notify,
}

struct Inner {
    core: Destination<Token>,
    summons: HashMap<SessionId, Arc<Notify>>,
    /// When the alarm's task will wake; `None` if there is no such task.
    alarm: Option<SystemTime>,
}

impl Station {
    pub(super) fn new(shared: Arc<Shared>, egress: Arc<Egress>, identity: usize) -> Self {
        let pacing = Arc::clone(&shared.pacing);
        let places = shared.queue.min(Semaphore::MAX_PERMITS);
        let inner = Inner {
            core: Destination::new(pacing, identity),
            summons: HashMap::default(),
            alarm: None,
        };
        Self {
            shared,
            egress,
            places: Semaphore::new(places),
            inner: Mutex::new(inner),
            rearm: Notify::new(),
        }
    }

    /// Tells the state machine something and does what it asks for in return.
    pub(super) fn with<R>(
        self: &Arc<Self>,
        tell: impl FnOnce(&mut Destination<Token>, &mut Memory, SystemTime) -> R,
    ) -> R {
        let now = self.shared.clock.now();
        let mut effects = Vec::new();
        let mut inner = self.lock();
        let result = tell(&mut inner.core, &mut self.shared.memory(), now);
        while let Some(effect) = inner.core.poll() {
            match effect {
                Effect::Summon(session) => {
                    if let Some(summons) = inner.summons.get(&session) {
                        summons.notify_one();
                    }
                }
                effect => effects.push(effect),
            }
        }
        self.set_alarm(&mut inner);
        drop(inner);
        for effect in effects {
            match effect {
                Effect::Open { session, exchanger } => self.open(session, exchanger),
                // The caller may have gone in this moment.
                Effect::Done(token, answered) => drop(token.send(answered)),
                Effect::Summon(_) => {}
            }
        }
        result
    }

    /// Looks at the state machine without telling it anything.
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut Destination<Token>) -> R) -> R {
        look(&mut self.lock().core)
    }

    /// The session's own summons.
    pub(super) fn enlist(&self, session: SessionId) -> Arc<Notify> {
        let summons = Arc::new(Notify::new());
        self.lock().summons.insert(session, Arc::clone(&summons));
        summons
    }

    /// The session is no more.
    pub(super) fn strike(&self, session: SessionId) {
        self.lock().summons.remove(&session);
    }

    fn open(self: &Arc<Self>, session: SessionId, exchanger: DomainName) {
        let station = Arc::clone(self);
        self.shared.tasks.spawn(conversation::run(station, session, exchanger));
    }

    fn set_alarm(self: &Arc<Self>, inner: &mut Inner) {
        let Some(wake_at) = inner.core.wake_at() else { return };
        match inner.alarm {
            Some(set) if set <= wake_at => {}
            Some(_) => {
                inner.alarm = Some(wake_at);
                self.rearm.notify_one();
            }
            None => {
                inner.alarm = Some(wake_at);
                self.shared.tasks.spawn(Arc::clone(self).keep_alarm());
            }
        }
    }

    /// Calls the state machine when it asked to be, until it waits for nothing.
    async fn keep_alarm(self: Arc<Self>) {
        loop {
            let at = {
                let mut inner = self.lock();
                inner.alarm = inner.core.wake_at();
                inner.alarm
            };
            let Some(at) = at else { return };
            tokio::select! {
                () = sleep_until(self.shared.clock.instant(at)) => {
                    self.with(|core, _, now| core.tick(now));
                }
                () = self.rearm.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked did so between two steps of the state machine, not within one.
        self.inner.lock()
    }
}
