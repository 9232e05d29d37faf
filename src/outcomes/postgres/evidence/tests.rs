//! Evidence that several services share, in a real database.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::batch::postgres::tests::server::SERVER;

/// A database, and the services that use it.
struct TestServices {
    database: String,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl TestServices {
    fn new() -> Self {
        let database = SERVER.create_database();
        Self { database, tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    async fn open(&self, key_file: Option<&Path>) -> Arc<PostgresEvidence> {
        let config = StoreConfig {
            url: Some(SERVER.url(&self.database)),
            // The machine may be busy.
            recall_timeout: Duration::from_secs(60),
            ..StoreConfig::default()
        };
        let (evidence, writer) = PostgresEvidence::open(&config, key_file).await.unwrap();
        self.tasks.spawn(writer.run(self.stop.clone()));
        evidence
    }

    fn sql(&self, sql: &str) -> String {
        SERVER.sql(&self.database, sql)
    }

    fn let_in(&self, is_open: bool) {
        let name = &self.database;
        SERVER.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {is_open}"));
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        SERVER.sql("postgres", &format!("{end} = '{name}'"));
    }
}

impl Drop for TestServices {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The time of the database, to the second.
fn now(services: &TestServices) -> SystemTime {
    let now = services.sql("SELECT floor(extract(epoch FROM now()))");
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.parse().unwrap())
}

fn answer(words: &str, at: SystemTime, hours: u64) -> SharedAnswer {
    let valid_until = at + Duration::from_secs(hours * 3600);
    let lifespan = Lifespan { gathered_at: at, valid_until };
    SharedAnswer { lifespan, body: words.as_bytes().to_vec() }
}

/// Recalls it until it is there: it is written behind.
async fn arrived(evidence: &PostgresEvidence, name: &str) -> SharedAnswer {
    let looking = async {
        loop {
            if let Some(found) = evidence.recall(SharedKind::Mailbox, name).await {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_service_kept_another_one_recalls_and_no_address_stands_in_the_database() {
    let services = TestServices::new();
    let (one, two) = (services.open(None).await, services.open(None).await);
    let (mailbox, at) = ("jane@acme.test", now(&services));
    assert_eq!(two.recall(SharedKind::Mailbox, mailbox).await, None);
    let kept = answer("550 <jane@acme.test> no such user", at, 24);
    one.keep(SharedKind::Mailbox, mailbox, kept.clone());
    assert_eq!(arrived(&two, mailbox).await, kept);
    assert_eq!(two.recall(SharedKind::CatchAll, mailbox).await, None, "another kind");
    assert_eq!(two.recall(SharedKind::Mailbox, "joe@acme.test").await, None);
    // The latest word counts, on whatever day it ends.
    let later = answer("250 welcome", at + Duration::from_secs(1), 100);
    one.keep(SharedKind::Mailbox, mailbox, later.clone());
    let replaced = async { while arrived(&two, mailbox).await != later {} };
    tokio::time::timeout(Duration::from_secs(60), replaced).await.expect("the later one");
    let of_one =
        "SELECT string_agg(e::text || encode(e.body, 'escape'), ' ') FROM mailvet.evidence e";
    let all = services.sql(of_one);
    assert!(!all.is_empty() && !all.contains("jane") && !all.contains("acme"), "{all}");
    assert_eq!(services.sql("SELECT count(*) FROM mailvet.evidence"), "2");
    let kinds = "SELECT string_agg(DISTINCT c.relpersistence::text, '') FROM pg_inherits
                 JOIN pg_class c ON c.oid = inhrelid
                 WHERE inhparent = 'mailvet.evidence'::regclass AND c.relkind = 'r'";
    assert_eq!(services.sql(kinds), "u");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mailbox_of_a_chunk_gets_its_own_answer() {
    let services = TestServices::new();
    let (one, two) = (services.open(None).await, services.open(None).await);
    let at = now(&services);
    let names: Vec<String> = (0..100).map(|n| format!("n{n}@acme.test")).collect();
    for name in &names {
        one.keep(SharedKind::Mailbox, name, answer(name, at, 24));
    }
    for name in &names {
        arrived(&one, name).await;
    }
    let found = join_all(names.iter().map(|name| two.recall(SharedKind::Mailbox, name))).await;
    for (name, found) in names.iter().zip(found) {
        assert_eq!(found.unwrap().body, name.as_bytes(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_known_at_once_and_afterwards_it_is_again() {
    let services = TestServices::new();
    let (one, two) = (services.open(None).await, services.open(None).await);
    let at = now(&services);
    one.keep(SharedKind::Mailbox, "jane@acme.test", answer("250", at, 24));
    arrived(&two, "jane@acme.test").await;
    services.let_in(false);
    let until_noted = async {
        while !two.is_away() {
            two.recall(SharedKind::Mailbox, "jane@acme.test").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), until_noted).await.expect("it is noted");
    for _ in 0..WAITING * 2 {
        // More than the queue takes: none waits for a place.
        two.keep(SharedKind::Mailbox, "joe@acme.test", answer("250", at, 24));
        assert_eq!(two.recall(SharedKind::Mailbox, "jane@acme.test").await, None);
    }
    services.let_in(true);
    assert_eq!(arrived(&two, "jane@acme.test").await.body, b"250");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_over_are_dropped_whole_and_another_key_reads_nothing() {
    let services = TestServices::new();
    let one = services.open(None).await;
    let at = now(&services);
    one.keep(
        SharedKind::Mailbox,
        "old@acme.test",
        answer("250", at - Duration::from_secs(259_200), 1),
    );
    one.keep(SharedKind::Mailbox, "new@acme.test", answer("250", at, 24));
    arrived(&one, "old@acme.test").await;
    arrived(&one, "new@acme.test").await;
    let tables = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'mailvet.evidence'::regclass
                  AND inhrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')";
    assert_eq!(services.sql(tables), "2");
    let mut client = one.client().await.unwrap();
    evidence_days::drop_old(&mut client, milliseconds(at)).await.unwrap();
    drop(client);
    assert_eq!(services.sql(tables), "1");
    assert_eq!(one.recall(SharedKind::Mailbox, "old@acme.test").await, None);
    assert!(one.recall(SharedKind::Mailbox, "new@acme.test").await.is_some());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcomes.key");
    AddressKey::open(&file, true).unwrap();
    let other = services.open(Some(&file)).await;
    assert_eq!(other.recall(SharedKind::Mailbox, "new@acme.test").await, None);
}
