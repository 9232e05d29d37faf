//! What only a database has: members that go, tables of their own, settings, versions.

use std::time::Duration;

use super::server::SERVER;
use super::{TestDatabase, elsewhere};
use crate::batch::postgres::{self, PostgresError, PostgresQueue, SettingStatus};
use crate::batch::queue::{Order, Queue, QueueError, SubmittedBatch};
use crate::batch::store::StoreConfig;
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::clock::Clock;
use crate::queue_tests::{
    all, at, known, lease, lease_one, list, list_with, numbers, read, rows, spec, standing, submit,
};
use crate::verdict::Reason;

#[tokio::test]
async fn leases_and_uploads_end_with_their_member_and_no_others_do() {
    let database = TestDatabase::new();
    let (gone, stays) = (database.connect(), database.connect());
    let id = list(&gone, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&gone, at(0)).await;
    let lost = submit(&gone, spec("me", Some("lost")), at(0)).await;
    gone.append(&lost, Some(0), rows("a.example", 0, 3), at(0)).await.unwrap();
    let other = list(&stays, rows("b.example", 0, 3)).await;
    let kept = lease_one(&stays, at(0)).await;
    let upload = submit(&stays, spec("me", Some("kept")), at(0)).await;
    let member = gone.engine.member();
    drop(gone);
    assert!(lease(&stays, 9, at(1)).await.is_empty(), "it may only be silent");
    database.outlive(Some(member));
    let third = database.connect();
    let late = stays.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap_err();
    assert!(matches!(late, QueueError::LeaseLost), "{late}");
    let again = lease_one(&third, at(1)).await;
    assert_eq!((&again.batch, &again.items), (&id, &chunk.items));
    let missing = stays.batch(&lost).await.unwrap_err();
    assert!(matches!(missing, QueueError::NoSuchBatch(_)), "{missing}");
    submit(&stays, spec("me", Some("lost")), at(2)).await;
    stays.complete(kept.id, all(&kept, Reason::NullMx), at(2)).await.unwrap();
    assert_eq!(standing(&third, &other).await.state, State::Finished);
    assert_eq!(standing(&third, &upload).await.state, State::Receiving);
}

#[tokio::test]
async fn a_request_id_is_free_as_soon_as_its_receiver_is_gone() {
    let database = TestDatabase::new();
    let (gone, stays) = (database.connect(), database.connect());
    let lost = submit(&gone, spec("me", Some("r")), at(0)).await;
    let answer = stays.submit(BatchId::new(at(1)), spec("me", Some("r")), at(1)).await.unwrap();
    assert!(matches!(answer, SubmittedBatch::Known(known) if known.id == lost));
    let member = gone.engine.member();
    drop(gone);
    database.outlive(Some(member));
    // Nobody has looked for the dead since.
    submit(&stays, spec("me", Some("r")), at(2)).await;
}

#[tokio::test]
async fn who_ends_in_order_leaves_its_work_to_the_others_at_once() {
    let database = TestDatabase::new();
    let (leaves, stays) = (database.connect(), database.connect());
    let id = list(&leaves, rows("a.example", 0, 3)).await;
    lease_one(&leaves, at(0)).await;
    leaves.close().await;
    leaves.close().await;
    assert_eq!(lease_one(&stays, at(0)).await.batch, id);
}

/// Waits until a queue is a member under another number.
async fn renewed(queue: &PostgresQueue, before: i64) {
    let renewed = async {
        while queue.engine.member() == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), renewed).await.unwrap();
}

#[tokio::test]
async fn a_member_that_was_gone_begins_anew_and_its_leases_stay_over() {
    let database = TestDatabase::new();
    let queue = database.connect();
    list(&queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(0)).await;
    let before = queue.engine.member();
    database.outlive(Some(before));
    let other = database.connect();
    let mut again = lease(&other, 1, at(0)).await;
    let taken = again.remove(0);
    let late = queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap_err();
    assert!(matches!(late, QueueError::LeaseLost), "{late}");
    renewed(&queue, before).await;
    other.release_until(taken.id, at(1), Vec::new(), at(1)).await.unwrap();
    let chunk = lease_one(&queue, at(1)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
}

#[tokio::test]
async fn one_member_reports_what_all_share_and_the_next_one_when_it_is_gone() {
    let database = TestDatabase::new();
    let (first, second, third) = (database.connect(), database.connect(), database.connect());
    let report = async |queue: &PostgresQueue| queue.is_reporter().await.unwrap();
    assert!(report(&first).await && !report(&second).await && !report(&third).await);
    let member = first.engine.member();
    drop(first);
    database.outlive(Some(member));
    assert!(report(&second).await && !report(&third).await);
    second.close().await;
    assert!(report(&third).await);
}

#[tokio::test]
async fn a_change_is_told_without_a_look() {
    let database = TestDatabase::new();
    let (first, second) = (database.connect(), database.connect());
    // It has looked once, when it began to listen.
    second.engine.news.heard().await;
    let id = list(&first, rows("a.example", 0, 3)).await;
    let heard = tokio::time::timeout(Duration::from_secs(60), second.engine.news.heard()).await;
    assert!(heard.is_ok());
    assert_eq!(standing(&second, &id).await.state, State::Running);
}

/// Tables in the schema whose names end so.
fn tables(database: &TestDatabase, ending: &str) -> String {
    database.sql(&format!(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'mailvet' AND tablename LIKE '%{ending}'"
    ))
}

#[tokio::test]
async fn a_large_batch_has_tables_of_its_own_which_go_with_it() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let mut given = rows("large.example", 0, 12_000);
    given.extend(rows("large.example", 11_990, 20));
    let id = list(&queue, given).await;
    let batch = standing(&queue, &id).await;
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (12_020, 12_010));
    let place = database.sql("SELECT place FROM mailvet.batches");
    assert_eq!((place.as_str(), tables(&database, "\\_b1").as_str()), ("b1", "7"));
    assert_eq!(tables(&database, "staging%"), "0");
    let mut found = 0;
    loop {
        let leases = lease(&queue, 40, at(0)).await;
        if leases.is_empty() {
            break;
        }
        for chunk in leases {
            found += chunk.items.len();
            queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
        }
    }
    assert_eq!(found, 12_010);
    assert_eq!(standing(&queue, &id).await.state, State::Finished);
    let read = read(&queue, &id, Order::Row, 5000).await;
    assert!(numbers(&read).into_iter().eq(0..12_020));
    queue.delete(&id).await.unwrap();
    assert_eq!(tables(&database, "\\_b1"), "0");
}

#[tokio::test]
async fn an_address_is_in_no_file_after_its_batch_was_deleted_and_its_tables_rewritten() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = list(&queue, rows("secret-list.example", 0, 30)).await;
    let other = list(&queue, rows("other-list.example", 0, 30)).await;
    let chunk = lease(&queue, 1, at(0)).await.remove(0);
    let waiting = chunk.items.iter().map(|item| known(item.number, Reason::Greylisted)).collect();
    queue.release_until(chunk.id, at(9), waiting, at(0)).await.unwrap();
    queue.delete(&id).await.unwrap();
    // The files of every table, as they are on the disk.
    let find = || {
        database.sql(
            "CHECKPOINT;
         SELECT string_agg(DISTINCT c.relname, ' ') FROM pg_class c
         JOIN pg_namespace s ON s.oid = c.relnamespace AND s.nspname = 'mailvet'
         WHERE c.relkind IN ('r', 'i') AND position('secret-list'::bytea IN
             pg_read_binary_file(pg_relation_filepath(c.oid))) > 0",
        )
    };
    // Nobody may look at what was deleted while tables are rewritten, or it is kept for him.
    let mut found = find();
    assert_ne!(found, "", "the deletion alone does not do it");
    for _ in 0..20 {
        if found.is_empty() {
            break;
        }
        database.sql("UPDATE mailvet.places SET dirty_since = now()");
        queue.engine.rewrite("0 seconds").await.unwrap();
        assert_eq!(database.sql("SELECT count(dirty_since) FROM mailvet.places"), "0");
        found = find();
    }
    assert_eq!(found, "");
    let kept = lease(&queue, 1, at(0)).await;
    assert_eq!(kept[0].batch, other);
}

#[tokio::test]
async fn a_deletion_that_was_begun_is_carried_out_by_another() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = list_with(&queue, spec("me", Some("r")), rows("a.example", 0, 3)).await;
    database.sql("UPDATE mailvet.batches SET state = 'deleting', request_id = NULL");
    let gone = queue.batch(&id).await.unwrap_err();
    assert!(matches!(gone, QueueError::NoSuchBatch(_)), "{gone}");
    queue.engine.sweep().await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM mailvet.batches"), "0");
}

#[tokio::test]
async fn a_crash_of_the_database_ends_leases_and_uploads_and_nothing_else() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = list(&queue, rows("a.example", 0, 300)).await;
    let lost = lease(&queue, 2, at(0)).await;
    let done = known(lost[0].items[0].number, Reason::NullMx);
    queue.complete(lost[0].id, vec![done], at(0)).await.unwrap();
    let upload = submit(&queue, spec("me", Some("r")), at(0)).await;
    queue.append(&upload, Some(0), rows("a.example", 0, 3), at(0)).await.unwrap();
    let before = queue.engine.member();
    // What a crash leaves of unlogged tables.
    let staging = database.sql("SELECT tablename FROM pg_tables WHERE tablename LIKE 'staging%'");
    database.sql(&format!(
        "TRUNCATE mailvet.leases, mailvet.fronts, mailvet.uploads, mailvet.members, \
         mailvet.{staging}"
    ));
    let late = queue.complete(lost[1].id, all(&lost[1], Reason::NullMx), at(0)).await;
    assert!(matches!(late, Err(QueueError::LeaseLost)), "{late:?}");
    let gone = queue.append(&upload, Some(3), rows("a.example", 3, 3), at(0)).await.unwrap_err();
    assert!(matches!(gone, QueueError::NoSuchBatch(_)), "{gone}");
    submit(&queue, spec("me", Some("r")), at(1)).await;
    renewed(&queue, before).await;
    let mut open = 0;
    for chunk in lease(&queue, 9, at(1)).await {
        open += chunk.items.len();
        queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(1)).await.unwrap();
    }
    assert_eq!(open, 299);
    assert_eq!(standing(&queue, &id).await.state, State::Finished);
    assert_eq!(read(&queue, &id, Order::Completion, 90).await.len(), 300);
}

#[tokio::test]
async fn a_result_twice_brought_is_kept_once() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = list(&queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(0)).await;
    let part = vec![known(chunk.items[1].number, Reason::NullMx)];
    // As after a commit of which it was not heard whether it was carried out.
    queue.complete(chunk.id, part.clone(), at(0)).await.unwrap();
    queue.complete(chunk.id, part, at(0)).await.unwrap();
    assert_eq!(standing(&queue, &id).await.progress.finished_rows(), 1);
    assert_eq!(read(&queue, &id, Order::Completion, 9).await.len(), 1);
}

#[tokio::test]
async fn a_database_that_may_lose_what_it_keeps_is_refused() {
    let database = TestDatabase::new();
    let mut config = database.config();
    config.allow_lossy = false;
    let refused = elsewhere(PostgresQueue::open(&config, Clock::start())).err().unwrap();
    assert!(matches!(refused, PostgresError::Lossy { .. }), "{refused}");
    let told = refused.to_string();
    assert!(told.contains("fsync = off") && told.contains("--allow-lossy-store"), "{told}");
    let found = elsewhere(postgres::look_at_settings(&config)).unwrap();
    let lossy = found.iter().filter(|finding| finding.status == SettingStatus::Lossy).count();
    assert_eq!(lossy, 2, "{found:?}");
    assert!(found.last().unwrap().seen.contains("no tables yet"), "{found:?}");
}

#[tokio::test]
async fn tables_of_another_version_are_refused_with_the_remedy() {
    let database = TestDatabase::new();
    let config = database.config();
    elsewhere(postgres::migrate(&config)).unwrap();
    let open = || elsewhere(PostgresQueue::open(&config, Clock::start())).map(drop);
    open().unwrap();
    database.sql("UPDATE mailvet.schema_version SET version = 2, readable_from = 2");
    assert!(matches!(open(), Err(PostgresError::Newer { found: 2, known: 1, .. })));
    database.sql("UPDATE mailvet.schema_version SET readable_from = 1");
    open().unwrap();
    database.sql("UPDATE mailvet.schema_version SET version = 0, readable_from = 0");
    let older = open().unwrap_err();
    assert!(older.to_string().contains("mailvet store migrate"), "{older}");
}

#[tokio::test]
async fn an_error_shows_its_state_and_no_row() {
    let database = TestDatabase::new();
    let queue = database.connect();
    let id = list(&queue, rows("secret.example", 0, 3)).await;
    database.sql(
        "ALTER TABLE mailvet.chunks ADD CONSTRAINT odd CHECK (id >= 0);
         INSERT INTO mailvet.results_d20833
         SELECT n, 1, 99, 1, 1, 1, NULL, NULL, 0 FROM mailvet.batches",
    );
    let chunk = lease_one(&queue, at(0)).await;
    let broken = queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap_err();
    let told = broken.to_string();
    assert!(told.contains("SQLSTATE 23505") && told.contains("results_d20833"), "{told}");
    assert!(!told.contains("secret"), "{told}");
    assert_eq!(told.matches("failed").count(), 1, "{told}");
    assert_eq!(standing(&queue, &id).await.progress.finished_rows(), 0);
}

#[tokio::test]
async fn tls_checks_the_certificate_and_a_password_comes_from_a_file() {
    let database = TestDatabase::new();
    database.sql(&format!(
        "CREATE ROLE secured LOGIN PASSWORD 'the right one';
         ALTER DATABASE {} OWNER TO secured",
        database.name
    ));
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "the right one\n").unwrap();
    let mut config = database.config();
    config.url = Some(SERVER.secure_url(&database.name));
    config.password_file = Some(password.clone());
    let open = |config: &StoreConfig| {
        elsewhere(PostgresQueue::open(config, Clock::start())).map_err(|error| error.to_string())
    };
    let stranger = open(&config).err().unwrap();
    assert!(stranger.contains("certificate"), "{stranger}");
    config.ca = Some(SERVER.authority());
    let queue = open(&config).unwrap();
    submit(&queue, spec("me", None), at(0)).await;
    let sql = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
               WHERE a.usename = 'secured' AND s.ssl";
    assert_eq!(database.sql(sql), "t");
    std::fs::write(&password, "the wrong one").unwrap();
    let wrong = open(&config).err().unwrap();
    assert!(wrong.contains("SQLSTATE 28P01") && !wrong.contains("the wrong one"), "{wrong}");
    assert!(wrong.contains("store.password_file"), "{wrong}");
    config.password_file = None;
    let without = open(&config).err().unwrap();
    assert!(without.contains("wants a password: name the file"), "{without}");
    (config.url, config.password_file) =
        (Some(SERVER.secure_url("nowhere")), Some(password.clone()));
    std::fs::write(&password, "the right one").unwrap();
    let nowhere = open(&config).err().unwrap();
    assert!(nowhere.contains("CREATE DATABASE (SQLSTATE 3D000)"), "{nowhere}");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_whichever_statement_meets_it() {
    let database = TestDatabase::new();
    let queue = database.connect();
    list(&queue, rows("a.example", 0, 3)).await;
    let chunk = lease_one(&queue, at(0)).await;
    database.sql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE disk_full; END $$",
    );
    let place = database.sql("SELECT place FROM mailvet.batches");
    for (event, table) in [
        ("INSERT", format!("outcomes_{place}")),
        ("INSERT", format!("results_{place}")),
        ("INSERT", format!("group_tallies_{place}")),
        ("DELETE", "leases".to_owned()),
        ("DELETE", "chunks".to_owned()),
        ("UPDATE", "batches".to_owned()),
    ] {
        database.sql(&format!(
            "CREATE TRIGGER full_disk BEFORE {event} ON mailvet.{table}
                 FOR EACH ROW EXECUTE FUNCTION full_disk()"
        ));
        let told = queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await;
        assert!(matches!(told, Err(QueueError::Full { .. })), "{table}: {told:?}");
        database.sql(&format!("DROP TRIGGER full_disk ON mailvet.{table}"));
    }
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(0)).await.unwrap();
}
