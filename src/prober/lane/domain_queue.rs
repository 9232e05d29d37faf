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
    pub(in crate::prober) queued: VecDeque<JobId>,
    pub(in crate::prober) control: ControlState,
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
    pub(super) in_turn: bool,
    pub(super) control_in_turn: bool,
}

/// Accepted recipients that are enough to ask the control recipient although more of the domain
/// are still to be asked, any of which might be unknown and spare it: a transaction's worth.
const ENOUGH_ACCEPTED: usize = 50;

impl DomainQueue {
    pub(super) fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            control: ControlState::NotNeeded,
            control_tries: 0,
            control_retries: RetryBudget::default(),
            doubted: None,
            control_answer: None,
            awaiting: Vec::new(),
            is_backup: false,
            accepted: false,
            flying: 0,
            counted: 0,
            in_turn: false,
            control_in_turn: false,
        }
    }

    /// Number of recipients that could be asked now.
    pub(super) fn due(&self) -> usize {
        self.queued.len() + usize::from(self.control_is_due())
    }

    /// `true` if nothing is under way that may spare the control recipient.
    pub(super) fn control_is_due(&self) -> bool {
        let alone = self.queued.is_empty() && self.flying == 0;
        self.control == ControlState::Due && (alone || self.awaiting.len() >= ENOUGH_ACCEPTED)
    }

    pub(super) fn is_over(&self) -> bool {
        self.due() == 0
            && self.flying == 0
            && self.awaiting.is_empty()
            && self.control == ControlState::NotNeeded
    }
}
