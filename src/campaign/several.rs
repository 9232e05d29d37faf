//! The answer of a row with one address or several.

use crate::verdict::Verdict;

/// Chooses among the verdicts of a row's addresses: the place of the first deliverable one, or
/// else of the first of the worst. `None` if there is none.
#[must_use]
pub fn choose(verdicts: impl IntoIterator<Item = Verdict>) -> Option<usize> {
    let ranked = verdicts.into_iter().map(rank).enumerate();
    ranked.min_by_key(|(_, rank)| *rank).map(|(place, _)| place)
}

/// `true` if a service spells an address as it was `sent`, so that the answer is that of its row: a
/// store may have no NUL, and has nothing in its place, or what older services put there.
#[must_use]
pub fn is_input_of(input: &str, sent: &str) -> bool {
    input == sent || ["", "\u{fffd}"].iter().any(|nul| input == sent.replace('\0', nul))
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deliverable => 0,
        Verdict::Undeliverable => 1,
        Verdict::Unknown => 2,
        Verdict::Risky => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_deliverable_address_answers_for_a_row_or_else_the_worst() {
        use Verdict::{Deliverable, Risky, Undeliverable, Unknown};
        assert_eq!(choose([Risky, Deliverable, Deliverable]), Some(1));
        assert_eq!(choose([Risky, Unknown, Undeliverable, Undeliverable]), Some(2));
        assert_eq!(choose([Risky, Unknown]), Some(1));
        assert_eq!(choose([]), None);
    }

    #[test]
    fn an_address_is_recognised_that_came_back_without_its_nul() {
        for input in ["ja\0ne@acme.test", "jane@acme.test", "ja\u{fffd}ne@acme.test"] {
            assert!(is_input_of(input, "ja\0ne@acme.test"), "{input:?}");
        }
        assert!(!is_input_of("ja\0ne@acme.test", "jane@acme.test"));
        assert!(!is_input_of("ja\u{fffd}ne@acme.test", "jane@acme.test"));
    }
}
