//! Usage of each caller. Pure, bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::caller::Caller;
use super::harvest_report::SharedAnswers;
use super::window::QuotaWindow;

/// Most callers counted at a time. Keys are far fewer; certificates are only as many as
/// their authority signs.
const MOST: usize = 10_000;

/// The part of a sample from which on other replicas are told of a caller's mailboxes.
const TOLD_FROM: u64 = 20;

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
    /// The same two numbers as other replicas counted them, by minute.
    elsewhere: BTreeMap<u64, MinuteElsewhere>,
    /// The minute from which on they are not told of.
    untold_from: Option<u64>,
    last_used: SystemTime,
}

/// What other replicas counted in one minute.
#[derive(Debug, Default)]
struct MinuteElsewhere {
    /// The mailboxes, and those of them that do not exist, by replica.
    by_replica: BTreeMap<i64, (u64, u64)>,
    /// Their sums: they are asked for with every address of a list.
    mailboxes: u64,
    unknown: u64,
}

impl MinuteElsewhere {
    fn record(&mut self, replica: i64, counts: (u64, u64)) {
        self.by_replica.insert(replica, counts);
        (self.mailboxes, self.unknown) =
            self.by_replica.values().fold((0_u64, 0_u64), |(mailboxes, unknown), counts| {
                (mailboxes.saturating_add(counts.0), unknown.saturating_add(counts.1))
            });
    }
}

impl Account {
    fn new(now: SystemTime) -> Self {
        Self {
            calls: QuotaWindow::new(MINUTE),
            addresses: QuotaWindow::new(DAY),
            mailboxes: QuotaWindow::new(HOUR),
            unknown: QuotaWindow::new(HOUR),
            elsewhere: BTreeMap::new(),
            untold_from: None,
            last_used: now,
        }
    }

    /// Counts what a server told about a mailbox.
    pub(super) fn record_answer(&mut self, exists: bool, now: SystemTime) {
        self.mailboxes.add(1, now);
        self.unknown.add(u64::from(!exists), now);
        if self.untold_from.is_none() {
            self.untold_from = self.mailboxes.newest_slot();
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
        let (mut all, mut unknown) = (self.mailboxes.total(now), self.unknown.total(now));
        for (_, elsewhere) in self.elsewhere.range(self.mailboxes.oldest_slot(now)..) {
            all = all.saturating_add(elsewhere.mailboxes);
            unknown = unknown.saturating_add(elsewhere.unknown);
        }
        let sample = sample.max(1);
        if all < sample || unknown.saturating_mul(100) <= all.saturating_mul(percent.into()) {
            return Ok(());
        }
        // Nothing is learned meanwhile, so the sample shrinks until it means nothing.
        let elsewhere = self.elsewhere.iter().map(|(minute, it)| (*minute, it.mailboxes));
        let mut mailboxes = self.mailboxes.merged(elsewhere);
        Err(mailboxes.wait_until(sample - 1, now).unwrap_or_default())
    }

    /// Counts that other replicas have not been told of.
    fn answers_to_tell(
        &mut self,
        name: &Arc<str>,
        sample: u64,
        now: SystemTime,
    ) -> Vec<SharedAnswers> {
        let elsewhere: u64 = self.elsewhere.values().map(|minute| minute.mailboxes).sum();
        let is_enough = (self.mailboxes.total(now) + elsewhere) * TOLD_FROM >= sample;
        let Some(from) = self.untold_from.take_if(|_| is_enough) else { return Vec::new() };
        self.unknown.total(now);
        let unknown: HashMap<u64, u64> = self.unknown.slots().collect();
        let told = self.mailboxes.slots().filter(|(minute, _)| *minute >= from);
        told.map(|(minute, mailboxes)| SharedAnswers {
            caller: Arc::clone(name),
            replica: 0,
            minute,
            mailboxes,
            unknown: unknown.get(&minute).copied().unwrap_or_default(),
        })
        .collect()
    }

    fn merge(&mut self, other: &SharedAnswers) {
        let oldest = other.minute.saturating_sub(2 * 60);
        self.elsewhere = self.elsewhere.split_off(&oldest);
        let minute = self.elsewhere.entry(other.minute).or_default();
        minute.record(other.replica, (other.mailboxes, other.unknown));
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
        self.for_name(&caller.name, now)
    }

    /// Counts what the caller of this name was told about a mailbox.
    pub(super) fn record_answer(&mut self, caller: &str, exists: bool, now: SystemTime) {
        self.for_name(caller, now).record_answer(exists, now);
    }

    /// What other replicas have to know of what callers learned, as far as it is new.
    pub(super) fn answers_to_tell(&mut self, sample: u64, now: SystemTime) -> Vec<SharedAnswers> {
        let accounts = self.by_name.iter_mut();
        accounts.flat_map(|(name, account)| account.answers_to_tell(name, sample, now)).collect()
    }

    /// Takes up what another replica counted in a minute; the last word counts.
    pub(super) fn merge(&mut self, other: &SharedAnswers, now: SystemTime) {
        self.for_name(&other.caller, now).merge(other);
    }

    fn for_name(&mut self, caller: &str, now: SystemTime) -> &mut Account {
        if self.by_name.len() >= MOST && !self.by_name.contains_key(caller) {
            let oldest = self.by_name.iter().min_by_key(|(_, account)| account.last_used);
            if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.by_name.remove(&name);
            }
        }
        let name = self.by_name.get_key_value(caller).map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| caller.into());
        let account = self.by_name.entry(name).or_insert_with(|| Account::new(now));
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

    #[test]
    fn wrong_guesses_at_two_replicas_are_one_callers_and_are_forgotten_within_the_hour() {
        let now = SystemTime::UNIX_EPOCH + DAY;
        let (mut here, mut there) = (Accounts::default(), Accounts::default());
        let crm = caller("crm");
        for n in 0..60 {
            here.for_caller(&crm, now).record_answer(n % 10 == 0, now);
            there.for_caller(&crm, now).record_answer(n % 10 == 0, now);
        }
        let check = |accounts: &mut Accounts, now| {
            accounts.for_caller(&crm, now).check_unknown(80, 100, now)
        };
        assert_eq!(check(&mut here, now), Ok(()), "60 are no sample of 100");
        let told = there.answers_to_tell(100, now);
        assert_eq!((told.len(), told[0].mailboxes, told[0].unknown), (1, 60, 54));
        for _ in 0..2 {
            told.iter().for_each(|it| here.merge(&SharedAnswers { replica: 2, ..it.clone() }, now));
        }
        let wait = check(&mut here, now).unwrap_err();
        assert!(wait <= HOUR + MINUTE, "{wait:?}");
        assert_eq!(check(&mut here, now + wait), Ok(()));
        assert_eq!(there.answers_to_tell(100, now), [], "nothing is new");
        there.for_caller(&crm, now).record_answer(true, now);
        assert_eq!(there.answers_to_tell(100, now)[0].mailboxes, 61, "the whole minute again");
        there.for_caller(&caller("erp"), now).record_answer(false, now);
        assert_eq!(there.answers_to_tell(100, now), [], "one wrong guess is no sign");
    }

    #[test]
    fn what_other_replicas_count_is_summed_as_if_it_had_been_counted_here() {
        let start = SystemTime::UNIX_EPOCH + DAY;
        let (mut here, mut shared) = (Account::new(start), Account::new(start));
        for minute in 0..200_u64 {
            let now = start + MINUTE * u32::try_from(minute).unwrap();
            for replica in 1..4 {
                for mailbox in 0..replica {
                    here.record_answer((minute + mailbox) % 7 == 0, now);
                }
                let exist = (0..replica).filter(|mailbox| (minute + mailbox) % 7 == 0).count();
                let counted = SharedAnswers {
                    caller: "crm".into(),
                    replica: i64::try_from(replica).unwrap(),
                    minute: now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60,
                    mailboxes: replica,
                    unknown: replica - exist as u64,
                };
                // The first word of a minute counts no more once another came.
                shared.merge(&SharedAnswers { mailboxes: 1, unknown: 1, ..counted.clone() });
                shared.merge(&counted);
            }
            for percent in [80, 84, 85, 86, 90] {
                for sample in [1, 100, 366, 367] {
                    let one = here.check_unknown(percent, sample, now);
                    assert_eq!(one, shared.check_unknown(percent, sample, now), "{minute}");
                }
            }
        }
        assert_eq!(shared.elsewhere.len(), 121, "of two hours");
    }
}
