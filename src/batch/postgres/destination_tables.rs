//! The tables of members that share destinations: added to a database of the same version, and
//! passed over by programs that do not know them.

/// Adds the tables to a database that lacks them.
///
/// Members are logged: one that is alive must not be forgotten in a crash of the database, as long
/// as it may ask.
pub(super) const SCHEMA: &str = "
    ALTER TABLE mailvet.members SET LOGGED;
    ALTER TABLE mailvet.members ADD COLUMN IF NOT EXISTS address text;
    CREATE TABLE mailvet.destinations (
        identity text NOT NULL,
        destination text NOT NULL,
        holder bigint,
        previous bigint,
        state text,
        released_at timestamptz,
        died_at timestamptz,
        PRIMARY KEY (identity, destination)
    ) WITH (fillfactor = 70);
    CREATE INDEX holders ON mailvet.destinations (holder) WHERE holder IS NOT NULL;
";
