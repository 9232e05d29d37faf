use std::time::Duration;

use super::*;
use crate::address::DomainName;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + seconds)
}

fn key(name: &str) -> DestinationKey {
    DestinationKey { identity: "a".into(), destination: DomainName::from_ascii(name) }
}

fn tenure(member: i64, connection: u64, renewed: u64) -> Tenure {
    Tenure { member, connection, renewed_at: at(renewed), members: 2 }
}

/// Takes a renewal in, as its holder does.
fn renew(holdings: &mut Holdings, tenure: Tenure, now: SystemTime) -> Renewal {
    let renewal = holdings.weigh(tenure, now);
    holdings.begin(tenure);
    renewal
}

/// Claims a destination in no time.
fn hold(holdings: &mut Holdings, name: &str, now: SystemTime) -> Option<HoldToken> {
    let basis = holdings.basis(now)?;
    holdings.hold(key(name), basis, now)
}

fn is_here(holdings: &Holdings, name: &str, now: SystemTime) -> bool {
    matches!(holdings.find(&key(name), now), KnownHolder::Here(_))
}

fn started() -> Holdings {
    let mut holdings = Holdings::new();
    assert_eq!(renew(&mut holdings, tenure(1, 0, 0), at(0)), Renewal::Lost);
    holdings
}

#[test]
fn nothing_is_asked_or_claimed_before_the_first_renewal_and_after_the_time_of_the_last() {
    let mut holdings = Holdings::new();
    assert!(matches!(holdings.find(&key("a.example"), at(0)), KnownHolder::Suspended));
    renew(&mut holdings, tenure(1, 0, 0), at(0));
    assert!(matches!(holdings.find(&key("a.example"), at(0)), KnownHolder::Unknown));
    assert!(hold(&mut holdings, "a.example", at(1)).is_some());
    assert!(is_here(&holdings, "a.example", at(11)));
    assert!(matches!(holdings.find(&key("a.example"), at(12)), KnownHolder::Suspended));
    assert!(hold(&mut holdings, "b.example", at(12)).is_none());
}

#[test]
fn renewals_in_time_keep_what_is_held_and_a_late_one_or_another_member_loses_it() {
    for (renewal, now, expected) in [
        (tenure(1, 0, 3), 3, Renewal::Same),
        (tenure(1, 1, 3), 3, Renewal::Doubtful),
        (tenure(1, 0, 13), 13, Renewal::Lost),
        (tenure(2, 0, 3), 3, Renewal::Lost),
    ] {
        let mut holdings = started();
        drop(hold(&mut holdings, "a.example", at(1)));
        assert_eq!(renew(&mut holdings, renewal, at(now)), expected);
        assert_eq!(is_here(&holdings, "a.example", at(now)), expected != Renewal::Lost);
    }
}

#[test]
fn a_claim_under_another_membership_holds_nothing() {
    let mut holdings = started();
    let first = holdings.basis(at(0)).unwrap();
    renew(&mut holdings, tenure(2, 0, 3), at(3));
    assert!(holdings.hold(key("a.example"), first, at(4)).is_none());
    let second = holdings.basis(at(4)).unwrap();
    renew(&mut holdings, tenure(2, 1, 5), at(5));
    assert!(holdings.hold(key("a.example"), second, at(5)).is_none());
}

#[test]
fn a_claim_from_before_everything_was_lost_holds_nothing_under_the_same_membership() {
    let mut holdings = started();
    let before = holdings.basis(at(11)).unwrap();
    assert_eq!(holdings.weigh(tenure(1, 0, 13), at(13)), Renewal::Lost);
    assert!(holdings.basis(at(13)).is_none(), "nothing is held while all is suspended");
    holdings.begin(tenure(1, 0, 13));
    assert!(holdings.hold(key("a.example"), before, at(13)).is_none());
    assert!(!holdings.kept_all_since(before));
    assert!(hold(&mut holdings, "a.example", at(13)).is_some());
}

#[test]
fn what_is_in_use_is_not_given_up() {
    let mut holdings = started();
    let token = hold(&mut holdings, "a.example", at(1)).unwrap();
    assert!(!holdings.give_up(&key("a.example")));
    drop(token);
    assert!(holdings.give_up(&key("a.example")));
    assert!(!holdings.give_up(&key("a.example")));
    assert!(!is_here(&holdings, "a.example", at(1)));
}

#[test]
fn a_peer_is_forgotten_by_its_own_address_only() {
    let mut holdings = started();
    holdings.note_peer(key("a.example"), "10.0.0.2:1".into());
    holdings.forget_peer(&key("a.example"), "10.0.0.3:1");
    assert!(matches!(holdings.find(&key("a.example"), at(1)), KnownHolder::Peer(_)));
    holdings.forget_peer(&key("a.example"), "10.0.0.2:1");
    assert!(matches!(holdings.find(&key("a.example"), at(1)), KnownHolder::Unknown));
}
