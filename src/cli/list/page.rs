//! The report of a run: the data of its page, and the page written.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::backend::Client;
use super::job::Job;
use super::paths;
use super::sink::WrittenFile;
use super::write::WrittenRun;
use crate::campaign::{Preflight, Progress};
use crate::proto::{Batch, ListBatchTalliesRequest, TallyKind, from_message};
use crate::report::{self, AccuracySummary, ReportFile};

/// Number of domains and of providers that the report looks at.
const TALLIES: i32 = 50;

/// The answer about a run.
pub(super) struct RunAnswer<'a> {
    pub(super) batch: &'a Batch,
    pub(super) progress: &'a Progress,
    pub(super) preflight: &'a Preflight,
    pub(super) written: &'a WrittenRun,
    /// The accuracy of earlier verdicts, if outcomes tell of it.
    pub(super) accuracy: Option<&'a AccuracySummary>,
    /// The name that servers were given, if it is known here.
    pub(super) asked_as: Option<String>,
}

/// Writes the page, if one is wanted.
pub(super) async fn write_page(
    job: &mut Job,
    client: &mut Client,
    answer: RunAnswer<'_>,
    now: SystemTime,
) -> anyhow::Result<()> {
    let Some(place) = job.report.clone() else { return Ok(()) };
    let RunAnswer { batch, progress, preflight, written, accuracy, asked_as } = answer;
    let time = |at: Option<prost_types::Timestamp>| at.and_then(from_message::time);
    let seen = &written.seen;
    let data = report::ReportData {
        list: job.name(),
        state: from_message::state(batch),
        depth: from_message::depth(batch),
        started_at: time(batch.create_time).unwrap_or(now),
        ended_at: time(batch.end_time),
        written_at: now,
        progress: progress.clone(),
        preflight: preflight.clone(),
        domains: breakdown(client, batch, TallyKind::Domain, TALLIES).await?,
        providers: breakdown(client, batch, TallyKind::Provider, TALLIES).await?,
        files: files(written, &place),
        suggestions: seen.suggestions,
        no_address: seen.no_address,
        excluded: seen.excluded,
        flags: seen.flags,
        to_send: seen.to_send,
        evidence: seen.evidence,
        from_cache: seen.from_cache,
        asked_as,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        delivered: seen.delivered,
        accuracy: accuracy.cloned(),
    };
    let scratch = job.scratch("report");
    fs::write(&scratch, report::render(&data)?)
        .with_context(|| format!("{} cannot be written", scratch.display()))?;
    job.place(&scratch, &place).await
}

/// The largest groups of a batch; none of one that nobody was asked about.
pub(super) async fn breakdown(
    client: &mut Client,
    batch: &Batch,
    kind: TallyKind,
    most: i32,
) -> anyhow::Result<Vec<report::GroupCounts>> {
    if batch.batch_id.is_empty() {
        return Ok(Vec::new());
    }
    let request = ListBatchTalliesRequest {
        batch_id: batch.batch_id.clone(),
        kind: kind.into(),
        page_size: most,
        ..ListBatchTalliesRequest::default()
    };
    let tallies = client.list_batch_tallies(request).await?.into_inner().tallies;
    Ok(tallies.into_iter().map(from_message::group_counts).collect())
}

/// The files that were written, as the page links to them.
fn files(written: &WrittenRun, page: &Path) -> Vec<ReportFile> {
    let link = |file: &WrittenFile| ReportFile {
        name: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        kind: file.kind,
        rows: file.rows,
        href: href(page, &file.path),
    };
    let outputs = written.outputs.iter().filter(|file| !paths::is_stream(&file.path));
    let parts = written.parts.iter().filter(|part| part.rows > 0);
    outputs.chain(parts).map(link).collect()
}

/// The way from the folder of `page` to `file`, as a link; the file's own path if there is none.
fn href(page: &Path, file: &Path) -> String {
    let absolute = |path: &Path| {
        let folder = fs::canonicalize(paths::folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    let (Some(page), Some(file)) = (absolute(page), absolute(file)) else {
        return escaped(file);
    };
    let folder: Vec<Component<'_>> = paths::folder_of(&page).components().collect();
    let target: Vec<Component<'_>> = file.components().collect();
    let common = folder.iter().zip(&target).take_while(|(one, other)| one == other).count();
    let up = folder[common..].iter().map(|_| Component::ParentDir);
    escaped(&up.chain(target[common..].iter().copied()).collect::<PathBuf>())
}

/// A path as a relative reference (RFC 3986): everything but unreserved characters and `/` is
/// escaped.
fn escaped(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut out = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(*byte));
            }
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_the_page_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("parts")).unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(href(&at("r.html"), &at("a b.csv")), "a%20b.csv");
        assert_eq!(href(&at("r.html"), &at("parts/risky.csv")), "parts/risky.csv");
        assert_eq!(href(&at("parts/r.html"), &at("ü.csv")), "../%C3%BC.csv");
    }
}
