//! The verifier behind each caller's limits: counts quotas and stops directory harvesting.

use std::sync::Arc;

use super::shared_limits::SharedLimits;
use crate::access::{Access, Caller, Refusal};
use crate::address::Address;
use crate::batch::AnswerListener;
use crate::clock::Clock;
use crate::verdict::Reason;
use crate::verifier::{Depth, Options, Subject, Verification, Verifier};

/// A verifier that counts what each caller asks and learns. Cheap to clone.
#[derive(Clone)]
pub(super) struct MeteredVerifier {
    access: Arc<Access>,
    /// Limits that other replicas count too.
    shared: Option<Arc<SharedLimits>>,
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl MeteredVerifier {
    pub(super) fn new(access: Arc<Access>, verifier: Arc<Verifier>, clock: Clock) -> Self {
        Self { access, shared: None, verifier, clock }
    }

    /// The same, that counts addresses a day together with other replicas.
    pub(super) fn with_shared_limits(self, shared: Option<Arc<SharedLimits>>) -> Self {
        Self { shared, ..self }
    }

    /// The verifier, for questions that are not about mailboxes.
    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Counts addresses that are to be verified later; if one is refused, they all are.
    pub(super) async fn take(
        &self,
        caller: &Caller,
        subjects: &[&Subject],
        depth: Depth,
    ) -> Result<(), Refusal> {
        let (now, count) = (self.clock.now(), subjects.len() as u64);
        match &self.shared {
            None => self.access.count_addresses(caller, count, now)?,
            Some(shared) => {
                let limit = self.access.addresses_per_day(caller, now)?;
                shared.count_addresses(caller, count, limit).await?;
            }
        }
        // Shallower questions reveal nothing about mailboxes.
        if depth < Depth::Mailbox {
            return Ok(());
        }
        // A single address is counted or refused as a whole by the count itself.
        if subjects.len() > 1 {
            let page = subjects.iter().filter_map(|subject| subject.address());
            let is_free = |address: &Address| self.verifier.is_free_provider(address);
            let checked = self.access.check_page(caller, page, is_free, now);
            checked.inspect_err(|_| self.give_back(caller, count))?;
        }
        for address in subjects.iter().filter_map(|subject| subject.address()) {
            let is_free = || self.verifier.is_free_provider(address);
            let checked = self.access.check_harvest(caller, address, is_free, now);
            checked.inspect_err(|_| self.give_back(caller, count))?;
        }
        Ok(())
    }

    /// Counts addresses no more that were taken, and that nobody will be asked about.
    pub(super) fn give_back(&self, caller: &Caller, count: u64) {
        match &self.shared {
            None => self.access.give_back(caller, count, self.clock.now()),
            Some(shared) => shared.return_addresses(caller, count),
        }
    }

    /// Verifies one address, counted as the caller's.
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        subject: Subject,
        options: &Options,
    ) -> Result<Verification, Refusal> {
        self.take(caller, &[&subject], options.depth).await?;
        let verification = self.verifier.verify_with(subject, options).await;
        self.answered(&caller.name, &verification);
        Ok(verification)
    }
}

impl AnswerListener for MeteredVerifier {
    /// Counts what the caller learns about a mailbox.
    fn answered(&self, owner: &str, answer: &Verification) {
        if let Some(exists) = learned(answer) {
            self.access.record_answer(owner, exists, self.clock.now());
        }
    }
}

/// The existence of the mailbox as a mail server has just told it; `None` if none did.
fn learned(verification: &Verification) -> Option<bool> {
    if verification.evidence.from_cache || verification.evidence.reply.is_none() {
        return None;
    }
    match verification.judgement.reason {
        Reason::MailboxNotFound => Some(false),
        Reason::MailboxAccepted
        | Reason::RoleAccount
        | Reason::DisposableDomain
        | Reason::MailboxFull
        | Reason::MailboxDisabled => Some(true),
        _ => None,
    }
}
