//! DNS blocklists: how one is configured, and the well-known ones with their own answer codes, as
//! their operators document them. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::name::{ConfiguredName, configured};

/// A DNS blocklist (RFC 5782).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocklist {
    /// Zone to query, such as `zen.spamhaus.org`.
    pub zone: ConfiguredName,
    /// `true` if it lists IPv6 addresses too. Default: false.
    #[serde(default)]
    pub ipv6: bool,
    /// Weight of an entry: `fail` if many servers look here, `warn` if few do. Default
    /// `fail`.
    #[serde(default)]
    pub weight: Weight,
    /// Address of the page that takes requests for removal. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<String>,
    /// The list's own answers, and what each means. Others within 127.0.0.0/8 are entries of a kind
    /// that is not known here.
    #[serde(default)]
    pub codes: BTreeMap<Ipv4Addr, String>,
}

/// Severity of an entry in a blocklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Few servers look there.
    Warn,
    /// Many servers look there.
    #[default]
    Fail,
}

/// Lists of addresses that can be asked freely in small numbers, the most used first.
pub(super) fn well_known() -> Vec<Blocklist> {
    use Weight::{Fail, Warn};
    let list = |zone, ipv6, weight, removal: &str, codes: &[(u8, &str)]| Blocklist {
        zone,
        ipv6,
        weight,
        removal: Some(removal.to_owned()),
        codes: codes
            .iter()
            .map(|(last, what)| (code(*last), (*what).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    };
    let zones: [ConfiguredName; 8] = [
        "zen.spamhaus.org",
        "b.barracudacentral.org",
        "bl.spamcop.net",
        "dnsbl.dronebl.org",
        "bl.mailspike.net",
        "psbl.surriel.com",
        "dnsbl-1.uceprotect.net",
        "ips.backscatterer.org",
    ]
    .map(|zone| configured(&[zone]).remove(0));
    let [zen, barracuda, spamcop, drone, mailspike, psbl, uceprotect, backscatterer] = zones;
    vec![
        list(zen, true, Fail, "https://check.spamhaus.org/", &SPAMHAUS),
        list(
            barracuda,
            false,
            Fail,
            "https://www.barracudacentral.org/rbl/removal-request",
            &[(2, "poor reputation")],
        ),
        list(
            spamcop,
            false,
            Fail,
            "https://www.spamcop.net/bl.shtml",
            &[(2, "reported as a source of spam")],
        ),
        list(drone, true, Warn, "https://dronebl.org/lookup", &DRONEBL),
        list(mailspike, false, Warn, "https://mailspike.org/iplookup.html", &MAILSPIKE),
        list(psbl, false, Warn, "https://psbl.org/remove", &[(2, "mailed a spam trap")]),
        list(
            uceprotect,
            false,
            Warn,
            "https://www.uceprotect.net/en/rblcheck.php",
            &[(2, "mailed a spam trap within seven days")],
        ),
        list(
            backscatterer,
            false,
            Warn,
            "https://www.backscatterer.org/?target=test",
            &[(2, "sends bounces or sender call-outs, as a careless verifier does")],
        ),
    ]
}

const fn code(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

const SPAMHAUS: [(u8, &str); 9] = [
    (2, "SBL: a source of spam"),
    (3, "CSS: a source of low-reputation mail"),
    (4, "XBL: an infected or open machine"),
    (5, "XBL: an infected or open machine"),
    (6, "XBL: an infected or open machine"),
    (7, "XBL: an infected or open machine"),
    (9, "DROP: a hijacked or criminal network"),
    (10, "PBL: the provider says that no mail comes from here"),
    (11, "PBL: an address range of end users"),
];

const DRONEBL: [(u8, &str); 8] = [
    (3, "an IRC drone"),
    (8, "an open SOCKS proxy"),
    (9, "an open HTTP proxy"),
    (10, "a chain of proxies"),
    (13, "a source of password guessing"),
    (14, "an open Wingate proxy"),
    (15, "a compromised router"),
    (17, "an automatically found botnet address"),
];

const MAILSPIKE: [(u8, &str); 4] = [
    (2, "a wave of spam comes from here"),
    (10, "the worst reputation"),
    (11, "a very bad reputation"),
    (12, "a bad reputation"),
];
