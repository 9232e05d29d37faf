//! Services that park domains, known by their name servers. Pure.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::address::DomainName;

/// Our table: a name server, or the name above several, and the service's name.
const TABLE: &str = include_str!("data/parking.txt");

static BY_NAME_SERVER: LazyLock<HashMap<&'static str, ParkingService>> =
    LazyLock::new(|| lines().filter_map(entry).collect());

/// A service that shows advertisements, or an offer for sale, at domains that are not in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkingService {
    /// The name people know it by, such as `Sedo`.
    pub name: &'static str,
}

impl ParkingService {
    /// The service that parks a domain with these name servers: all of them have to be its own.
    #[must_use]
    pub fn of_name_servers(name_servers: &[DomainName]) -> Option<&'static Self> {
        let (first, rest) = name_servers.split_first()?;
        let service = Self::of_name_server(first)?;
        rest.iter().all(|other| Self::of_name_server(other) == Some(service)).then_some(service)
    }

    /// The service of one name server: the longest known name that is it or above it.
    fn of_name_server(name_server: &DomainName) -> Option<&'static Self> {
        let mut rest = name_server.as_str();
        loop {
            if let Some(service) = BY_NAME_SERVER.get(rest) {
                return Some(service);
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn entry(line: &'static str) -> Option<(&'static str, ParkingService)> {
    let (name_server, name) = line.split_once(' ')?;
    Some((name_server, ParkingService { name: name.trim() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(name_servers: &[&str]) -> Option<&'static str> {
        let name_servers: Vec<_> =
            name_servers.iter().map(|it| DomainName::from_ascii(it)).collect();
        ParkingService::of_name_servers(&name_servers).map(|service| service.name)
    }

    #[test]
    fn every_line_of_the_table_is_an_entry_and_no_name_server_stands_twice() {
        for line in lines() {
            let (name_server, service) = entry(line).unwrap_or_else(|| panic!("{line}"));
            assert!(name_server.contains('.'), "{line}");
            assert_eq!(name_server, name_server.to_ascii_lowercase());
            assert!(!service.name.is_empty(), "{line}");
        }
        assert_eq!(lines().count(), BY_NAME_SERVER.len(), "a name server stands twice");
    }

    #[test]
    fn a_domain_is_parked_if_all_its_name_servers_are_of_one_service() {
        assert_eq!(parked(&["ns1.sedoparking.com", "ns2.sedoparking.com"]), Some("Sedo"));
        assert_eq!(parked(&["NS1.BODIS.COM."]), Some("Bodis"));
        assert_eq!(parked(&["ns1.sedoparking.com", "ns1.acme.test"]), None);
        assert_eq!(parked(&["ns1.sedoparking.com", "ns1.bodis.com"]), None);
        assert_eq!(parked(&["ns1.notbodis.com"]), None);
        assert_eq!(parked(&[]), None);
    }
}
