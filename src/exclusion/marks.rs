//! Marks of the addresses of a list: those that suppression lists keep from being asked about, two
//! bits each, so that the lists themselves need not be kept. Pure.

use std::collections::HashSet;

use super::mailbox_hash::text_hash;
use super::matcher::ExclusionMatcher;
use crate::address::{Address, suggest};
use crate::verifier::Subject;

/// The number of domains that are remembered to be spelled right.
const MOST_DOMAINS: usize = 100_000;

/// The part of an answer that suppression lists take away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExclusionMark {
    /// None: the address is asked about.
    #[default]
    Asked,
    /// The suggestion: it is asked about, and who may be meant in its place is excluded.
    Suggestion,
    /// All of it: the address is excluded, and not asked about.
    Excluded,
}

/// The marks of all addresses of a list, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExclusionMarks {
    /// Four marks each, the first in the lowest bits.
    octets: Vec<u8>,
    count: usize,
}

impl ExclusionMarks {
    /// The marks in octets that were made of them; what stands behind the last one is asked about.
    #[must_use]
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self { count: octets.len() * 4, octets }
    }

    /// The marks as octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Adds the mark of the next address.
    pub fn push(&mut self, mark: ExclusionMark) {
        let shift = 2 * (self.count % 4);
        if shift == 0 {
            self.octets.push(0);
        }
        let bits: u8 = match mark {
            ExclusionMark::Asked => 0,
            ExclusionMark::Suggestion => 1,
            ExclusionMark::Excluded => 2,
        };
        if let Some(last) = self.octets.last_mut() {
            *last |= bits << shift;
        }
        self.count += 1;
    }

    /// The mark of the address at `place`, from 0. Those behind the last one are asked about.
    #[must_use]
    pub fn at(&self, place: usize) -> ExclusionMark {
        let octet = self.octets.get(place / 4).copied().unwrap_or_default();
        match (octet >> (2 * (place % 4))) & 0b11 {
            0 => ExclusionMark::Asked,
            1 => ExclusionMark::Suggestion,
            _ => ExclusionMark::Excluded,
        }
    }

    /// The place behind the last address that is excluded.
    #[must_use]
    pub fn end(&self) -> usize {
        let last = (0..self.count).rev().find(|place| self.at(*place) == ExclusionMark::Excluded);
        last.map_or(0, |place| place + 1)
    }
}

/// Marks addresses by suppression lists.
#[derive(Debug)]
pub struct ExclusionMarker<'m> {
    matcher: &'m ExclusionMatcher,
    /// Hashes of domains for which no other one is suggested.
    right_domains: HashSet<u64>,
}

impl<'m> ExclusionMarker<'m> {
    /// A marker of the addresses that `matcher` excludes.
    #[must_use]
    pub fn new(matcher: &'m ExclusionMatcher) -> Self {
        Self { matcher, right_domains: HashSet::new() }
    }

    /// The mark of `address`.
    pub fn mark(&mut self, address: &str) -> ExclusionMark {
        if self.matcher.is_empty() {
            return ExclusionMark::Asked;
        }
        let subject = Subject::parse(address);
        if self.matcher.excludes(&subject) {
            ExclusionMark::Excluded
        } else if self.suggests_excluded(&subject) {
            ExclusionMark::Suggestion
        } else {
            ExclusionMark::Asked
        }
    }

    /// `true` if the address that a verifier may suggest instead is excluded.
    fn suggests_excluded(&mut self, subject: &Subject) -> bool {
        if self.is_spelled_right(subject) {
            return false;
        }
        let suggestion = suggest::suggest(subject.asked());
        suggestion.is_some_and(|it| self.matcher.is_excluded(&it.address.wire_utf8()))
    }

    /// `true` if no other domain is suggested for the one of `subject`: a list has few domains, and
    /// each is looked at once.
    fn is_spelled_right(&mut self, subject: &Subject) -> bool {
        let name = subject.address().and_then(Address::domain_name);
        let written = subject.asked().rsplit_once('@').map(|(_, written)| written);
        let Some(name) = name.filter(|name| written == Some(name.as_str())) else { return false };
        let hash = text_hash(name.as_str());
        if self.right_domains.contains(&hash) {
            return true;
        }
        let is_right = suggest::looks_right(name);
        if is_right && self.right_domains.len() < MOST_DOMAINS {
            self.right_domains.insert(hash);
        }
        is_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_that_were_set_also_when_they_were_kept() {
        use ExclusionMark::{Asked, Excluded, Suggestion};
        let set = [Asked, Excluded, Suggestion, Asked, Excluded, Suggestion, Asked];
        let mut marks = ExclusionMarks::default();
        set.into_iter().for_each(|mark| marks.push(mark));
        assert_eq!(marks.octets().len(), 2);
        for marks in [ExclusionMarks::from_octets(marks.octets().to_vec()), marks] {
            let found: Vec<_> = (0..set.len()).map(|place| marks.at(place)).collect();
            assert_eq!(found, set);
            assert_eq!((marks.at(7), marks.at(1000)), (Asked, Asked));
            assert_eq!(marks.end(), 5);
        }
        assert_eq!(ExclusionMarks::default().end(), 0);
    }

    #[test]
    fn who_may_be_meant_by_a_mistyped_address_and_is_excluded_is_marked() {
        let mut matcher = ExclusionMatcher::default();
        assert!(matcher.exclude("jane@gmail.com"));
        let mut marker = ExclusionMarker::new(&matcher);
        for (address, mark) in [
            ("jane@gmail.com", ExclusionMark::Excluded),
            ("Jane <JANE@gmail.com>", ExclusionMark::Excluded),
            ("jane@gmial.com", ExclusionMark::Suggestion),
            ("bob@gmial.com", ExclusionMark::Asked),
            ("jane@acme.test", ExclusionMark::Asked),
            ("jane@acme.test", ExclusionMark::Asked),
        ] {
            assert_eq!(marker.mark(address), mark, "{address}");
        }
        let nobody = ExclusionMatcher::default();
        assert_eq!(ExclusionMarker::new(&nobody).mark("jane@gmial.com"), ExclusionMark::Asked);
    }
}
