//! The verifier behind each caller's limits: counts quotas and stops directory harvesting.

use std::sync::Arc;

use crate::access::{Access, Caller, Refusal};
use crate::clock::Clock;
use crate::verdict::Reason;
use crate::verifier::{Depth, Options, Subject, Verification, Verifier};

/// A verifier that counts what each caller asks and learns. Cheap to clone.
#[derive(Clone)]
pub(super) struct MeteredVerifier {
    access: Arc<Access>,
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl MeteredVerifier {
    pub(super) fn new(access: Arc<Access>, verifier: Arc<Verifier>, clock: Clock) -> Self {
        Self { access, verifier, clock }
    }

    /// The verifier, for questions that are not about mailboxes.
    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Counts addresses that are to be verified later; if one is refused, they all are.
    pub(super) fn take<'a>(
        &self,
        caller: &Caller,
        subjects: impl ExactSizeIterator<Item = &'a Subject>,
        depth: Depth,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        self.access.count_addresses(caller, subjects.len() as u64, now)?;
        // Shallower questions reveal nothing about mailboxes.
        if depth < Depth::Mailbox {
            return Ok(());
        }
        for address in subjects.filter_map(Subject::address) {
            let is_free = self.verifier.is_free_provider(address);
            self.access.check_harvest(caller, address, is_free, now)?;
        }
        Ok(())
    }

    /// Verifies one address, counted as the caller's.
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        subject: Subject,
        options: &Options,
    ) -> Result<Verification, Refusal> {
        self.take(caller, std::iter::once(&subject), options.depth)?;
        let verification = self.verifier.verify_with(subject, options).await;
        self.told(caller, &verification);
        Ok(verification)
    }

    /// Counts what the caller is told about a mailbox.
    pub(super) fn told(&self, caller: &Caller, verification: &Verification) {
        if let Some(exists) = learned(verification) {
            self.access.record_answer(caller, exists, self.clock.now());
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
