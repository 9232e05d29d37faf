//! Access control: who may call, how much, and what for. Pure: time is an argument.
//!
//! - [`Access::admit`]: who is this, and may they call at all ([`Keys`], certificates, anonymous)?
//! - [`Access::count_call`] and [`Access::count_addresses`]: quotas, counted in sliding windows.
//! - [`Access::check_harvest`] and [`Access::record_answer`]: no harvesting. A list is cleaned by
//!   asking about addresses one has; a directory is harvested by guessing names at one domain,
//!   most of them wrong.
//!
//! What is counted is kept in memory, bounded, and forgotten by a restart. It reads no file and no
//! certificate: `grpc/` does. Replicas that share a database count addresses a day in blocks
//! ([`CallerUsage`], [`HeldBlocks`]) and tell each other of harvesting ([`HarvestReport`]).

mod account;
mod caller;
mod caller_usage;
mod config;
mod exposure;
mod harvest;
mod harvest_report;
mod held_blocks;
mod keys;
mod limit_store;
mod refusal;
mod window;

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::address::{Address, Domain};

use account::Accounts;
use harvest::LocalPartCounter;
use keys::KeyEntry;

pub use caller::{AdmissionError, Bearer, Caller, CallerKind, Credentials};
pub use caller_usage::{AddressBlock, BlockLease, BlockRequest, CallerUsage};
pub use config::{Harvesting, Quota};
pub use exposure::{Protection, UnprotectedListener};
pub use harvest_report::{HarvestReport, SharedAnswers, SharedParts};
pub use held_blocks::{BlockDecision, HeldBlocks, UnusedBlock};
pub use keys::{IssuedKey, Keys, KeysError, issue};
pub use limit_store::{LimitStore, LimitStoreFault};
pub use refusal::{Limit, Refusal};

/// The rules, and what has been counted under them.
#[derive(Debug)]
pub struct Access {
    anonymous: bool,
    quota: Quota,
    harvesting: Harvesting,
    keys: RwLock<Keys>,
    accounts: Mutex<Accounts>,
    local_parts: Mutex<LocalPartCounter>,
}

impl Access {
    /// Rules under which nothing has been counted yet. `anonymous`: whether a caller that says not
    /// who it is may call. `quota` is for every caller whose key has none of its own.
    #[must_use]
    pub fn new(anonymous: bool, quota: Quota, harvesting: Harvesting, keys: Keys) -> Self {
        Self {
            anonymous,
            quota,
            harvesting,
            keys: RwLock::new(keys),
            accounts: Mutex::default(),
            local_parts: Mutex::default(),
        }
    }

    /// Takes other keys from now on; what was counted stays.
    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write() = keys;
    }

    /// Identifies a caller. A key decides, even beside a certificate.
    ///
    /// # Errors
    ///
    /// [`AdmissionError`] if no caller may call like this.
    pub fn admit(
        &self,
        presented: Credentials<'_>,
        now: SystemTime,
    ) -> Result<Caller, AdmissionError> {
        match (presented.bearer, presented.certificate) {
            (Bearer::Key(key), _) => {
                let keys = self.keys.read();
                let entry = keys.find(key).ok_or(AdmissionError::UnknownKey)?;
                entry.check(now)?;
                Ok(Caller::with_key(&entry.name, entry.fingerprint))
            }
            (Bearer::Unreadable, _) => Err(AdmissionError::Unreadable),
            (Bearer::None, Some("")) => Err(AdmissionError::NamelessCertificate),
            (Bearer::None, Some(name)) => Ok(Caller::new(name, CallerKind::Certificate)),
            (Bearer::None, None) if self.anonymous && presented.is_loopback => Ok(Caller::local()),
            (Bearer::None, None) if self.anonymous => Ok(Caller::new("", CallerKind::Anonymous)),
            (Bearer::None, None) => Err(AdmissionError::Anonymous),
        }
    }

    /// Counts one call.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the caller's calls a minute are used up.
    pub fn count_call(&self, caller: &Caller, now: SystemTime) -> Result<(), Refusal> {
        let limit = u64::from(self.quota(caller, now)?.calls_per_minute);
        if limit == 0 {
            return Ok(());
        }
        let refused = self.accounts().for_caller(caller, now).calls.try_add(1, limit, now);
        refused.map_err(|wait| Refusal { limit: Limit::CallsPerMinute(limit), retry_after: wait })
    }

    /// Counts `addresses` that the caller wants verified; all of them or, if refused, none.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the caller's addresses a day are used up, or its key is not valid any more.
    pub fn count_addresses(
        &self,
        caller: &Caller,
        addresses: u64,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let limit = self.quota(caller, now)?.addresses_per_day;
        if limit == 0 {
            return Ok(());
        }
        let refused =
            self.accounts().for_caller(caller, now).addresses.try_add(addresses, limit, now);
        refused.map_err(|wait| Refusal { limit: Limit::AddressesPerDay(limit), retry_after: wait })
    }

    /// Counts addresses no more that the caller wanted verified, and that nobody will be asked
    /// about.
    pub fn give_back(&self, caller: &Caller, addresses: u64, now: SystemTime) {
        self.accounts().for_caller(caller, now).addresses.take_back(addresses);
    }

    /// The addresses that the caller may have verified in a day; 0: as many as it likes.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if its key is not valid any more.
    pub fn addresses_per_day(&self, caller: &Caller, now: SystemTime) -> Result<u64, Refusal> {
        Ok(self.quota(caller, now)?.addresses_per_day)
    }

    /// Checks that the caller may learn about this mailbox. `is_free_provider` tells whether its
    /// domain gives mailboxes to the public, so that honest lists hold thousands of them.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if that would be harvesting.
    pub fn check_harvest(
        &self,
        caller: &Caller,
        address: &Address,
        is_free_provider: impl FnOnce() -> bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let rules = &self.harvesting;
        if caller.kind == CallerKind::Local && rules.spare_loopback {
            return Ok(());
        }
        let (percent, sample) = (rules.unknown_percent, u64::from(rules.unknown_sample));
        let mut accounts = self.accounts();
        accounts.for_caller(caller, now).check_unknown(percent, sample, now).map_err(|wait| {
            Refusal { limit: Limit::UnknownMailboxes(percent), retry_after: Some(wait) }
        })?;
        drop(accounts);
        let cap = rules.local_parts(is_free_provider());
        if cap == 0 {
            return Ok(());
        }
        let domain = counted_domain(address);
        let counted = self.local_parts().count(&caller.name, &domain, address.local(), cap, now);
        counted.map_err(|wait| Refusal {
            limit: Limit::LocalPartsPerDomain { domain, cap },
            retry_after: Some(wait),
        })
    }

    /// Checks the local parts of a page as [`Self::check_harvest`] would count them, and counts
    /// none: so that a page is refused as a whole, and none of its mailboxes counts as asked about.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if some would be too many; without a time to wait if the page alone has more at
    /// a domain than an hour.
    pub fn check_page<'a>(
        &self,
        caller: &Caller,
        page: impl IntoIterator<Item = &'a Address>,
        is_free_provider: impl Fn(&Address) -> bool,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let rules = &self.harvesting;
        if caller.kind == CallerKind::Local && rules.spare_loopback {
            return Ok(());
        }
        let mut by_domain: BTreeMap<(String, u32), HashSet<String>> = BTreeMap::new();
        for address in page {
            let cap = rules.local_parts(is_free_provider(address));
            if cap == 0 {
                // Most of a list of consumers, at domains where any number may be asked about.
                continue;
            }
            let locals = by_domain.entry((counted_domain(address), cap)).or_default();
            locals.insert(address.local().to_lowercase());
        }
        let refusals = by_domain.into_iter().filter_map(|((domain, cap), locals)| {
            let checked = self.local_parts().check(&caller.name, &domain, &locals, cap, now);
            let retry_after = checked.err()?;
            Some(Refusal { limit: Limit::LocalPartsPerDomain { domain, cap }, retry_after })
        });
        // Before it waits for one domain, a caller should know that another is too large.
        refusals.min_by_key(|refusal| refusal.retry_after.is_some()).map_or(Ok(()), Err)
    }

    /// Counts what a mail server has just said about a mailbox: whether it is there. Answers from
    /// memory, catch-all domains and servers that told nothing are not to be counted.
    pub fn record_answer(&self, caller: &str, exists: bool, now: SystemTime) {
        self.accounts().record_answer(caller, exists, now);
    }

    /// Has local parts hashed with this secret from now on, as other replicas do, and what is
    /// counted kept for [`Self::harvest_report`]. Local parts counted before are forgotten.
    pub fn share_harvest(&self, secret: &[u8; 16]) {
        *self.local_parts() = LocalPartCounter::shared(secret);
    }

    /// What other replicas have to know about harvesting, as far as it is new. Few names at a
    /// domain and few mailboxes are no sign of it, and are not told.
    pub fn harvest_report(&self, now: SystemTime) -> HarvestReport {
        let sample = u64::from(self.harvesting.unknown_sample);
        let answers = self.accounts().answers_to_tell(sample, now);
        HarvestReport { parts: self.local_parts().parts_to_tell(), answers }
    }

    /// Counts what other replicas have told as if it had happened here.
    pub fn merge_harvest(&self, report: HarvestReport, now: SystemTime) {
        let mut accounts = self.accounts();
        for answers in report.answers {
            accounts.merge(&answers, now);
        }
        drop(accounts);
        let mut local_parts = self.local_parts();
        for parts in report.parts {
            local_parts.merge(&parts, now);
        }
    }

    /// Checks that the caller's key is still valid; a caller without one always is.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if its key was withdrawn or has expired.
    pub fn check_key(&self, caller: &Caller, now: SystemTime) -> Result<(), Refusal> {
        self.quota(caller, now).map(drop)
    }

    /// The caller's quota: its key's own, where that says something.
    fn quota(&self, caller: &Caller, now: SystemTime) -> Result<Quota, Refusal> {
        let keys = self.keys.read();
        let entry = keys.named(&caller.name);
        if caller.kind == CallerKind::Key {
            // A stream may outlive its key, also where another key has taken its name.
            let is_it = |entry: &&KeyEntry| caller.key == Some(entry.fingerprint);
            let valid = entry.filter(is_it).is_some_and(|entry| entry.check(now).is_ok());
            if !valid {
                return Err(Refusal { limit: Limit::KeyWithdrawn, retry_after: None });
            }
        }
        Ok(entry.map_or(self.quota, |entry| entry.quota(self.quota)))
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock()
    }

    fn local_parts(&self) -> MutexGuard<'_, LocalPartCounter> {
        self.local_parts.lock()
    }
}

/// The domain that an address counts at: the registrable one.
fn counted_domain(address: &Address) -> String {
    match address.domain() {
        Domain::Name(name) => name.registrable().as_str().to_owned(),
        Domain::Literal(literal) => literal.ip().to_string(),
    }
}

#[cfg(test)]
mod tests;
