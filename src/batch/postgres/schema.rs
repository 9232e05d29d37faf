//! The tables that all batches share, and their version. They are in a schema of their own, and
//! named in full: nothing depends on the search path.
//!
//! - What was promised is in logged tables. `uploads`, `leases` and `fronts` are not: after a crash
//!   of the database they are empty, which is what the end of every unfinished upload and of every
//!   lease looks like.
//! - `batches.after_consent`: how many rows are flagged so. `unchecked_consents`: of how many the
//!   consent was held against no registry's answer.
//! - `batches.place` names the tables with the rows of a batch, see [`tables`](super::tables).
//! - `chunks` holds numbers only. `due`: 0 is since the batch was sealed. `ready`: among the first
//!   `batches.ready_chunks` of its group, by when they are due; only these are looked at for a
//!   lease, so that a large group does not stand in the way of the others. `waiting`: how many of
//!   its items have a provisional result.
//! - `fronts`: no chunk that may go out is before this place. A search from the front would pass
//!   over all that was ever done, as long as somebody has an old snapshot open.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::connect::DatabaseTarget;
use super::destination_tables;
use super::error::PostgresError;
use super::limit_tables;
use crate::verdict::Reason;

/// The version of the tables. A change that an older mailvet cannot read makes it one more.
pub(super) const VERSION: i32 = 1;

/// The oldest server that is supported.
const OLDEST_SERVER: i32 = 150_000;

/// The lock under which tables are made; an arbitrary number that is ours.
pub(super) const LOCK: i64 = 0x6d61_696c_7665_7401;

const SHARED: &str = "
    CREATE SCHEMA IF NOT EXISTS mailvet;
    CREATE TABLE mailvet.schema_version (version int NOT NULL, readable_from int NOT NULL);
    CREATE TABLE mailvet.reasons (
        id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE
    );
    CREATE SEQUENCE mailvet.epochs;
    CREATE UNLOGGED TABLE mailvet.members (id bigint PRIMARY KEY, seen timestamptz NOT NULL);
    CREATE TABLE mailvet.batches (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        owner text NOT NULL,
        request_id text,
        spec text NOT NULL,
        state text NOT NULL,
        created_at bigint NOT NULL,
        sealed_at bigint,
        ended_at bigint,
        rows bigint NOT NULL DEFAULT 0,
        mailboxes bigint NOT NULL DEFAULT 0,
        bytes bigint NOT NULL DEFAULT 0,
        sequence bigint NOT NULL DEFAULT 0,
        outcomes bigint NOT NULL DEFAULT 0,
        ready_chunks bigint NOT NULL DEFAULT 0,
        has_more_chunks boolean NOT NULL DEFAULT false,
        finished text NOT NULL DEFAULT '{}',
        waiting text NOT NULL DEFAULT '{}',
        oldest bigint,
        after_consent bigint NOT NULL DEFAULT 0,
        unchecked_consents bigint NOT NULL DEFAULT 0,
        place text
    ) WITH (fillfactor = 50);
    CREATE UNIQUE INDEX requests ON mailvet.batches (owner, request_id)
        WHERE request_id IS NOT NULL;
    CREATE INDEX owners ON mailvet.batches (owner, id);
    CREATE INDEX ended ON mailvet.batches (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX live ON mailvet.batches (state) WHERE state IN ('receiving', 'running', 'deleting');
    CREATE UNLOGGED TABLE mailvet.uploads (
        batch bigint PRIMARY KEY,
        member bigint NOT NULL,
        rows bigint NOT NULL,
        bytes bigint NOT NULL,
        last_page bigint NOT NULL
    );
    CREATE TABLE mailvet.chunks (
        batch bigint NOT NULL,
        id bigint NOT NULL,
        grp bigint NOT NULL,
        due bigint NOT NULL,
        ready boolean NOT NULL,
        waiting int NOT NULL,
        items bigint[] NOT NULL,
        PRIMARY KEY (batch, id)
    );
    CREATE INDEX ready ON mailvet.chunks (batch, due, id) WHERE ready;
    CREATE INDEX behind ON mailvet.chunks (batch, grp, due, id) WHERE NOT ready;
    CREATE INDEX released ON mailvet.chunks (batch, due) WHERE due > 0;
    CREATE INDEX retries ON mailvet.chunks (batch, due) WHERE waiting > 0;
    CREATE UNLOGGED TABLE mailvet.leases (
        id bigint PRIMARY KEY,
        batch bigint NOT NULL,
        chunk bigint NOT NULL,
        grp bigint NOT NULL,
        member bigint NOT NULL,
        until bigint NOT NULL,
        UNIQUE (batch, chunk)
    );
    CREATE INDEX ends ON mailvet.leases (until);
    CREATE UNLOGGED TABLE mailvet.fronts (
        batch bigint PRIMARY KEY,
        due bigint NOT NULL,
        id bigint NOT NULL
    );
    CREATE TABLE mailvet.outbox (
        id text COLLATE \"C\" PRIMARY KEY,
        batch uuid NOT NULL,
        owner text NOT NULL,
        url text NOT NULL,
        event text NOT NULL,
        created_at bigint NOT NULL,
        state text NOT NULL,
        tries int NOT NULL,
        due_at bigint,
        result text NOT NULL
    );
    CREATE INDEX outbox_due ON mailvet.outbox (due_at) WHERE due_at IS NOT NULL;
    CREATE INDEX outbox_owners ON mailvet.outbox (owner, id);
    CREATE INDEX outbox_batches ON mailvet.outbox (batch);
    CREATE TABLE mailvet.places (name text PRIMARY KEY, day bigint NOT NULL, dirty_since timestamptz);
";

/// Adds the columns that a database of this version may lack: ones that older programs pass over.
const ADDED: &str = "
    ALTER TABLE mailvet.batches ADD COLUMN IF NOT EXISTS
        after_consent bigint NOT NULL DEFAULT 0;
    ALTER TABLE mailvet.batches ADD COLUMN IF NOT EXISTS
        unchecked_consents bigint NOT NULL DEFAULT 0;
    DO $$
    DECLARE t record;
    BEGIN
        FOR t IN SELECT c.relname FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
            WHERE s.nspname = 'mailvet' AND c.relkind = 'r'
                AND (c.relname LIKE 'rows\\_%' OR c.relname LIKE 'staging\\_%')
        LOOP
            EXECUTE format(
                'ALTER TABLE mailvet.%I ADD COLUMN IF NOT EXISTS consent bigint', t.relname);
        END LOOP;
    END $$;
";

/// Makes the tables of an empty database, and refuses those of a later version.
pub(super) async fn prepare(
    client: &mut Client,
    target: &DatabaseTarget,
    migrate: bool,
) -> Result<(), PostgresError> {
    let wrong = |error: tokio_postgres::Error| target.refused(&error);
    let server: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .await
        .map_err(wrong)?
        .get(0);
    if server < OLDEST_SERVER {
        let found = server / 10_000;
        return Err(target.unusable(&format!("it is PostgreSQL {found}; 15 or later is needed")));
    }
    let change = client.transaction().await.map_err(wrong)?;
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(wrong)?;
    let sql = "SELECT to_regclass('mailvet.schema_version') IS NOT NULL";
    let is_there: bool = change.query_one(sql, &[]).await.map_err(wrong)?.get(0);
    if !is_there {
        change.batch_execute(SHARED).await.map_err(wrong)?;
        let sql = "INSERT INTO mailvet.schema_version VALUES ($1, $1)";
        change.execute(sql, &[&VERSION]).await.map_err(wrong)?;
    }
    let sql = "SELECT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = 'mailvet.batches'::regclass AND attname = 'unchecked_consents')";
    let has_all: bool = change.query_one(sql, &[]).await.map_err(wrong)?.get(0);
    if !has_all {
        change.batch_execute(ADDED).await.map_err(wrong)?;
    }
    for (table, schema) in
        [("destinations", destination_tables::SCHEMA), ("quota_usage", limit_tables::SCHEMA)]
    {
        let sql = "SELECT to_regclass('mailvet.' || $1::text) IS NOT NULL";
        let is_there: bool = change.query_one(sql, &[&table]).await.map_err(wrong)?.get(0);
        if !is_there {
            change.batch_execute(schema).await.map_err(wrong)?;
        }
    }
    let sql = "SELECT version, readable_from FROM mailvet.schema_version";
    let row = change.query_one(sql, &[]).await.map_err(wrong)?;
    let (found, readable_from): (i32, i32) = (row.get(0), row.get(1));
    let place = target.place.clone();
    if readable_from > VERSION {
        return Err(PostgresError::Newer { place, found, known: VERSION });
    }
    // There is no earlier version yet, so that there is nothing to change.
    if found < VERSION && !migrate {
        return Err(PostgresError::Older { place, found, known: VERSION });
    }
    for reason in Reason::ALL {
        let sql = "INSERT INTO mailvet.reasons (name) SELECT $1
                   WHERE NOT EXISTS (SELECT FROM mailvet.reasons WHERE name = $1)";
        change.execute(sql, &[&reason.name()]).await.map_err(wrong)?;
    }
    change.commit().await.map_err(wrong)
}

/// The version of the tables; `None` if there are none.
pub(super) async fn version(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let sql = "SELECT to_regclass('mailvet.schema_version') IS NOT NULL";
    if !client.query_one(sql, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one("SELECT version FROM mailvet.schema_version", &[]).await?;
    Ok(Some(row.get(0)))
}

/// The numbers that a database has for the reasons: they stay when the table of reasons changes.
#[derive(Debug, Default)]
pub(super) struct ReasonNumbers {
    numbers: BTreeMap<Reason, i16>,
    reasons: BTreeMap<i16, Reason>,
}

impl ReasonNumbers {
    /// Reads the database's numbers.
    pub(super) async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let mut found = Self::default();
        for row in client.query("SELECT id, name FROM mailvet.reasons", &[]).await? {
            let (number, name): (i16, &str) = (row.get(0), row.get(1));
            if let Some(reason) = Reason::ALL.iter().find(|reason| reason.name() == name) {
                found.numbers.insert(*reason, number);
                found.reasons.insert(number, *reason);
            }
        }
        Ok(found)
    }

    /// The number of a reason.
    pub(super) fn number(&self, reason: Reason) -> i16 {
        self.numbers.get(&reason).copied().unwrap_or_default()
    }

    /// The reason with this number; what a later version wrote was not understood.
    pub(super) fn reason(&self, number: i16) -> Reason {
        self.reasons.get(&number).copied().unwrap_or(Reason::ProtocolError)
    }
}
