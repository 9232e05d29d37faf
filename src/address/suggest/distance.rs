//! An edit distance for mistyped words, which knows keyboards and look-alikes.
//!
//! Optimal string alignment (a letter wrong, missing, too many, or two swapped), where the
//! mistakes that hands make are cheap. In tenths of an arbitrary letter wrong.

/// Any one letter wrong, missing or too many.
pub(super) const ONE_LETTER: u32 = 10;
/// The key beside the right one, or two letters swapped.
pub(super) const SLIP: u32 = 7;
/// A letter doubled that is single, or the reverse. No difference in length costs less.
pub(super) const DOUBLED: u32 = 5;
/// A letter that looks like the right one.
const LOOK_ALIKE: u32 = 4;
/// The right letters in another order.
const SHUFFLED: u32 = 12;

/// The cost of taking `typed` for `meant`. The work is the product of the lengths: callers bound
/// them.
pub(super) fn cost(typed: &str, meant: &str) -> u32 {
    let (typed, meant): (Vec<char>, Vec<char>) = (typed.chars().collect(), meant.chars().collect());
    let width = meant.len() + 1;
    let mut table = vec![0_u32; (typed.len() + 1) * width];
    for i in 0..=typed.len() {
        for j in 0..=meant.len() {
            let at = |i: usize, j: usize| table[i * width + j];
            let mut best = if i == 0 && j == 0 { 0 } else { u32::MAX };
            if i > 0 {
                best = best.min(at(i - 1, j) + extra(&typed, i - 1));
            }
            if j > 0 {
                best = best.min(at(i, j - 1) + missing(&meant, j - 1));
            }
            if i > 0 && j > 0 {
                best = best.min(at(i - 1, j - 1) + wrong(typed[i - 1], meant[j - 1]));
            }
            if i > 1 && j > 1 && typed[i - 1] == meant[j - 2] && typed[i - 2] == meant[j - 1] {
                best = best.min(at(i - 2, j - 2) + SLIP);
            }
            table[i * width + j] = best;
        }
    }
    let cost = table[typed.len() * width + meant.len()];
    if cost > SHUFFLED && is_shuffled(typed, meant) { SHUFFLED } else { cost }
}

/// A lower bound of [`cost`] that compares no positions: every letter that only one of the two
/// words has must be removed or inserted by a mistake of its own.
pub(super) fn at_least(typed: &str, meant: &str) -> u32 {
    let (typed, meant) = (letters(typed), letters(meant));
    let lone = |letters: u64| {
        let cheap = letters & LOOK_ALIKES;
        cheap.count_ones() * LOOK_ALIKE + (letters & !cheap).count_ones() * SLIP
    };
    lone(typed & !meant).max(lone(meant & !typed))
}

/// The letters of a word, a bit for each. Some share one, and all that are not ASCII do: then
/// fewer are told apart, which makes [`at_least`] less and never wrong.
const fn letters(word: &str) -> u64 {
    let bytes = word.as_bytes();
    let (mut letters, mut i) = (0, 0);
    while i < bytes.len() {
        letters |= if bytes[i].is_ascii() { 1 << (bytes[i] & 63) } else { 1 };
        i += 1;
    }
    letters
}

/// The letters of which some other is a look-alike.
const LOOK_ALIKES: u64 = letters("0o1il5suv8b");

/// The same for what follows the name: one that breaks off early is one slip.
pub(super) fn cost_of_suffix(typed: &str, meant: &str) -> u32 {
    if !typed.is_empty() && typed != meant && meant.starts_with(typed) {
        return SLIP;
    }
    cost(typed, meant)
}

fn is_shuffled(mut typed: Vec<char>, mut meant: Vec<char>) -> bool {
    let same_start = typed.len() > 4 && typed.first() == meant.first();
    typed.sort_unstable();
    meant.sort_unstable();
    same_start && typed == meant
}

/// A letter typed that is not meant: cheap if it repeats, or neighbours, one beside it.
fn extra(typed: &[char], i: usize) -> u32 {
    let beside = [i.checked_sub(1).map(|j| typed[j]), typed.get(i + 1).copied()];
    beside.into_iter().flatten().map(|c| extra_beside(typed[i], c)).min().unwrap_or(ONE_LETTER)
}

fn extra_beside(typed: char, beside: char) -> u32 {
    match wrong(typed, beside) {
        0 => DOUBLED,
        SLIP => SLIP,
        _ => ONE_LETTER,
    }
}

/// A letter meant that is not typed: cheap if it only doubles the one before.
fn missing(meant: &[char], j: usize) -> u32 {
    if j > 0 && meant[j] == meant[j - 1] { DOUBLED } else { ONE_LETTER }
}

fn wrong(typed: char, meant: char) -> u32 {
    if typed == meant {
        0
    } else if look_alike(typed, meant) {
        LOOK_ALIKE
    } else if are_neighbours(typed, meant) {
        SLIP
    } else {
        ONE_LETTER
    }
}

fn look_alike(a: char, b: char) -> bool {
    matches!(
        (a.min(b), a.max(b)),
        ('0', 'o') | ('1', 'i' | 'l') | ('i', 'l') | ('5', 's') | ('u', 'v') | ('8', 'b')
    )
}

/// The rows of a QWERTY keyboard, each shifted half a key to the right of the one above it.
const ROWS: [&[u8]; 4] = [b"1234567890-", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"];

/// Row and place of each key, counted from one; row zero holds what is no key.
const KEYS: [(u8, u8); 128] = {
    let mut keys = [(0, 0); 128];
    let mut row = 0;
    while row < ROWS.len() {
        let mut place = 0;
        while place < ROWS[row].len() {
            keys[ROWS[row][place] as usize] = (row as u8 + 1, place as u8 + 1);
            place += 1;
        }
        row += 1;
    }
    keys
};

/// `true` if two keys touch.
fn are_neighbours(a: char, b: char) -> bool {
    let key = |c: char| KEYS.get(c as usize).copied().filter(|(row, _)| *row > 0);
    let (Some((row_a, a)), Some((row_b, b))) = (key(a), key(b)) else { return false };
    match row_a.abs_diff(row_b) {
        0 => a.abs_diff(b) == 1,
        1 => {
            let (upper, lower) = if row_a < row_b { (a, b) } else { (b, a) };
            upper == lower || upper == lower + 1
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_fingers_and_eyes_cost_less_than_any_other_letter() {
        assert_eq!(cost("gmail", "gmail"), 0);
        assert_eq!(cost("yah0o", "yahoo"), LOOK_ALIKE);
        assert_eq!(cost("yahooo", "yahoo"), DOUBLED);
        assert_eq!(cost("yaho", "yahoo"), DOUBLED);
        assert_eq!(cost("gmsil", "gmail"), SLIP);
        assert_eq!(cost("gmial", "gmail"), SLIP);
        assert_eq!(cost("gimal", "gmail"), SHUFFLED);
        assert_eq!(cost("gmeil", "gmail"), ONE_LETTER);
        assert_eq!(cost("", "ab"), 2 * ONE_LETTER);
    }

    proptest::proptest! {
        #[test]
        fn a_cost_is_never_less_than_its_bound(
            typed in "[a-eimluov0158éß-]{0,9}",
            meant in "[a-eimluov0158-]{0,9}",
        ) {
            proptest::prop_assert!(at_least(&typed, &meant) <= cost(&typed, &meant));
        }
    }

    #[test]
    fn the_bound_tells_words_apart_that_have_little_in_common() {
        assert!(at_least("mycompany", "hotmail") > 2 * ONE_LETTER);
        assert_eq!(at_least("gmial", "gmail"), 0);
    }

    #[test]
    fn keys_that_touch_are_neighbours() {
        for (a, b) in [('g', 'h'), ('g', 't'), ('g', 'y'), ('g', 'v'), ('g', 'b'), ('0', 'o')] {
            assert!(are_neighbours(a, b) && are_neighbours(b, a), "{a} {b}");
        }
        for (a, b) in [('g', 'j'), ('g', 'r'), ('q', 'z'), ('g', 'é')] {
            assert!(!are_neighbours(a, b), "{a} {b}");
        }
    }
}
