//! Reading moka's caches without a boxed future per hit.

use std::hash::Hash;

use foldhash::quality::RandomState;
use futures_util::FutureExt as _;
use moka::Equivalent;
use moka::future::Cache;

/// Returns the cached value of `key`. Moka's future is large and nearly always ready at once, so it
/// is boxed only if it has to wait.
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
