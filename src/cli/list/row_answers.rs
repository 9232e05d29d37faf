//! The answers of rows, made of the results of their addresses.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::args::SendToArg;
use super::backend::Client;
use super::columns::{self, RowAnswer, RowFacts};
use super::job::Job;
use super::results::Results;
use super::rows::{FirstRows, RowId, RowPlan, RowQuestion};
use crate::campaign::preflight::{Basis, Thresholds};
use crate::campaign::{Preflight, Progress, State, several};
use crate::exclusion::ExclusionCounts;
use crate::listfile::Row;
use crate::proto::from_message::{self, IncompleteMessage};
use crate::proto::{Action, Batch, BatchState, CatchAll, Verification};
use crate::report::{FlagCounts, SendCounts};
use crate::verdict::Reason;

/// Counts of what the results hold beside their verdicts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) suggestions: u64,
    pub(super) flags: FlagCounts,
    /// Rows that are sent to and take a step before.
    pub(super) to_send: SendCounts,
    pub(super) evidence: Option<(SystemTime, SystemTime)>,
    /// Rows whose evidence was there before their batch.
    pub(super) from_cache: u64,
    /// Rows at which own mail arrived lately.
    pub(super) delivered: u64,
    /// Rows without an address.
    pub(super) no_address: u64,
    /// Rows that a suppression list kept from being asked.
    pub(super) excluded: u64,
    /// What excluded them, and single addresses of others.
    pub(super) exclusions: ExclusionCounts,
    /// Rows that were asked about.
    pub(super) asked: u64,
    /// Rows of them that reach a mailbox that an earlier one reaches.
    duplicates: u64,
    /// Results of addresses whose row took the answer of another one.
    unused: BTreeMap<Reason, u64>,
    /// Those of them whose domain was registered after the recipient's consent.
    unused_after_consent: u64,
}

impl Seen {
    /// Counts the answer of a row of a batch that was created at `created_at`.
    fn note(&mut self, verification: &Verification, created_at: Option<SystemTime>) {
        self.suggestions += u64::from(verification.suggestion.is_some());
        if let Some(flags) = &verification.flags {
            self.flags.catch_all += u64::from(flags.catch_all() == CatchAll::Yes);
            self.flags.disposable += u64::from(flags.disposable);
            self.flags.role += u64::from(flags.role);
            self.flags.free_provider += u64::from(flags.free_provider);
        }
        let Some(evidence) = &verification.evidence else { return };
        self.delivered += u64::from(evidence.delivered.is_some());
        if let Some(at) = evidence.gather_time.and_then(from_message::time) {
            // An answer of DNS that another row of this batch brought is from the cache, too.
            let is_remembered = evidence.from_cache && created_at.is_some_and(|begun| at < begun);
            self.from_cache += u64::from(is_remembered);
            let (first, last) = self.evidence.unwrap_or((at, at));
            self.evidence = Some((first.min(at), last.max(at)));
        }
    }

    fn note_unused(&mut self, unused: &Verification) {
        let reason = from_message::reason(unused.reason, unused.verdict());
        *self.unused.entry(reason).or_default() += 1;
        let is_later = unused.flags.is_some_and(|flags| flags.registered_after_consent);
        self.unused_after_consent += u64::from(is_later);
    }
}

/// The progress and the pre-flight answer in rows: the service counted every address of a row, and
/// the row is sent to one.
pub(super) fn in_rows(
    batch: &Batch,
    seen: &Seen,
) -> Result<(Progress, Preflight), IncompleteMessage> {
    let (progress, preflight) = (from_message::progress(batch)?, from_message::preflight(batch)?);
    if progress.rows <= seen.asked {
        return Ok((progress, preflight));
    }
    let progress = without_unused(progress, seen);
    let (state, thresholds) = (from_message::state(batch), &preflight.thresholds);
    let counted = Preflight::of(&progress, state, preflight.policy, thresholds);
    Ok((progress, counted.with_expected(preflight.expected)))
}

/// The batch of lists whose addresses are all on suppression lists: there is none at the service,
/// which takes no batch without rows.
pub(super) fn batch_of_nobody() -> Batch {
    Batch { state: BatchState::Finished.into(), ..Batch::default() }
}

/// The progress and the pre-flight answer of such lists.
pub(super) fn about_nobody(send_to: SendToArg) -> (Progress, Preflight) {
    let progress = Progress::default();
    let (policy, thresholds) = (send_to.policy(), Thresholds::default());
    let mut preflight = Preflight::of(&progress, State::Finished, policy, &thresholds);
    // The list is not empty: there is nobody on it who may be sent to.
    preflight.estimates.iter_mut().for_each(|estimate| estimate.basis = Basis::NobodyLeft);
    (progress, preflight)
}

/// The progress in rows: of a row with several addresses, only the one that was chosen counts.
fn without_unused(mut progress: Progress, seen: &Seen) -> Progress {
    for (reason, unused) in &seen.unused {
        let rows = progress.finished.entry(*reason).or_default();
        *rows = rows.saturating_sub(*unused);
    }
    progress.rows = seen.asked;
    progress.mailboxes = seen.asked.saturating_sub(seen.duplicates);
    progress.registered_after_consent =
        progress.registered_after_consent.saturating_sub(seen.unused_after_consent);
    progress
}

/// Makes the answers of rows of their results, in the order of the lists.
pub(super) struct RowAnswers<'a> {
    results: Results<'a>,
    plan: RowPlan,
    /// `None` if no two rows reach one mailbox.
    first_rows: Option<FirstRows>,
    pub(super) seen: Seen,
    send_to: SendToArg,
    /// Time at which the batch was created.
    created_at: Option<SystemTime>,
    /// The names of the lists.
    names: Vec<String>,
}

impl<'a> RowAnswers<'a> {
    /// The answers of the rows that `plan` asks about, from the results of `batch`.
    pub(super) fn new(job: &Job, client: &'a mut Client, batch: &Batch, plan: RowPlan) -> Self {
        Self {
            results: Results::new(client, &batch.batch_id),
            first_rows: may_repeat(batch, &plan).then(FirstRows::default),
            plan,
            seen: Seen::default(),
            send_to: job.send_to,
            created_at: batch.create_time.and_then(from_message::time),
            names: job.files.iter().map(|file| file.name.clone()).collect(),
        }
    }

    /// `true` if the row is one to ask about.
    pub(super) fn is_chosen(&self, row: RowId) -> bool {
        self.plan.is_chosen(row)
    }

    /// Sentences about what the suppression lists excluded that was perhaps not meant, or did not.
    pub(super) fn exclusion_notes(&self) -> Vec<String> {
        self.seen.exclusions.notes(self.plan.matcher())
    }

    /// Reads the results of `row` and makes its answer of them.
    pub(super) async fn next(&mut self, file: usize, row: &Row) -> anyhow::Result<RowAnswer> {
        let addresses = match self.plan.question(row) {
            RowQuestion::NoAddress => {
                self.seen.no_address += 1;
                let values = columns::without_address();
                return Ok(RowAnswer { values, ..RowAnswer::default() });
            }
            RowQuestion::Excluded(address) => return Ok(self.excluded(file, row, address)),
            RowQuestion::Addresses(addresses) => addresses,
        };
        self.seen.asked += 1;
        let excluded = self.plan.excluded(row);
        self.seen.exclusions.note(self.plan.matcher(), &excluded, true);
        let mut suppressed: Vec<String> = excluded.into_iter().map(str::to_owned).collect();
        let mut found = self.found(file, &addresses).await?;
        // Of a cancelled batch some rows have no result: what was not found out stays empty.
        let verdicts = found.iter().map(|(_, verification)| from_message::verdict(verification));
        let chosen = several::choose(verdicts);
        let Some((address, mut verification)) = chosen.map(|chosen| found.swap_remove(chosen))
        else {
            return Ok(RowAnswer { suppressed, ..RowAnswer::default() });
        };
        // Who opted out is nobody to write to instead.
        verification.suggestion =
            verification.suggestion.take().filter(|it| !self.plan.is_excluded(it));
        self.seen.note(&verification, self.created_at);
        let mut facts = RowFacts { address: address.to_owned(), ..RowFacts::default() };
        facts.duplicate_of = self.earlier(address, (file, row.number()));
        self.seen.duplicates += u64::from(facts.duplicate_of.is_some());
        let reason = from_message::reason(verification.reason, verification.verdict());
        if self.send_to.is_sent_to(reason) {
            let is_role = verification.flags.is_some_and(|flags| flags.role);
            self.seen.to_send.role += u64::from(is_role);
            self.seen.to_send.duplicates += u64::from(facts.duplicate_of.is_some());
        }
        for (address, unused) in &found {
            self.seen.note_unused(unused);
            if unused.action() == Action::Suppress {
                let asked = Some(unused.address.as_str()).filter(|asked| !asked.is_empty());
                suppressed.push(asked.unwrap_or(address).to_owned());
            }
        }
        facts.others = addresses
            .iter()
            .filter(|other| **other != address)
            .map(|other| (*other).to_owned())
            .collect();
        // The service saw the address, and not what stood around it in the row.
        let flags = verification.flags.get_or_insert_default();
        flags.cleaned |= row.is_cleaned();
        flags.several |= !facts.others.is_empty();
        let values = columns::values(&verification, &facts);
        let verification = Some(verification);
        Ok(RowAnswer { values, verification, others: facts.others, suppressed })
    }

    /// The answer of a row whose addresses, `first` before the others, are not asked about.
    fn excluded(&mut self, file: usize, row: &Row, first: &str) -> RowAnswer {
        self.seen.excluded += 1;
        let duplicate_of = self.earlier(first, (file, row.number()));
        let facts = RowFacts { address: first.to_owned(), duplicate_of, others: Vec::new() };
        let excluded = self.plan.excluded(row);
        self.seen.exclusions.note(self.plan.matcher(), &excluded, false);
        let suppressed = excluded.into_iter().skip(1).map(str::to_owned).collect();
        RowAnswer { values: columns::excluded(&facts), suppressed, ..RowAnswer::default() }
    }

    /// Those of `addresses` that have a result, each with what was found.
    async fn found<'r>(
        &mut self,
        file: usize,
        addresses: &[&'r str],
    ) -> anyhow::Result<Vec<(&'r str, Verification)>> {
        let mut found = Vec::with_capacity(addresses.len());
        for address in addresses {
            let result = self.results.next().await?;
            let Some(verification) = result.and_then(|result| result.verification) else {
                continue;
            };
            // Another version may have read the list otherwise, and sent other addresses of it.
            anyhow::ensure!(
                verification.input.is_empty() || several::is_input_of(&verification.input, address),
                "{} was changed since it was sent, or is read otherwise now: vet it anew with --restart",
                self.names[file]
            );
            found.push((*address, verification));
        }
        Ok(found)
    }

    /// The row before this one that reaches the mailbox of `address`, as it is written.
    fn earlier(&mut self, address: &str, row: RowId) -> Option<String> {
        let (file, earlier) = self.first_rows.as_mut()?.earlier(address, row)?;
        let name = self.names.get(file).filter(|_| file != row.0);
        Some(name.map_or_else(|| earlier.to_string(), |name| format!("{name}:{earlier}")))
    }
}

/// `false` if the service has counted as many mailboxes as rows, and every row was sent to it.
fn may_repeat(batch: &Batch, plan: &RowPlan) -> bool {
    let counted = batch.progress.as_ref().is_some_and(|it| it.mailboxes == it.rows);
    !counted || plan.excludes_any()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exclusion::ExclusionMatcher;
    use crate::proto::{BatchProgress, Evidence, Flags, Reason as ProtoReason};

    #[test]
    fn a_list_of_as_many_mailboxes_as_rows_repeats_none_unless_some_were_not_sent() {
        let batch = |rows, mailboxes| {
            let progress = BatchProgress { rows, mailboxes, ..BatchProgress::default() };
            Batch { progress: Some(progress), ..Batch::default() }
        };
        let plan = RowPlan::default();
        assert!(!may_repeat(&batch(5, 5), &plan));
        assert!(may_repeat(&batch(5, 4), &plan));
        assert!(may_repeat(&Batch::default(), &plan), "nobody counted");
        let mut excluded = ExclusionMatcher::default();
        excluded.exclude("a@acme.test");
        assert!(may_repeat(&batch(5, 5), &RowPlan::new(excluded)));
    }

    #[test]
    fn remembered_is_what_was_known_before_the_batch() {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut seen = Seen::default();
        for (second, from_cache) in [(999, true), (1_000, true), (1_001, true), (999, false)] {
            let gather_time = Some((SystemTime::UNIX_EPOCH + Duration::from_secs(second)).into());
            let evidence = Evidence { gather_time, from_cache, ..Evidence::default() };
            let verification = Verification { evidence: Some(evidence), ..Verification::default() };
            seen.note(&verification, Some(begun));
        }
        assert_eq!(seen.from_cache, 1, "DNS that another row asked for is no earlier answer");
    }

    #[test]
    fn every_count_of_a_run_is_of_rows_where_rows_hold_several_addresses() {
        // Three rows of two addresses; the first two have one deliverable address in common.
        let progress = Progress {
            rows: 6,
            mailboxes: 5,
            finished: [(Reason::MailboxAccepted, 4), (Reason::MailboxNotFound, 2)].into(),
            registered_after_consent: 6,
            ..Progress::default()
        };
        let mut seen = Seen { asked: 3, duplicates: 1, ..Seen::default() };
        for reason in [ProtoReason::MailboxAccepted, ProtoReason::MailboxNotFound] {
            let flags = Flags { registered_after_consent: true, ..Flags::default() };
            let verification = Verification { flags: Some(flags), ..Verification::default() };
            seen.note_unused(&Verification { reason: reason.into(), ..verification });
        }
        let in_rows = without_unused(progress, &seen);
        assert_eq!((in_rows.rows, in_rows.mailboxes), (3, 2), "the duplicate stays one");
        let left = [(Reason::MailboxAccepted, 3), (Reason::MailboxNotFound, 1)];
        assert_eq!(in_rows.finished, BTreeMap::from(left));
        assert_eq!(in_rows.registered_after_consent, 4);
    }
}
