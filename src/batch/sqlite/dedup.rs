//! Deduplicates rows during ingest: mailboxes and groups, by the hashes of their names, each with
//! its number.
//!
//! Hashes come in no order: flushed one by one, each would change a page of its own. So they are
//! buffered in memory, and flushed in their order, a part of them at a time: then many share a
//! page. Most of a list was never met; a Bloom filter tells so without a look into the file.

use std::collections::BTreeMap;
use std::ops::Bound;

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

/// The hash of a name.
pub(super) fn hash(name: &str) -> Hash {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    short
}

/// An index from names to their numbers, write-behind, with a Bloom filter in front.
pub(super) struct DedupIndex {
    find: &'static str,
    insert: &'static str,
    buffered: BTreeMap<Hash, i64>,
    filter: Option<BloomFilter>,
    /// The last that was flushed.
    last: Hash,
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
        Self { find, insert, buffered: BTreeMap::new(), filter, last: [0; 16] }
    }

    /// The number of what has this hash, if it was met before.
    pub(super) fn find(&self, file: &Connection, hash: &Hash) -> rusqlite::Result<Option<i64>> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_hold(hash)) {
            return Ok(None);
        }
        if let Some(number) = self.buffered.get(hash) {
            return Ok(Some(*number));
        }
        file.prepare_cached(self.find)?.query_row([hash], |row| row.get(0)).optional()
    }

    /// Takes in what was met for the first time.
    pub(super) fn buffer(&mut self, new: impl IntoIterator<Item = (Hash, i64)>) {
        for (hash, number) in new {
            if let Some(filter) = &mut self.filter {
                filter.add(&hash);
            }
            self.buffered.insert(hash, number);
        }
    }

    /// Gives the room of the filter back; from here on the file is asked each time.
    pub(super) fn drop_filter(&mut self) {
        self.filter = None;
    }

    /// Writes a part, if many are buffered or `all` are to be flushed; returns it. It is to be
    /// [marked](Self::mark_flushed) when it is in the file for good.
    pub(super) fn flush(&self, file: &Connection, all: bool) -> rusqlite::Result<Vec<Hash>> {
        if !all && self.buffered.len() < BUFFERED {
            return Ok(Vec::new());
        }
        let mut insert = file.prepare_cached(self.insert)?;
        let after = self.buffered.range((Bound::Excluded(self.last), Bound::Unbounded));
        let before = self.buffered.range(..=self.last);
        let count = FLUSHED_AT_ONCE.max(self.buffered.len().saturating_sub(BUFFERED));
        let mut flushed = Vec::new();
        for (hash, number) in after.chain(before).take(count) {
            insert.execute(params![hash, number])?;
            flushed.push(*hash);
        }
        Ok(flushed)
    }

    /// Lets go of what is in the file.
    pub(super) fn mark_flushed(&mut self, flushed: &[Hash]) {
        for hash in flushed {
            self.buffered.remove(hash);
        }
        if let Some(last) = flushed.last() {
            self.last = *last;
        }
    }

    /// `true` if nothing is buffered.
    pub(super) fn is_flushed(&self) -> bool {
        self.buffered.is_empty()
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
        let (file, mut index) = (file(), DedupIndex::mailboxes());
        let name = |n: i64| hash(&n.to_string());
        for round in 0..4 {
            index.buffer((round * 3000..(round + 1) * 3000).map(|n| (name(n), n)));
            let flushed = index.flush(&file, true).unwrap();
            index.mark_flushed(&flushed);
            assert!(flushed.len() <= FLUSHED_AT_ONCE);
            if round == 2 {
                index.drop_filter();
            }
            for n in 0..(round + 1) * 3000 {
                assert_eq!(index.find(&file, &name(n)).unwrap(), Some(n), "round {round}");
            }
            assert_eq!(index.find(&file, &name(-1)).unwrap(), None);
        }
        while !index.is_flushed() {
            let flushed = index.flush(&file, true).unwrap();
            index.mark_flushed(&flushed);
        }
        let count = file.query_one("SELECT count(*) FROM intake.mailboxes", [], |row| row.get(0));
        assert_eq!(count, Ok(12_000));
    }

    #[test]
    fn what_is_gathered_stays_bounded_however_large_the_pages_are() {
        let (file, mut index) = (file(), DedupIndex::mailboxes());
        let short = |n: i64| [0, 1].map(|_| n.to_le_bytes()).concat().try_into().unwrap();
        for page in 0..3 {
            let flushed = index.flush(&file, false).unwrap();
            index.mark_flushed(&flushed);
            assert!(index.buffered.len() <= BUFFERED, "{}", index.buffered.len());
            index.buffer((page * 70_000..(page + 1) * 70_000).map(|n| (short(n), n)));
        }
    }

    #[test]
    fn a_filter_passes_few_that_were_not_added() {
        let mut filter = BloomFilter::new(1 << 7);
        let name = |n: i64| hash(&n.to_string());
        (0..4096).for_each(|n| filter.add(&name(n)));
        assert!((0..4096).all(|n| filter.may_hold(&name(n))));
        let wrong = (10_000..20_000).filter(|n| filter.may_hold(&name(*n))).count();
        assert!(wrong < 200, "{wrong} of 10000");
    }
}
