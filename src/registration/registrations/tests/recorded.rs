//! What a registry that no one here wrote says of domains in every state, and what is read in it.

use super::*;
use crate::registration::facts::date;

/// The registration of `name.test`, whose recorded answer is this one.
async fn registration(name: &str, recorded: &str) -> Registration {
    let registry = ScriptedRegistry::start([recorded.to_owned()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let found = find(&registrations, clock, &format!("{name}.test")).await;
    registrations.drain().await;
    found
}

#[tokio::test]
async fn every_recorded_answer_is_read_to_its_facts_and_without_its_holder() {
    // Statuses; days of the registration, of the last change and of the end.
    let cases = [
        ("acme", recorded!("acme"), "active", ["2004-03-01", "2026-02-11", "2031-03-01"]),
        (
            "client-hold",
            recorded!("client-hold"),
            "client hold, client transfer prohibited",
            ["2004-03-01", "2026-10-01", "2027-03-01"],
        ),
        (
            "server-hold",
            recorded!("server-hold"),
            "server hold",
            ["2004-03-01", "2026-10-01", "2027-03-01"],
        ),
        (
            "redemption",
            recorded!("redemption"),
            "redemption period",
            ["2004-03-01", "2026-10-15", "2026-09-01"],
        ),
        (
            "pending-delete",
            recorded!("pending-delete"),
            "pending delete",
            ["2004-03-01", "2026-11-01", "2026-09-01"],
        ),
        (
            "expired",
            recorded!("expired"),
            "auto renew period",
            ["2004-03-01", "2024-01-10", "2025-01-10"],
        ),
        (
            "recent",
            recorded!("recent"),
            "active, add period",
            ["2026-05-20", "2026-05-20", "2027-05-20"],
        ),
    ];
    for (name, answer, statuses, days) in cases {
        assert!(answer.contains("A. Holder"), "{name}");
        let found = registration(name, answer).await;
        let facts = found.facts().unwrap();
        assert_eq!(facts.statuses.join(", "), statuses, "{name}");
        let times = [facts.registered_at, facts.changed_at, facts.expires_at];
        assert_eq!(times.map(|at| date(at.unwrap())), days, "{name}");
        assert_eq!(facts.registrar.as_deref(), Some("Example Registrar"), "{name}");
        assert!(!format!("{found:?}").contains("Holder"), "{name}");
    }
}

#[tokio::test]
async fn recorded_answers_explain_a_domain_that_is_not_in_dns() {
    // 2026-11-29.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_910_400);
    let cases = [
        ("acme", recorded!("acme"), "is registered and not in DNS"),
        ("client-hold", recorded!("client-hold"), "its registrar took it out of DNS"),
        ("server-hold", recorded!("server-hold"), "its registry took it out of DNS"),
        ("redemption", recorded!("redemption"), "can still be restored by its holder"),
        ("pending-delete", recorded!("pending-delete"), "within days anybody may register it"),
        ("expired", recorded!("expired"), "ended on 2025-01-10"),
        ("missing", recorded!("missing"), "its registry's service knows no such domain"),
    ];
    for (name, answer, words) in cases {
        let found = registration(name, answer).await;
        let text = found.explain_absence(&found.domain, now).unwrap();
        assert!(text.contains(words), "{name}: {text}");
    }
    let recent = registration("recent", recorded!("recent")).await;
    let registered = recent.facts().unwrap().registered_at.unwrap();
    let days = |count: u64| Duration::from_secs(count * 86_400);
    assert!(recent.is_after_consent(registered - days(8)));
    assert!(!recent.is_after_consent(registered - days(6)));
}

#[tokio::test]
async fn a_recorded_referral_leads_to_the_registry_that_has_the_domain() {
    let there = ScriptedRegistry::start([recorded!("moved-here").to_owned()]).await;
    // The registry that it was recorded with is not there now.
    let referral = recorded!("moved").replacen("http://127.0.0.2:3922", &there.url, 1);
    let found = registration("moved", &referral).await;
    assert!(found.facts().unwrap().has_status("active"));
    assert_eq!(there.requests().len(), 1);
    assert!(there.requests()[0].starts_with("GET /rdap/domain/moved.test "));
}
