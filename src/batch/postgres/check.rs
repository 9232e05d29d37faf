//! The database's settings that decide what is lost in a power cut, and what is left of an address
//! after its batch was deleted.

use std::collections::BTreeMap;

use tokio_postgres::Client;

/// How a setting looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingStatus {
    /// As it should be.
    Good,
    /// Worth knowing.
    Careful,
    /// What was said to be kept may be lost.
    Lossy,
}

/// A setting of the database, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFinding {
    /// Its status.
    pub status: SettingStatus,
    /// The setting and its value.
    pub seen: String,
    /// The consequence; empty if there is none.
    pub means: &'static str,
    /// The remedy; empty if there is none.
    pub remedy: &'static str,
}

/// The settings that are looked at.
const NAMES: [&str; 6] = [
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "wal_recycle",
    "archive_mode",
    "synchronous_standby_names",
];

/// Reads the settings and says what follows from them.
pub(super) async fn look(client: &Client) -> Result<Vec<SettingFinding>, tokio_postgres::Error> {
    let sql = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)";
    let names: Vec<&str> = NAMES.to_vec();
    let rows = client.query(sql, &[&names]).await?;
    let sql = "SELECT count(*) FROM pg_stat_replication";
    // Without the right to see them there are none.
    let standbys: i64 = client.query_one(sql, &[]).await?.get(0);
    let values = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(judge(&values, standbys))
}

/// The settings in which the database may lose what it said was kept.
pub(super) fn lossy(findings: &[SettingFinding]) -> Option<String> {
    let lossy: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.status == SettingStatus::Lossy)
        .map(|finding| finding.seen.as_str())
        .collect();
    (!lossy.is_empty()).then(|| lossy.join(", "))
}

fn judge(values: &BTreeMap<String, String>, standbys: i64) -> Vec<SettingFinding> {
    let value = |name: &str| values.get(name).map_or("", String::as_str);
    let finding = |name: &str, status, means, remedy| SettingFinding {
        status,
        seen: format!("{name} = {}", value(name)),
        means,
        remedy,
    };
    let good = |name: &str| finding(name, SettingStatus::Good, "", "");
    let mut found = Vec::new();
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        found.push(if value(name) == "off" {
            let means = "results and batches that were said to be kept may be lost in a power cut";
            finding(name, SettingStatus::Lossy, means, "set it to on")
        } else {
            good(name)
        });
    }
    found.push(if value("wal_recycle") == "off" {
        good("wal_recycle")
    } else {
        finding(
            "wal_recycle",
            SettingStatus::Careful,
            "addresses of deleted batches stay readable in recycled files of the log until these \
             are written over",
            "set it to off if a deletion has to be complete on the disk soon",
        )
    });
    found.push(if value("archive_mode") == "off" {
        good("archive_mode")
    } else {
        finding(
            "archive_mode",
            SettingStatus::Careful,
            "addresses of deleted batches stay in archived logs and in backups",
            "keep these no longer than you have promised",
        )
    });
    if standbys > 0 && value("synchronous_standby_names").is_empty() {
        found.push(finding(
            "synchronous_standby_names",
            SettingStatus::Careful,
            "when a standby takes over, the last results before that may be missing, and their \
             addresses are asked about again",
            "name a synchronous standby",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let good = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("wal_recycle", "off"),
            ("archive_mode", "off"),
            ("synchronous_standby_names", ""),
        ];
        good.iter()
            .chain(changes)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn settings_that_lose_what_was_kept_are_named() {
        let found = judge(&values(&[]), 0);
        assert!(found.iter().all(|finding| finding.status == SettingStatus::Good), "{found:?}");
        assert_eq!(lossy(&found), None);
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            assert_eq!(lossy(&judge(&values(&[(name, "off")]), 0)), Some(format!("{name} = off")));
        }
    }

    #[test]
    fn what_outlives_a_deletion_and_a_failover_is_told() {
        let careful = |changes: &[(&str, &str)], standbys| {
            let found = judge(&values(changes), standbys);
            let careful = found.into_iter().filter(|f| f.status == SettingStatus::Careful);
            careful.map(|finding| finding.seen).collect::<Vec<_>>()
        };
        assert_eq!(careful(&[("wal_recycle", "on")], 0), ["wal_recycle = on"]);
        assert_eq!(careful(&[("archive_mode", "on")], 0), ["archive_mode = on"]);
        assert_eq!(careful(&[], 1), ["synchronous_standby_names = "]);
        let named = careful(&[("synchronous_standby_names", "ANY 1 (b)")], 1);
        assert!(named.is_empty());
    }
}
