//! Queue of one recipient domain: its recipients, and its control recipient.

use std::collections::VecDeque;

use super::JobId;
use crate::pacing::RetryBudget;
use crate::smtp::{Observation, RecipientAnswer};

/// State of a domain's control recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::prober) enum ControlState {
    /// No recipient needs it.
    NotNeeded,
    /// To be asked in the next flight.
    Due,
    /// Being asked.
    Flying,
    /// To be asked again later.
    Delayed,
}

/// See the module.
pub(in crate::prober) struct DomainQueue {
    pub(super) queued: VecDeque<JobId>,
    /// Recipients whose callers have little time: they are asked first.
    pub(super) pressed: VecDeque<JobId>,
    pub(in crate::prober) control: ControlState,
    /// A caller with little time waits for it.
    pub(super) control_is_pressed: bool,
    pub(in crate::prober) control_tries: u32,
    pub(in crate::prober) control_retries: RetryBudget,
    /// The control recipient's answer that contradicts what the domain showed before: it is asked
    /// once more before either is believed.
    pub(in crate::prober) doubted: Option<RecipientAnswer>,
    /// Last answer to the control recipient.
    pub(in crate::prober) control_answer: Option<Observation>,
    /// Accepted (or refused by a bare code): the control recipient's answer is all they lack.
    pub(in crate::prober) awaiting: Vec<JobId>,
    /// The domain has exchangers of a better preference.
    pub(in crate::prober) is_backup: bool,
    /// A real recipient was accepted, so a refusal tells recipients apart.
    pub(in crate::prober) accepted: bool,
    pub(super) flying: usize,
    /// Part of the lane's `due` that is this domain's.
    pub(super) counted: usize,
    /// Part of the lane's `pressed` that is this domain's.
    pub(super) counted_pressed: usize,
    pub(super) in_turn: bool,
    pub(super) pressed_in_turn: bool,
    pub(super) control_in_turn: bool,
}

/// Accepted recipients that are enough to ask the control recipient although more of the domain
/// are still to be asked, any of which might be unknown and spare it: a transaction's worth.
const ENOUGH_ACCEPTED: usize = 50;

impl DomainQueue {
    pub(super) fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            pressed: VecDeque::new(),
            control: ControlState::NotNeeded,
            control_is_pressed: false,
            control_tries: 0,
            control_retries: RetryBudget::default(),
            doubted: None,
            control_answer: None,
            awaiting: Vec::new(),
            is_backup: false,
            accepted: false,
            flying: 0,
            counted: 0,
            counted_pressed: 0,
            in_turn: false,
            pressed_in_turn: false,
            control_in_turn: false,
        }
    }

    /// The recipients of those with little time, or of the others.
    pub(super) fn jobs_mut(&mut self, pressed: bool) -> &mut VecDeque<JobId> {
        if pressed { &mut self.pressed } else { &mut self.queued }
    }

    /// Takes so many recipients, of those with little time or of the others, whose turn it was.
    pub(super) fn take(&mut self, pressed: bool, most: usize) -> Vec<JobId> {
        if pressed {
            self.pressed_in_turn = false;
        } else {
            self.in_turn = false;
        }
        self.take_out_of_turn(pressed, most)
    }

    /// The same where it is not their turn.
    pub(super) fn take_out_of_turn(&mut self, pressed: bool, most: usize) -> Vec<JobId> {
        let jobs = self.jobs_mut(pressed);
        let count = most.min(jobs.len());
        let taken: Vec<JobId> = jobs.drain(..count).collect();
        self.flying += taken.len();
        taken
    }

    /// It is in none of the lane's turns any more.
    pub(super) fn leave_turns(&mut self) {
        (self.in_turn, self.pressed_in_turn, self.control_in_turn) = (false, false, false);
    }

    /// Number of recipients that could be asked now.
    pub(super) fn due(&self) -> usize {
        self.queued.len() + self.pressed.len() + usize::from(self.control_is_due())
    }

    /// The part of it whose callers have little time.
    pub(super) fn due_pressed(&self) -> usize {
        self.pressed.len() + usize::from(self.control_is_due() && self.control_is_pressed)
    }

    /// `true` if nothing is under way that may spare the control recipient.
    pub(super) fn control_is_due(&self) -> bool {
        let alone = self.queued.is_empty() && self.pressed.is_empty() && self.flying == 0;
        self.control == ControlState::Due && (alone || self.awaiting.len() >= ENOUGH_ACCEPTED)
    }

    pub(super) fn is_over(&self) -> bool {
        self.due() == 0
            && self.flying == 0
            && self.awaiting.is_empty()
            && self.control == ControlState::NotNeeded
    }
}
