//! What the name servers are like.

use super::*;

#[test]
fn the_name_server() {
    type Row = (&'static str, Status, &'static str, fn(&mut NameserverFacts));
    let rows: [Row; 22] = [
        ("dns_known", Pass, "gmail.com are found", |_| {}),
        ("dns_known", Fail, "1 of 1 well-known mail domains", |n| n.known[0].heard = NXDOMAIN),
        ("dns_known", Warn, "gone.example is one", |n| {
            n.known.push(timed("gone.example", NXDOMAIN))
        }),
        ("dns_known", Skipped, "gmail.com: no name server", |n| {
            n.known[0].heard = QueryResult::Failed(DnsFailure::Timeout);
        }),
        ("dns_nxdomain", Pass, "3 names that do not exist", |_| {}),
        (
            "dns_nxdomain",
            Fail,
            "1 of 3 names that do not exist are said to be at 192.88.8.8",
            |n| {
                n.made_up[0].heard = addresses(&["192.88.8.8"]);
            },
        ),
        ("dns_nxdomain", Fail, "are said to be at", |n| {
            n.made_up_below[0].heard = addresses(&["192.88.8.8"]);
        }),
        ("dns_nxdomain", Warn, "made-up.com, which does not exist, is said to exist", |n| {
            n.made_up[0].heard = QueryResult::NoData;
        }),
        ("dns_nxdomain", Warn, "without an SOA", |n| {
            n.made_up[0].heard = QueryResult::NoSuchName { with_soa: false };
        }),
        ("dns_nxdomain", Skipped, "made-up.com: no name server answered", |n| {
            for timed in n.made_up.iter_mut().chain(&mut n.made_up_below) {
                timed.heard = QueryResult::Failed(DnsFailure::Timeout);
            }
        }),
        ("dns_dnssec", Pass, "broken signatures are refused", |_| {}),
        ("dns_dnssec", Warn, "answered all the same", |n| {
            n.bogus[0].heard = addresses(&["192.88.4.2"]);
        }),
        ("dns_dnssec", Skipped, "so is every name with good signatures", |n| {
            n.signed[0].heard = servfail();
        }),
        ("dns_dnssec", Skipped, "no name server answered", |n| {
            n.bogus[0].heard = QueryResult::Failed(DnsFailure::Timeout);
        }),
        ("dns_dnssec", Skipped, "does not exist any more", |n| n.bogus[0].heard = NXDOMAIN),
        ("dns_speed", Pass, "median 20 ms over 4 questions", |_| {}),
        ("dns_speed", Warn, "median 900 ms", |n| {
            for timed in n.made_up.iter_mut().chain(&mut n.known) {
                timed.took = Duration::from_millis(900);
            }
        }),
        ("dns_speed", Warn, "1 were not answered", |n| {
            n.known[0].heard = QueryResult::Failed(DnsFailure::Timeout);
        }),
        ("dns_speed", Fail, "4 questions, no answer", |n| {
            let all = n.made_up.iter_mut().chain(&mut n.made_up_below).chain(&mut n.known);
            all.for_each(|timed| timed.heard = QueryResult::Failed(DnsFailure::Timeout));
        }),
        ("dns_large_answers", Pass, "2 octets of large.example arrived", |_| {}),
        ("dns_large_answers", Warn, "did not arrive", |n| {
            n.large[0].heard = QueryResult::Failed(DnsFailure::Timeout);
        }),
        ("dns_large_answers", Skipped, "no large answer any more", |n| {
            n.large[0].heard = QueryResult::NoData;
        }),
    ];
    for (id, status, words, change) in rows {
        let also = ["dns_speed", "dns_nxdomain", "dns_known"];
        changed(id, &also, status, words, |facts| change(&mut facts.nameservers[0]));
    }
}
