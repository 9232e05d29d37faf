//! Services of several top-level domains at one host: one registry.

use super::*;

#[tokio::test]
async fn services_at_one_host_are_one_registry_that_rests_for_all_of_them() {
    let limited = answer("429 Too Many Requests", "retry-after: 600\r\n", "");
    let registry = ScriptedRegistry::start([limited, acme()]).await;
    let (registrations, clock) = asking(&registry.url, |config| {
        config.services = ["test", "example"]
            .map(|suffix| (suffix.to_owned(), format!("{}/{suffix}/", registry.url)))
            .into();
    });
    for name in ["a.test", "a.example", "b.test"] {
        let found = find(&registrations, clock, name).await;
        assert_eq!(found.gap(), Some(RegistrationGap::RateLimited), "{name}");
    }
    assert_eq!(registry.requests().len(), 1);
    registrations.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_left_alone_for_seconds_and_no_more_because_our_own_dns_was_away() {
    // DNS of these tests answers nothing.
    let (registrations, clock) = asking("https://rdap.example/", |_| {});
    for number in 0..10 {
        let found = find(&registrations, clock, &format!("d{number}.test")).await;
        assert_eq!(found.gap(), Some(RegistrationGap::RegistryUnavailable));
        assert!(found.asked_at.is_some(), "the registry does not rest: {number}");
        let found = find(&registrations, clock, &format!("e{number}.test")).await;
        assert_eq!(found.asked_at, None, "it would fail as the one before: {number}");
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    registrations.drain().await;
}

#[tokio::test]
async fn each_domain_is_asked_about_at_its_own_service_of_a_host() {
    let registry = ScriptedRegistry::start([answer("404 Not Found", "", "")]).await;
    let (registrations, clock) = asking(&registry.url, |config| {
        config.services = ["test", "example"]
            .map(|suffix| (suffix.to_owned(), format!("{}/{suffix}/", registry.url)))
            .into();
    });
    let names = ["a.test", "a.example", "b.test", "b.example"];
    let asked = names.map(|name| find(&registrations, clock, name));
    futures_util::future::join_all(asked).await;
    let requests = registry.requests();
    assert_eq!(requests.len(), names.len());
    for path in names.map(|name| format!("/{}/domain/{name} ", &name[2..])) {
        assert!(requests.iter().any(|request| request.contains(&path)), "{path}: {requests:?}");
    }
    registrations.drain().await;
}
