//! Mailboxes of an exchanger: looking a recipient or a sender up in its tables. Pure.

use std::collections::BTreeMap;

use super::exchanger::ExchangerSpec;
use super::pattern::matches;
use super::reply::RecipientReply;

/// Splits an address at its last `@`; both parts in lower case, the domain as A-labels.
pub(super) fn split(address: &str) -> (String, String) {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_ascii_lowercase());
    (local.to_lowercase(), domain)
}

/// The entry for this name: the exact one, else that of the longest pattern that matches.
pub(super) fn best<'a, T>(table: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    table.get(name).or_else(|| {
        let found = table.iter().filter(|(pattern, _)| matches(pattern, name));
        found.max_by_key(|(pattern, _)| pattern.len()).map(|(_, value)| value)
    })
}

/// Returns whether `name`, a mailbox or an address, means this recipient.
pub(super) fn names_recipient(name: &str, recipient: &str) -> bool {
    let (local, domain) = split(recipient);
    means(name, &local, &domain)
}

fn means(name: &str, local: &str, domain: &str) -> bool {
    match name.rsplit_once('@') {
        Some((mailbox, of)) => matches(mailbox, local) && matches(of, domain),
        None => matches(name, local),
    }
}

/// Answer to a recipient of a domain the exchanger serves; `None` if it knows nobody of
/// that name. A mailbox known by name goes before a pattern, with or without its tag.
pub(super) fn answer<'a>(
    exchanger: &'a ExchangerSpec,
    local: &str,
    domain: &str,
) -> Option<&'a RecipientReply> {
    let table = &exchanger.recipients;
    let exact = |name: &str| table.get(&format!("{name}@{domain}")).or_else(|| table.get(name));
    let pattern = |name: &str| {
        let found = table.iter().filter(|(pattern, _)| means(pattern, name, domain));
        found.max_by_key(|(pattern, _)| pattern.len()).map(|(_, answer)| answer)
    };
    let mailbox = mailbox(exchanger, local);
    exact(local)
        .or_else(|| exact(&mailbox))
        .or_else(|| pattern(local))
        .or_else(|| pattern(&mailbox))
        .or(exchanger.others.as_ref())
}

/// The mailbox behind a local part: without its tag, without dots if they mean nothing.
fn mailbox(exchanger: &ExchangerSpec, local: &str) -> String {
    let name = match exchanger.tag_separator {
        Some(separator) => local.split(separator).next().unwrap_or(local),
        None => local,
    };
    if exchanger.ignores_dots { name.replace('.', "") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanger(names: &[&str]) -> ExchangerSpec {
        let recipients = names.iter().map(|n| ((*n).to_owned(), RecipientReply::Accept)).collect();
        ExchangerSpec { recipients, ..ExchangerSpec::default() }
    }

    fn knows(exchanger: &ExchangerSpec, address: &str) -> bool {
        let (local, domain) = split(address);
        answer(exchanger, &local, &domain).is_some()
    }

    #[test]
    fn a_mailbox_is_known_with_a_tag_and_in_any_case() {
        let mut exchanger = exchanger(&["jane"]);
        assert!(knows(&exchanger, "Jane+news@example.test"));
        assert!(!knows(&exchanger, "jan@example.test"));
        exchanger.tag_separator = None;
        assert!(!knows(&exchanger, "jane+news@example.test"));
    }

    #[test]
    fn dots_mean_nothing_where_the_exchanger_says_so() {
        let mut exchanger = exchanger(&["janedoe"]);
        assert!(!knows(&exchanger, "jane.doe@example.test"));
        exchanger.ignores_dots = true;
        assert!(knows(&exchanger, "jane.doe@example.test"));
    }

    #[test]
    fn a_mailbox_may_belong_to_one_domain_only() {
        let exchanger = exchanger(&["jane@a.test"]);
        assert!(knows(&exchanger, "jane@a.test"));
        assert!(!knows(&exchanger, "jane@b.test"));
    }

    #[test]
    fn a_mailbox_known_by_name_goes_before_a_pattern() {
        let mut exchanger = exchanger(&["*"]);
        let full =
            RecipientReply::Reply(super::super::reply::ReplyTemplate::new(452, "4.2.2 full"));
        exchanger.recipients.insert("full".to_owned(), full.clone());
        assert_eq!(answer(&exchanger, "full+tag", "a.test"), Some(&full));
        assert_eq!(answer(&exchanger, "jane", "a.test"), Some(&RecipientReply::Accept));
    }

    #[test]
    fn a_domain_in_unicode_is_the_same_domain() {
        assert_eq!(split("Jane@Bücher.test"), ("jane".into(), "xn--bcher-kva.test".into()));
    }

    #[test]
    fn the_exact_name_goes_before_the_longest_pattern() {
        let table =
            BTreeMap::from([("*", 0), ("u*", 1), ("u1", 2)].map(|(k, v)| (k.to_owned(), v)));
        assert_eq!(best(&table, "u1"), Some(&2));
        assert_eq!(best(&table, "u12"), Some(&1));
        assert_eq!(best(&table, "x"), Some(&0));
    }
}
