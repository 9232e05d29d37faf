//! What somebody else holds, or what takes minutes, keeps nothing but itself.

use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::future::join;

use super::{TestDatabase, elsewhere};
use crate::batch::postgres::tables::SMALL;
use crate::batch::postgres::{PostgresQueue, clearing};
use crate::batch::queue::{Queue as _, QueueError};
use crate::batch::store::StoreConfig;
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::clock::Clock;
use crate::queue_tests::{at, lease, lease_one, list, rows, spec, standing, submit};

/// A connection of somebody whose transaction holds what these statements lock.
async fn hold(database: &TestDatabase, sql: &str) -> Object {
    let holder = database.connect();
    let client = holder.engine.client().await.unwrap();
    client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
    client
}

/// Ends the transaction.
async fn let_go(holder: Object) {
    holder.batch_execute("COMMIT").await.unwrap();
}

/// Returns once `count` transactions wait for a lock.
async fn waiting(database: &TestDatabase, count: usize) {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let is_so = async {
        while database.sql(sql).trim() != count.to_string() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_so).await.expect("they do not wait");
}

/// The number of a batch in the tables.
fn number(database: &TestDatabase, id: &BatchId) -> String {
    database.sql(&format!("SELECT n FROM mailvet.batches WHERE id = '{id}'")).trim().to_owned()
}

/// An upload of so many rows.
async fn upload(queue: &PostgresQueue, domain: &str, count: usize) -> BatchId {
    let id = submit(queue, spec("me", None), at(0)).await;
    queue.append(&id, Some(0), rows(domain, 0, count), at(0)).await.unwrap();
    id
}

#[tokio::test]
async fn a_batch_that_is_being_sealed_is_not_cleared_away_with_its_receiver() {
    let database = TestDatabase::new();
    let (gone, stays) = (database.connect(), database.connect());
    let id = upload(&gone, "a.example", 3).await;
    let member = gone.engine.member();
    drop(gone);
    let staging = format!("mailvet.staging_{}", number(&database, &id));
    let holder = hold(&database, &format!("LOCK TABLE {staging} IN ACCESS EXCLUSIVE MODE")).await;
    let look = async {
        waiting(&database, 1).await;
        database.outlive(Some(member));
        clearing::reap(&stays.engine).await.unwrap();
        assert_eq!(stays.remove_idle_uploads(at(99), 9).await.unwrap(), []);
        let_go(holder).await;
    };
    let (sealed, ()) = join(stays.seal(&id, at(1)), look).await;
    assert_eq!(sealed.unwrap().state, State::Running);
    clearing::reap(&stays.engine).await.unwrap();
    assert_eq!(standing(&stays, &id).await.state, State::Running);
}

#[tokio::test]
async fn a_batch_that_somebody_holds_does_not_keep_the_others_from_being_worked_on() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let free = list(&queue, rows("a.example", 0, 3)).await;
    let held = list(&queue, rows("b.example", 0, 3)).await;
    let lock = format!("SELECT FROM mailvet.batches WHERE id = '{held}' FOR UPDATE");
    let holder = hold(&database, &lock).await;
    let leases = lease(&queue, 9, at(1)).await;
    assert_eq!(leases.iter().map(|lease| &lease.batch).collect::<Vec<_>>(), [&free]);
    let_go(holder).await;
    assert_eq!(lease_one(&queue, at(1)).await.batch, held);
}

#[tokio::test]
async fn signs_of_life_wait_for_nothing_that_has_to_be_cleared_away() {
    let database = TestDatabase::new();
    let (gone, stays) = (database.connect(), database.connect());
    let id = list(&gone, rows("a.example", 0, 3)).await;
    lease_one(&gone, at(0)).await;
    let dead = gone.engine.member();
    drop(gone);
    let lock = format!("SELECT FROM mailvet.batches WHERE id = '{id}' FOR UPDATE");
    let holder = hold(&database, &lock).await;
    database.outlive(Some(dead));
    let (member, mut tenure) = (stays.engine.member(), stays.engine.tenure.subscribe());
    waiting(&database, 1).await;
    for _ in 0..2 {
        tenure.mark_unchanged();
        tenure.changed().await.unwrap();
    }
    assert_eq!(stays.engine.member(), member, "it was never silent for long");
    let_go(holder).await;
}

#[tokio::test]
async fn large_lists_that_are_being_sealed_leave_connections_for_all_else() {
    let database = TestDatabase::new();
    let config = StoreConfig { connections: 2, ..database.config() };
    let queue = elsewhere(PostgresQueue::open(&config, Clock::start())).unwrap();
    let many = SMALL as usize + 1;
    let one = upload(&queue, "a.example", many).await;
    let two = upload(&queue, "b.example", many).await;
    let of = |id| format!("mailvet.staging_{}", number(&database, id));
    let lock = format!("LOCK TABLE {}, {} IN ACCESS EXCLUSIVE MODE", of(&one), of(&two));
    let holder = hold(&database, &lock).await;
    let look = async {
        waiting(&database, 1).await;
        let seen = tokio::time::timeout(Duration::from_secs(10), queue.batches("me", None, 9));
        assert_eq!(seen.await.expect("a connection is free").unwrap().len(), 2);
        let_go(holder).await;
    };
    let (sealed, ()) = join(join(queue.seal(&one, at(1)), queue.seal(&two, at(1))), look).await;
    assert!(sealed.0.is_ok() && sealed.1.is_ok());
}

#[tokio::test]
async fn a_deletion_during_the_first_page_leaves_no_table_behind() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = submit(&queue, spec("me", None), at(0)).await;
    let n = number(&database, &id);
    let page = format!(
        "SELECT FROM mailvet.uploads WHERE batch = {n} FOR UPDATE;
         CREATE UNLOGGED TABLE mailvet.staging_{n} (address text)"
    );
    let holder = hold(&database, &page).await;
    let look = async {
        waiting(&database, 1).await;
        let_go(holder).await;
    };
    let (deleted, ()) = join(queue.delete(&id), look).await;
    deleted.unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'";
    assert_eq!(database.sql(tables).trim(), "0");
    let missing = queue.batch(&id).await.unwrap_err();
    assert!(matches!(missing, QueueError::NoSuchBatch(_)), "{missing}");
}

#[tokio::test]
async fn nothing_that_another_server_may_lack_is_remembered_over_a_new_connection() {
    let database = TestDatabase::new();
    let config = StoreConfig { connections: 1, ..database.config() };
    let queue = elsewhere(PostgresQueue::open(&config, Clock::start())).unwrap();
    list(&queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(0)).await;
    assert!(queue.engine.leased.lock().of(chunk.id).is_some());
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    queue.batch(&chunk.batch).await.unwrap();
    assert!(queue.engine.leased.lock().of(chunk.id).is_none());
}

#[tokio::test]
async fn tables_that_are_read_for_long_are_rewritten_later_and_keep_no_others() {
    let database = TestDatabase::new();
    let queue = database.connect();
    for day in [0, 2] {
        let now = at(day * 86_400);
        let id = submit(&queue, spec("me", None), now).await;
        queue.append(&id, Some(0), rows("a.example", 0, 3), now).await.unwrap();
        queue.seal(&id, now).await.unwrap();
    }
    database.sql("UPDATE mailvet.places SET dirty_since = now() - interval '1 hour'");
    let first = database.sql("SELECT name FROM mailvet.places ORDER BY day LIMIT 1");
    let reader = hold(&database, &format!("SELECT FROM mailvet.rows_{first}")).await;
    queue.engine.rewrite("30 minutes").await.unwrap();
    let dirty = "SELECT string_agg(name, ' ') FROM mailvet.places WHERE dirty_since IS NOT NULL";
    assert_eq!(database.sql(dirty), first, "the one that is read");
    assert_eq!(lease(&queue, 9, at(0)).await.len(), 2, "work goes on meanwhile");
    let_go(reader).await;
    queue.engine.rewrite("30 minutes").await.unwrap();
    assert_eq!(database.sql(dirty), "");
}

#[tokio::test]
async fn a_deletion_that_cannot_be_carried_out_keeps_neither_the_others_nor_the_rewriting() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let stuck = list(&queue, rows("a.example", 0, 3)).await;
    list(&queue, rows("b.example", 0, 3)).await;
    let n = number(&database, &stuck);
    database.sql(&format!(
        "UPDATE mailvet.batches SET state = 'deleting';
         UPDATE mailvet.places SET dirty_since = now() - interval '1 hour';
         CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE lock_not_available; END $$;
         CREATE TRIGGER stuck BEFORE DELETE ON mailvet.chunks
             FOR EACH ROW WHEN (OLD.batch = {n}) EXECUTE FUNCTION stuck()"
    ));
    assert!(queue.engine.sweep().await.is_err());
    assert_eq!(database.sql("SELECT n FROM mailvet.batches"), n);
    assert_eq!(database.sql("SELECT count(dirty_since) FROM mailvet.places"), "0");
    database.sql("DROP TRIGGER stuck ON mailvet.chunks");
    queue.engine.sweep().await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM mailvet.batches"), "0");
}
