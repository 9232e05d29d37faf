//! The tables in which replicas count what callers use: added to a database of the same version,
//! and passed over by programs that do not know them.

/// Adds the tables to a database that lacks them.
///
/// Usage is logged: a crash of the database must give nobody a second day. What is known of
/// harvesting is not: every replica has counted it too.
pub(super) const SCHEMA: &str = "
    CREATE TABLE mailvet.quota_usage (
        caller text PRIMARY KEY,
        version bigint NOT NULL DEFAULT 0,
        slots bigint[] NOT NULL DEFAULT '{}',
        taken bigint[] NOT NULL DEFAULT '{}',
        changed timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70);
    CREATE TABLE mailvet.harvest_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        secret uuid NOT NULL DEFAULT gen_random_uuid()
    );
    INSERT INTO mailvet.harvest_key DEFAULT VALUES;
    CREATE UNLOGGED TABLE mailvet.harvest_parts (
        domain bigint NOT NULL,
        part bigint NOT NULL,
        since bigint NOT NULL,
        replica bigint NOT NULL,
        changed timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (domain, part)
    );
    CREATE INDEX harvest_part_changes ON mailvet.harvest_parts (changed);
    CREATE UNLOGGED TABLE mailvet.harvest_answers (
        caller text NOT NULL,
        replica bigint NOT NULL,
        minute bigint NOT NULL,
        mailboxes bigint NOT NULL,
        unknown bigint NOT NULL,
        changed timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (caller, minute, replica)
    );
    CREATE INDEX harvest_answer_changes ON mailvet.harvest_answers (changed);
";
