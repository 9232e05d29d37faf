//! Batches that mailvet 0.1 kept: its tables as SQL and its JSON as text, not as this version's
//! types have them, so that a change of theirs cannot go unseen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::Scratch;
use crate::batch::queue::{Cursor, Order, Queue, SubmittedBatch};
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::campaign::spec::SendPolicy;
use crate::queue_tests::{all, at, lease_one, page, spec, standing};
use crate::verdict::{Depth, Reason, Verdict};

const FINISHED: &str = "01910000-0000-7000-8000-000000000001";
const RUNNING: &str = "01910000-0000-7000-8000-000000000002";

/// The catalog of 0.1.
const CATALOG: &str = "
    CREATE TABLE epoch (n INTEGER NOT NULL);
    INSERT INTO epoch VALUES (3);
    CREATE TABLE batches (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, request_id TEXT, spec TEXT NOT NULL,
        state TEXT NOT NULL, created_at INTEGER NOT NULL, sealed_at INTEGER, ended_at INTEGER,
        progress TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX requests ON batches (owner, request_id) WHERE request_id IS NOT NULL;
    CREATE INDEX owners ON batches (owner, id);
    CREATE INDEX ended ON batches (ended_at) WHERE ended_at IS NOT NULL;
    PRAGMA user_version = 1;
";

/// The tables of a batch of 0.1, sealed.
const BATCH: &str = "
    CREATE TABLE meta (
        state TEXT NOT NULL, ended_at INTEGER, sequence INTEGER NOT NULL, window INTEGER NOT NULL,
        finished TEXT NOT NULL, waiting TEXT NOT NULL
    );
    CREATE TABLE reasons (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    INSERT INTO reasons (name) VALUES ('mailbox_accepted'), ('mailbox_not_found'), ('greylisted');
    CREATE TABLE rows (row INTEGER PRIMARY KEY, address TEXT NOT NULL, row_id TEXT, item INTEGER);
    CREATE INDEX copies ON rows (item) WHERE item IS NOT NULL;
    CREATE TABLE groups (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL, chunks INTEGER NOT NULL,
        chunk INTEGER
    );
    CREATE INDEX largest ON groups (rows) WHERE rows > 9;
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY, grp INTEGER NOT NULL, due INTEGER NOT NULL, ready INTEGER NOT NULL,
        waiting INTEGER NOT NULL, items BLOB NOT NULL
    );
    CREATE INDEX ready ON chunks (due) WHERE ready = 1;
    CREATE INDEX behind ON chunks (grp, due) WHERE ready = 0;
    CREATE INDEX released ON chunks (due) WHERE due > 0;
    CREATE INDEX retries ON chunks (due) WHERE waiting > 0;
    CREATE TABLE outcomes (id INTEGER PRIMARY KEY, outcome TEXT NOT NULL);
    CREATE TABLE results (
        sequence INTEGER PRIMARY KEY, item INTEGER NOT NULL, rows INTEGER NOT NULL,
        reason INTEGER NOT NULL, outcome INTEGER NOT NULL, gathered_at INTEGER, retry_at INTEGER,
        elapsed INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX answered ON results (item);
    CREATE TABLE waiting (
        item INTEGER PRIMARY KEY, since INTEGER NOT NULL, reason INTEGER NOT NULL,
        outcome TEXT NOT NULL
    );
    CREATE TABLE group_tallies (
        grp INTEGER, reason INTEGER, n INTEGER NOT NULL, PRIMARY KEY (grp, reason)
    ) WITHOUT ROWID;
    CREATE TABLE destination_tallies (
        name TEXT, reason INTEGER, n INTEGER NOT NULL, PRIMARY KEY (name, reason)
    ) WITHOUT ROWID;
    PRAGMA journal_mode = WAL;
    PRAGMA user_version = 1;
";

/// Two rows with results, the second a copy of the first; the words of the server name the
/// recipient, which the common part stands in for with U+001A.
const RESULTS: &str = r#"
    INSERT INTO meta VALUES ('finished', 1800000100000, 1, 4, '{"mailbox_not_found":2}', '{}');
    INSERT INTO rows VALUES (0, 'joe@old.example', 'c-1', NULL), (1, 'Joe@old.example', NULL, 0);
    INSERT INTO groups VALUES (1, 'old.example', 2, 0, NULL);
    INSERT INTO outcomes VALUES (1, '{"reasons":["mailbox_not_found"],"action":"suppress",
        "stage":"rcpt","flags":["role"],"exchanger":"mx.old.example","ip":"192.0.2.1","code":550,
        "enhanced":[5,1,1],"reply":["<\u001a>: no such user"],"rule":"enhanced/5.1.1",
        "exchangers_asked":1,"elapsed":0}');
    INSERT INTO results VALUES (1, 0, 2, 2, 1, 1800000050000, NULL, 120);
    INSERT INTO group_tallies VALUES (1, 2, 2);
    INSERT INTO destination_tallies VALUES ('old.example', 2, 2);
"#;

/// Two open items in a chunk, one of which waits for another try.
const OPEN: &str = r#"
    INSERT INTO meta VALUES ('running', NULL, 0, 4, '{}', '{"greylisted":1}');
    INSERT INTO rows VALUES (0, 'ann@old.example', NULL, NULL), (1, 'bob@old.example', NULL, NULL);
    INSERT INTO groups VALUES (1, 'old.example', 2, 1, NULL);
    INSERT INTO chunks VALUES (0, 1, 1800000300000, 1, 1, x'0001');
    INSERT INTO waiting VALUES (1, 1800000010000, 3, '{"reasons":["greylisted"],
        "action":"retry_later","stage":"rcpt","code":450,"reply":["not now"],"elapsed":40}');
"#;

/// The options as 0.1 wrote them: the retry window was called patience.
fn spec_0_1(request_id: &str) -> String {
    format!(
        r#"{{"owner":"me","request_id":"{request_id}","display_name":"old.csv","options":{{
            "depth":"mailbox","deadline":null,"patience":{{"secs":600,"nanos":0}},"max_age":null,
            "test_catch_all":true,"send_policy":"deliverable_and_risky"}}}}"#
    )
}

fn write(root: &Path) {
    fs::create_dir(root.join("batches")).unwrap();
    let catalog = Connection::open(root.join("catalog.db")).unwrap();
    catalog.execute_batch(CATALOG).unwrap();
    let insert = "INSERT INTO batches VALUES (?1, 'me', ?2, ?3, ?4, 1800000000000, 1800000001000,
        ?5, ?6)";
    let finished = r#"[2,1,{"mailbox_not_found":2},{}]"#;
    let ended = Some(1_800_000_100_000_i64);
    for (id, request, state, ended, progress) in [
        (FINISHED, "a", "finished", ended, finished),
        (RUNNING, "b", "running", None, "[2,2,{},{}]"),
    ] {
        let values = rusqlite::params![id, request, spec_0_1(request), state, ended, progress];
        catalog.execute(insert, values).unwrap();
    }
    for (id, rows) in [(FINISHED, RESULTS), (RUNNING, OPEN)] {
        let file = Connection::open(root.join(format!("batches/{id}.db"))).unwrap();
        file.execute_batch(BATCH).unwrap();
        file.execute_batch(rows).unwrap();
    }
}

fn id(name: &str) -> BatchId {
    BatchId::parse(name).unwrap()
}

#[tokio::test]
async fn a_batch_that_0_1_finished_is_read_with_its_options_and_results() {
    let scratch = Scratch::new();
    write(scratch.0.path());
    let queue = scratch.open();
    let batch = standing(&queue, &id(FINISHED)).await;
    assert_eq!((batch.state, batch.ended_at), (State::Finished, Some(at(100))));
    assert_eq!((batch.progress.rows, batch.progress.mailboxes), (2, 1));
    assert_eq!(batch.progress.finished[&Reason::MailboxNotFound], 2);
    let options = &batch.spec.options;
    assert_eq!(options.retry_window, Duration::from_secs(600));
    assert_eq!(options.send_policy, SendPolicy::DeliverableAndRisky);
    assert_eq!((options.depth, options.test_catch_all), (Depth::Mailbox, true));

    let results = page(&queue, &batch.id, Order::Row, &Cursor::default(), 10).await;
    assert!(results.at_end);
    let rows: Vec<_> = results.rows.iter().map(|row| (row.row, row.row_id.as_str())).collect();
    assert_eq!(rows, [(0, "c-1"), (1, "")]);
    for row in results.rows {
        let verification = row.outcome.into_verification(&row.address);
        assert_eq!(verification.judgement.verdict, Verdict::Undeliverable);
        assert_eq!(verification.judgement.reason, Reason::MailboxNotFound);
        assert_eq!(verification.elapsed, Duration::from_millis(120));
        let reply = verification.evidence.reply.unwrap();
        assert_eq!((reply.code, reply.text()), (550, "<joe@old.example>: no such user".into()));
    }
    let tallies = queue.destinations(&batch.id, 9).await.unwrap();
    assert_eq!(tallies[0].destination, "old.example");
    assert_eq!(tallies[0].finished, [(Reason::MailboxNotFound, 2)]);
}

#[tokio::test]
async fn a_batch_that_0_1_left_running_goes_on() {
    let scratch = Scratch::new();
    write(scratch.0.path());
    let queue = scratch.open();
    let batch = standing(&queue, &id(RUNNING)).await;
    assert_eq!((batch.state, batch.progress.waiting_rows()), (State::Running, 1));
    let lease = lease_one(&queue, at(300)).await;
    assert_eq!((lease.batch.as_str(), lease.group.as_str()), (RUNNING, "old.example"));
    let items: Vec<_> = lease.items.iter().map(|item| item.address.as_str()).collect();
    assert_eq!(items, ["ann@old.example", "bob@old.example"]);
    assert_eq!(lease.items[1].waiting_since, Some(at(10)));
    assert!(lease.items[1].provisional.is_some() && lease.items[0].provisional.is_none());
    queue.complete(lease.id, all(&lease, Reason::MailboxAccepted), at(301)).await.unwrap();
    let batch = standing(&queue, &batch.id).await;
    assert_eq!((batch.state, batch.progress.finished_rows()), (State::Finished, 2));
}

#[tokio::test]
async fn a_request_id_of_0_1_still_finds_its_batch() {
    let scratch = Scratch::new();
    write(scratch.0.path());
    let queue = scratch.open();
    let found = queue.batches("me", None, 9).await.unwrap();
    let names: Vec<_> = found.iter().map(|batch| batch.id.as_str()).collect();
    assert_eq!(names, [RUNNING, FINISHED]);
    let again = queue.submit(BatchId::new(at(400)), spec("me", Some("a")), at(400)).await.unwrap();
    let SubmittedBatch::Known(batch) = again else { panic!("it made a second batch") };
    assert_eq!(batch.id.as_str(), FINISHED);
}
