//! Role accounts: local parts that name a function (RFC 2142), not a person.
//!
//! A name counts as a role when the list holds it, whatever separates its words
//! (`customer.service`, `customer_service`, `customerservice`), whatever its accents and tag
//! (`info+shop`), and with a number, a region or a team word beside it (`info2`, `sales-eu`,
//! `uk.support`, `hr-team`).
//! Nothing shorter is guessed: `s.ales`, `salesman` and `information.schmidt` may be people.

use super::layers::List;
use super::normal_form::{MAX_LOCAL, fold};

/// Regions and team words that may stand before or after a role, with a separator between. Country
/// codes that are also given names or common initials (al, jo, me, mo, my) are left out.
const BESIDE: &[&str] = &[
    "ae",
    "africa",
    "ams",
    "apac",
    "ar",
    "asia",
    "at",
    "au",
    "be",
    "benelux",
    "berlin",
    "bg",
    "br",
    "ca",
    "central",
    "ch",
    "cl",
    "cn",
    "cz",
    "dach",
    "de",
    "department",
    "dept",
    "desk",
    "dk",
    "east",
    "ee",
    "emea",
    "es",
    "eu",
    "europe",
    "fi",
    "fr",
    "gb",
    "global",
    "gr",
    "group",
    "hk",
    "hr",
    "hu",
    "ie",
    "il",
    "in",
    "international",
    "intl",
    "it",
    "jp",
    "kr",
    "latam",
    "london",
    "lt",
    "lv",
    "main",
    "mena",
    "mx",
    "na",
    "nl",
    "no",
    "nordic",
    "nordics",
    "north",
    "nyc",
    "nz",
    "office",
    "online",
    "paris",
    "pl",
    "pt",
    "ro",
    "ru",
    "sa",
    "se",
    "sg",
    "si",
    "sk",
    "south",
    "team",
    "tr",
    "tw",
    "ua",
    "uk",
    "us",
    "usa",
    "west",
    "world",
    "za",
];

/// Suffixes of a mailing list's service addresses (RFC 2142 section 6 and mailing-list software).
const LIST_SUFFIXES: &[&str] =
    &["-request", "-bounces", "-subscribe", "-unsubscribe", "-confirm", "-owner"];

/// The shortest role that may carry a bare number: `info2` is a role, `it83` may be a person.
const MIN_NUMBERED: usize = 4;

/// The most digits a numbered role carries: more look like a person's year of birth.
const MAX_DIGITS: usize = 2;

/// `true` if `local` names a function.
pub(super) fn is_role(list: &List<'_>, local: &str) -> bool {
    let mut buffer = [0; MAX_LOCAL];
    let Some(name) = fold(local, &mut buffer) else { return false };
    if let Some(listed) = list.exact(name) {
        return listed;
    }
    if LIST_SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
        || name.strip_prefix("owner-").is_some_and(|list| !list.is_empty())
    {
        return true;
    }
    let bare = without_number(name);
    let listed = |candidate: &str| list.exact(candidate) == Some(true);
    (bare != name && listed(bare)) || without_neighbour(bare).any(listed)
}

/// `name` without a short number at its end and the hyphen before it; `name` itself if what is
/// left is too short to be sure.
fn without_number(name: &str) -> &str {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.len() - word.len();
    let word = word.strip_suffix('-').unwrap_or(word);
    if (1..=MAX_DIGITS).contains(&digits) && word.chars().count() >= MIN_NUMBERED {
        word
    } else {
        name
    }
}

/// `name` without the region or team word at its end, and without the one at its beginning.
fn without_neighbour(name: &str) -> impl Iterator<Item = &str> {
    let known = |word: &str| BESIDE.binary_search(&word).is_ok();
    let before = name.rsplit_once('-').filter(move |(_, word)| known(word)).map(|(rest, _)| rest);
    let after = name.split_once('-').filter(move |(word, _)| known(word)).map(|(_, rest)| rest);
    before.into_iter().chain(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neighbours_are_sorted_for_the_search() {
        assert!(BESIDE.is_sorted());
    }

    #[test]
    fn a_number_is_dropped_only_where_a_word_is_left() {
        assert_eq!(without_number("info2"), "info");
        assert_eq!(without_number("info-02"), "info");
        assert_eq!(without_number("info1984"), "info1984");
        assert_eq!(without_number("it83"), "it83");
        assert_eq!(without_number("42"), "42");
    }
}
