//! The answers of rows, made of the results of their addresses.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::args::SendToArg;
use super::backend::Client;
use super::columns::{self, RowAnswer, RowFacts};
use super::job::Job;
use super::results::Results;
use super::rows::{FirstRows, RowId, RowPlan, RowQuestion};
use crate::campaign::several;
use crate::listfile::Row;
use crate::proto::{Batch, CatchAll, Verification, from_message};
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
    pub(super) from_cache: u64,
    /// Rows at which own mail arrived lately.
    pub(super) delivered: u64,
    /// Rows without an address.
    pub(super) no_address: u64,
    /// Rows that a suppression list kept from being asked.
    pub(super) excluded: u64,
    /// Results of addresses whose row took the answer of another one.
    pub(super) unused: BTreeMap<Reason, u64>,
}

impl Seen {
    fn note(&mut self, verification: &Verification) {
        self.suggestions += u64::from(verification.suggestion.is_some());
        if let Some(flags) = &verification.flags {
            self.flags.catch_all += u64::from(flags.catch_all() == CatchAll::Yes);
            self.flags.disposable += u64::from(flags.disposable);
            self.flags.role += u64::from(flags.role);
            self.flags.free_provider += u64::from(flags.free_provider);
        }
        let Some(evidence) = &verification.evidence else { return };
        self.from_cache += u64::from(evidence.from_cache);
        self.delivered += u64::from(evidence.delivered.is_some());
        if let Some(at) = evidence.gather_time.and_then(from_message::time) {
            let (first, last) = self.evidence.unwrap_or((at, at));
            self.evidence = Some((first.min(at), last.max(at)));
        }
    }
}

/// Makes the answers of rows of their results, in the order of the lists.
pub(super) struct RowAnswers<'a> {
    results: Results<'a>,
    plan: RowPlan,
    /// `None` if no two rows reach one mailbox.
    first_rows: Option<FirstRows>,
    pub(super) seen: Seen,
    send_to: SendToArg,
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
            names: job.files.iter().map(|file| file.name.clone()).collect(),
        }
    }

    /// Reads the results of `row` and makes its answer of them.
    pub(super) async fn next(&mut self, file: usize, row: &Row) -> anyhow::Result<RowAnswer> {
        let mut facts = RowFacts::default();
        let addresses = match self.plan.question(row) {
            RowQuestion::NoAddress => {
                self.seen.no_address += 1;
                let values = columns::without_address();
                return Ok(RowAnswer { values, ..RowAnswer::default() });
            }
            RowQuestion::Excluded(address) => {
                self.seen.excluded += 1;
                address.clone_into(&mut facts.address);
                facts.duplicate_of = self.earlier(address, (file, row.number()));
                let values = columns::excluded(&facts);
                return Ok(RowAnswer { values, ..RowAnswer::default() });
            }
            RowQuestion::Addresses(addresses) => addresses,
        };
        let mut found = self.found(file, &addresses).await?;
        // Of a cancelled batch some rows have no result: what was not found out stays empty.
        let verdicts = found.iter().map(|(_, verification)| from_message::verdict(verification));
        let chosen = several::choose(verdicts);
        let Some((address, mut verification)) = chosen.map(|chosen| found.swap_remove(chosen))
        else {
            return Ok(RowAnswer::default());
        };
        self.seen.note(&verification);
        facts.duplicate_of = self.earlier(address, (file, row.number()));
        let reason = from_message::reason(verification.reason, verification.verdict());
        if self.send_to.is_sent_to(reason.verdict()) {
            let is_role = verification.flags.is_some_and(|flags| flags.role);
            self.seen.to_send.role += u64::from(is_role);
            self.seen.to_send.duplicates += u64::from(facts.duplicate_of.is_some());
        }
        for (_, unused) in &found {
            let reason = from_message::reason(unused.reason, unused.verdict());
            *self.seen.unused.entry(reason).or_default() += 1;
        }
        address.clone_into(&mut facts.address);
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
        Ok(RowAnswer { values, verification: Some(verification), others: facts.others })
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
                verification.input.is_empty() || is_spelled(&verification.input, address),
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

/// `true` if a service spells an address as it was sent: a store may have no NUL.
fn is_spelled(input: &str, sent: &str) -> bool {
    input == sent || input == sent.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::BatchProgress;

    #[test]
    fn a_list_of_as_many_mailboxes_as_rows_repeats_none_unless_some_were_not_sent() {
        let batch = |rows, mailboxes| {
            let progress = BatchProgress { rows, mailboxes, ..BatchProgress::default() };
            Batch { progress: Some(progress), ..Batch::default() }
        };
        let mut plan = RowPlan::default();
        assert!(!may_repeat(&batch(5, 5), &plan));
        assert!(may_repeat(&batch(5, 4), &plan));
        assert!(may_repeat(&Batch::default(), &plan), "nobody counted");
        plan.exclude("a@acme.test");
        assert!(may_repeat(&batch(5, 5), &plan));
    }
}
