//! Operators of mail exchangers: the provider, filter or forwarding service behind a domain.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::address::DomainName;

/// Our table: a host name, a kind and a name a line.
const TABLE: &str = include_str!("data/operators.txt");

static BY_HOST: LazyLock<HashMap<&'static str, MailOperator>> =
    LazyLock::new(|| lines().filter_map(entry).collect());

/// The service that operates an exchanger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailOperator {
    /// The name people know it by, such as `Microsoft 365`.
    pub name: &'static str,
    /// The role it has for the domain.
    pub kind: OperatorKind,
}

/// The roles that an operator can have for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorKind {
    /// Keeps the mailboxes itself.
    MailboxProvider,
    /// Filters mail on its way to a server behind it. Many accept every recipient, since the
    /// mailboxes are elsewhere.
    Gateway,
    /// Passes mail on to an address elsewhere.
    Forwarder,
}

impl OperatorKind {
    /// Its name in files and on the wire, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MailboxProvider => "mailbox_provider",
            Self::Gateway => "gateway",
            Self::Forwarder => "forwarder",
        }
    }
}

impl MailOperator {
    /// The operator of the exchanger `host`: the longest known name that is `host` or above it.
    /// `None` for a host of a domain's own, and for a service that we do not know.
    #[must_use]
    pub fn of_exchanger(host: &DomainName) -> Option<Self> {
        let mut rest = host.as_str();
        loop {
            if let Some(operator) = BY_HOST.get(rest) {
                return Some(*operator);
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn entry(line: &'static str) -> Option<(&'static str, MailOperator)> {
    let (host, rest) = line.split_once(' ')?;
    let (kind, name) = rest.trim_start().split_once(' ')?;
    let kind = match kind {
        "mailbox" => OperatorKind::MailboxProvider,
        "gateway" => OperatorKind::Gateway,
        "forward" => OperatorKind::Forwarder,
        _ => return None,
    };
    Some((host, MailOperator { name: name.trim(), kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(host: &str) -> Option<(&'static str, OperatorKind)> {
        MailOperator::of_exchanger(&DomainName::from_ascii(host)).map(|it| (it.name, it.kind))
    }

    #[test]
    fn every_line_of_the_table_is_an_entry_and_no_host_stands_twice() {
        for line in lines() {
            let (host, operator) = entry(line).unwrap_or_else(|| panic!("{line}"));
            assert!(host.contains('.') && host == host.to_ascii_lowercase(), "{line}");
            assert!(!operator.name.is_empty(), "{line}");
        }
        assert_eq!(lines().count(), BY_HOST.len(), "a host stands twice");
    }

    #[test]
    fn an_exchanger_is_known_by_the_longest_name_above_it() {
        use OperatorKind::{Forwarder, Gateway, MailboxProvider};
        let cases = [
            ("aspmx.l.google.com", Some(("Google", MailboxProvider))),
            ("acme-test.mail.protection.outlook.com", Some(("Microsoft 365", MailboxProvider))),
            ("acme.olc.protection.outlook.com", Some(("Microsoft Outlook.com", MailboxProvider))),
            ("eu-smtp-inbound-1.mimecast.com", Some(("Mimecast", Gateway))),
            ("mxa-00.gslb.pphosted.com", Some(("Proofpoint", Gateway))),
            ("route1.mx.cloudflare.net", Some(("Cloudflare Email Routing", Forwarder))),
        ];
        for (host, known) in cases {
            assert_eq!(operator(host), known, "{host}");
        }
    }

    #[test]
    fn a_host_of_a_domains_own_has_no_operator() {
        for host in ["mx1.acme.test", "notgoogle.com", "google.com.acme.test", "com", "localhost"] {
            assert_eq!(operator(host), None, "{host}");
        }
    }
}
