//! Decides for each question which replica asks: this one, if it holds the destination, or the
//! one that does, over its port.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use foldhash::HashSet;
use foldhash::fast::FixedState;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, RwLock};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::holder_store::{Claim, HolderStore};
use super::holdings::{Holdings, KnownHolder, Renewal};
use super::misses::{Miss, Misses, NextLook};
use super::peers::{ForwardFault, Peers};
use super::pending_releases::PendingReleases;
use super::tenure::Tenure;
use crate::clock::Clock;
use crate::prober::{
    DestinationKey, Hold, Inheritance, LaneOutcome, LaneQuestion, Prober, QuestionRouter,
    RoutedQuestion, WireOutcome, WireQuestion,
};
use crate::smtp::{Control, Stage};

/// Longest wait for the database.
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
    /// Told once more. Until then the others take this replica for the holder.
    unreleased: Mutex<PendingReleases>,
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
            let miss = match self.find_until(&key, question.deadline).await {
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
        self.holdings.lock().basis(self.clock.now()).is_some()
    }

    /// Answers another replica, if this one holds the destination, or may. It never asks a third
    /// one.
    pub(super) async fn answer(&self, asked: WireQuestion) -> Result<WireOutcome, Status> {
        let not_holder = || Status::failed_precondition("another replica holds the destination");
        if self.leaving.is_cancelled() {
            return Err(not_holder());
        }
        let question = self.prober.decode_question(asked);
        let question = question.map_err(|fault| Status::invalid_argument(fault.to_string()))?;
        let question = question.ok_or_else(not_holder)?;
        let answering = async {
            // The database may have it as ours, and nobody here learned of it: whoever made the
            // claim went away, or its answer came too late. So it is claimed rather than refused.
            let key = question.key();
            let found = self.find_until(&key, question.deadline).await;
            let FoundHolder::Here(_hold) = found else { return Err(not_holder()) };
            Ok(self.prober.ask_for_another(question).await)
        };
        tokio::select! {
            biased;
            // The next holder asks. It comes first: what waits here is answered as it stands then.
            () = self.leaving.cancelled() => Err(not_holder()),
            outcome = answering => outcome,
        }
    }

    /// Finds the holder of a destination for a question that waits until `deadline`.
    async fn find_until(&self, key: &DestinationKey, deadline: SystemTime) -> FoundHolder {
        if deadline <= self.clock.now() {
            return FoundHolder::Nobody;
        }
        let found = timeout_at(self.clock.instant(deadline), self.find(key)).await;
        found.unwrap_or(FoundHolder::Nobody)
    }

    /// Finds the holder of a destination; claims it if none is known.
    async fn find(&self, key: &DestinationKey) -> FoundHolder {
        if let Some(found) = self.known(key) {
            return found;
        }
        // The turn first: whoever waits for it keeps nobody from giving destinations up.
        let stripe = FixedState::default().hash_one(key) as usize % STRIPES;
        let _one = self.stripes[stripe].lock().await;
        let _claims = self.claims.read().await;
        if let Some(found) = self.known(key) {
            return found;
        }
        self.claim(key).await
    }

    fn known(&self, key: &DestinationKey) -> Option<FoundHolder> {
        if self.leaving.is_cancelled() {
            return Some(FoundHolder::Nobody);
        }
        let known = self.holdings.lock().find(key, self.clock.now());
        match known {
            // Its permission ran out for a moment, between two renewals: it is taken over again.
            KnownHolder::Here(_) if self.prober.is_suspended(key) => None,
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
        let Some(basis) = self.holdings.lock().basis(self.clock.now()) else {
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
            Claim::Kept { state, died } => {
                let own = self.unreleased.lock().remove(key, self.clock.now());
                match own {
                    // It is used here as it was.
                    _ if self.prober.has_destination(key) => Inheritance::default(),
                    Some(own) => read_inheritance(Some(own), None),
                    None => read_inheritance(state, died),
                }
            }
            Claim::Taken { state, died } => {
                self.unreleased.lock().forget(key);
                read_inheritance(state, died)
            }
            Claim::Peer(Some(address)) => {
                let address: Arc<str> = address.into();
                self.unreleased.lock().forget(key);
                self.holdings.lock().note_peer(key.clone(), Arc::clone(&address));
                self.prober.suspend(key);
                return FoundHolder::Peer(address);
            }
            Claim::Peer(None) => {
                self.unreleased.lock().forget(key);
                self.yield_to_others(key);
                return FoundHolder::Nobody;
            }
            Claim::Unclear => {
                self.yield_to_others(key);
                return FoundHolder::Changing;
            }
        };
        self.prober.take_over(key, &inheritance);
        let token = self.holdings.lock().hold(key.clone(), basis, self.clock.now());
        match token {
            Some(token) => FoundHolder::Here(RoutedQuestion::Here(Box::new(token))),
            // The membership was renewed meanwhile: what is not held is suspended.
            None => {
                self.prober.suspend(key);
                FoundHolder::Changing
            }
        }
    }

    /// A destination is not held here (any more), as far as is known.
    fn yield_to_others(&self, key: &DestinationKey) {
        self.holdings.lock().lose(key);
        self.prober.suspend(key);
    }

    /// Takes a renewal of the membership in. Nothing is held under it before the prober may ask,
    /// and before all that is lost is suspended: what is held is never suspended by it.
    pub(super) async fn renew(&self, tenure: Tenure) {
        let renewal = self.holdings.lock().weigh(tenure, self.clock.now());
        if renewal == Renewal::Lost {
            *self.unreleased.lock() = PendingReleases::default();
            self.prober.suspend_all();
        }
        self.prober.allow_until(tenure.ends_at());
        self.holdings.lock().begin(tenure);
        if renewal == Renewal::Doubtful {
            self.confirm_all().await;
        }
    }

    /// Gives up what the database does not have as ours. One look, however much is held: the next
    /// renewal waits for it.
    async fn confirm_all(&self) {
        let _exclusive = self.claims.write().await;
        let confirmed: HashSet<DestinationKey> = match timeout(CLAIM, self.store.held()).await {
            Ok(Ok(confirmed)) => confirmed.into_iter().collect(),
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "what is held is claimed again when it is asked for");
                HashSet::default()
            }
            Err(_) => HashSet::default(),
        };
        let held = self.holdings.lock().held();
        for key in held.iter().filter(|key| !confirmed.contains(*key)) {
            self.yield_to_others(key);
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
        let Some(basis) = self.holdings.lock().basis(self.clock.now()) else { return };
        let mut pending = std::mem::take(&mut *self.unreleased.lock());
        for key in keys {
            let now = self.clock.now();
            if !self.holdings.lock().give_up(&key) {
                continue;
            }
            match self.prober.hand_over(&key) {
                Some(state) => {
                    pending.insert(key, serde_json::to_string(&state).unwrap_or_default(), now);
                }
                // Something is under way after all.
                None => drop(self.holdings.lock().hold(key, basis, now)),
            }
        }
        let released = pending.to_released();
        if released.is_empty() {
            return;
        }
        let count = released.len();
        let fault = match timeout(CLAIM, self.store.release(released)).await {
            Ok(Ok(())) => {
                tracing::debug!(count, "destinations were given up");
                return;
            }
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(fault, count, "destinations were not given up: told again");
        // All that was held before a loss is no longer ours to give up.
        if self.holdings.lock().kept_all_since(basis) {
            *self.unreleased.lock() = pending;
        }
    }
}

/// What the database, or this replica itself, wrote down of a destination. What cannot be read is
/// of another version: it is learned again.
fn read_inheritance(state: Option<(String, Duration)>, died: Option<Duration>) -> Inheritance {
    let state = state
        .and_then(|(text, elapsed)| serde_json::from_str(&text).ok().map(|state| (state, elapsed)));
    Inheritance { state, died }
}
