//! An SPF check ends, within ten lookups, whatever the records say.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mailvet::address::DomainName;
use mailvet::dns::query::{Query, QueryResult};
use mailvet::spf::{Request, SpfStep, evaluate};

fuzz_target!(|input: (&str, &str, &str, [u8; 4])| {
    let (record, included, local, ip) = input;
    let request = Request {
        ip: ip.into(),
        local: local.to_owned(),
        domain: DomainName::from_ascii("example.com"),
        helo: "mx.example.com".to_owned(),
    };
    let mut known = BTreeMap::new();
    let mut asked = 0;
    while let SpfStep::Ask(query) = evaluate(&request, &known) {
        asked += 1;
        assert!(asked < 500, "it goes on for ever");
        let answer = match &query {
            Query::Texts(name) if name.as_str() == "example.com" => {
                QueryResult::Texts(vec![format!("v=spf1 {record}")])
            }
            Query::Texts(_) => QueryResult::Texts(vec![format!("v=spf1 {included}")]),
            Query::Ipv4(_) => QueryResult::Addresses(vec![[192, 0, 2, 1].into()]),
            Query::Ipv6(_) => QueryResult::NoData,
            Query::Exchangers(_) | Query::Names(_) => {
                QueryResult::Names(vec![DomainName::from_ascii("mx.example.com")])
            }
        };
        known.insert(query, answer);
    }
});
