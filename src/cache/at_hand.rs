//! One way to read moka's caches.

use std::hash::Hash;

use foldhash::quality::RandomState;
use futures_util::FutureExt as _;
use moka::Equivalent;
use moka::future::Cache;

/// What the cache holds under this key. Moka has it at hand nearly always; the space for a wait,
/// which is large, is taken only for one.
pub(super) async fn get<K, V, Q>(entries: &Cache<K, V, RandomState>, key: &Q) -> Option<V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    Q: Equivalent<K> + Hash + ?Sized,
{
    match entries.get(key).now_or_never() {
        Some(held) => held,
        None => Box::pin(entries.get(key)).await,
    }
}
