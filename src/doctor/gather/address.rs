//! Looks up a public address in DNS: its names, SPF, blocklists.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::{join_all, join3, join4};

use super::dns_client::DnsClient;
use super::helo_name;
use crate::address::DomainName;
use crate::dns::query::{Query, QueryResult};
use crate::dns::reverse;
use crate::doctor::blocklist::Blocklist;
use crate::doctor::config::Config;
use crate::doctor::facts::{AddressFacts, ListFacts, SpfFacts};
use crate::smtp::{self, Mailbox, Sender};
use crate::spf::{self, SpfStep};

/// Most names of one address that are looked up.
const MOST_NAMES: usize = 10;

pub(super) async fn gather_facts(
    addresses: &[IpAddr],
    smtp: &smtp::Config,
    config: &Config,
    client: &DnsClient,
) -> Vec<AddressFacts> {
    let addresses = addresses.iter().map(|address| address.to_canonical());
    join_all(addresses.map(|address| gather_address(address, smtp, config, client))).await
}

async fn gather_address(
    address: IpAddr,
    smtp: &smtp::Config,
    config: &Config,
    client: &DnsClient,
) -> AddressFacts {
    let requests = requests(address, smtp);
    let lists = config.blocklists.iter().filter(|list| address.is_ipv4() || list.ipv6);
    let ((names, forward), spf, lists) = join3(
        names(address, client),
        join_all(requests.into_iter().map(|(of_helo, request)| policy(of_helo, request, client))),
        join_all(lists.map(|list| entry(address, list, client))),
    )
    .await;
    AddressFacts { address, names, forward, spf, lists }
}

/// The names of an address, and the addresses of those names.
async fn names(
    address: IpAddr,
    client: &DnsClient,
) -> (QueryResult, Vec<(DomainName, QueryResult)>) {
    let names = client.ask(&Query::Names(address)).await;
    // The root is no host: some write "no name" as a PTR record of it.
    let hosts = names.names().iter().filter(|name| !name.as_str().is_empty());
    let forward = hosts.take(MOST_NAMES).map(async |name| {
        let heard = client.ask(&Query::addresses(name.clone(), address)).await;
        (name.clone(), heard)
    });
    let forward = join_all(forward).await;
    (names, forward)
}

/// The senders that servers check: each mailbox, and the HELO name behind the null sender.
fn requests(address: IpAddr, smtp: &smtp::Config) -> Vec<(bool, spf::Request)> {
    let helo = smtp.helo_name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let request = |local: String, domain: &DomainName| spf::Request {
        ip: address,
        local,
        domain: domain.clone(),
        helo: helo.clone(),
    };
    let of_mailbox =
        |mailbox: &Mailbox| (false, request(mailbox.local().to_owned(), mailbox.domain()));
    let mut requests = Vec::new();
    match &smtp.mail_from {
        Sender::Mailbox(mailbox) => requests.push(of_mailbox(mailbox)),
        Sender::Null => {
            let name = helo_name(smtp).filter(|name| name.labels().count() > 1);
            requests.extend(name.map(|name| (true, request("postmaster".into(), &name))));
            requests.extend(smtp.fallback_mail_from.as_ref().map(of_mailbox));
        }
    }
    requests
}

async fn policy(of_helo: bool, request: spf::Request, client: &DnsClient) -> SpfFacts {
    let mut known = BTreeMap::new();
    // Ten lookups, each with ten names at most: this ends.
    let outcome = loop {
        match spf::evaluate(&request, &known) {
            SpfStep::Done(outcome) => break outcome,
            SpfStep::Ask(question) => {
                let heard = client.ask(&question).await;
                known.insert(question, heard);
            }
        }
    };
    SpfFacts { domain: request.domain, of_helo, outcome }
}

/// Asks a blocklist about the address and about its own test points (RFC 5782 section 5).
async fn entry(address: IpAddr, list: &Blocklist, client: &DnsClient) -> ListFacts {
    let zone = list.zone.name().as_str();
    let point = |last: u8| {
        let v4 = Ipv4Addr::new(127, 0, 0, last);
        let point = if address.is_ipv4() { v4.into() } else { v4.to_ipv6_mapped().into() };
        Query::Ipv4(reverse::spelled(point, zone))
    };
    let name = reverse::below(address, zone);
    let (listed, unlisted) = (point(2), point(1));
    let (own, texts) = (Query::Ipv4(name.clone()), Query::Texts(name));
    let (listed_point, unlisted_point, own, texts) =
        join4(client.ask(&listed), client.ask(&unlisted), client.ask(&own), client.ask(&texts))
            .await;
    let reason = texts.texts().first().cloned();
    ListFacts { list: list.clone(), listed_point, unlisted_point, own, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spf_is_evaluated_for_the_local_part_without_the_brackets_of_a_path() {
        let sender = smtp::Config {
            mail_from: "probe@mailvet.example".parse().unwrap(),
            ..smtp::Config::default()
        };
        let fallback = smtp::Config {
            fallback_mail_from: Some("probe@mailvet.example".parse().unwrap()),
            ..smtp::Config::default()
        };
        for smtp in [sender, fallback] {
            let requests = requests([192, 88, 1, 25].into(), &smtp);
            let locals: Vec<&str> =
                requests.iter().map(|(_, request)| request.local.as_str()).collect();
            assert_eq!(locals, ["probe"]);
        }
    }
}
