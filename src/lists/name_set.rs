//! A set of names that never changes, packed for size and speed.
//!
//! Fifty thousand domains as a `HashSet<String>` cost about 5 MB and one allocation each. Here all
//! names lie in one byte arena, length first, grouped by hash bucket; a second array says where
//! each bucket begins. A look-up hashes the name, reads two offsets and compares the few names of
//! one bucket, which stand side by side: usually one cache line. The answer is exact.
//!
//! The hash has a fixed seed: callers cannot add names, so only the list's author could make a
//! bucket long.

use std::hash::{BuildHasher as _, Hasher as _};
use std::mem::size_of;

use foldhash::quality::FixedState;

/// Names a bucket holds on average: the offsets then cost one byte a name, and a look-up compares
/// about two names' lengths before it is done.
const NAMES_PER_BUCKET: usize = 4;

/// The longest name a set can hold, in bytes: its length is stored in one byte. A domain name has
/// at most 253 (RFC 1035 section 2.3.4), a local part 64 (RFC 5321 section 4.5.3.1.1).
pub(super) const MAX_NAME: usize = 255;

/// An immutable set of names of at most [`MAX_NAME`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NameSet {
    /// Offset of each bucket in the arena, then the end of the last one.
    starts: Box<[u32]>,
    /// The names of bucket after bucket, each preceded by its length.
    arena: Box<[u8]>,
    len: usize,
}

impl NameSet {
    /// Packs `names`. Names that are longer than [`MAX_NAME`] or come twice are left out.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&[u8]> =
            names.into_iter().map(str::as_bytes).filter(|name| name.len() <= MAX_NAME).collect();
        names.sort_unstable();
        names.dedup();
        let buckets = names.len().div_ceil(NAMES_PER_BUCKET).max(1);
        names.sort_by_cached_key(|name| bucket(name, buckets));

        let bytes = names.iter().map(|name| name.len() + 1).sum();
        let mut arena = Vec::with_capacity(bytes);
        let mut starts = Vec::with_capacity(buckets + 1);
        let mut rest = names.as_slice();
        for current in 0..buckets {
            starts.push(offset(arena.len()));
            let here = rest.partition_point(|name| bucket(name, buckets) == current);
            for name in &rest[..here] {
                arena.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                arena.extend_from_slice(name);
            }
            rest = &rest[here..];
        }
        starts.push(offset(arena.len()));
        Self { starts: starts.into(), arena: arena.into(), len: names.len() }
    }

    /// `true` if `name` is in the set, byte for byte.
    pub(super) fn contains(&self, name: &str) -> bool {
        if self.len == 0 {
            return false;
        }
        let name = name.as_bytes();
        let bucket = bucket(name, self.starts.len() - 1);
        let (start, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let mut rest = &self.arena[start..end];
        while let Some((&len, after)) = rest.split_first() {
            let (entry, next) = after.split_at(len as usize);
            if entry == name {
                return true;
            }
            rest = next;
        }
        false
    }

    /// The heap size of the set, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.starts.len() * size_of::<u32>() + self.arena.len()
    }
}

impl std::fmt::Debug for NameSet {
    /// The count, not fifty thousand names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameSet({} names)", self.len)
    }
}

/// An offset into the arena. A list file is bounded well below 4 GiB (`file::MAX_FILE`).
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The bucket of `name` among `buckets`: the hash scaled down, without a division.
fn bucket(name: &[u8], buckets: usize) -> usize {
    let scaled = (u128::from(hash(name)) * buckets as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

/// The quality variant of foldhash: the bucket is taken from the top bits, which the fast variant
/// mixes less well. A fixed seed, because `starts` is a part of the set's value.
fn hash(name: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_set_contains_nothing() {
        let set = NameSet::new([]);
        assert!(!set.contains(""));
        assert!(!set.contains("example.com"));
        assert_eq!(set.len, 0);
    }

    #[test]
    fn a_name_that_comes_twice_counts_once() {
        assert_eq!(NameSet::new(["b.example", "a.example", "b.example"]).len, 2);
    }

    #[test]
    fn a_name_too_long_to_store_is_left_out_and_not_cut() {
        let long = "a".repeat(MAX_NAME + 1);
        let set = NameSet::new([long.as_str(), "b.example"]);
        assert_eq!(set.len, 1);
        assert!(!set.contains(&long) && !set.contains(&long[1..]));
        assert!(NameSet::new([&long[1..]]).contains(&long[1..]));
    }

    #[test]
    fn no_bucket_of_the_largest_list_is_long() {
        let set = NameSet::new(mailchecker::blacklist());
        let longest = set.starts.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest < Some(400), "{longest:?} bytes in one bucket");
    }

    proptest! {
        #[test]
        fn a_set_agrees_with_a_hash_set(
            names in prop::collection::vec("[a-c.]{0,4}|\\PC{0,9}", 0..60),
            asked in prop::collection::vec("[a-c.]{0,4}", 0..60),
        ) {
            let set = NameSet::new(names.iter().map(String::as_str));
            let naive: HashSet<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(set.len, naive.len());
            for name in names.iter().chain(&asked) {
                prop_assert_eq!(set.contains(name), naive.contains(name.as_str()));
            }
        }
    }
}
