//! A destination in operation: the state machine behind a lock, the wake-ups of its sessions, its
//! timer.
//!
//! A destination without sessions and without anything to wait for has no task and no timer.

use std::sync::Arc;
use std::time::SystemTime;

use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::sleep_until;

use super::context::Context;
use super::destination::{Destination, Effect};
use super::egress::Egress;
use super::evidence::LaneAnswer;
use super::lane::SessionId;
use super::memory::Memory;
use crate::address::DomainName;

/// The caller's end of a question.
pub(super) type Token = oneshot::Sender<LaneAnswer>;

/// Starts the task of a session that the state machine asked for.
pub(super) type SpawnSession = fn(Arc<DestinationHandle>, SessionId, DomainName);

/// One destination through one identity.
pub(super) struct DestinationHandle {
    pub(super) context: Arc<Context>,
    pub(super) egress: Arc<Egress>,
    /// One permit for each recipient that may wait here.
    pub(super) places: Semaphore,
    spawn_session: SpawnSession,
    inner: Mutex<HandleState>,
    rearm: Notify,
}

struct HandleState {
    core: Destination<Token>,
    wakes: HashMap<SessionId, Arc<Notify>>,
    /// Time at which the timer's task will wake; `None` if there is no such task.
    timer: Option<SystemTime>,
}

impl DestinationHandle {
    pub(super) fn new(
        context: Arc<Context>,
        egress: Arc<Egress>,
        identity: usize,
        spawn_session: SpawnSession,
    ) -> Self {
        let pacing = Arc::clone(&context.pacing);
        let places = context.queue.min(Semaphore::MAX_PERMITS);
        let core = Destination::new(pacing, identity);
        let inner = HandleState { core, wakes: HashMap::default(), timer: None };
        Self {
            context,
            egress,
            places: Semaphore::new(places),
            spawn_session,
            inner: Mutex::new(inner),
            rearm: Notify::new(),
        }
    }

    /// Takes one step of the state machine and carries out the effects it asks for.
    pub(super) fn step<R>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Destination<Token>, SystemTime) -> R,
    ) -> R {
        let now = self.context.clock.now();
        let mut inner = self.lock();
        self.heed_permission(&mut inner.core, now);
        let result = step(&mut inner.core, now);
        self.end_step(inner, now);
        result
    }

    /// The same, for a step that reads or changes what is remembered. Its lock is shared by all
    /// destinations, so no other step takes it.
    pub(super) fn step_with_memory<R>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Destination<Token>, &mut Memory, SystemTime) -> R,
    ) -> R {
        let now = self.context.clock.now();
        let mut inner = self.lock();
        self.heed_permission(&mut inner.core, now);
        let result = step(&mut inner.core, &mut self.context.memory(), now);
        self.end_step(inner, now);
        result
    }

    /// Another process may ask the destination by now.
    fn heed_permission(&self, core: &mut Destination<Token>, now: SystemTime) {
        if !self.context.may_ask(now) {
            core.suspend(now);
        }
    }

    /// Carries out the effects of a step. What it put back in a lane does not wait there while the
    /// destination is suspended.
    fn end_step(self: &Arc<Self>, mut inner: MutexGuard<'_, HandleState>, now: SystemTime) {
        if inner.core.is_suspended() {
            inner.core.suspend(now);
        }
        self.carry_out_effects(inner);
    }

    /// Reads the state machine without taking a step.
    pub(super) fn peek<R>(&self, peek: impl FnOnce(&mut Destination<Token>) -> R) -> R {
        peek(&mut self.lock().core)
    }

    /// The same, with what is remembered.
    pub(super) fn peek_with_memory<R>(
        &self,
        peek: impl FnOnce(&mut Destination<Token>, &mut Memory) -> R,
    ) -> R {
        peek(&mut self.lock().core, &mut self.context.memory())
    }

    /// Registers a session; returns the wake-up it is to listen to.
    pub(super) fn register(&self, session: SessionId) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.lock().wakes.insert(session, Arc::clone(&wake));
        wake
    }

    /// Forgets a session that has ended.
    pub(super) fn unregister(&self, session: SessionId) {
        self.lock().wakes.remove(&session);
    }

    fn carry_out_effects(self: &Arc<Self>, mut inner: MutexGuard<'_, HandleState>) {
        let mut effects = Vec::new();
        while let Some(effect) = inner.core.poll() {
            match effect {
                Effect::Wake(session) => {
                    if let Some(wake) = inner.wakes.get(&session) {
                        wake.notify_one();
                    }
                }
                effect => effects.push(effect),
            }
        }
        self.set_timer(&mut inner);
        drop(inner);
        for effect in effects {
            match effect {
                Effect::Open { session, exchanger } => {
                    (self.spawn_session)(Arc::clone(self), session, exchanger);
                }
                // The caller may have gone in this moment.
                Effect::Answer(token, answer) => drop(token.send(answer)),
                Effect::Wake(_) => {}
            }
        }
    }

    fn set_timer(self: &Arc<Self>, inner: &mut HandleState) {
        match (inner.timer, inner.core.wake_at()) {
            (None, None) => {}
            (Some(set), Some(wake_at)) if set <= wake_at => {}
            // Earlier, or never: the task ends if nothing is waited for.
            (Some(_), wake_at) => {
                inner.timer = wake_at.or(inner.timer);
                self.rearm.notify_one();
            }
            (None, Some(wake_at)) => {
                inner.timer = Some(wake_at);
                self.context.tasks.spawn(Arc::clone(self).run_timer());
            }
        }
    }

    /// Calls the state machine whenever it asked to be, until it waits for nothing.
    async fn run_timer(self: Arc<Self>) {
        loop {
            let at = {
                let mut inner = self.lock();
                inner.timer = inner.core.wake_at();
                inner.timer
            };
            let Some(at) = at else { return };
            tokio::select! {
                () = sleep_until(self.context.clock.instant(at)) => {
                    self.step_with_memory(|core, memory, now| core.tick(memory, now));
                }
                () = self.rearm.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HandleState> {
        self.inner.lock()
    }
}
