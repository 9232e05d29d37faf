//! Names that never go to a name server: `localhost` and the reverse names of loopback (loopback
//! addresses), `invalid` and `onion` (NXDOMAIN), RFC 6761 section 6, RFC 7686.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_resolver::net::NoRecords;
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::domain::usage::{IN_ADDR_ARPA_127, IP6_ARPA_1};
use hickory_resolver::proto::rr::rdata::PTR;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// The lifetime of what everybody knows, in seconds: a day.
const TTL: u32 = 86_400;

/// The answer about `name`, if it is such a name.
pub(super) fn answer(name: &Name, record_type: RecordType) -> Option<Result<Record, NoRecords>> {
    let top = name.iter().next_back()?;
    let is = |label: &str| top.eq_ignore_ascii_case(label.as_bytes());
    let no = |code| Some(Err(NoRecords::new(Query::query(name.clone(), record_type), code)));
    if is("invalid") || is("onion") {
        return no(ResponseCode::NXDomain);
    }
    let is_reverse = || IN_ADDR_ARPA_127.zone_of(name) || IP6_ARPA_1.zone_of(name);
    let is_loopback = is("localhost") || is("arpa") && is_reverse();
    if !is_loopback {
        return None;
    }
    let data = match record_type {
        RecordType::A => RData::A(Ipv4Addr::LOCALHOST.into()),
        RecordType::AAAA => RData::AAAA(Ipv6Addr::LOCALHOST.into()),
        RecordType::PTR => RData::PTR(PTR(Name::from_ascii("localhost.").ok()?)),
        _ => return no(ResponseCode::NoError),
    };
    Some(Ok(Record::from_rdata(name.clone(), TTL, data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, record_type: RecordType) -> Option<Result<RData, ResponseCode>> {
        let name = Name::from_ascii(name).unwrap();
        let answer = answer(&name, record_type)?;
        Some(answer.map(|it| it.data).map_err(|none| none.response_code))
    }

    #[test]
    fn loopback_is_known_by_each_of_its_names_in_any_case() {
        for name in ["localhost.", "a.LOCALHOST.", "1.0.0.127.in-addr.arpa."] {
            let loopback = RData::A(Ipv4Addr::LOCALHOST.into());
            assert_eq!(of(name, RecordType::A), Some(Ok(loopback)), "{name}");
            assert_eq!(of(name, RecordType::MX), Some(Err(ResponseCode::NoError)), "{name}");
        }
        let reverse = format!("1.{}ip6.arpa.", "0.".repeat(31));
        let Some(Ok(RData::PTR(name))) = of(&reverse, RecordType::PTR) else { panic!("{reverse}") };
        assert_eq!(name.0, Name::from_ascii("localhost.").unwrap());
    }

    #[test]
    fn what_never_exists_is_not_asked_for_and_what_only_looks_like_it_is() {
        for name in ["a.invalid.", "b.Onion."] {
            let answer = of(name, RecordType::MX);
            assert_eq!(answer, Some(Err(ResponseCode::NXDomain)), "{name}");
        }
        for name in [".", "invalid.test.", "notlocalhost.", "local.", "1.2.0.192.in-addr.arpa."] {
            assert_eq!(of(name, RecordType::A), None, "{name}");
        }
    }
}
