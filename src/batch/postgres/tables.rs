//! The tables with what was said of addresses. A large batch has tables of its own: dropping them
//! gives their bytes back at once, however large they are. The small ones of a day share theirs,
//! since a database does not bear a hundred thousand tables; these are rewritten after a deletion.
//!
//! - `rows`: `item` is null where the row is the first of its item. `consent`: its time.
//! - `outcomes`: what results have in common, as JSON; see
//!   [`outcome_numbers`](super::outcome_numbers).
//! - `results`: in the order in which they came. `rows`: how many rows the item has. `outcome`: its
//!   common part; the times are its own, in milliseconds.

/// Rows up to which a batch shares its tables with others.
pub(super) const SMALL: u64 = 10_000;

const MILLISECONDS_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// The tables of a place, each with its columns and its keys.
const TABLES: [(&str, &str, &[&str]); 7] = [
    (
        "rows",
        "batch bigint NOT NULL, row bigint NOT NULL, address text NOT NULL, row_id text,
         item bigint, consent bigint",
        &["PRIMARY KEY (batch, row)"],
    ),
    (
        "groups",
        "batch bigint NOT NULL, id bigint NOT NULL, name text COLLATE \"C\" NOT NULL,
         rows bigint NOT NULL",
        &["PRIMARY KEY (batch, id)"],
    ),
    (
        "outcomes",
        "batch bigint NOT NULL, id bigint NOT NULL, outcome text NOT NULL",
        &["PRIMARY KEY (batch, id)"],
    ),
    (
        "results",
        "batch bigint NOT NULL, sequence bigint NOT NULL, item bigint NOT NULL,
         rows bigint NOT NULL, reason smallint NOT NULL, outcome bigint NOT NULL,
         gathered_at bigint, retry_at bigint, elapsed bigint NOT NULL",
        &["PRIMARY KEY (batch, sequence)", "UNIQUE (batch, item)"],
    ),
    (
        "waiting",
        "batch bigint NOT NULL, item bigint NOT NULL, since bigint NOT NULL,
         reason smallint NOT NULL, outcome text NOT NULL",
        &["PRIMARY KEY (batch, item)"],
    ),
    (
        "group_tallies",
        "batch bigint NOT NULL, grp bigint NOT NULL, reason smallint NOT NULL, n bigint NOT NULL",
        &["PRIMARY KEY (batch, grp, reason)"],
    ),
    (
        "destination_tallies",
        "batch bigint NOT NULL, name text COLLATE \"C\" NOT NULL, reason smallint NOT NULL,
         n bigint NOT NULL",
        &["PRIMARY KEY (batch, name, reason)"],
    ),
];

/// The place of the batch with this number, when it has tables of its own.
pub(super) fn own(n: i64) -> String {
    format!("b{n}")
}

/// The day of the small batches that were sealed at this time, in milliseconds since 1970.
pub(super) fn day(sealed_at: i64) -> i64 {
    sealed_at / MILLISECONDS_A_DAY
}

/// The place of the small batches of a day.
pub(super) fn of_day(day: i64) -> String {
    format!("d{day}")
}

/// `true` if only one batch is in this place.
pub(super) fn is_own(place: &str) -> bool {
    place.starts_with('b')
}

/// `sql` with the tables of a place: `{p}` stands for it.
pub(super) fn at(place: &str, sql: &str) -> String {
    sql.replace("{p}", place)
}

/// Statements that make the tables of a place, without keys: these are made when the rows are
/// there.
pub(super) fn create(place: &str) -> String {
    let made = TABLES
        .iter()
        .map(|(name, columns, _)| format!("CREATE TABLE mailvet.{name}_{place} ({columns});\n"));
    made.collect()
}

/// Statements that make the keys.
pub(super) fn keys(place: &str) -> String {
    let mut sql: String = TABLES
        .iter()
        .flat_map(|(name, _, keys)| {
            keys.iter().map(move |key| format!("ALTER TABLE mailvet.{name}_{place} ADD {key};\n"))
        })
        .collect();
    sql.push_str(&at(
        place,
        "CREATE INDEX ON mailvet.rows_{p} (batch, item) WHERE item IS NOT NULL;
         CREATE INDEX ON mailvet.groups_{p} (batch, rows DESC, id);",
    ));
    sql
}

/// Statements that remove the tables of a place.
pub(super) fn drop(place: &str) -> String {
    let dropped =
        TABLES.iter().map(|(name, ..)| format!("DROP TABLE IF EXISTS mailvet.{name}_{place};\n"));
    dropped.collect()
}

/// Statements that take a batch out of a place that it shares.
pub(super) fn delete(place: &str, n: i64) -> String {
    let deleted = TABLES
        .iter()
        .map(|(name, ..)| format!("DELETE FROM mailvet.{name}_{place} WHERE batch = {n};\n"));
    deleted.collect()
}

/// Statements that write the tables of a place anew, without the bytes of what was deleted. All are
/// locked first: none is written in vain because another one is in use.
pub(super) fn rewrite(place: &str) -> String {
    let names: Vec<String> =
        TABLES.iter().map(|(name, ..)| format!("mailvet.{name}_{place}")).collect();
    let mut sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE;\n", names.join(", "));
    for (name, ..) in TABLES {
        let key = key_name(name, place);
        sql.push_str(&format!("CLUSTER mailvet.{name}_{place} USING {key};\n"));
    }
    sql
}

/// The name that the database gives a primary key.
fn key_name(table: &str, place: &str) -> String {
    format!("{table}_{place}_pkey")
}
