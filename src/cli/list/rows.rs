//! The question of each row: the same when the list is sent and when it is read again.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::exclusion::{ExclusionMatcher, mailbox_hash};
use crate::listfile::Row;

/// The longest address sent, in octets. What is longer is no address, and its beginning shows it.
const LONGEST_ADDRESS: usize = 1000;

/// The question that a row asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowQuestion<'r> {
    /// Nothing: it holds no address.
    NoAddress,
    /// Nothing: its addresses are on the caller's own suppression list. The first of them.
    Excluded(&'r str),
    /// These addresses, one after the other.
    Addresses(Vec<&'r str>),
}

/// Decides what is asked of each row.
#[derive(Clone, Debug, Default)]
pub(super) struct RowPlan {
    /// The suppression lists. Shared, since a plan is cloned and they may hold millions.
    excluded: Arc<ExclusionMatcher>,
    /// The rows that are asked about; `None`: all.
    chosen: Option<HashSet<RowId>>,
}

/// A row of a run: the number of its list, from 0, and its own in that list, from 1.
pub(super) type RowId = (usize, u64);

impl RowPlan {
    /// A plan that asks about every row that `excluded` leaves.
    pub(super) fn new(excluded: ExclusionMatcher) -> Self {
        Self { excluded: Arc::new(excluded), chosen: None }
    }

    /// `true` if it keeps any address from being asked.
    pub(super) fn excludes_any(&self) -> bool {
        !self.excluded.is_empty()
    }

    /// The same plan for these rows alone.
    pub(super) fn of_rows(self, chosen: HashSet<RowId>) -> Self {
        Self { chosen: Some(chosen), ..self }
    }

    /// `true` if the row is one to ask about.
    pub(super) fn is_chosen(&self, row: RowId) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&row))
    }

    /// Derives the question about `row`. Of several addresses, those on the suppression list are
    /// left out.
    pub(super) fn question<'r>(&self, row: &'r Row) -> RowQuestion<'r> {
        let Some(first) = row.address() else { return RowQuestion::NoAddress };
        let asked = row.addresses().filter(|address| !self.is_excluded(address));
        let asked: Vec<&str> = asked.collect();
        if asked.is_empty() {
            return RowQuestion::Excluded(first);
        }
        RowQuestion::Addresses(asked.into_iter().map(beginning).collect())
    }

    /// The addresses of `row` on the suppression list.
    pub(super) fn excluded<'r>(&self, row: &'r Row) -> Vec<&'r str> {
        row.addresses().filter(|address| self.is_excluded(address)).map(beginning).collect()
    }

    /// The suppression lists.
    pub(super) fn matcher(&self) -> &ExclusionMatcher {
        &self.excluded
    }

    /// `true` if `address` is on a suppression list.
    pub(super) fn is_excluded(&self, address: &str) -> bool {
        self.excluded.is_excluded(address)
    }
}

/// As much of `address` as is sent.
fn beginning(address: &str) -> &str {
    &address[..address.floor_char_boundary(LONGEST_ADDRESS)]
}

/// Rows whose hashes are kept together.
const ROWS_PER_PAGE: usize = 1 << 16;
/// Tables that the mailboxes are spread over.
const TABLES: usize = 1 << 6;

/// The first row of each mailbox, over all lists of a run.
///
/// Rows come in their order, so a row's place tells its number: a row costs the eight octets of its
/// hash, a mailbox four more in a table. A map from hash to row would take twice as much. Pages and
/// small tables grow one at a time; a single one would need its old and its new room at once.
#[derive(Debug)]
pub(super) struct FirstRows {
    /// The hash of each row's mailbox, list after list; zero for a row that asks nothing.
    pages: Vec<Box<[u64]>>,
    rows: usize,
    /// The place at which each list begins.
    beginnings: Vec<usize>,
    /// The place of each mailbox's first row.
    firsts: Vec<HashTable<u32>>,
}

impl Default for FirstRows {
    fn default() -> Self {
        let firsts = std::iter::repeat_with(HashTable::new).take(TABLES).collect();
        Self { pages: Vec::new(), rows: 0, beginnings: Vec::new(), firsts }
    }
}

impl FirstRows {
    /// The row before `row` that reaches the mailbox of `address`, if there is one.
    pub(super) fn earlier(&mut self, address: &str, row: RowId) -> Option<RowId> {
        let hash = mailbox_hash(address);
        // Rows past four thousand million are nobody's first.
        let place = u32::try_from(self.keep(hash, row)).ok()?;
        let pages = &self.pages;
        let hash_at = |place: &u32| {
            let place = *place as usize;
            pages[place / ROWS_PER_PAGE][place % ROWS_PER_PAGE]
        };
        // Bits that a table looks at neither for a place nor for a tag.
        let table = &mut self.firsts[(hash >> 40) as usize % TABLES];
        let first = match table.entry(hash, |it| hash_at(it) == hash, hash_at) {
            Entry::Occupied(first) => *first.get(),
            Entry::Vacant(free) => *free.insert(place).get(),
        };
        (first != place).then(|| self.row_at(first as usize))
    }

    /// Keeps the hash of a row's mailbox and returns its place.
    fn keep(&mut self, hash: u64, (file, row): RowId) -> usize {
        while self.beginnings.len() <= file {
            self.beginnings.push(self.rows);
        }
        let place = self.beginnings[file] + row.saturating_sub(1) as usize;
        self.rows = self.rows.max(place + 1);
        while self.pages.len() <= place / ROWS_PER_PAGE {
            self.pages.push(vec![0; ROWS_PER_PAGE].into_boxed_slice());
        }
        self.pages[place / ROWS_PER_PAGE][place % ROWS_PER_PAGE] = hash;
        place
    }

    fn row_at(&self, place: usize) -> RowId {
        let file = self.beginnings.partition_point(|beginning| *beginning <= place) - 1;
        (file, (place - self.beginnings[file]) as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listfile::{Reader, ReaderOptions};

    fn questions(list: &str, plan: &RowPlan) -> Vec<String> {
        let reader = Reader::open(list.as_bytes(), &ReaderOptions::default()).unwrap();
        let rows = reader.map(|row| format!("{:?}", plan.question(&row.unwrap())));
        rows.collect()
    }

    fn plan_without(addresses: &[&str]) -> RowPlan {
        let mut excluded = ExclusionMatcher::default();
        for address in addresses {
            assert!(excluded.exclude(address));
        }
        RowPlan::new(excluded)
    }

    #[test]
    fn rows_without_an_address_ask_nothing_and_several_addresses_are_all_asked() {
        let list = "email,n\na@acme.test,1\n,2\nn/a,3\nEmail,4\na@acme.test; b@acme.test,5\n";
        let asked = questions(list, &RowPlan::default());
        assert_eq!(
            asked,
            [
                r#"Addresses(["a@acme.test"])"#,
                "NoAddress",
                "NoAddress",
                "NoAddress",
                r#"Addresses(["a@acme.test", "b@acme.test"])"#,
            ]
        );
    }

    #[test]
    fn what_is_on_the_suppression_list_is_not_asked_however_it_is_spelled() {
        let list = "email,n\na@acme.test,1\nb@acme.test,2\na@acme.test; b@acme.test,3\n";
        let asked = questions(list, &plan_without(&["A@ACME.test"]));
        let b = r#"Addresses(["b@acme.test"])"#;
        assert_eq!(asked, [r#"Excluded("a@acme.test")"#, b, b]);
    }

    #[test]
    fn a_text_that_is_no_address_excludes_no_row() {
        let mut excluded = ExclusionMatcher::default();
        assert!(!excluded.exclude("acme.com") && excluded.is_empty());
        let plan = RowPlan::new(excluded);
        let asked = questions("email,n\nacme.com,1\na@acme.test,2\n", &plan);
        assert_eq!(asked[0], r#"Addresses(["acme.com"])"#);
    }

    #[test]
    fn who_is_excluded_is_not_asked_by_another_reading_either() {
        let plan = plan_without(&["jane@acme.test", "o'brien@acme.test"]);
        let list = "email,n\nJane jane@acme.test,1\no\u{2019}brien@acme.test,2\n\
                    Bob bob@acme.test,3\n";
        let asked = questions(list, &plan);
        assert!(
            asked[0].starts_with("Excluded(") && asked[1].starts_with("Excluded("),
            "{asked:?}"
        );
        assert!(asked[2].starts_with("Addresses("), "{asked:?}");
    }

    #[test]
    fn the_spellings_of_an_irregular_address_are_one_mailbox() {
        let plan = plan_without(&["jane..doe@docomo.ne.jp"]);
        let list = "email,n\nJANE..DOE@docomo.ne.jp,1\n\"\"\"jane..doe\"\"@docomo.ne.jp\",2\n";
        for asked in questions(list, &plan) {
            assert!(asked.starts_with("Excluded("), "{asked}");
        }
        let mut rows = FirstRows::default();
        assert_eq!(rows.earlier("jane..doe@docomo.ne.jp", (0, 1)), None);
        assert_eq!(rows.earlier("\"jane..doe\"@DoCoMo.ne.jp", (0, 2)), Some((0, 1)));
    }

    #[test]
    fn a_later_row_of_a_mailbox_names_the_first() {
        let mut rows = FirstRows::default();
        assert_eq!(rows.earlier("jane@acme.test", (0, 1)), None);
        assert_eq!(rows.earlier("bob@acme.test", (0, 2)), None);
        assert_eq!(rows.earlier("Jane@ACME.test", (0, 3)), Some((0, 1)));
        assert_eq!(rows.earlier("jane@acme.test", (1, 1)), Some((0, 1)));
    }

    #[test]
    fn a_row_many_pages_later_names_the_first() {
        let mut rows = FirstRows::default();
        let far = 3 * ROWS_PER_PAGE as u64;
        assert_eq!(rows.earlier("jane@acme.test", (0, 2)), None);
        for row in far - 5..far + 5 {
            assert_eq!(rows.earlier(&format!("user{row}@acme.test"), (0, row)), None);
        }
        assert_eq!(rows.earlier(&format!("user{far}@acme.test"), (1, 1)), Some((0, far)));
        assert_eq!(rows.earlier("jane@acme.test", (1, 2)), Some((0, 2)));
    }

    #[test]
    fn rows_that_ask_nothing_and_lists_that_are_empty_shift_no_number() {
        let mut rows = FirstRows::default();
        assert_eq!(rows.earlier("jane@acme.test", (0, 4)), None);
        assert_eq!(rows.earlier("bob@acme.test", (3, 1)), None);
        assert_eq!(rows.earlier("eve@acme.test", (3, 7)), None);
        assert_eq!(rows.earlier("jane@acme.test", (3, 9)), Some((0, 4)));
        assert_eq!(rows.earlier("bob@acme.test", (5, 2)), Some((3, 1)));
        assert_eq!(rows.earlier("eve@acme.test", (5, 3)), Some((3, 7)));
    }
}
