//! Usage of each caller. Pure, bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::caller::Caller;
use super::window::QuotaWindow;

/// Most callers counted at a time. Keys are far fewer; certificates are only as many as
/// their authority signs.
const MOST: usize = 10_000;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Usage of one caller.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) calls: QuotaWindow,
    pub(super) addresses: QuotaWindow,
    /// Mailboxes that servers told about, and those of them that do not exist.
    pub(super) mailboxes: QuotaWindow,
    pub(super) unknown: QuotaWindow,
    last_used: SystemTime,
}

impl Account {
    fn new(now: SystemTime) -> Self {
        Self {
            calls: QuotaWindow::new(MINUTE),
            addresses: QuotaWindow::new(DAY),
            mailboxes: QuotaWindow::new(HOUR),
            unknown: QuotaWindow::new(HOUR),
            last_used: now,
        }
    }

    /// Refuses if more than `percent` of at least `sample` mailboxes do not exist; the error is the
    /// wait.
    pub(super) fn check_unknown(
        &mut self,
        percent: u8,
        sample: u64,
        now: SystemTime,
    ) -> Result<(), Duration> {
        let (all, unknown) = (self.mailboxes.total(now), self.unknown.total(now));
        if all < sample.max(1) || unknown * 100 <= all * u64::from(percent) {
            return Ok(());
        }
        // Nothing is learned meanwhile, so the sample shrinks until it means nothing.
        Err(self.mailboxes.wait_until(sample.max(1) - 1, now).unwrap_or_default())
    }
}

/// The accounts, by the callers' names.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_name: HashMap<Arc<str>, Account>,
}

impl Accounts {
    /// The caller's account. If there are too many, the one unused for longest is forgotten.
    pub(super) fn for_caller(&mut self, caller: &Caller, now: SystemTime) -> &mut Account {
        if self.by_name.len() >= MOST && !self.by_name.contains_key(&caller.name) {
            let oldest = self.by_name.iter().min_by_key(|(_, account)| account.last_used);
            if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.by_name.remove(&name);
            }
        }
        let account =
            self.by_name.entry(Arc::clone(&caller.name)).or_insert_with(|| Account::new(now));
        account.last_used = now;
        account
    }
}

#[cfg(test)]
mod tests {
    use super::super::caller::CallerKind;
    use super::*;

    fn caller(name: &str) -> Caller {
        Caller::new(name, CallerKind::Certificate)
    }

    #[test]
    fn the_callers_counted_are_bounded_and_the_longest_unused_goes_first() {
        let mut accounts = Accounts::default();
        let at = |n: usize| SystemTime::UNIX_EPOCH + Duration::from_secs(n as u64);
        for n in 0..MOST {
            accounts.for_caller(&caller(&format!("c{n}")), at(n)).addresses.add(1, at(n));
        }
        accounts.for_caller(&caller("c0"), at(MOST));
        accounts.for_caller(&caller("another"), at(MOST + 1));
        assert_eq!(accounts.by_name.len(), MOST);
        assert!(accounts.by_name.contains_key("c0") && !accounts.by_name.contains_key("c1"));
    }

    #[test]
    fn the_share_of_unknown_mailboxes_counts_only_with_a_sample_and_passes_with_time() {
        let now = SystemTime::UNIX_EPOCH + DAY;
        let mut account = Account::new(now);
        account.mailboxes.add(99, now);
        account.unknown.add(99, now);
        assert_eq!(account.check_unknown(80, 100, now), Ok(()), "99 are no sample of 100");
        account.mailboxes.add(1, now);
        let wait = account.check_unknown(80, 100, now).unwrap_err();
        assert!(wait <= HOUR + MINUTE, "{wait:?}");
        assert_eq!(account.check_unknown(80, 100, now + wait), Ok(()));
        account.mailboxes.add(25, now);
        assert_eq!(account.check_unknown(80, 100, now), Ok(()), "99 of 125 are 79 %");
        assert_eq!(account.check_unknown(100, 1, now), Ok(()), "100 % is any share");
    }
}
