//! Two database servers: one that takes writes, and one that has whatever was acknowledged.

use std::path::Path;

use crate::chaos::node::Node;

/// The database in both.
const DATABASE: &str = "mailvet";

/// Answers "1" once a standby follows; a little later otherwise.
const FOLLOWS: &str = "SELECT count(*), pg_sleep(0.05) FROM pg_stat_replication \
                       WHERE sync_state = 'sync'";

/// Looks before a server that does not come to what it should is given up.
const MOST_LOOKS: usize = 2400;

/// A primary and its synchronous standby.
pub(super) struct Pair {
    nodes: [Node; 2],
    /// Which of them takes writes.
    primary: usize,
}

impl Pair {
    pub(super) fn start(within: &Path, may_lose_power: bool) -> Self {
        let mut nodes = ["one", "two"].map(|name| Node::new(within, name, may_lose_power));
        nodes[0].create();
        nodes[0].start();
        nodes[0].sql(&format!("CREATE DATABASE {DATABASE}"));
        let mut pair = Self { nodes, primary: 0 };
        pair.add_standby();
        pair
    }

    /// The URL of both.
    pub(super) fn url(&self) -> String {
        let [one, two] = &self.nodes;
        format!("postgres://postgres@{},{}/{DATABASE}", one.host(), two.host())
    }

    /// Kills the server that takes writes, and starts it again.
    pub(super) fn kill(&mut self) {
        self.nodes[self.primary].kill();
        self.nodes[self.primary].start();
    }

    /// Cuts the power of the server that takes writes, and starts it again.
    pub(super) fn cut_power(&mut self) {
        self.nodes[self.primary].cut_power();
        self.nodes[self.primary].start();
    }

    /// Kills the server that takes writes for good: the other one takes them.
    pub(super) fn fail_over(&mut self) {
        self.wait_for_standby();
        self.nodes[self.primary].kill();
        self.primary = 1 - self.primary;
        let promoted = &self.nodes[self.primary];
        assert_eq!(promoted.sql("SELECT pg_promote()"), "t");
        promoted.sql("ALTER SYSTEM RESET synchronous_standby_names");
        promoted.sql("SELECT pg_reload_conf()");
    }

    /// Has the server that does not run follow the other one, which waits for it from then on.
    pub(super) fn add_standby(&mut self) {
        let [one, two] = &mut self.nodes;
        let (primary, standby) = if self.primary == 0 { (one, two) } else { (two, one) };
        standby.copy(primary);
        standby.start();
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("SELECT pg_reload_conf()");
        self.wait_for_standby();
    }

    /// Waits until the standby has all that was acknowledged.
    fn wait_for_standby(&self) {
        for _ in 0..MOST_LOOKS {
            let follows = self.nodes[self.primary].try_sql("postgres", FOLLOWS);
            if follows.is_some_and(|said| said.starts_with('1')) {
                return;
            }
        }
        panic!("no standby");
    }
}
