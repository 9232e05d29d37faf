//! Decides for each question which replica asks: this one, if it holds the destination, or the
//! one that does, over its port.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use foldhash::fast::FixedState;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, RwLock};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::holder_store::{Claim, HolderStore, ReleasedDestination};
use super::holdings::{Holdings, KnownHolder, Renewal};
use super::misses::{Miss, Misses, NextLook};
use super::peers::{ForwardFault, Peers};
use super::tenure::Tenure;
use crate::clock::Clock;
use crate::prober::{
    DestinationKey, Hold, Inheritance, LaneOutcome, LaneQuestion, Prober, QuestionRouter,
    RoutedQuestion, WireOutcome, WireQuestion,
};
use crate::smtp::{Control, Stage};

/// Longest wait for a claim.
const CLAIM: Duration = Duration::from_secs(3);

/// Claims of different destinations that are made at a time.
const STRIPES: usize = 32;

/// See the module.
pub(super) struct Sharing {
    prober: Prober,
    store: Arc<dyn HolderStore>,
    peers: Peers,
    clock: Clock,
    holdings: Mutex<Holdings>,
    /// Read by claims, and written by what gives destinations up: never the two at a time.
    claims: RwLock<()>,
    /// Given up here, but not as the database has it, as far as is known: told once more. Until
    /// then the others take this replica for the holder.
    unreleased: Mutex<Vec<ReleasedDestination>>,
    /// One claim of a destination at a time.
    stripes: [AsyncMutex<()>; STRIPES],
    leaving: CancellationToken,
}

/// The place of a holder that was found.
enum FoundHolder {
    Here(RoutedQuestion),
    Peer(Arc<str>),
    Changing,
    Nobody,
}

#[async_trait]
impl QuestionRouter for Sharing {
    async fn route(&self, question: &LaneQuestion) -> RoutedQuestion {
        let key = question.key();
        let mut misses = Misses::default();
        loop {
            let miss = match self.find(&key).await {
                FoundHolder::Here(routed) => return routed,
                FoundHolder::Nobody => return RoutedQuestion::Nowhere,
                FoundHolder::Changing => Miss::Changing,
                FoundHolder::Peer(address) => match self.forward(question, &address).await {
                    Ok(outcome) => return RoutedQuestion::Elsewhere(outcome),
                    Err(miss) => {
                        // It may have given the destination up: the database knows, and is asked.
                        self.holdings.lock().forget_peer(&key, &address);
                        miss
                    }
                },
            };
            match misses.note(miss) {
                NextLook::AtOnce => {}
                NextLook::After(pause) if self.clock.now() + pause < question.deadline => {
                    sleep(pause).await;
                }
                NextLook::After(_) | NextLook::GiveUp => return RoutedQuestion::Nowhere,
            }
        }
    }

    async fn hold(&self, key: &DestinationKey) -> Option<Box<dyn Hold>> {
        match self.find(key).await {
            FoundHolder::Here(RoutedQuestion::Here(hold)) => Some(hold),
            _ => None,
        }
    }
}

fn late() -> LaneOutcome {
    LaneOutcome::TimedOut { evidence: None, control: Control::NotAsked, stage: Stage::Connect }
}

impl Sharing {
    pub(super) fn new(
        prober: Prober,
        store: Arc<dyn HolderStore>,
        peers: Peers,
        clock: Clock,
    ) -> Self {
        Self {
            prober,
            store,
            peers,
            clock,
            holdings: Mutex::new(Holdings::new()),
            claims: RwLock::new(()),
            unreleased: Mutex::default(),
            stripes: std::array::from_fn(|_| AsyncMutex::new(())),
            leaving: CancellationToken::new(),
        }
    }

    /// Has the replica at `address` ask, which is said to hold the destination.
    async fn forward(
        &self,
        question: &LaneQuestion,
        address: &Arc<str>,
    ) -> Result<LaneOutcome, Miss> {
        let sent = self.prober.encode_question(question);
        let reason = match self.peers.ask(address, sent).await {
            Ok(outcome) => match self.prober.decode_outcome(outcome) {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault.to_string(),
            },
            Err(ForwardFault::Late) => return Ok(late()),
            Err(ForwardFault::NotHolder) => return Err(Miss::NotHolder),
            Err(ForwardFault::Unreachable(reason)) => reason,
        };
        tracing::debug!(%address, reason, "the holder of a destination cannot be asked");
        Err(Miss::Unreachable(Arc::clone(address)))
    }

    /// `true` while destinations may be held.
    #[cfg(test)]
    pub(super) fn may_ask(&self) -> bool {
        self.holdings.lock().tenure(self.clock.now()).is_some()
    }

    /// Answers another replica, if this one holds the destination. It never asks a third one.
    pub(super) async fn answer(&self, asked: WireQuestion) -> Result<WireOutcome, Status> {
        let not_holder = || Status::failed_precondition("another replica holds the destination");
        if self.leaving.is_cancelled() {
            return Err(not_holder());
        }
        let question = self.prober.decode_question(asked);
        let question = question.map_err(|fault| Status::invalid_argument(fault.to_string()))?;
        let question = question.ok_or_else(not_holder)?;
        let now = self.clock.now();
        let known = self.holdings.lock().find(&question.key(), now);
        let KnownHolder::Here(_hold) = known else { return Err(not_holder()) };
        tokio::select! {
            biased;
            // The next holder asks. It comes first: what waits here is answered as it stands then.
            () = self.leaving.cancelled() => Err(not_holder()),
            outcome = self.prober.ask_for_another(question) => Ok(outcome),
        }
    }

    /// Finds the holder of a destination; claims it if none is known.
    async fn find(&self, key: &DestinationKey) -> FoundHolder {
        if let Some(found) = self.known(key) {
            return found;
        }
        let _claims = self.claims.read().await;
        let stripe = FixedState::default().hash_one(key) as usize % STRIPES;
        let _one = self.stripes[stripe].lock().await;
        if let Some(found) = self.known(key) {
            return found;
        }
        self.claim(key).await
    }

    fn known(&self, key: &DestinationKey) -> Option<FoundHolder> {
        if self.leaving.is_cancelled() {
            return Some(FoundHolder::Nobody);
        }
        match self.holdings.lock().find(key, self.clock.now()) {
            KnownHolder::Here(token) => {
                Some(FoundHolder::Here(RoutedQuestion::Here(Box::new(token))))
            }
            KnownHolder::Peer(address) => Some(FoundHolder::Peer(address)),
            KnownHolder::Suspended => Some(FoundHolder::Nobody),
            KnownHolder::Unknown => None,
        }
    }

    /// Claims a destination. Whoever calls keeps others from claiming or giving up the same.
    async fn claim(&self, key: &DestinationKey) -> FoundHolder {
        let Some(tenure) = self.holdings.lock().tenure(self.clock.now()) else {
            return FoundHolder::Nobody;
        };
        let claim = match timeout(CLAIM, self.store.claim(key)).await {
            Ok(Ok(claim)) => claim,
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "a destination rests");
                return FoundHolder::Nobody;
            }
            Err(_) => return FoundHolder::Nobody,
        };
        let inheritance = match claim {
            Claim::Kept => Inheritance::default(),
            Claim::Taken { state, died } => {
                // What cannot be read is of another version: it is learned again.
                let state = state.and_then(|(text, elapsed)| {
                    serde_json::from_str(&text).ok().map(|state| (state, elapsed))
                });
                Inheritance { state, died }
            }
            Claim::Peer(Some(address)) => {
                let address: Arc<str> = address.into();
                self.holdings.lock().note_peer(key.clone(), Arc::clone(&address));
                self.prober.suspend(key);
                return FoundHolder::Peer(address);
            }
            Claim::Peer(None) => {
                self.yield_to_others(key);
                return FoundHolder::Nobody;
            }
            Claim::Unclear => {
                self.yield_to_others(key);
                return FoundHolder::Changing;
            }
        };
        self.prober.take_over(key, &inheritance);
        match self.holdings.lock().hold(key.clone(), tenure, self.clock.now()) {
            Some(token) => FoundHolder::Here(RoutedQuestion::Here(Box::new(token))),
            // The membership was renewed meanwhile, and perhaps suspended everything.
            None => FoundHolder::Changing,
        }
    }

    /// A destination is not held here (any more), as far as is known.
    fn yield_to_others(&self, key: &DestinationKey) {
        self.holdings.lock().lose(key);
        self.prober.suspend(key);
    }

    /// Takes a renewal of the membership in.
    pub(super) async fn renew(&self, tenure: Tenure) {
        let renewal = self.holdings.lock().renew(tenure, self.clock.now());
        if renewal == Renewal::Lost {
            self.prober.suspend_all();
        }
        self.prober.allow_until(tenure.ends_at());
        if renewal == Renewal::Doubtful {
            self.confirm_all().await;
        }
    }

    /// Claims again all that is held.
    async fn confirm_all(&self) {
        let _exclusive = self.claims.write().await;
        let held = self.holdings.lock().held();
        for key in held {
            if let FoundHolder::Nobody | FoundHolder::Changing = self.claim(&key).await {
                self.yield_to_others(&key);
            }
        }
    }

    /// The time of the last renewal is over.
    pub(super) fn lapse(&self) {
        self.holdings.lock().lapse();
        self.prober.suspend_all();
    }

    /// Gives up what was not used since `since`.
    pub(super) async fn release_idle(&self, since: SystemTime) {
        let _exclusive = self.claims.write().await;
        let held = self.holdings.lock().held();
        let idle = held.into_iter().filter(|key| self.prober.is_idle(key, since)).collect();
        self.release(idle).await;
    }

    /// Takes no question of other replicas any more, and gives those back that wait.
    pub(super) fn begin_to_leave(&self) {
        self.leaving.cancel();
    }

    /// Gives everything up, and ends the membership.
    pub(super) async fn leave(&self) {
        let _exclusive = self.claims.write().await;
        let held = self.holdings.lock().held();
        self.release(held).await;
        self.store.leave().await;
    }

    /// Gives destinations up that are not in use. Whoever calls keeps others from claiming.
    async fn release(&self, keys: Vec<DestinationKey>) {
        let mut released = self.unreleased();
        for key in keys {
            let Some(tenure) = self.holdings.lock().tenure(self.clock.now()) else { break };
            if !self.holdings.lock().give_up(&key) {
                continue;
            }
            match self.prober.hand_over(&key) {
                Some(state) => {
                    let state = serde_json::to_string(&state).unwrap_or_default();
                    released.push(ReleasedDestination { key, state });
                }
                // Something is under way after all.
                None => drop(self.holdings.lock().hold(key, tenure, self.clock.now())),
            }
        }
        if released.is_empty() {
            return;
        }
        let count = released.len();
        let fault = match timeout(CLAIM, self.store.release(released.clone())).await {
            Ok(Ok(())) => {
                tracing::debug!(count, "destinations were given up");
                return;
            }
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(fault, count, "destinations were not given up: told again");
        *self.unreleased.lock() = released;
    }

    /// What is to be told once more. Not what was claimed again meanwhile.
    fn unreleased(&self) -> Vec<ReleasedDestination> {
        let mut unreleased = std::mem::take(&mut *self.unreleased.lock());
        let held = self.holdings.lock().held();
        unreleased.retain(|released| !held.contains(&released.key));
        unreleased
    }
}
