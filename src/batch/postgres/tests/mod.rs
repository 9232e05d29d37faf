//! Tests of the queue in a database: every claim about queues, with one handle and with two that
//! take turns, the claims about several processes, and what only a database has.

mod alone;
mod effort;
mod held;
mod holders;
mod limits;
mod pair;
pub(crate) mod server;

use std::ops::Range;
use std::sync::LazyLock;
use std::thread;

use tokio::runtime::Runtime;

use super::PostgresQueue;
use crate::batch::queue::Queue;
use crate::batch::store::StoreConfig;
use crate::clock::Clock;
use crate::queue_tests::{Backend, durable, shared, suite};
use server::SERVER;

/// The runtime of what queues do by themselves: it outlives each test's.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// A database of one test.
pub(super) struct TestDatabase {
    name: String,
}

impl TestDatabase {
    fn new() -> Self {
        Self { name: SERVER.create_database() }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig {
            url: Some(SERVER.url(&self.name)),
            allow_lossy: true,
            ..StoreConfig::default()
        }
    }

    fn sql(&self, sql: &str) -> String {
        SERVER.sql(&self.name, sql)
    }

    fn connect(&self) -> PostgresQueue {
        elsewhere(PostgresQueue::open(&self.config(), Clock::start())).unwrap()
    }

    /// Has the time pass after which members that are silent are gone. One that comes back is too
    /// late: a member that was gone never lives again.
    fn outlive(&self, member: Option<i64>) {
        let which = member.map_or(String::new(), |member| format!("WHERE id = {member}"));
        self.sql(&format!("UPDATE mailvet.members SET seen = '-infinity' {which}"));
    }
}

/// Runs a future to its end, from inside of a test's own runtime.
fn elsewhere<T: Send>(work: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(work)).join().unwrap())
}

impl Backend for TestDatabase {
    fn open(&self) -> Box<dyn Queue> {
        Box::new(self.connect())
    }

    fn again(&self, queue: Box<dyn Queue>) -> Box<dyn Queue> {
        drop(queue);
        self.outlive(None);
        self.open()
    }

    fn seeds(&self) -> Range<u64> {
        0..1
    }

    fn steps(&self) -> usize {
        200
    }
}

suite!(TestDatabase::new());
durable!(TestDatabase::new());
shared!(TestDatabase::new());
