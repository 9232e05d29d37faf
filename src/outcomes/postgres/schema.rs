//! The tables of outcomes, and their version, which is their own: what batches are kept in changes
//! without them.

use tokio_postgres::{Client, Error};

/// The version of the tables. A change that an older mailvet cannot read makes it one more.
pub(super) const VERSION: i32 = 1;

/// The lock under which the tables are made; an arbitrary number that is ours.
const LOCK: i64 = 0x6d61_696c_7665_7402;

/// `outcome_key`: one row, made with the first outcome. Without `secret`, that is in a file.
/// `outcomes`, `verdicts`: as in the file of SQLite. Times in milliseconds.
const TABLES: &str = "
    CREATE TABLE mailvet.outcome_version (version int NOT NULL, readable_from int NOT NULL);
    CREATE TABLE mailvet.outcome_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        fingerprint bytea NOT NULL,
        secret bytea
    );
    CREATE TABLE mailvet.outcomes (
        id bytea PRIMARY KEY,
        mailbox bytea NOT NULL,
        person bytea NOT NULL,
        domain text NOT NULL,
        kind text NOT NULL,
        at bigint NOT NULL,
        source text NOT NULL,
        words text NOT NULL,
        address text
    );
    CREATE INDEX outcome_mailboxes ON mailvet.outcomes (mailbox, kind, at);
    CREATE INDEX outcome_persons ON mailvet.outcomes (person, at)
        WHERE kind IN ('complaint', 'unsubscribed');
    CREATE INDEX outcome_domains ON mailvet.outcomes (domain, at, kind);
    CREATE INDEX outcome_times ON mailvet.outcomes (at, id);
    CREATE TABLE mailvet.verdicts (
        mailbox bytea NOT NULL,
        at bigint NOT NULL,
        send text NOT NULL,
        person bytea NOT NULL,
        provider text NOT NULL,
        reason text NOT NULL,
        gathered bigint NOT NULL,
        PRIMARY KEY (mailbox, at, send)
    );
    CREATE INDEX verdict_times ON mailvet.verdicts (at);
";

/// Makes the tables if there are none. The version that a mailvet has to know to read them.
pub(super) async fn prepare(client: &mut Client) -> Result<i32, Error> {
    let change = client.transaction().await?;
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let is_there = "SELECT to_regclass('mailvet.outcome_version') IS NOT NULL";
    if !change.query_one(is_there, &[]).await?.get::<_, bool>(0) {
        let has_schema = "SELECT to_regnamespace('mailvet') IS NOT NULL";
        if !change.query_one(has_schema, &[]).await?.get::<_, bool>(0) {
            change.batch_execute("CREATE SCHEMA IF NOT EXISTS mailvet").await?;
        }
        change.batch_execute(TABLES).await?;
        let sql = "INSERT INTO mailvet.outcome_version VALUES ($1, $1)";
        change.execute(sql, &[&VERSION]).await?;
    }
    let sql = "SELECT readable_from FROM mailvet.outcome_version";
    let readable_from = change.query_one(sql, &[]).await?.get(0);
    change.commit().await?;
    Ok(readable_from)
}
