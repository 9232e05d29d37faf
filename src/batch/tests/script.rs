//! Answers by script: what each local part gets, when, and how often it was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::super::queue::{Cursor, Order, RowResult, SubmittedBatch, VerdictSet};
use super::super::{AddressVerifier, Batches, Config, IncomingRow, Outcome, Queue, ResultsQuery};
use crate::address::DomainName;
use crate::campaign::eta::Pace;
use crate::campaign::{Batch, BatchId, BatchOptions, SendPolicy, Spec};
use crate::clock::Clock;
use crate::queue_tests::memory::MemoryQueue;
use crate::registration::{
    Registration, RegistrationFacts, RegistrationGap, RegistrationReport, RegistrationState,
};
use crate::verdict::{Action, Reason};
use crate::verifier::{Options, Subject, Verification};

/// What a server says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// This, at once.
    Now(Reason),
    /// "Not now", until it was first asked so long ago; then yes.
    YesAfter(Duration),
    /// Yes, after so long.
    Slowly(Duration),
    /// This, which is remembered.
    Remembered(Reason),
    /// Yes, at once; the domain's registry says so long afterwards that it was registered lately.
    RegistryAfter(Duration),
    /// Nothing: the verifier breaks.
    Breaks,
}

/// Whom the worker asks.
pub(super) struct Script {
    clock: Clock,
    /// By local part; others are accepted at once.
    says: HashMap<&'static str, Says>,
    asked: Mutex<Vec<(String, SystemTime)>>,
}

impl Script {
    /// How often an address was asked about.
    pub(super) fn asked(&self, address: &str) -> usize {
        self.times(address).len()
    }

    /// When an address was asked about, since the beginning, in seconds.
    pub(super) fn times(&self, address: &str) -> Vec<SystemTime> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(a, _)| a == address).map(|(_, at)| *at).collect()
    }

    pub(super) fn all_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl AddressVerifier for Script {
    async fn verify(&self, subject: Subject, options: &Options) -> Verification {
        let address = subject.text();
        let now = self.clock.now();
        self.asked.lock().unwrap().push((address.to_owned(), now));
        let first = self.times(address)[0];
        let local = address.split('@').next().unwrap();
        let (reason, retry_at) = match self.says.get(local) {
            None => (Reason::MailboxAccepted, None),
            Some(Says::Now(reason) | Says::Remembered(reason)) => (*reason, None),
            Some(Says::YesAfter(wait)) if now < first + *wait => {
                (Reason::Greylisted, Some(first + *wait))
            }
            Some(Says::Breaks) => panic!("a test breaks the verifier"),
            Some(Says::YesAfter(_)) => (Reason::MailboxAccepted, None),
            Some(Says::RegistryAfter(_)) => {
                let mut answer = answer(address, Reason::MailboxAccepted, None, now);
                let name = DomainName::from_ascii(address.rsplit('@').next().unwrap());
                let registration = Registration::unknown(name, RegistrationGap::NotInTime);
                let report = RegistrationReport { registration, note: None };
                answer.evidence.registration = Some(Box::new(report));
                return answer;
            }
            Some(Says::Slowly(time)) => {
                let done = (now + *time).min(options.deadline);
                tokio::time::sleep_until(self.clock.instant(done)).await;
                (Reason::MailboxAccepted, None)
            }
        };
        answer(address, reason, retry_at, now)
    }

    async fn cached(&self, subject: Subject, _: &Options) -> Result<Verification, Subject> {
        let local = subject.text().split('@').next().unwrap_or_default();
        match self.says.get(local) {
            Some(Says::Remembered(reason)) => {
                Ok(answer(subject.text(), *reason, None, self.clock.now()))
            }
            _ => Err(subject),
        }
    }

    async fn registration(&self, domain: &DomainName) -> Option<Registration> {
        let now = self.clock.now();
        let asked = self.asked.lock().unwrap();
        let (local, first) = asked.iter().find_map(|(address, at)| {
            let (local, of) = address.split_once('@')?;
            (of == domain.as_str()).then_some((local, *at))
        })?;
        let Some(Says::RegistryAfter(wait)) = self.says.get(local) else { return None };
        if now < first + *wait {
            return Some(Registration::unknown(domain.clone(), RegistrationGap::NotInTime));
        }
        let facts = RegistrationFacts { registered_at: Some(now), ..RegistrationFacts::default() };
        let state = RegistrationState::Registered(Arc::new(facts));
        Some(Registration { domain: domain.clone(), state, source: None, asked_at: Some(now) })
    }

    async fn destination(&self, domain: &str, _: SystemTime) -> Option<DomainName> {
        (!domain.is_empty()).then(|| DomainName::from_ascii(domain).registrable())
    }
}

fn answer(
    address: &str,
    reason: Reason,
    retry_at: Option<SystemTime>,
    now: SystemTime,
) -> Verification {
    let mut answer = Outcome::out_of_time(now).into_verification(address);
    answer.judgement.reason = reason;
    answer.judgement.reasons = vec![reason];
    answer.judgement.verdict = reason.verdict();
    answer.judgement.action = if retry_at.is_some() { Action::RetryLater } else { Action::Send };
    answer.retry_at = retry_at;
    answer
}

/// A running room.
pub(super) struct Room {
    pub(super) batches: Batches,
    pub(super) script: Arc<Script>,
    pub(super) queue: Arc<MemoryQueue>,
    pub(super) clock: Clock,
}

impl Room {
    pub(super) fn open(says: &[(&'static str, Says)], config: Config) -> Self {
        Self::reopen(Arc::new(MemoryQueue::default()), Clock::start(), says, config)
    }

    /// Another worker on the same queue.
    pub(super) fn reopen(
        queue: Arc<MemoryQueue>,
        clock: Clock,
        says: &[(&'static str, Says)],
        config: Config,
    ) -> Self {
        let says = says.iter().copied().collect();
        let script = Arc::new(Script { clock, says, asked: Mutex::default() });
        let ask = Arc::clone(&script) as Arc<dyn AddressVerifier>;
        let batches = Batches::start(
            Arc::clone(&queue) as Arc<dyn Queue>,
            ask,
            None,
            config,
            Pace::USUAL,
            clock,
        );
        Self { batches, script, queue, clock }
    }

    /// Submits a list and seals it.
    pub(super) async fn submit(
        &self,
        addresses: &[impl AsRef<str>],
        options: BatchOptions,
    ) -> BatchId {
        let spec = spec(options);
        let SubmittedBatch::New(batch) = self.batches.submit(spec).await.unwrap() else {
            panic!("a batch of the same name is there");
        };
        let rows =
            addresses.iter().map(|address| IncomingRow::new(Subject::parse(address.as_ref())));
        self.batches.append(&batch.id, None, rows).await.unwrap();
        self.batches.seal(&batch.id).await.unwrap().id
    }

    /// The rows, in the list's order, once the batch is over.
    pub(super) async fn rows(&self, id: &BatchId) -> Vec<RowResult> {
        self.read(id, Order::Row).await
    }

    pub(super) async fn read(&self, id: &BatchId, order: Order) -> Vec<RowResult> {
        use futures_util::StreamExt as _;
        let query =
            ResultsQuery { order, after: Cursor::default(), verdicts: VerdictSet::default() };
        let results = self.batches.results(id.clone(), query);
        results.map(|page| page.unwrap().rows).concat().await
    }

    pub(super) async fn batch(&self, id: &BatchId) -> Batch {
        self.queue.batch(id).await.unwrap()
    }
}

pub(super) fn spec(options: BatchOptions) -> Spec {
    Spec {
        owner: String::new(),
        request_id: None,
        display_name: "list.csv".to_owned(),
        options: BatchOptions { send_policy: SendPolicy::Deliverable, ..options },
        callback: None,
    }
}
