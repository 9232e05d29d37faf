//! The memory of registrations, and those who wait for one.

mod refresh;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bootstrap::{Bootstrap, BootstrapError};
use super::client::{BOOTSTRAP_URL, RegistryClient};
use super::config::Config;
use super::facts::{Registration, RegistrationFacts, RegistrationGap, RegistrationState};
use super::lookup::RegistrationLookup;
use super::pace::{ExchangeResult, PaceRefusal};
use super::turns::{QueuedDomain, RegistryPlace, RegistryTurns};
use crate::address::DomainName;
use crate::cache::{Answers, DnsCache};
use crate::clock::Clock;
use crate::http_client::{HttpClient, HttpClientError, HttpTrust, HttpUrl, UrlHost};
use crate::instruments::CounterVec;
use crate::smtp::AllowedNetworks;
use refresh::BootstrapRefresh;

/// Time for which a registration is remembered, at most.
const REGISTERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Time for which it is remembered that a domain is not registered: it may be any time. One that is
/// on its way out may be restored as suddenly.
const NOT_REGISTERED: Duration = Duration::from_secs(60 * 60);

/// Time after which a domain without an answer may be asked about again.
const UNKNOWN: Duration = Duration::from_secs(60);

/// Domains that may wait for their turns, at all registries together.
const MOST_WAITING: usize = 20_000;

/// An error of setting registration data up.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The client of HTTP cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
    /// The bootstrap file cannot be read.
    #[error("registration.bootstrap_file: {0}")]
    Unreadable(String),
    /// The built-in bootstrap file cannot be read.
    #[error("the built-in list of registries {0}")]
    BuiltIn(#[from] BootstrapError),
}

/// Registrations of domains. Cheap to clone; all clones share one memory.
#[derive(Clone)]
pub struct Registrations(Arc<RegistrationParts>);

const REGISTERED_NAME: &str = "registered";
const NOT_REGISTERED_NAME: &str = "not_registered";

/// The kinds of answers that are counted apart.
const ANSWERS: [&str; 5] = [
    REGISTERED_NAME,
    NOT_REGISTERED_NAME,
    RegistrationGap::RateLimited.name(),
    RegistrationGap::RegistryUnavailable.name(),
    RegistrationGap::UnreadableAnswer.name(),
];

/// Tells a registration to those who wait for it.
type RegistrationSender = watch::Sender<Option<Registration>>;

struct RegistrationParts {
    config: Config,
    client: RegistryClient,
    named: Bootstrap,
    bootstrap: RwLock<Arc<Bootstrap>>,
    refresh: BootstrapRefresh,
    remembered: Answers<DomainName, Registration>,
    /// The domains that wait or are being asked about; with a sender where somebody waits too.
    waiting: Mutex<HashMap<DomainName, Option<RegistrationSender>>>,
    turns: RegistryTurns,
    requests: CounterVec,
    stop: CancellationToken,
    tasks: TaskTracker,
    clock: Clock,
}

impl Registrations {
    /// Registrations as `config` says. Nobody is asked yet.
    ///
    /// # Errors
    /// If a file that the configuration names cannot be used.
    pub fn new(
        config: Config,
        domains: DnsCache,
        networks: AllowedNetworks,
        clock: Clock,
    ) -> Result<Self, RegistrationError> {
        Self::renewed_from(BOOTSTRAP_URL, config, domains, networks, clock)
    }

    /// The same, with the URL at which a newer list of the registries' services is looked for.
    fn renewed_from(
        bootstrap_url: &str,
        config: Config,
        domains: DnsCache,
        networks: AllowedNetworks,
        clock: Clock,
    ) -> Result<Self, RegistrationError> {
        let trust = HttpTrust {
            networks,
            networks_setting: "smtp.allow_networks",
            ca: config.ca.as_deref(),
            ca_setting: "registration.ca",
        };
        let http = HttpClient::new(domains, trust, clock)?.with_keep_alive();
        let client = RegistryClient { http, bootstrap_url: bootstrap_url.to_owned() };
        let bootstrap = match &config.bootstrap_file {
            Some(file) => read_bootstrap_file(file).map_err(RegistrationError::Unreadable)?,
            None => Bootstrap::built_in()?,
        };
        Ok(Self(Arc::new(RegistrationParts {
            client,
            named: Bootstrap::of_services(&config.services),
            bootstrap: RwLock::new(Arc::new(bootstrap)),
            refresh: BootstrapRefresh::default(),
            remembered: Answers::new(config.max_remembered),
            waiting: Mutex::default(),
            turns: RegistryTurns::new(config.interval(), clock),
            requests: CounterVec::new(ANSWERS),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
            clock,
        })))
    }

    /// Number of domains that registries were asked about, by the kind of their answers.
    #[must_use]
    pub fn requests(&self) -> Vec<(&'static str, u64)> {
        self.0.requests.snapshot()
    }

    /// Asks nobody any more, and waits for what is under way.
    pub async fn drain(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        // Nobody waits any longer for what will not come.
        self.0.waiting.lock().clear();
        let requests: u64 = self.requests().into_iter().map(|(_, count)| count).sum();
        if requests > 0 {
            tracing::info!(domains = requests, "registries were asked");
        }
    }

    /// What is known of the organisational domain of `name`, which is asked about otherwise.
    ///
    /// # Errors
    /// The domain, and why nothing is known of it yet.
    async fn look(&self, name: &DomainName) -> Result<Registration, (DomainName, RegistrationGap)> {
        let Some(domain) = name.organisational() else {
            return Err((name.clone(), RegistrationGap::NoDomain));
        };
        if !self.0.config.enabled {
            return Err((domain, RegistrationGap::Disabled));
        }
        if let Some(known) = self.remembered(&domain).await {
            return Ok(known);
        }
        self.refresh_bootstrap();
        let gap = self.queue(&domain).err().unwrap_or(RegistrationGap::NotInTime);
        Err((domain, gap))
    }

    async fn remembered(&self, domain: &DomainName) -> Option<Registration> {
        self.0.remembered.lookup(domain, None, self.0.clock.now()).await
    }

    /// Sees to it that `domain` is asked about when its turn comes.
    fn queue(&self, domain: &DomainName) -> Result<(), RegistrationGap> {
        let parts = &self.0;
        let mut waiting = parts.waiting.lock();
        if waiting.contains_key(domain) {
            return Ok(());
        }
        if parts.stop.is_cancelled() {
            return Err(RegistrationGap::NotInTime);
        }
        let listed = || parts.bootstrap.read().service(domain);
        let base = parts.named.service(domain).or_else(listed);
        let base = base.ok_or(RegistrationGap::NoRegistryService)?;
        if waiting.len() >= MOST_WAITING {
            return Err(RegistrationGap::RegistryBusy);
        }
        let first = parts.turns.queue(&base, domain).map_err(|refusal| refusal.gap)?;
        waiting.insert(domain.clone(), None);
        drop(waiting);
        if first {
            parts.tasks.spawn(self.clone().ask_in_turn(base));
        }
        Ok(())
    }

    /// Waits for `domain`, which was queued; `None` if it was answered in the meantime.
    fn join(&self, domain: &DomainName) -> Option<watch::Receiver<Option<Registration>>> {
        let mut waiting = self.0.waiting.lock();
        let sender = waiting.get_mut(domain)?.get_or_insert_with(|| watch::Sender::new(None));
        Some(sender.subscribe())
    }

    /// Asks the registry of `base` about each domain that waits for it, until none does. One task
    /// sees to them all: of a long list most wait for turns that are far away.
    async fn ask_in_turn(self, base: Arc<str>) {
        let parts = &*self.0;
        let asking = async {
            while let Some(QueuedDomain { domain, base, turn }) = parts.turns.next(&base) {
                // Answered between the look into the memory and this one.
                if let Some(known) = self.remembered(&domain).await {
                    parts.settle(&domain, known);
                    continue;
                }
                parts.turns.wait(turn).await;
                match parts.turns.begin(&base).await {
                    Ok(place) => {
                        parts.tasks.spawn(self.clone().ask(domain, base, place));
                    }
                    Err(PaceRefusal { gap, until }) => {
                        let registration = Registration::unknown(domain.clone(), gap);
                        parts.remember(&domain, registration, until).await;
                    }
                }
            }
        };
        parts.stop.run_until_cancelled(asking).await;
    }

    /// Asks the registry `base` about `domain`.
    async fn ask(self, domain: DomainName, base: Arc<str>, place: RegistryPlace) {
        let parts = &*self.0;
        let asking = async {
            let (registration, until) = parts.ask_now(&domain, &base).await;
            drop(place);
            parts.remember(&domain, registration, until).await;
        };
        parts.stop.run_until_cancelled(asking).await;
    }
}

impl RegistrationParts {
    /// Remembers what is known of `domain` until then, and tells those who wait for it.
    async fn remember(&self, domain: &DomainName, registration: Registration, until: SystemTime) {
        let (now, known) = (self.clock.now(), registration.clone());
        self.remembered.insert(domain.clone(), known, now, until, now).await;
        self.settle(domain, registration);
    }

    /// Tells those who wait for `domain`.
    fn settle(&self, domain: &DomainName, registration: Registration) {
        if let Some(Some(sender)) = self.waiting.lock().remove(domain) {
            sender.send_replace(Some(registration));
        }
    }

    /// Asks about `domain`, and says until when the answer is to be remembered.
    async fn ask_now(&self, domain: &DomainName, base: &Arc<str>) -> (Registration, SystemTime) {
        let answer = self.client.ask(base, domain).await;
        self.turns.record(base, answer.result);
        self.requests.inc(match &answer.state {
            RegistrationState::Registered(_) => REGISTERED_NAME,
            RegistrationState::NotRegistered => NOT_REGISTERED_NAME,
            RegistrationState::Unknown(gap) => gap.name(),
        });
        let now = self.clock.now();
        let lasts = match (&answer.state, answer.result) {
            (RegistrationState::Registered(facts), _) => registered_for(facts, now),
            (RegistrationState::NotRegistered, _) => NOT_REGISTERED,
            // What was not understood once is not understood a minute later.
            (RegistrationState::Unknown(_), ExchangeResult::Answered) => NOT_REGISTERED,
            (RegistrationState::Unknown(_), _) => UNKNOWN,
        };
        let (source, asked_at) = (host(base), Some(now));
        let domain = domain.clone();
        (Registration { domain, state: answer.state, source, asked_at }, now + lasts)
    }
}

#[async_trait]
impl RegistrationLookup for Registrations {
    async fn begin(&self, name: &DomainName) {
        let _ = self.look(name).await;
    }

    async fn current(&self, name: &DomainName) -> Registration {
        match self.look(name).await {
            Ok(known) => known,
            Err((domain, gap)) => Registration::unknown(domain, gap),
        }
    }

    async fn find(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        let mut looked = self.look(name).await;
        // The list in the program is an excerpt: the newer one may have the registry's service.
        if matches!(looked, Err((_, RegistrationGap::NoRegistryService))) {
            self.bootstrap_refreshed(deadline).await;
            looked = self.look(name).await;
        }
        let domain = match looked {
            Ok(known) => return known,
            Err((domain, RegistrationGap::NotInTime)) => domain,
            Err((domain, gap)) => return Registration::unknown(domain, gap),
        };
        let answered = match self.join(&domain) {
            Some(mut receiver) => {
                let until = self.0.clock.instant(deadline);
                let waiting = receiver.wait_for(Option::is_some);
                let answered = tokio::time::timeout_at(until, waiting).await;
                answered.ok().and_then(Result::ok).and_then(|registration| registration.clone())
            }
            None => self.remembered(&domain).await,
        };
        answered.unwrap_or_else(|| Registration::unknown(domain, RegistrationGap::NotInTime))
    }
}

/// Time for which a registration is remembered. Most are renewed at their end, so that it is not to
/// be called ended without another look.
fn registered_for(facts: &RegistrationFacts, now: SystemTime) -> Duration {
    if facts.is_in_transition() {
        return NOT_REGISTERED;
    }
    match facts.expires_at.map(|end| end.duration_since(now)) {
        Some(Ok(left)) => left.clamp(UNKNOWN, REGISTERED),
        Some(Err(_)) => NOT_REGISTERED,
        None => REGISTERED,
    }
}

/// Everything for which this configuration could not be used, in words.
#[must_use]
pub fn problems(config: &Config) -> Vec<String> {
    let file = config.bootstrap_file.as_deref().map(read_bootstrap_file);
    let named = |why| format!("registration.bootstrap_file: {why}");
    let unusable = config.services.iter().filter_map(|(suffix, url)| {
        let error = HttpUrl::parse(url).err()?;
        Some(format!("registration.services: the URL of {suffix} {error}"))
    });
    file.and_then(Result::err).map(named).into_iter().chain(unusable).collect()
}

/// Reads a bootstrap file.
///
/// # Errors
/// The file and its fault, in words.
pub(super) fn read_bootstrap_file(file: &Path) -> Result<Bootstrap, String> {
    let named = |why: &dyn std::fmt::Display| format!("{} {why}", file.display());
    let text = std::fs::read_to_string(file)
        .map_err(|error| named(&format_args!("cannot be read: {error}")))?;
    Bootstrap::parse(&text).map_err(|error| named(&error))
}

/// The host of a service, for people.
fn host(base: &str) -> Option<Arc<str>> {
    match HttpUrl::parse(base).ok()?.host {
        UrlHost::Address(address) => Some(address.to_string().into()),
        UrlHost::Name(name) => Some(name.as_str().into()),
    }
}

#[cfg(test)]
mod tests;
