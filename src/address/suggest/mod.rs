//! Suggestions for mistyped addresses.
//!
//! Only domains are mended: what a local part should be cannot be known. Input need not be an
//! address (`user@gmailcom`, `user@gmail,com`), what is suggested always is. A suggestion is a
//! guess for a person to confirm: nothing here asks DNS, and no verdict follows from it.

mod distance;
mod popular;

use std::borrow::Cow;

use unicode_security::skeleton;

use self::popular::{
    ASCII_SKELETONS, KNOWN, PopularDomain, SKELETONS, TARGETS, is_name_of_giant, on_suffix,
};
use super::{Address, DomainName, idna};

/// Longer input is not looked at: no address is that long.
const MAX_OCTETS: usize = 320;

/// Top-level domains that mistyped ones are turned to.
const COMMON_SUFFIXES: &[&str] =
    &["com", "net", "org", "edu", "gov", "info", "co.uk", "com.au", "com.br"];

/// Suffixes that exist, and that a hand makes out of `com`.
const MISTYPED_COM: &[&str] = &["co", "cm", "om", "cam", "vom"];

/// A suggested address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The mended address. Its `Display` is redacted as any address's is.
    pub address: Address,
    /// The kind of repair.
    pub kind: SuggestionKind,
}

/// The kinds of repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuggestionKind {
    /// Stray punctuation or space around or inside the domain.
    Punctuation,
    /// Letters of a popular domain mistyped, or its dot left out.
    Typo,
    /// A top-level domain that does not exist.
    TopLevelDomain,
    /// Characters that look like those of a popular domain.
    LookAlike,
}

/// Suggests an address for `input`; `None` if it looks right or nothing is close.
#[must_use]
pub fn suggest(input: &str) -> Option<Suggestion> {
    suggest_among(input, &[])
}

/// [`suggest`], where the caller's own domains count as known, and as likelier than popular ones.
/// They are lower-case ASCII.
#[must_use]
pub fn suggest_among(input: &str, own: &[&str]) -> Option<Suggestion> {
    if input.len() > MAX_OCTETS {
        return None;
    }
    mend(input, Address::parse(input).ok().as_ref(), &KnownDomains { own })
}

/// [`suggest`] where `input` is known to be this address.
#[must_use]
pub fn instead_of(address: &Address, input: &str) -> Option<Suggestion> {
    mend(input, Some(address), &KnownDomains { own: &[] })
}

/// `true` if no other domain would be suggested for addresses at `domain`, as it is written here.
#[must_use]
pub fn looks_right(domain: &DomainName) -> bool {
    let domains = KnownDomains { own: &[] };
    domains.knows(domain.as_str()) || domains.mend(domain.as_str()).is_none()
}

/// Suggests an address for `input`, which is the address `given` or none at all.
fn mend(input: &str, given: Option<&Address>, domains: &KnownDomains<'_>) -> Option<Suggestion> {
    let (local, written) = input.rsplit_once('@')?;
    let cleaned = match given.map(Address::domain_name) {
        Some(None) => return None,
        Some(Some(name)) if name.as_str() == written => Cow::Borrowed(written),
        _ => Cow::Owned(clean(written)),
    };
    let looks_right = given.is_some() && cleaned == written;
    let (domain, kind) = if domains.knows(&cleaned) {
        if looks_right {
            return None;
        }
        (cleaned.into_owned(), SuggestionKind::Punctuation)
    } else if let Some(mended) = domains.mend(&cleaned) {
        mended
    } else if looks_right || written.trim().contains(char::is_whitespace) {
        return None;
    } else {
        (cleaned.into_owned(), SuggestionKind::Punctuation)
    };
    let local = local.trim().trim_start_matches("mailto:").trim_start_matches('<');
    let address = Address::parse(&format!("{local}@{domain}")).ok()?;
    let is_real = domains.knows(&domain) || address.domain_name()?.has_known_suffix();
    let is_news = given.is_none_or(|given| given.domain() != address.domain());
    (is_real && is_news).then_some(Suggestion { address, kind })
}

/// `written` in lower case, with one dot for every run of dots, commas, semicolons and spaces,
/// and without punctuation around it.
fn clean(written: &str) -> String {
    let is_stray = |c: char| c.is_ascii_punctuation() || c.is_whitespace() || c.is_control();
    let divides = |c: char| c.is_whitespace() || ".,;\u{3002}\u{FF0E}\u{FF61}".contains(c);
    let lower = written.trim_matches(is_stray).to_lowercase();
    let labels: Vec<&str> = lower.split(divides).filter(|label| !label.is_empty()).collect();
    labels.join(".")
}

/// The domains that suggestions are made from.
struct KnownDomains<'a> {
    own: &'a [&'a str],
}

impl KnownDomains<'_> {
    fn knows(&self, domain: &str) -> bool {
        KNOWN.contains(domain) || self.own.contains(&domain)
    }

    fn mend(&self, typed: &str) -> Option<(String, SuggestionKind)> {
        if let Some(target) = look_alike(typed) {
            return Some((target.to_owned(), SuggestionKind::LookAlike));
        }
        if let Some(once) = said_once(typed).filter(|once| self.knows(once)) {
            return Some((once.to_owned(), SuggestionKind::Typo));
        }
        let exists = is_known_suffix(typed);
        let cut = typed.split_once('.');
        let popular = match cut {
            Some((_, suffix)) if exists => on_suffix(suffix),
            _ => &TARGETS,
        };
        let own = self.own.iter().filter_map(|own| PopularDomain::cut(own)).map(|own| (own, true));
        let all = own.chain(popular.iter().map(|target| (*target, false)));
        let priced = all.filter_map(|(target, own)| {
            let budget = budget(target, own);
            let price = match cut {
                Some(cut) => price(cut, exists, target, budget),
                None => {
                    let run_together = target.whole.replace('.', "");
                    price_of(typed, &run_together, budget.min(distance::ONE_LETTER))
                }
            };
            // Where a giant's name is whole, its ending is what is wrong, however far it is.
            let has_its_name = cut.is_some_and(|(name, _)| name == target.name);
            let is_other = !(exists && target.is_giant && has_its_name);
            Some(((is_other, price?), target.whole))
        });
        // `min_by_key` keeps the first of equals: the caller's own, then the most used.
        if let Some((_, target)) = priced.min_by_key(|(price, _)| *price) {
            return Some((target.to_owned(), SuggestionKind::Typo));
        }
        let domain = if exists { None } else { mend_suffix(typed) };
        domain.map(|domain| (domain, SuggestionKind::TopLevelDomain))
    }
}

/// The popular domain that `typed` looks the same as.
fn look_alike(typed: &str) -> Option<&'static str> {
    if typed.is_ascii() && !idna::has_a_label(typed) {
        let mut skeleton = String::with_capacity(typed.len() + 8);
        skeleton.extend(typed.bytes().map(|byte| ASCII_SKELETONS[usize::from(byte)].as_str()));
        return SKELETONS.get(&skeleton).copied();
    }
    let shown = match DomainName::parse(typed) {
        Ok(name) => name.to_unicode(),
        Err(_) => typed.to_owned(),
    };
    SKELETONS.get(&skeleton(&shown).collect::<String>()).copied()
}

/// `typed` without its last label, if that says the one before it again.
fn said_once(typed: &str) -> Option<&str> {
    let (rest, last) = typed.rsplit_once('.')?;
    (rest.rsplit('.').next() == Some(last)).then_some(rest)
}

/// The distance of the typed domain, whose suffix exists or not, from `target`, if it is near
/// enough.
fn price(
    (typed_name, typed_suffix): (&str, &str),
    exists: bool,
    target: PopularDomain<'_>,
    budget: u32,
) -> Option<u32> {
    let PopularDomain { name, suffix, is_giant, .. } = target;
    let suffix_exists = exists && typed_suffix != suffix;
    // Nearly all real domains end here.
    if suffix_exists && !(is_giant && (typed_name == name || MISTYPED_COM.contains(&typed_suffix)))
    {
        return None;
    }
    // What is known as `.com` was meant itself, or is a company's of its own.
    if suffix_exists && typed_name != name && KNOWN.contains(format!("{typed_name}.com").as_str()) {
        return None;
    }
    let price = price_of(typed_name, name, budget)?;
    if price > FAR && !same_ends(typed_name, name) {
        return None;
    }
    let slip = distance::cost_of_suffix(typed_suffix, suffix);
    (suffix_exists || slip <= 2 * distance::ONE_LETTER).then_some(price + slip)
}

/// The cost of `typed` for `meant`, if it is within the budget.
fn price_of(typed: &str, meant: &str, budget: u32) -> Option<u32> {
    let difference = typed.chars().count().abs_diff(meant.len());
    if difference > (budget / distance::DOUBLED) as usize
        || distance::at_least(typed, meant) > budget
    {
        return None;
    }
    Some(distance::cost(typed, meant)).filter(|price| *price <= budget)
}

/// From this price on, first and last letter must be right: those are the ones that people see.
const FAR: u32 = 14;

fn same_ends(typed: &str, meant: &str) -> bool {
    typed.chars().next() == meant.chars().next() && typed.chars().last() == meant.chars().last()
}

/// The largest cost accepted for a name of this length: zero where nearly every short name is
/// taken, and one slip where names that differ by a letter are companies of their own.
fn budget(target: PopularDomain<'_>, own: bool) -> u32 {
    match target.name.len() {
        0..=3 => 0,
        4 if own => distance::ONE_LETTER,
        4 => distance::DOUBLED,
        5..=6 if own || is_name_of_giant(target.name) => FAR,
        5..=6 => distance::SLIP,
        _ => 2 * distance::ONE_LETTER,
    }
}

fn is_known_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// `typed`, whose top-level domain does not exist, with one that does, if that is one slip away.
fn mend_suffix(typed: &str) -> Option<String> {
    let priced = COMMON_SUFFIXES.iter().filter_map(|suffix| {
        let labels = suffix.split('.').count();
        let (start, _) = typed.rmatch_indices('.').nth(labels - 1)?;
        let price = distance::cost(&typed[start + 1..], suffix);
        (start > 0 && price <= distance::ONE_LETTER).then_some((price, start, suffix))
    });
    let (_, start, suffix) = priced.min_by_key(|(price, ..)| *price)?;
    Some(format!("{}.{suffix}", &typed[..start]))
}

#[cfg(test)]
mod tests;
