//! Settings of batches and their worker. Pure.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of batches and their worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder that holds the batches; one process at a time uses it. Default: `mailvet` in
    /// `$XDG_STATE_HOME`, else `.local/state/mailvet` in `$HOME`.
    pub data_dir: Option<PathBuf>,
    /// Addresses of all batches asked about at a time, 100 or more. Default 4000: enough
    /// to keep a hundred mail servers busy, and each costs some kilobytes. Beside them at most as
    /// many may wait for their results to be stored.
    pub addresses_at_once: usize,
    /// Chunks (of at most 100 addresses) of one domain of one batch that are worked on at a
    /// time, 1 or more. Default 8: more than a lane takes in while the next ones are fetched.
    pub chunks_per_domain: usize,
    /// Share of `addresses_at_once` that may wait for one destination (`outlook.com`), in per cent,
    /// 1 to 100. Default 50: what is beyond is put off, so that one slow provider never holds up a
    /// list.
    pub destination_percent: usize,
    /// Time one address may take before what is known is its answer. With 3 minutes and less the
    /// rows of a list are in as much of a hurry as single calls, and leave nothing to them. Default
    /// 4 minutes: a server that delays its greeting and each of its replies is through by then,
    /// also with others before it in the lane.
    #[serde(with = "humantime_serde")]
    pub longest_address: Duration,
    /// Longest "not now" of a server that is waited out in its lane; what lasts longer waits on
    /// disk. Default 20 seconds.
    #[serde(with = "humantime_serde")]
    pub wait_in_lane: Duration,
    /// Most rows of a batch, 1 or more. Default 10,000,000.
    pub rows_per_batch: u64,
    /// Most batches that one caller may keep, those that are over included, 1 or more. Default
    /// 1000.
    pub batches_per_caller: usize,
    /// Most MiB that the batches of one caller may take up on the disk, 1 or more. Default 16384:
    /// about a hundred million rows. Looked at when a batch is begun, and every 100,000 rows.
    pub megabytes_per_caller: u64,
    /// Most MiB of rows that wait in memory for the disk, of all callers together, 1 or more.
    /// Default 64.
    pub megabytes_in_arrival: u32,
    /// Largest list file that is uploaded, in MiB, 1 or more. Default 256.
    pub megabytes_per_upload: u64,
    /// Most MiB of list files as they were uploaded, of all callers together; each is kept as long
    /// as its batch. Default 8192.
    pub megabytes_of_uploads: u64,
    /// Longest pause between two pages of an upload. A batch that waited longer for its
    /// next page is removed with all its rows. Default 1 hour.
    #[serde(with = "humantime_serde")]
    pub upload_timeout: Duration,
    /// Time a batch is kept after its end. Default 30 days.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: None,
            addresses_at_once: 4000,
            chunks_per_domain: 8,
            destination_percent: 50,
            longest_address: Duration::from_secs(4 * 60),
            wait_in_lane: Duration::from_secs(20),
            rows_per_batch: 10_000_000,
            batches_per_caller: 1000,
            megabytes_per_caller: 16 * 1024,
            megabytes_in_arrival: 64,
            megabytes_per_upload: 256,
            megabytes_of_uploads: 8 * 1024,
            upload_timeout: Duration::from_secs(60 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

impl Config {
    /// Number of addresses that may wait for one destination.
    #[must_use]
    pub fn addresses_per_destination(&self) -> usize {
        (self.addresses_at_once * self.destination_percent.clamp(1, 100) / 100).max(1)
    }

    /// Duration of a lease: longer than any chunk takes.
    #[must_use]
    pub fn lease_time(&self) -> Duration {
        self.longest_address * 2 + Duration::from_secs(60)
    }

    /// Settings with which no list could be kept, or none until its results are read.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.data_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            found.push("batch.data_dir is empty: name a folder, or leave it out".to_owned());
        }
        if self.retention.is_zero() {
            found.push(
                "batch.retention is zero, and then a batch is removed before its results are \
                 read: give more, or leave it out"
                    .to_owned(),
            );
        }
        if self.upload_timeout.is_zero() {
            found.push(
                "batch.upload_timeout is zero, and then a batch is removed between two pages of \
                 its rows: give more, or leave it out"
                    .to_owned(),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_keeps_no_list_is_named() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let text = "data_dir = \"\"\nretention = \"0s\"\nupload_timeout = \"0s\"";
        let found = toml::from_str::<Config>(text).unwrap().problems();
        for key in ["batch.data_dir is empty", "batch.retention", "batch.upload_timeout"] {
            assert!(found.iter().any(|problem| problem.starts_with(key)), "{key}: {found:?}");
        }
    }
}
