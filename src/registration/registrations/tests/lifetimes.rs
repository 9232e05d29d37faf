//! How long a registration is remembered.

use crate::registration::RegistrationFacts;
use crate::registration::registrations::registered_for;

use super::*;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How long a registration of these statuses is remembered that ends so many seconds from now.
fn seconds(statuses: &[&str], ends_in: Option<i64>) -> u64 {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_910_400);
    let end = |seconds: i64| match u64::try_from(seconds) {
        Ok(ahead) => now + Duration::from_secs(ahead),
        Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
    };
    let facts = RegistrationFacts {
        statuses: statuses.iter().map(|status| (*status).into()).collect(),
        expires_at: ends_in.map(end),
        ..RegistrationFacts::default()
    };
    registered_for(&facts, now).as_secs()
}

#[test]
fn a_registration_is_remembered_for_a_week_and_not_beyond_its_end() {
    assert_eq!(seconds(&["active"], None), 7 * DAY);
    assert_eq!(seconds(&["active"], Some(365 * 86_400)), 7 * DAY);
    assert_eq!(seconds(&["active"], Some(2 * 86_400)), 2 * DAY);
    assert_eq!(seconds(&["active"], Some(1)), 60);
}

#[test]
fn a_registration_that_may_change_at_any_time_is_remembered_for_an_hour() {
    assert_eq!(seconds(&["auto renew period"], Some(-86_400)), HOUR);
    for status in ["redemption period", "pending delete", "client hold", "server hold"] {
        assert_eq!(seconds(&["active", status], Some(365 * 86_400)), HOUR, "{status}");
    }
}
