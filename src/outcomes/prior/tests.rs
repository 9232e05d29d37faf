//! Claims about earlier mail as the verifier learns of it, and about how right verdicts were.

use std::sync::atomic::AtomicUsize;

use tokio::sync::Semaphore;

use super::*;
use crate::address::Address;
use crate::outcomes::Digest;
use crate::outcomes::address_key::{AddressDigests, AddressKey};
use crate::outcomes::outcome_table::OutcomeTable;
use crate::outcomes::stored_outcome::{LatestOutcomes, NewOutcome, VerdictRecord};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn identity() -> Identity {
    Address::parse("jane@acme.test").unwrap().identity()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_867_200)
}

fn history(folder: &tempfile::TempDir) -> (PathBuf, OutcomeHistory) {
    let file = folder.path().join("outcomes.db");
    let place = OutcomePlace::File(file.clone());
    (file, OutcomeHistory::new(place, Config::default()))
}

#[tokio::test]
async fn a_file_that_comes_later_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let (file, history) = history(&folder);
    assert_eq!(history.find(&identity(), now()).await, Ok(PriorMail::default()));
    assert!(history.is_empty() && !file.exists(), "a look-up makes nothing");
    let store = OutcomeStore::open(&file, &Config::default()).await.unwrap();
    let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Gone)
        .saying("550 5.1.1 <jane@acme.test> unknown");
    store.add(vec![event], false, now()).await.unwrap();
    assert!(!history.is_empty());
    let found = history.find(&identity(), now()).await.unwrap().suppression.unwrap();
    assert_eq!(found.reason, Reason::BouncedBefore);
    assert!(
        found.words.starts_with("gone on 2026-11-28, source: ses: 550 5.1.1"),
        "{}",
        found.words
    );
    assert!(!found.words.contains("jane@"), "{}", found.words);
}

#[tokio::test]
async fn mail_that_arrived_in_180_days_is_told_and_suppresses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (_, history) = history(&folder);
    let at = now() - DAY * 179;
    let event = OutcomeEvent::new("postfix", "jane@acme.test", OutcomeKind::Delivered);
    history.keep(vec![event.at(Some(at))], now()).await.unwrap();
    let found = history.find(&identity(), now()).await.unwrap();
    let delivered = DeliveredMail { at, source: "postfix".to_owned() };
    assert_eq!(found, PriorMail { suppression: None, delivered: Some(delivered) });
    let later = history.find(&identity(), now() + DAY * 2).await;
    assert_eq!(later, Ok(PriorMail::default()));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_and_no_clean_record() {
    let folder = tempfile::tempdir().unwrap();
    let (file, history) = history(&folder);
    std::fs::write(&file, "this is no database").unwrap();
    let error = history.find(&identity(), now()).await.unwrap_err();
    assert!(error.to_string().contains("is no database of outcomes: name another file"), "{error}");
}

#[tokio::test]
async fn who_keeps_no_verdicts_keeps_none_of_earlier_days_either() {
    let folder = tempfile::tempdir().unwrap();
    let (file, history) = history(&folder);
    let verdict = GivenVerdict {
        address: "jane@acme.test".to_owned(),
        reason: Reason::MailboxAccepted,
        provider: "acme.test".to_owned(),
        gathered_at: None,
    };
    let store = history.open().await.unwrap();
    store.remember("spring", &[verdict], now()).await.unwrap();
    let later = now() + DAY;
    history.forget_old_verdicts(later).await.unwrap();
    assert_eq!(store.tallies().await.unwrap().sends.len(), 1, "kept for 180 days");
    let config = Config { keep_verdicts: Duration::ZERO, ..Config::default() };
    let without = OutcomeHistory::new(OutcomePlace::File(file), config);
    without.forget_old_verdicts(later).await.unwrap();
    assert!(store.tallies().await.unwrap().sends.is_empty());
}

/// A table in which nothing is found, and whose verdicts are counted once a permit is there.
struct SlowTable {
    permits: Semaphore,
    begun: AtomicUsize,
    counts: AtomicUsize,
}

#[async_trait]
impl OutcomeTable for SlowTable {
    async fn key(&self, _: bool) -> Result<Option<AddressKey>, OutcomeStoreError> {
        Ok(Some(AddressKey::new(&[7; 32])))
    }

    async fn add(&self, rows: Vec<NewOutcome>) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        Ok(vec![AddedEvent::Taken; rows.len()])
    }

    async fn latest(&self, _: AddressDigests) -> Result<LatestOutcomes, OutcomeStoreError> {
        Ok(LatestOutcomes::default())
    }

    async fn count(
        &self,
        _: &str,
        _: SystemTime,
    ) -> Result<Vec<(OutcomeKind, u64)>, OutcomeStoreError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(Vec::new())
    }

    async fn page(
        &self,
        _: Option<(SystemTime, Digest)>,
        _: usize,
    ) -> Result<Vec<StoredOutcome>, OutcomeStoreError> {
        Ok(Vec::new())
    }

    async fn erase(&self, _: AddressDigests) -> Result<u64, OutcomeStoreError> {
        Ok(0)
    }

    async fn forget_before(&self, _: SystemTime) -> Result<u64, OutcomeStoreError> {
        Ok(0)
    }

    async fn remember(
        &self,
        _: &str,
        _: Vec<VerdictRecord>,
        _: SystemTime,
    ) -> Result<(), OutcomeStoreError> {
        Ok(())
    }

    async fn forget_verdicts(&self, _: SystemTime) -> Result<(), OutcomeStoreError> {
        Ok(())
    }

    async fn tallies(&self) -> Result<OutcomeTallies, OutcomeStoreError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        self.counts.fetch_add(1, Ordering::SeqCst);
        Ok(OutcomeTallies::default())
    }
}

/// A history whose table counts once for each permit.
fn slow_history(folder: &tempfile::TempDir) -> (Arc<SlowTable>, OutcomeHistory) {
    let [begun, counts] = [0, 0].map(AtomicUsize::new);
    let table = Arc::new(SlowTable { permits: Semaphore::new(0), begun, counts });
    let store = Arc::new(OutcomeStore::new(Arc::clone(&table) as _, &Config::default()));
    let (_, history) = history(folder);
    (table, OutcomeHistory { store: OnceCell::new_with(Some(store)), ..history })
}

#[tokio::test]
async fn what_is_kept_waits_for_no_count_of_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Gone);
    let counting = history.accuracy(now());
    tokio::pin!(counting);
    let kept = tokio::select! {
        biased;
        _ = &mut counting => panic!("nothing is counted yet"),
        kept = history.keep(vec![event], now()) => kept.unwrap(),
    };
    assert_eq!(kept, [AddedEvent::Taken]);
    table.permits.add_permits(1);
    counting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_counted_once_a_minute_however_much_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    table.permits.add_permits(2);
    let told = futures_util::future::join_all([now(); 3].map(|now| history.accuracy(now))).await;
    assert!(told.iter().all(Result::is_ok));
    let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Gone);
    history.keep(vec![event], now()).await.unwrap();
    history.accuracy(now() + LASTS - Duration::from_secs(1)).await.unwrap();
    assert_eq!(table.counts.load(Ordering::SeqCst), 1);
    history.accuracy(now() + LASTS).await.unwrap();
    assert_eq!(table.counts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_the_count_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = history.accuracy(now()) => panic!("nothing is counted yet"),
            () = tokio::task::yield_now() => {}
        }
    }
    table.permits.add_permits(1);
    history.accuracy(now()).await.unwrap();
    assert_eq!(table.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_takes_longer_than_it_lasts_is_not_stale_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    let counting = history.accuracy(now());
    tokio::pin!(counting);
    let time_goes_by = async {
        tokio::task::yield_now().await;
        tokio::time::advance(LASTS * 2).await;
    };
    tokio::select! {
        biased;
        _ = &mut counting => panic!("nothing is counted yet"),
        () = time_goes_by => {}
    }
    table.permits.add_permits(2);
    counting.await.unwrap();
    history.accuracy(now() + LASTS * 2).await.unwrap();
    assert_eq!(table.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_without_the_figures_waits_for_no_long_count() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    assert!(history.accuracy_at_hand(now()).await.unwrap().is_none());
    table.permits.add_permits(1);
    let first = history.accuracy(now()).await.unwrap();
    let again = history.accuracy_at_hand(now() + LASTS * 2).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the last figures, while they are counted anew");
    assert_eq!(table.begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_mail_to_a_domain_is_counted_once_however_many_ask_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (table, history) = slow_history(&folder);
    let asked = [1, 0, 2].map(Duration::from_secs);
    let asked = asked.map(|later| history.find_domain_mail("acme.test", now() + later));
    assert_eq!(futures_util::future::join_all(asked).await, [None; 3]);
    assert_eq!(table.begun.load(Ordering::SeqCst), 1);
    history.find_domain_mail("acme.test", now() + LASTS * 2).await;
    assert_eq!(table.begun.load(Ordering::SeqCst), 2);
}
