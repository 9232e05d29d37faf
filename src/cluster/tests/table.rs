//! Who holds what, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::cluster::{Claim, HolderFault, HolderStore, ReleasedDestination, Tenure};
use crate::prober::DestinationKey;

#[derive(Default)]
struct HolderRow {
    holder: Option<i64>,
    state: Option<(String, SystemTime)>,
    died_at: Option<SystemTime>,
}

/// The rows and the members.
pub(super) struct HolderTable {
    clock: Clock,
    rows: Mutex<HashMap<DestinationKey, HolderRow>>,
    members: Mutex<BTreeMap<i64, String>>,
    joined: Mutex<i64>,
    /// What happens during the next claim.
    meanwhile: Mutex<Option<Meanwhile>>,
    /// Claims that were made.
    claims: Mutex<usize>,
    /// Releases that fail from now on.
    failing_releases: Mutex<u32>,
}

/// What happens during a claim.
pub(super) enum Meanwhile {
    /// Another one is made: nothing is found out.
    AnotherClaim,
    /// This membership begins.
    Renewal(Tenure),
    /// It succeeds, and the answer never comes.
    NoAnswer,
}

impl HolderTable {
    pub(super) fn new(clock: Clock) -> Self {
        let (rows, members) = (Mutex::default(), Mutex::default());
        let (meanwhile, failing_releases) = (Mutex::default(), Mutex::default());
        let (joined, claims) = (Mutex::new(0), Mutex::default());
        Self { clock, rows, members, joined, meanwhile, claims, failing_releases }
    }

    /// Has the next release fail.
    pub(super) fn fail_a_release(&self) {
        *self.failing_releases.lock() += 1;
    }

    /// Has this happen during the next claim.
    pub(super) fn during_a_claim(&self, happens: Meanwhile) {
        *self.meanwhile.lock() = Some(happens);
    }

    /// Number of claims that were made.
    pub(super) fn claims(&self) -> usize {
        *self.claims.lock()
    }

    /// Has this member hold a destination, as another database may say.
    pub(super) fn give(&self, key: &DestinationKey, member: i64) {
        self.rows.lock().entry(key.clone()).or_default().holder = Some(member);
    }

    /// A member is gone.
    pub(super) fn bury(&self, member: i64) {
        self.members.lock().remove(&member);
        for row in self.rows.lock().values_mut().filter(|row| row.holder == Some(member)) {
            row.holder = None;
            row.died_at = Some(self.clock.now());
        }
    }

    /// The holders of all destinations that have one.
    pub(super) fn holders(&self) -> Vec<i64> {
        self.rows.lock().values().filter_map(|row| row.holder).collect()
    }
}

/// One member's view of it.
pub(super) struct TableMember {
    table: Arc<HolderTable>,
    pub(super) member: i64,
    tenure: watch::Sender<Option<Tenure>>,
}

impl TableMember {
    pub(super) fn join(
        table: &Arc<HolderTable>,
        address: &str,
    ) -> (Self, watch::Sender<Option<Tenure>>) {
        let mut joined = table.joined.lock();
        *joined += 1;
        table.members.lock().insert(*joined, address.to_owned());
        let tenure = watch::Sender::new(None);
        let member = Self { table: Arc::clone(table), member: *joined, tenure: tenure.clone() };
        (member, tenure)
    }
}

impl TableMember {
    fn apply_claim(&self, key: &DestinationKey) -> Claim {
        let members = self.table.members.lock();
        if !members.contains_key(&self.member) {
            return Claim::Unclear;
        }
        let now = self.table.clock.now();
        let since = |at: SystemTime| now.duration_since(at).unwrap_or_default();
        let mut rows = self.table.rows.lock();
        let row = rows.entry(key.clone()).or_default();
        let state = row.state.clone().map(|(text, at)| (text, since(at)));
        let died = row.died_at.map(since);
        match row.holder {
            Some(holder) if holder == self.member => Claim::Kept { state, died },
            Some(holder) => Claim::Peer(members.get(&holder).cloned()),
            None => {
                row.holder = Some(self.member);
                Claim::Taken { state, died }
            }
        }
    }
}

#[async_trait]
impl HolderStore for TableMember {
    fn tenure(&self) -> watch::Receiver<Option<Tenure>> {
        self.tenure.subscribe()
    }

    async fn claim(&self, key: &DestinationKey) -> Result<Claim, HolderFault> {
        let meanwhile = self.table.meanwhile.lock().take();
        match meanwhile {
            Some(Meanwhile::AnotherClaim) => return Ok(Claim::Unclear),
            Some(Meanwhile::Renewal(tenure)) => {
                self.tenure.send_replace(Some(tenure));
                // It is taken in before the claim is answered.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            }
            Some(Meanwhile::NoAnswer) => {
                self.apply_claim(key);
                std::future::pending::<()>().await;
            }
            None => {}
        }
        *self.table.claims.lock() += 1;
        Ok(self.apply_claim(key))
    }

    async fn held(&self) -> Result<Vec<DestinationKey>, HolderFault> {
        let rows = self.table.rows.lock();
        let ours = rows.iter().filter(|(_, row)| row.holder == Some(self.member));
        Ok(ours.map(|(key, _)| key.clone()).collect())
    }

    async fn release(&self, released: Vec<ReleasedDestination>) -> Result<(), HolderFault> {
        let mut failing = self.table.failing_releases.lock();
        if *failing > 0 {
            *failing -= 1;
            return Err(HolderFault("the database is away".to_owned()));
        }
        let now = self.table.clock.now();
        let mut rows = self.table.rows.lock();
        for ReleasedDestination { key, state } in released {
            let row = rows.entry(key).or_default();
            if row.holder == Some(self.member) {
                *row = HolderRow { holder: None, state: Some((state, now)), died_at: None };
            }
        }
        Ok(())
    }

    async fn leave(&self) {
        self.table.bury(self.member);
    }
}
