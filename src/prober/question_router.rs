//! The interface to what decides which process asks a destination, where several processes share
//! an egress address.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::evidence::LaneAnswer;
use crate::address::{Address, DomainName};
use crate::smtp::{Control, Observation, Stage};

/// A destination through one egress identity: one process asks it at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationKey {
    /// The identity's name.
    pub identity: Arc<str>,
    /// The registrable domain of its exchangers.
    pub destination: DomainName,
}

/// A recipient to be asked about at one exchanger through one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneQuestion {
    /// The recipient.
    pub address: Address,
    /// The exchanger.
    pub exchanger: DomainName,
    /// The identity's name.
    pub identity: Arc<str>,
    /// The oldest remembered addresses of the exchanger to accept; `None`: any that are valid.
    pub max_age: Option<Duration>,
    /// `true` if it matters whether the domain accepts everything.
    pub test_catch_all: bool,
    /// `true` to bring the dialogue along.
    pub transcript: bool,
    /// There is no other exchanger to ask: wait while the exchanger is busy.
    pub patient: bool,
    /// The domain has exchangers of a better preference: this one may accept whom they refuse.
    pub backup: bool,
    /// Time at which the recipient consented to mail, if it is known.
    pub consented_at: Option<SystemTime>,
    /// Time at which an answer is wanted.
    pub deadline: SystemTime,
    /// Until when it may be asked again.
    pub retry_until: SystemTime,
}

impl LaneQuestion {
    /// The destination that it is about.
    #[must_use]
    pub fn key(&self) -> DestinationKey {
        let destination = self.exchanger.registrable();
        DestinationKey { identity: Arc::clone(&self.identity), destination }
    }
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneOutcome {
    /// There is an answer.
    Answered(LaneAnswer),
    /// Time was up.
    TimedOut {
        /// The answer so far, if it was asked again.
        evidence: Option<Observation>,
        /// Result of the control recipient.
        control: Control,
        /// The stage that was reached.
        stage: Stage,
    },
}

/// Permission to ask a destination: it is not given up to another process while this lives.
pub trait Hold: Send + Sync {}

/// The place where a question is asked.
pub enum RoutedQuestion {
    /// Here, while this is held.
    Here(Box<dyn Hold>),
    /// Elsewhere, with this outcome.
    Elsewhere(LaneOutcome),
    /// Nowhere for now: who holds the destination could not be found out, or not be reached.
    Nowhere,
}

/// Decides which process asks a destination.
#[async_trait]
pub trait QuestionRouter: Send + Sync + 'static {
    /// Has the question asked by the process that holds its destination; if there is none, this one
    /// becomes it.
    async fn route(&self, question: &LaneQuestion) -> RoutedQuestion;

    /// Permission to open a session with a destination here; `None` if another process holds it.
    async fn hold(&self, key: &DestinationKey) -> Option<Box<dyn Hold>>;
}
