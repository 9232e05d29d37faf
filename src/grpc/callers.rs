//! Calls by caller: the name that a call goes by in the log, and how often each method was called.
//!
//! Names are the operator's (keys) or an authority's (certificates), so there are few; a
//! certificate
//! may name a mailbox, which is redacted. Callers without a name are one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::access::Caller;
use crate::address::redact;

/// Most names counted; later ones are counted together.
const MOST: usize = 1000;

/// The name of all callers that showed neither a key nor a certificate.
const ANONYMOUS: &str = "anonymous";

/// The name under which callers are counted that are too many.
const OTHER: &str = "other";

/// The name of a call's caller, set once it is known: the layer that asks is inside the one that
/// logs.
#[derive(Clone, Debug, Default)]
pub(super) struct CallerName(Arc<OnceLock<Arc<str>>>);

impl CallerName {
    pub(super) fn set(&self, caller: &Caller) {
        let name = match &*caller.name {
            "" => ANONYMOUS.into(),
            name => redact::text(name).into(),
        };
        // A call has one caller.
        let _ = self.0.set(name);
    }

    /// The name; `None` for a call that was turned away, and for health.
    pub(super) fn get(&self) -> Option<&Arc<str>> {
        self.0.get()
    }
}

/// Counts calls by caller and method.
#[derive(Debug, Default)]
pub(super) struct CallerCounts(Mutex<BTreeMap<Arc<str>, BTreeMap<usize, u64>>>);

impl CallerCounts {
    pub(super) fn inc(&self, caller: &Arc<str>, method: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = counts.len() >= MOST;
        let methods = match counts.get_mut(caller) {
            Some(methods) => methods,
            None if is_full => counts.entry(OTHER.into()).or_default(),
            None => counts.entry(Arc::clone(caller)).or_default(),
        };
        *methods.entry(method).or_default() += 1;
    }

    /// The caller, the number of the method, and how often it was called.
    pub(super) fn snapshot(&self) -> Vec<(Arc<str>, usize, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(caller, methods): (&Arc<str>, &BTreeMap<usize, u64>)| {
            let caller = Arc::clone(caller);
            let count = move |(method, n): (&usize, &u64)| (Arc::clone(&caller), *method, *n);
            methods.iter().map(count).collect::<Vec<_>>()
        };
        counts.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_redacted_and_their_number_is_bounded() {
        let name = CallerName::default();
        name.set(&Caller::local());
        assert_eq!(name.get().map(|name| &**name), Some("anonymous"));
        let counts = CallerCounts::default();
        for n in 0..MOST + 5 {
            counts.inc(&format!("c{n:05}").into(), 1);
        }
        counts.inc(&"c00000".into(), 1);
        let snapshot = counts.snapshot();
        assert_eq!(snapshot.len(), MOST + 1);
        assert_eq!(snapshot[0], ("c00000".into(), 1, 2));
        assert_eq!(snapshot[MOST], ("other".into(), 1, 5));
    }
}
