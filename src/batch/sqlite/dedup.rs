//! Deduplicates rows during ingest: mailboxes and groups, by the hashes of their names, each with
//! its number.
//!
//! Hashes come in no order: flushed one by one, each would change a page of its own. So they are
//! buffered in memory, and flushed in their order, a part of them at a time: then many share a
//! page. Most of a list was never met; a Bloom filter tells so without a look into the file.

use std::hash::{BuildHasher as _, RandomState};

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// Entries buffered before some are flushed.
const BUFFERED: usize = 100_000;

/// Entries flushed at a time, at least; more where a page of rows brings more.
const FLUSHED_AT_ONCE: usize = 2500;

/// Blocks of the filter of mailboxes: 8 MiB, which errs once in a hundred at six million.
const MAILBOXES: usize = 1 << 17;

/// Blocks of the filter of groups.
const GROUPS: usize = 1 << 14;

/// The name of a mailbox or a group, in short.
pub(super) type Hash = [u8; 16];

/// Hashes with the numbers of what they are of.
pub(super) type Numbers = Vec<(Hash, i64)>;

/// An index from names to their numbers, write-behind, with a Bloom filter in front.
pub(super) struct DedupIndex {
    find: &'static str,
    insert: &'static str,
    buffered: Buckets,
    filter: Option<BloomFilter>,
    /// Nobody outside can tell which names share a bucket.
    salt: u64,
    /// The bucket that is flushed next.
    next: usize,
}

impl DedupIndex {
    pub(super) fn mailboxes() -> Self {
        Self::new(
            "SELECT number FROM intake.mailboxes WHERE hash = ?",
            "INSERT INTO intake.mailboxes (hash, number) VALUES (?, ?)",
            MAILBOXES,
        )
    }

    pub(super) fn groups() -> Self {
        Self::new(
            "SELECT number FROM intake.groups WHERE hash = ?",
            "INSERT INTO intake.groups (hash, number) VALUES (?, ?)",
            GROUPS,
        )
    }

    fn new(find: &'static str, insert: &'static str, blocks: usize) -> Self {
        let filter = Some(BloomFilter::new(blocks));
        let salt = RandomState::new().hash_one(0);
        Self { find, insert, buffered: Buckets::default(), filter, salt, next: 0 }
    }

    /// The hash of a name in this index.
    pub(super) fn hash(&self, name: &str) -> Hash {
        let digest = Sha256::new().chain_update(self.salt.to_le_bytes()).chain_update(name);
        let mut short = [0; 16];
        short.copy_from_slice(&digest.finalize()[..16]);
        short
    }

    /// For each of these whether it may have been met before. All at once: the filter is larger
    /// than the processor's caches, which then fetch the parts of many side by side.
    pub(super) fn may_hold<'h>(&self, hashes: impl Iterator<Item = &'h Hash>) -> Vec<bool> {
        match &self.filter {
            Some(filter) => hashes.map(|hash| filter.may_hold(hash)).collect(),
            None => hashes.map(|_| true).collect(),
        }
    }

    /// The number of what has this hash, which [may](Self::may_hold) have been met before.
    pub(super) fn find(&self, file: &Connection, hash: &Hash) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.buffered.get(hash) {
            return Ok(Some(number));
        }
        file.prepare_cached(self.find)?.query_row([hash], |row| row.get(0)).optional()
    }

    /// Takes in what was met for the first time.
    pub(super) fn buffer(&mut self, new: Numbers) {
        if let Some(filter) = &mut self.filter {
            new.iter().for_each(|(hash, _)| filter.add(hash));
        }
        self.buffered.extend(new);
    }

    /// Gives the room of the filter back; from here on the file is asked each time.
    pub(super) fn drop_filter(&mut self) {
        self.filter = None;
    }

    /// Writes a part, if many are buffered or `all` are to be flushed; returns the number of its
    /// buckets. They are to be [marked](Self::mark_flushed) when they are in the file for good.
    pub(super) fn flush(&self, file: &Connection, all: bool) -> rusqlite::Result<usize> {
        if !all && self.buffered.count < BUFFERED {
            return Ok(0);
        }
        let mut insert = file.prepare_cached(self.insert)?;
        let wanted = FLUSHED_AT_ONCE.max(self.buffered.count.saturating_sub(BUFFERED));
        let (mut buckets, mut flushed) = (0, 0);
        while flushed < wanted && buckets < BUCKETS {
            let mut bucket = self.buffered.buckets[(self.next + buckets) % BUCKETS].clone();
            bucket.sort_unstable();
            for (hash, number) in &bucket {
                insert.execute(params![hash, number])?;
            }
            flushed += bucket.len();
            buckets += 1;
        }
        Ok(buckets)
    }

    /// Lets go of what is in the file: so many buckets.
    pub(super) fn mark_flushed(&mut self, buckets: usize) {
        for _ in 0..buckets {
            self.buffered.clear(self.next);
            self.next = (self.next + 1) % BUCKETS;
        }
    }

    /// `true` if nothing is buffered.
    pub(super) fn is_flushed(&self) -> bool {
        self.buffered.count == 0
    }
}

/// Buckets of hashes: each has those between two bounds.
const BUCKETS: usize = 1024;

/// Entries, in the order of their hashes from bucket to bucket, and in none within.
struct Buckets {
    buckets: Vec<Vec<(Hash, i64)>>,
    count: usize,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS], count: 0 }
    }
}

impl Buckets {
    /// The bucket of a hash.
    fn place(hash: &Hash) -> usize {
        usize::from(u16::from_be_bytes([hash[0], hash[1]])) * BUCKETS / (1 << 16)
    }

    fn get(&self, hash: &Hash) -> Option<i64> {
        let bucket = &self.buckets[Self::place(hash)];
        bucket.iter().find(|(held, _)| held == hash).map(|(_, number)| *number)
    }

    fn extend(&mut self, new: Numbers) {
        self.count += new.len();
        for entry in new {
            self.buckets[Self::place(&entry.0)].push(entry);
        }
    }

    fn clear(&mut self, bucket: usize) {
        self.count -= self.buckets[bucket].len();
        self.buckets[bucket].clear();
    }
}

/// A Bloom filter in blocks of 512 bits: a hash sets four bits of one block.
struct BloomFilter(Vec<[u64; 8]>);

impl BloomFilter {
    fn new(blocks: usize) -> Self {
        Self(vec![[0; 8]; blocks])
    }

    /// The block of a hash, and its bits: a word and a mask for each.
    fn place(&self, hash: &Hash) -> (usize, [(usize, u64); 4]) {
        let block = usize::from_le_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ]);
        let bits = [0, 1, 2, 3].map(|n| {
            let bit = u16::from_le_bytes([hash[8 + 2 * n], hash[9 + 2 * n]]) % 512;
            (usize::from(bit / 64), 1 << (bit % 64))
        });
        (block % self.0.len(), bits)
    }

    fn add(&mut self, hash: &Hash) {
        let (block, bits) = self.place(hash);
        for (word, mask) in bits {
            self.0[block][word] |= mask;
        }
    }

    fn may_hold(&self, hash: &Hash) -> bool {
        let (block, bits) = self.place(hash);
        bits.iter().all(|(word, mask)| self.0[block][*word] & mask != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Connection {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(
            "ATTACH ':memory:' AS intake;
             CREATE TABLE intake.mailboxes (hash BLOB PRIMARY KEY, number INTEGER NOT NULL);",
        )
        .unwrap();
        file
    }

    #[test]
    fn what_was_met_is_found_whether_gathered_or_written() {
        let (file, mut index, names) = (file(), DedupIndex::mailboxes(), DedupIndex::groups());
        let name = |n: i64| names.hash(&n.to_string());
        for round in 0..4 {
            index.buffer((round * 3000..(round + 1) * 3000).map(|n| (name(n), n)).collect());
            let before = index.buffered.count;
            let buckets = index.flush(&file, true).unwrap();
            index.mark_flushed(buckets);
            let flushed = before - index.buffered.count;
            assert!((FLUSHED_AT_ONCE..FLUSHED_AT_ONCE + 100).contains(&flushed), "{flushed}");
            if round == 2 {
                index.drop_filter();
            }
            for n in 0..(round + 1) * 3000 {
                assert_eq!(index.may_hold([name(n)].iter()), [true], "round {round}");
                assert_eq!(index.find(&file, &name(n)).unwrap(), Some(n), "round {round}");
            }
            assert_eq!(index.find(&file, &name(-1)).unwrap(), None);
        }
        while !index.is_flushed() {
            let buckets = index.flush(&file, true).unwrap();
            index.mark_flushed(buckets);
        }
        let count = file.query_one("SELECT count(*) FROM intake.mailboxes", [], |row| row.get(0));
        assert_eq!(count, Ok(12_000));
    }

    #[test]
    fn nobody_outside_can_tell_which_names_share_a_bucket() {
        let (one, other) = (DedupIndex::groups(), DedupIndex::groups());
        assert_eq!(one.hash("a"), one.hash("a"));
        assert_ne!(one.hash("a"), other.hash("a"));
    }

    #[test]
    fn what_is_gathered_stays_bounded_however_large_the_pages_are() {
        let (file, mut index) = (file(), DedupIndex::mailboxes());
        let short = |n: i64| [0, 1].map(|_| n.to_le_bytes()).concat().try_into().unwrap();
        for page in 0..3 {
            let buckets = index.flush(&file, false).unwrap();
            index.mark_flushed(buckets);
            assert!(index.buffered.count <= BUFFERED, "{}", index.buffered.count);
            index.buffer((page * 70_000..(page + 1) * 70_000).map(|n| (short(n), n)).collect());
        }
    }

    #[test]
    fn a_filter_passes_few_that_were_not_added() {
        let (mut filter, index) = (BloomFilter::new(1 << 7), DedupIndex::groups());
        let name = |n: i64| index.hash(&n.to_string());
        (0..4096).for_each(|n| filter.add(&name(n)));
        assert!((0..4096).all(|n| filter.may_hold(&name(n))));
        let wrong = (10_000..20_000).filter(|n| filter.may_hold(&name(*n))).count();
        assert!(wrong < 200, "{wrong} of 10000");
    }
}
