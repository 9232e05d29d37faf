//! Registrations above a scripted registry: its answers, its troubles, and its manners. What it
//! answers when all is well was recorded from a real one (`tests/registry/run`).

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::address::DomainName;
use crate::cache::{self, DnsCache};
use crate::clock::Clock;
use crate::dns::no_dns::NoDns;
use crate::http_client::HttpAnswer;
use crate::registration::client::read_bootstrap;
use crate::registration::{
    Config, Registration, RegistrationGap, RegistrationLookup as _, RegistrationState,
    Registrations, problems,
};
use crate::smtp::AllowedNetworks;

/// The recorded answer of a registry about the domain of this name in `.test`.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/registration/registrations/recorded/",
            $name,
            ".http"
        ))
    };
}

mod lifetimes;
mod recorded;
mod shared_host;

/// A registry that answers with what it was given, in turn, and then for ever with the last.
struct ScriptedRegistry {
    url: String,
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    requests: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl ScriptedRegistry {
    async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.into_iter().map(String::into_bytes).collect::<VecDeque<_>>();
        let answers = Arc::new(Mutex::new(answers));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let (script, log) = (Arc::clone(&answers), Arc::clone(&requests));
        serving.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                log.lock().push(String::from_utf8(request).unwrap());
                let answer = {
                    let mut script = script.lock();
                    if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
                };
                match answer {
                    Some(answer) if answer == b"silence" => {
                        // Held until the client leaves.
                        let _ = stream.read_buf(&mut Vec::new()).await;
                    }
                    Some(answer) => {
                        let _ = stream.write_all(&answer).await;
                    }
                    None => {}
                }
            }
        });
        Self { url, answers, requests, _serving: serving }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

const JSON: &str = "content-type: application/rdap+json; charset=utf-8\r\n";

/// The recorded answer about `acme.test`.
fn acme() -> String {
    recorded!("acme").to_owned()
}

/// Registrations that ask the registry at `url` about `.test`.
fn asking(url: &str, change: impl FnOnce(&mut Config)) -> (Registrations, Clock) {
    let clock = Clock::start();
    let domains = DnsCache::new(Arc::new(NoDns), cache::Config::default(), clock).unwrap();
    let mut config = Config {
        enabled: true,
        services: BTreeMap::from([("test".to_owned(), url.to_owned())]),
        bootstrap_refresh: Duration::ZERO,
        requests_per_second: NonZeroU32::new(1000).unwrap(),
        ..Config::default()
    };
    change(&mut config);
    let lab = AllowedNetworks::new([AllowedNetworks::parse("127.0.0.1").unwrap()]);
    (Registrations::new(config, domains, lab, clock).unwrap(), clock)
}

fn later(clock: Clock) -> SystemTime {
    clock.now() + Duration::from_secs(60)
}

async fn find(registrations: &Registrations, clock: Clock, name: &str) -> Registration {
    registrations.find(&DomainName::from_ascii(name), later(clock)).await
}

/// The state of `acme.test` at a registry that answers so.
async fn state(answers: impl IntoIterator<Item = String>) -> RegistrationState {
    let registry = ScriptedRegistry::start(answers).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let found = find(&registrations, clock, "acme.test").await;
    registrations.drain().await;
    found.state
}

#[tokio::test]
async fn the_organisational_domain_is_asked_about_once_for_all_names_below_it() {
    let registry = ScriptedRegistry::start([acme()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let names = ["acme.test", "mail.acme.test", "a.b.acme.test"];
    let asked = names.map(|name| find(&registrations, clock, name));
    let found = futures_util::future::join_all(asked).await;
    for registration in found {
        assert_eq!(registration.domain.as_str(), "acme.test");
        assert!(registration.facts().unwrap().has_status("active"));
        assert_eq!(registration.source.as_deref(), Some("127.0.0.1"));
        assert!(registration.asked_at.is_some());
    }
    find(&registrations, clock, "acme.test").await;
    let requests = registry.requests();
    assert_eq!(requests.len(), 1);
    assert!(registrations.requests().contains(&("registered", 1)));
    let request = requests[0].to_ascii_lowercase();
    assert!(request.starts_with("get /domain/acme.test http/1.1"), "{request}");
    assert!(request.contains("accept: application/rdap+json"), "{request}");
    assert!(request.contains("user-agent: mailvet/"), "{request}");
    registrations.drain().await;
}

#[tokio::test]
async fn a_404_is_a_domain_that_is_not_registered_and_is_asked_about_again_after_an_hour() {
    let missing = answer("404 Not Found", "", "");
    let registry = ScriptedRegistry::start([missing, acme()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let found = find(&registrations, clock, "acme.test").await;
    assert_eq!(found.state, RegistrationState::NotRegistered);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59 * 60)).await;
    assert_eq!(registrations.current(&found.domain).await.state, RegistrationState::NotRegistered);
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert!(find(&registrations, clock, "acme.test").await.facts().is_some());
    registrations.drain().await;
}

#[tokio::test]
async fn redirects_are_followed_within_bounds_and_never_to_http_elsewhere() {
    let redirect = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), "");
    let found = state([redirect("/v2/acme"), redirect("/v3/acme"), acme()]);
    assert!(matches!(found.await, RegistrationState::Registered(_)));
    let unreadable = RegistrationState::Unknown(RegistrationGap::UnreadableAnswer);
    assert_eq!(state([redirect("/for/ever")]).await, unreadable);
    assert_eq!(state([redirect("gopher://127.0.0.1/")]).await, unreadable);
    let unavailable = RegistrationState::Unknown(RegistrationGap::RegistryUnavailable);
    for elsewhere in ["http://192.0.2.1/acme", "http://10.0.0.1/acme", "http://8.8.8.8/acme"] {
        assert_eq!(state([redirect(elsewhere)]).await, unavailable, "{elsewhere}");
    }
}

#[tokio::test]
async fn what_is_no_answer_about_the_domain_is_unreadable() {
    let body = r#"{"objectClassName": "domain"}"#;
    let cases = [
        answer("200 OK", "content-type: text/html\r\n", body),
        answer("200 OK", "", body),
        answer("200 OK", JSON, "<html>"),
        answer("200 OK", JSON, r#"{"objectClassName": "entity"}"#),
        recorded!("client-hold").to_owned(),
        answer("400 Bad Request", JSON, "{}"),
        answer("204 No Content", JSON, ""),
    ];
    for case in cases {
        let state = state([case.clone()]).await;
        let unreadable = RegistrationState::Unknown(RegistrationGap::UnreadableAnswer);
        assert_eq!(state, unreadable, "{case}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_breaks_a_bound_is_none() {
    let huge = format!("{{\"objectClassName\": \"domain\", \"x\": \"{}\"}}", "x".repeat(1 << 19));
    let truncated = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: 100\r\n\r\n{{");
    for case in [answer("200 OK", JSON, &huge), truncated, "no HTTP\r\n\r\n".to_owned()] {
        let unavailable = RegistrationState::Unknown(RegistrationGap::RegistryUnavailable);
        assert_eq!(state([case]).await, unavailable);
    }
}

#[tokio::test]
async fn a_silent_registry_delays_nobody_who_does_not_wait() {
    let registry = ScriptedRegistry::start(["silence".to_owned()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let name = DomainName::from_ascii("acme.test");
    registrations.begin(&name).await;
    let began = clock.now();
    let found = registrations.current(&name).await;
    assert_eq!(found.gap(), Some(RegistrationGap::NotInTime));
    assert!(clock.now().duration_since(began).unwrap() < Duration::from_secs(1));
    // What is under way does not hold up the end either.
    registrations.drain().await;
    assert_eq!(registrations.current(&name).await.gap(), Some(RegistrationGap::NotInTime));
}

#[tokio::test]
async fn domains_that_wait_for_their_turns_cost_one_task_and_hear_of_the_end() {
    let registry = ScriptedRegistry::start([acme()]).await;
    let slow = |config: &mut Config| config.requests_per_second = NonZeroU32::MIN;
    let (registrations, clock) = asking(&registry.url, slow);
    for number in 0..500 {
        registrations.begin(&DomainName::from_ascii(&format!("d{number}.test"))).await;
    }
    assert_eq!(registrations.0.waiting.lock().len(), 500);
    assert_eq!(registrations.0.tasks.len(), 1);
    let last = DomainName::from_ascii("d499.test");
    let (found, ()) = tokio::join!(registrations.find(&last, later(clock)), registrations.drain());
    assert_eq!(found.gap(), Some(RegistrationGap::NotInTime));
    assert!(registrations.0.waiting.lock().is_empty());
}

#[tokio::test]
async fn a_registry_that_limits_gets_its_rest_and_those_who_waited_are_not_sent() {
    let limited = answer("429 Too Many Requests", "retry-after: 600\r\n", "");
    let registry = ScriptedRegistry::start([limited, acme()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    for name in ["a.test", "b.test", "a.test"] {
        let found = find(&registrations, clock, name).await;
        assert_eq!(found.gap(), Some(RegistrationGap::RateLimited), "{name}");
    }
    assert_eq!(registry.requests().len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    assert!(find(&registrations, clock, "acme.test").await.facts().is_some());
    registrations.drain().await;
}

#[tokio::test]
async fn a_registry_in_trouble_that_says_for_how_long_is_left_alone_for_that_time() {
    let away = answer("503 Service Unavailable", "retry-after: 600\r\n", "");
    let registry = ScriptedRegistry::start([away, acme()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    for name in ["a.test", "b.test", "c.test"] {
        let found = find(&registrations, clock, name).await;
        assert_eq!(found.gap(), Some(RegistrationGap::RegistryUnavailable), "{name}");
    }
    assert_eq!(registry.requests().len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    assert!(find(&registrations, clock, "acme.test").await.facts().is_some());
    registrations.drain().await;
}

#[tokio::test]
async fn a_registry_in_trouble_is_left_alone_after_five_failures() {
    let registry = ScriptedRegistry::start([answer("503 Service Unavailable", "", "")]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    for number in 0..20 {
        let found = find(&registrations, clock, &format!("d{number}.test")).await;
        assert_eq!(found.gap(), Some(RegistrationGap::RegistryUnavailable));
    }
    assert_eq!(registry.requests().len(), 5);
    registry.answers.lock().push_back(Vec::new());
    registrations.drain().await;
}

#[tokio::test]
async fn nobody_is_asked_about_what_no_registry_has_or_while_it_is_off() {
    let registry = ScriptedRegistry::start([acme()]).await;
    let (registrations, clock) = asking(&registry.url, |_| {});
    let gap = |found: Registration| found.gap().unwrap();
    let without = find(&registrations, clock, "acme.example").await;
    assert_eq!(gap(without), RegistrationGap::NoRegistryService);
    assert_eq!(gap(find(&registrations, clock, "test").await), RegistrationGap::NoDomain);
    let (off, clock) = asking(&registry.url, |config| config.enabled = false);
    off.begin(&DomainName::from_ascii("acme.test")).await;
    assert_eq!(gap(find(&off, clock, "acme.test").await), RegistrationGap::Disabled);
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn a_bootstrap_file_takes_the_place_of_the_built_in_one() {
    let registry = ScriptedRegistry::start([acme()]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let services = serde_json::json!({ "services": [[["test"], [registry.url]]] });
    std::fs::write(file.path(), services.to_string()).unwrap();
    let (registrations, clock) = asking(&registry.url, |config| {
        config.services.clear();
        config.bootstrap_file = Some(file.path().to_owned());
    });
    assert!(find(&registrations, clock, "acme.test").await.facts().is_some());
    let gap = find(&registrations, clock, "acme.com").await.gap();
    assert_eq!(gap, Some(RegistrationGap::NoRegistryService));
    registrations.drain().await;
    std::fs::write(file.path(), "[]").unwrap();
    let config = Config { bootstrap_file: Some(file.path().to_owned()), ..Config::default() };
    let problems = problems(&config);
    assert!(problems[0].starts_with("registration.bootstrap_file: "), "{problems:?}");
}

/// Registrations whose newer list of services comes from `iana`.
fn renewed(iana: &ScriptedRegistry) -> (Registrations, Clock) {
    let clock = Clock::start();
    let domains = DnsCache::new(Arc::new(NoDns), cache::Config::default(), clock).unwrap();
    let config = Config { enabled: true, ..Config::default() };
    let lab = AllowedNetworks::new([AllowedNetworks::parse("127.0.0.1").unwrap()]);
    let url = format!("{}/dns.json", iana.url);
    (Registrations::renewed_from(&url, config, domains, lab, clock).unwrap(), clock)
}

#[tokio::test]
async fn a_registry_that_only_the_newer_list_has_is_waited_for_and_asked_in_the_same_run() {
    let registry = ScriptedRegistry::start([acme()]).await;
    let services = serde_json::json!({ "services": [[["test"], [registry.url]]] });
    let iana = ScriptedRegistry::start([answer("200 OK", "", &services.to_string())]).await;
    let (registrations, clock) = renewed(&iana);
    let names = ["acme.test", "mail.acme.test", "www.acme.test"];
    let found = names.map(|name| find(&registrations, clock, name));
    for registration in futures_util::future::join_all(found).await {
        assert!(registration.facts().is_some(), "{registration:?}");
    }
    assert_eq!((iana.requests().len(), registry.requests().len()), (1, 1));
    assert!(iana.requests()[0].starts_with("GET /dns.json "));
    registrations.drain().await;
}

#[tokio::test]
async fn a_newer_list_that_does_not_come_is_waited_for_until_the_deadline_and_not_longer() {
    let iana = ScriptedRegistry::start(["silence".to_owned()]).await;
    let (registrations, clock) = renewed(&iana);
    let soon = clock.now() + Duration::from_millis(20);
    let found = registrations.find(&DomainName::from_ascii("acme.test"), soon).await;
    assert_eq!(found.gap(), Some(RegistrationGap::NoRegistryService));
    assert!(clock.now() >= soon);
    registrations.drain().await;
    let broken = ScriptedRegistry::start([answer("500 Broken", "", "")]).await;
    let (registrations, clock) = renewed(&broken);
    let found = find(&registrations, clock, "acme.test").await;
    assert_eq!(found.gap(), Some(RegistrationGap::NoRegistryService));
    registrations.drain().await;
}

#[test]
fn a_service_that_is_no_url_is_a_problem_of_its_own_setting() {
    let services = [("de", "https://rdap.denic.de/"), ("at", "rdap.nic.at"), ("ch", "ftp://a.b/")];
    let services = services.map(|(suffix, url)| (suffix.to_owned(), url.to_owned())).into();
    let problems = problems(&Config { services, ..Config::default() });
    let wanted =
        ["at", "ch"].map(|suffix| format!("registration.services: the URL of {suffix} is no URL"));
    assert_eq!(problems, wanted);
}

#[test]
fn a_newer_bootstrap_file_is_taken_with_its_tag_and_an_unchanged_one_is_none() {
    let reply = |status, body: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("etag", "\"7\"".parse().unwrap());
        read_bootstrap(&HttpAnswer { status, headers, body: body.as_bytes().to_vec() })
    };
    let file = r#"{"services": [[["lab"], ["https://rdap.example/"]]]}"#;
    let (bootstrap, etag) = reply(200, file).unwrap().unwrap();
    assert_eq!(etag.as_deref(), Some("\"7\""));
    assert!(bootstrap.service(&DomainName::from_ascii("acme.lab")).is_some());
    assert!(reply(304, "").unwrap().is_none());
    assert!(reply(200, "{}").is_err() && reply(500, file).is_err());
}
