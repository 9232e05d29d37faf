//! Several replicas on one network of scripted exchangers, and a table in memory that says who
//! holds what, as the database does.

mod claims;
mod replicas;
mod table;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Cluster, Config, Tenure};
use crate::pacing;
use crate::prober::tests::exchanger::Rules;
use crate::prober::tests::world::World;
use crate::prober::{self, ProbeRequest, Prober};
use crate::smtp::{NoReply, ProbeOutcome, RecipientAnswer, Stage};
use table::{HolderTable, Meanwhile, TableMember};

const MX: &str = "mx.example.net";

const MINUTE: Duration = Duration::from_secs(60);

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Sessions and connections that the destination bears.
fn bears(sessions: u32, connections: u32) -> (prober::Config, Rules) {
    let pacing = pacing::Config {
        sessions_per_exchanger: count(sessions),
        sessions_per_destination: count(sessions),
        connections_per_minute: count(connections),
        recipients_per_session: count(40),
        ..pacing::Config::default()
    };
    let rules = Rules {
        sessions: sessions as usize,
        connections: Some((connections as usize, MINUTE)),
        ..Rules::default()
    };
    (prober::Config { pacing, ..prober::Config::default() }, rules)
}

fn code(outcome: &ProbeOutcome) -> u16 {
    match &outcome.attempts.last().unwrap().observation.answer {
        RecipientAnswer::Replied { stage: Stage::Rcpt, reply, .. } => reply.code,
        _ => 0,
    }
}

/// One replica.
struct Replica {
    prober: Prober,
    cluster: Cluster,
    member: i64,
    tenure: watch::Sender<Option<Tenure>>,
    listen: SocketAddr,
}

/// Replicas and the network they look at.
struct World3 {
    world: Arc<World>,
    table: Arc<HolderTable>,
    secret: tempfile::NamedTempFile,
}

impl World3 {
    fn new() -> Self {
        let world = World::new();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "a secret of all replicas").unwrap();
        Self { table: Arc::new(HolderTable::new(world.clock)), world, secret }
    }

    async fn replica(&self, config: prober::Config) -> Replica {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.replica_at(free, config).await
    }

    async fn replica_at(&self, listen: SocketAddr, config: prober::Config) -> Replica {
        let prober = self.world.prober(config);
        let (store, tenure) = TableMember::join(&self.table, &listen.to_string());
        let member = store.member;
        let config = Config {
            listen: Some(listen),
            secret_file: Some(self.secret.path().to_owned()),
            ..Config::default()
        };
        let clock = self.world.clock;
        let cluster =
            Cluster::start(&config, listen, &prober, Arc::new(store), clock).await.unwrap();
        let replica = Replica { prober, cluster, member, tenure, listen };
        replica.renew(self);
        // Until the renewal is taken in, nothing is asked.
        while !replica.cluster.sharing.may_ask() {
            tokio::task::yield_now().await;
        }
        replica
    }

    fn request(&self, address: &str, host: &str, limit: Duration) -> ProbeRequest {
        let mut request = self.world.request(address, &[(host, 10)]);
        request.deadline = self.world.clock.now() + limit;
        request.retry_until = request.deadline;
        request
    }
}

impl Replica {
    /// Renews the membership, as the heartbeat does.
    fn renew(&self, world: &World3) {
        self.renewed(world, Duration::ZERO);
    }

    /// The same; it was sent `ago`.
    fn renewed(&self, world: &World3, ago: Duration) {
        let (member, connection) = (self.member, 1);
        let renewed_at = world.world.clock.now() - ago;
        let tenure = Tenure { member, connection, renewed_at, members: 3 };
        self.tenure.send_replace(Some(tenure));
    }

    async fn leave(&self) {
        self.cluster.begin_to_leave();
        self.prober.drain().await;
        self.cluster.leave().await;
    }

    /// Ends it as a power cut would, as far as the others see.
    fn die(&self, world: &World3) {
        self.cluster.stop.cancel();
        self.cluster.begin_to_leave();
        world.table.bury(self.member);
    }
}

/// `true` if nothing was dialled, and something may be in a moment.
fn is_postponed(outcome: &ProbeOutcome) -> bool {
    let answer = &outcome.attempts.last().unwrap().observation.answer;
    matches!(answer, RecipientAnswer::NoReply { reason: NoReply::Postponed, .. })
}
