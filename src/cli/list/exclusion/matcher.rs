//! The matcher: which addresses the suppression lists of a run exclude. Pure.

use std::collections::HashSet;

use crate::cli::list::mailbox_hash::{mailbox_hash, subject_hash};
use crate::verifier::Subject;

/// All suppression lists of a run: an address of them costs the eight octets of its hash.
#[derive(Debug, Default)]
pub(in crate::cli::list) struct ExclusionMatcher {
    addresses: HashSet<u64>,
    /// `true` if an address is excluded as it is spelled alone, whatever else it may be read as.
    is_by_spelling: bool,
}

impl ExclusionMatcher {
    /// The same matcher, by which an address is excluded as it is spelled alone.
    pub(in crate::cli::list) fn by_spelling(self) -> Self {
        Self { is_by_spelling: true, ..self }
    }

    /// Takes an address of a suppression list; `false` if the text holds none.
    pub(in crate::cli::list) fn exclude(&mut self, address: &str) -> bool {
        let subject = Subject::parse(address);
        // What is no address has a verdict of its own, in whatever column it stands. A run of an
        // older version left it out.
        if subject.address().is_some() || self.is_by_spelling {
            self.addresses.insert(subject_hash(&subject));
        }
        // Of two readings neither gets mail.
        if let Some(likely) = subject.likely() {
            self.addresses.insert(mailbox_hash(&likely.wire_utf8()));
        }
        subject.address().is_some() || subject.likely().is_some()
    }

    /// `true` if it excludes nobody.
    pub(in crate::cli::list) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// `true` if `address` is on a suppression list, or is in the place of one that is: of two
    /// readings neither gets mail.
    pub(in crate::cli::list) fn is_excluded(&self, address: &str) -> bool {
        !self.is_empty() && self.holds_mailbox(&Subject::parse(address))
    }

    /// `true` if a list has the mailbox of `subject`, by any of its readings.
    fn holds_mailbox(&self, subject: &Subject) -> bool {
        let has = |hash| self.addresses.contains(&hash);
        let likely = subject.likely().filter(|_| !self.is_by_spelling);
        has(subject_hash(subject))
            || likely.is_some_and(|likely| has(mailbox_hash(&likely.wire_utf8())))
    }
}
