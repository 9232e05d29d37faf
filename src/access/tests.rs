use std::time::{Duration, SystemTime};

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn keys(more: &str) -> (String, Keys) {
    let issued = issue("crm", [7; 32], None).unwrap();
    (issued.key, Keys::parse(&format!("{}{more}", issued.entry)).unwrap())
}

fn shown(bearer: Bearer<'_>) -> Credentials<'_> {
    Credentials { bearer, certificate: None, is_loopback: false }
}

fn harvesting() -> Harvesting {
    Harvesting { local_parts_per_domain: 3, unknown_sample: 10, ..Harvesting::default() }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn a_key_names_its_caller_and_a_wrong_one_nobody_even_where_anybody_may_call() {
    let (key, keys) = keys("");
    let access = Access::new(true, Quota::default(), Harvesting::default(), keys);
    let caller = access.admit(shown(Bearer::Key(&key)), at(0)).unwrap();
    assert_eq!((&*caller.name, caller.kind), ("crm", CallerKind::Key));
    let wrong = access.admit(shown(Bearer::Key("mailvet_0")), at(0));
    assert_eq!(wrong, Err(AdmissionError::UnknownKey));
    assert_eq!(access.admit(shown(Bearer::Unreadable), at(0)), Err(AdmissionError::Unreadable));
    let nobody = access.admit(shown(Bearer::None), at(0)).unwrap();
    assert_eq!((&*nobody.name, nobody.kind), ("", CallerKind::Anonymous));
}

#[test]
fn a_certificate_names_its_caller_and_a_nameless_one_is_nobody() {
    let access = Access::new(false, Quota::default(), Harvesting::default(), Keys::default());
    let with = |name| Credentials { certificate: Some(name), ..shown(Bearer::None) };
    let caller = access.admit(with("crm.example"), at(0)).unwrap();
    assert_eq!((&*caller.name, caller.kind), ("crm.example", CallerKind::Certificate));
    assert_eq!(access.admit(with(""), at(0)), Err(AdmissionError::NamelessCertificate));
    assert_eq!(access.admit(shown(Bearer::None), at(0)), Err(AdmissionError::Anonymous));
    let local = Credentials { is_loopback: true, ..shown(Bearer::None) };
    assert_eq!(access.admit(local, at(0)), Err(AdmissionError::Anonymous));
}

#[test]
fn a_key_is_gone_with_the_file_that_listed_it_for_streams_too() {
    let (key, keys) = keys("");
    let access = Access::new(false, Quota::default(), Harvesting::default(), keys);
    let caller = access.admit(shown(Bearer::Key(&key)), at(0)).unwrap();
    assert_eq!(access.count_addresses(&caller, 1, at(0)), Ok(()));
    access.replace_keys(Keys::default());
    assert_eq!(access.admit(shown(Bearer::Key(&key)), at(1)), Err(AdmissionError::UnknownKey));
    assert_eq!(access.count_addresses(&caller, 1, at(1)).unwrap_err().limit, Limit::KeyWithdrawn);
    assert_eq!(access.count_call(&caller, at(1)).unwrap_err().limit, Limit::KeyWithdrawn);
}

#[test]
fn a_key_that_took_the_name_of_another_takes_its_streams_away_and_keeps_what_was_counted() {
    let (old, keys) = keys("addresses_per_day = 2\n");
    let access = Access::new(false, Quota::default(), Harvesting::default(), keys);
    let leaked = access.admit(shown(Bearer::Key(&old)), at(0)).unwrap();
    assert_eq!(access.count_addresses(&leaked, 2, at(0)), Ok(()));
    let new = issue("crm", [8; 32], None).unwrap();
    let entry = format!("{}addresses_per_day = 2\n", new.entry);
    access.replace_keys(Keys::parse(&entry).unwrap());
    assert_eq!(access.check_key(&leaked, at(1)).unwrap_err().limit, Limit::KeyWithdrawn);
    let owner = access.admit(shown(Bearer::Key(&new.key)), at(1)).unwrap();
    assert_eq!(access.check_key(&owner, at(1)), Ok(()));
    access.replace_keys(Keys::parse(&entry).unwrap());
    assert_eq!(access.check_key(&owner, at(1)), Ok(()), "the same file again");
    assert!(access.count_addresses(&owner, 1, at(1)).is_err(), "the day is the name's");
}

#[test]
fn calls_a_minute_and_addresses_a_day_are_counted_apart_and_come_back() {
    let (key, keys) = keys("calls_per_minute = 2\naddresses_per_day = 10\n");
    let access = Access::new(false, Quota::default(), Harvesting::default(), keys);
    let caller = access.admit(shown(Bearer::Key(&key)), at(0)).unwrap();
    for second in 0..2 {
        assert_eq!(access.count_call(&caller, at(second)), Ok(()));
    }
    let refusal = access.count_call(&caller, at(2)).unwrap_err();
    assert_eq!(refusal.limit, Limit::CallsPerMinute(2));
    let wait = refusal.retry_after.unwrap();
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(61), "{wait:?}");
    assert_eq!(access.count_call(&caller, at(2) + wait), Ok(()));

    assert_eq!(access.count_addresses(&caller, 8, at(0)), Ok(()));
    let refusal = access.count_addresses(&caller, 3, at(10)).unwrap_err();
    assert_eq!(refusal.limit, Limit::AddressesPerDay(10));
    assert!(refusal.retry_after.unwrap() > Duration::from_secs(23 * 3600));
    assert!(refusal.to_string().contains("ask about fewer"), "two are left: {refusal}");
    assert_eq!(access.count_addresses(&caller, 2, at(10)), Ok(()), "what is left may be used");
    assert_eq!(access.count_addresses(&caller, 11, at(200_000)).unwrap_err().retry_after, None);
}

#[test]
fn addresses_that_are_given_back_may_be_asked_about_and_no_more_than_were_taken() {
    let (key, keys) = keys("addresses_per_day = 10\n");
    let access = Access::new(false, Quota::default(), Harvesting::default(), keys);
    let caller = access.admit(shown(Bearer::Key(&key)), at(0)).unwrap();
    assert_eq!(access.count_addresses(&caller, 4, at(0)), Ok(()));
    assert_eq!(access.count_addresses(&caller, 5, at(10_000)), Ok(()));
    access.give_back(&caller, 6, at(10_000));
    assert!(access.count_addresses(&caller, 8, at(10_000)).is_err());
    assert_eq!(access.count_addresses(&caller, 7, at(10_000)), Ok(()));
    access.give_back(&caller, 100, at(10_000));
    assert!(access.count_addresses(&caller, 11, at(10_000)).is_err());
    assert_eq!(access.count_addresses(&caller, 10, at(10_000)), Ok(()));
}

#[test]
fn callers_without_a_quota_of_their_own_share_the_default_rule_and_not_its_count() {
    let quota = Quota { calls_per_minute: 1, addresses_per_day: 0 };
    let access = Access::new(true, quota, Harvesting::default(), Keys::default());
    for name in ["a.example", "b.example"] {
        let caller = Caller::new(name, CallerKind::Certificate);
        assert_eq!(access.count_call(&caller, at(0)), Ok(()));
        assert!(access.count_call(&caller, at(0)).is_err());
    }
    let nobody = Caller::new("", CallerKind::Anonymous);
    assert_eq!(access.count_call(&nobody, at(0)), Ok(()));
    assert!(access.count_call(&nobody, at(0)).is_err(), "all anonymous callers are one");
}

#[test]
fn guessing_names_at_one_company_is_stopped_and_subdomains_are_no_way_around() {
    let access = Access::new(true, Quota::default(), harvesting(), Keys::default());
    let caller = Caller::new("crm", CallerKind::Certificate);
    let asks = |text: &str| access.check_harvest(&caller, &address(text), || false, at(0));
    for text in ["a@acme.test", "b@mail.acme.test", "c@acme.test", "A@ACME.test"] {
        assert_eq!(asks(text), Ok(()), "{text}");
    }
    let refusal = asks("d@eu.acme.test").unwrap_err();
    assert!(
        matches!(&refusal.limit, Limit::LocalPartsPerDomain { domain, cap: 3 } if domain == "acme.test")
    );
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(asks("d@other.test"), Ok(()));
}

#[test]
fn a_page_is_refused_as_a_whole_and_without_a_wait_where_waiting_does_not_help() {
    let access = Access::new(true, Quota::default(), harvesting(), Keys::default());
    let caller = Caller::new("crm", CallerKind::Certificate);
    let checks = |page: &[&str]| {
        let page: Vec<_> = page.iter().map(|text| address(text)).collect();
        access.check_page(&caller, &page, |_| false, at(0))
    };
    let (four, three) = (["a@x.test", "b@eu.x.test", "c@x.test", "d@x.test"], ["C@x.test"; 3]);
    let refusal = checks(&four).unwrap_err();
    assert_eq!(refusal.retry_after, None);
    assert!(refusal.to_string().ends_with("send no more of them at a time, an hour apart"));
    assert_eq!(checks(&three), Ok(()));
    for text in ["a@x.test", "b@x.test", "c@x.test"] {
        assert_eq!(access.check_harvest(&caller, &address(text), || false, at(0)), Ok(()));
    }
    assert_eq!(checks(&three), Ok(()), "it counts already");
    let refusal = checks(&["d@x.test"]).unwrap_err();
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(3600)));
    // It may be the last page of a list that an hour never has room for.
    assert!(refusal.to_string().ends_with("a list of more of them in parts, an hour apart"));
    let refusal = checks(&["d@x.test", "a@y.test", "b@y.test", "c@y.test", "d@y.test"]);
    assert_eq!(refusal.unwrap_err().retry_after, None, "the other domain is too large");
    let local = Caller::new("", CallerKind::Local);
    let page = four.map(address);
    assert_eq!(access.check_page(&local, &page, |_| false, at(0)), Ok(()));
}

#[test]
fn an_honest_list_with_thousands_at_a_free_provider_is_not_hurt() {
    let access = Access::new(true, Quota::default(), harvesting(), Keys::default());
    let caller = Caller::new("crm", CallerKind::Certificate);
    for n in 0..20_000 {
        let asked = access.check_harvest(
            &caller,
            &address(&format!("n{n}@gmail.com")),
            || true,
            at(n / 100),
        );
        assert_eq!(asked, Ok(()));
        access.record_answer(&caller.name, n % 2 == 0, at(n / 100));
    }
}

#[test]
fn a_caller_whose_guesses_are_nearly_all_wrong_waits_until_the_hour_is_over() {
    let access = Access::new(true, Quota::default(), harvesting(), Keys::default());
    let caller = Caller::new("crm", CallerKind::Certificate);
    for n in 0..10 {
        let guess = address(&format!("n{n}@gmail.com"));
        assert_eq!(access.check_harvest(&caller, &guess, || true, at(0)), Ok(()));
        access.record_answer(&caller.name, n == 0, at(0));
    }
    let refusal = access.check_harvest(&caller, &address("n@x.test"), || false, at(0)).unwrap_err();
    assert_eq!(refusal.limit, Limit::UnknownMailboxes(80));
    let wait = refusal.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(3660), "{wait:?}");
    assert_eq!(access.check_harvest(&caller, &address("n@x.test"), || false, at(0) + wait), Ok(()));
    let other = Caller::new("erp", CallerKind::Certificate);
    assert_eq!(access.check_harvest(&other, &address("n@x.test"), || false, at(0)), Ok(()));
}

#[test]
fn who_sits_at_the_machine_is_spared_unless_a_proxy_sits_there() {
    let local = Caller::new("", CallerKind::Local);
    for (spare_loopback, stopped) in [(true, false), (false, true)] {
        let rules = Harvesting { spare_loopback, ..harvesting() };
        let access = Access::new(true, Quota::default(), rules, Keys::default());
        let refused = (0..5).any(|n| {
            access
                .check_harvest(&local, &address(&format!("n{n}@acme.test")), || false, at(0))
                .is_err()
        });
        assert_eq!(refused, stopped);
    }
}
