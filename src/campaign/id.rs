//! The name of a batch.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::{NoContext, Timestamp, Uuid};

/// The name of a batch: a UUID of version 7 (RFC 9562 section 5.7), so that names sort by time.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(Arc<str>);

impl BatchId {
    /// A new name.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let at = Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos());
        Self(Uuid::new_v7(at).to_string().into())
    }

    /// The name that `text` is, in lower case; `None` if it is not one. Whatever is, may stand in
    /// the name of a file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        Some(Self(id.to_string().into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_differ_at_one_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (early, late) = (BatchId::new(at(1_000_000)), BatchId::new(at(1_000_001)));
        assert!(early < late);
        assert_ne!(BatchId::new(at(5)), BatchId::new(at(5)));
    }

    #[test]
    fn only_what_may_stand_in_a_file_name_is_a_name() {
        let id = BatchId::new(SystemTime::UNIX_EPOCH);
        assert_eq!(BatchId::parse(&id.as_str().to_uppercase()), Some(id));
        for text in
            ["", "1", "../x", "0192f3a4-0000-7000-8000-00000000000/", "a".repeat(36).as_str()]
        {
            let parsed = BatchId::parse(text);
            assert!(parsed.is_none_or(|id| !id.as_str().contains(['/', '.'])), "{text}");
        }
        assert_eq!(BatchId::parse("../../etc/passwd"), None);
    }
}
