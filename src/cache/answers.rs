//! A bounded cache of answers whose lifetime the caller decides.
//!
//! It knows nothing about the values and never loads one.

use std::hash::Hash;
use std::time::{Duration, Instant, SystemTime};

use foldhash::quality::RandomState;
use moka::Equivalent;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::freshness::Lifespan;
use super::moka_ext;

/// Cached answers by key. Cheap to clone; all clones share one cache.
#[derive(Clone)]
pub struct Answers<K, V> {
    entries: Cache<K, AnswerEntry<V>, RandomState>,
}

#[derive(Clone)]
struct AnswerEntry<V> {
    value: V,
    lifespan: Lifespan,
    keep_for: Duration,
}

impl<K, V> Answers<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Creates a cache of at most `capacity` answers; the least recently used are evicted first.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(AnswerExpiry)
            .build_with_hasher(RandomState::default());
        Self { entries }
    }

    /// Stores an answer until `valid_until`, replacing an earlier one.
    pub async fn insert(
        &self,
        key: K,
        value: V,
        gathered_at: SystemTime,
        valid_until: SystemTime,
        now: SystemTime,
    ) {
        let keep_for = valid_until.duration_since(now).unwrap_or_default();
        let lifespan = Lifespan { gathered_at, valid_until };
        let entry = AnswerEntry { value, lifespan, keep_for };
        self.entries.insert(key, entry).await;
    }

    /// The answer under this key, if it holds at `now` and is no older than `max_age`.
    pub async fn lookup<Q>(&self, key: &Q, max_age: Option<Duration>, now: SystemTime) -> Option<V>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let entry = moka_ext::get(&self.entries, key).await?;
        entry.lifespan.serves(max_age, now).then_some(entry.value)
    }
}

/// Frees expired entries. Which of them may be *used* depends on the `now` that is passed in.
struct AnswerExpiry;

impl<K, V> moka::Expiry<K, AnswerEntry<V>> for AnswerExpiry {
    fn expire_after_create(&self, _: &K, entry: &AnswerEntry<V>, _: Instant) -> Option<Duration> {
        Some(entry.keep_for)
    }

    fn expire_after_update(
        &self,
        _: &K,
        entry: &AnswerEntry<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATHERED: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(second: u64) -> SystemTime {
        GATHERED + Duration::from_secs(second)
    }

    async fn with_one(until: u64) -> Answers<String, u8> {
        let answers = Answers::new(10);
        answers.insert("a".to_owned(), 7, GATHERED, at(until), GATHERED).await;
        answers
    }

    #[tokio::test]
    async fn an_answer_serves_until_its_end() {
        let answers = with_one(100).await;
        assert_eq!(answers.lookup("a", None, at(99)).await, Some(7));
        assert_eq!(answers.lookup("a", None, at(100)).await, None);
        assert_eq!(answers.lookup("b", None, at(0)).await, None);
    }

    #[tokio::test]
    async fn an_answer_older_than_asked_for_does_not_serve() {
        let answers = with_one(100).await;
        let max_age = Some(Duration::from_secs(10));
        assert_eq!(answers.lookup("a", max_age, at(10)).await, Some(7));
        assert_eq!(answers.lookup("a", max_age, at(11)).await, None);
    }

    #[tokio::test]
    async fn a_later_answer_brings_its_own_lifetime() {
        let answers = with_one(0).await;
        assert_eq!(answers.lookup("a", None, at(0)).await, None);
        answers.insert("a".to_owned(), 8, at(1), at(50), at(1)).await;
        assert_eq!(answers.lookup("a", None, at(49)).await, Some(8));
    }

    #[tokio::test]
    async fn the_memory_stays_within_its_capacity_and_keeps_the_latest() {
        let answers: Answers<u32, u32> = Answers::new(10);
        for key in 0..1_000 {
            answers.insert(key, key, GATHERED, at(100), GATHERED).await;
        }
        answers.entries.run_pending_tasks().await;
        assert!(answers.entries.entry_count() <= 10);
        assert_eq!(answers.lookup(&999, None, at(1)).await, Some(999));
    }
}
