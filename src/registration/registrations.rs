//! The memory of registrations, and those who wait for one.

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
use super::client::RegistryClient;
use super::config::Config;
use super::facts::{Registration, RegistrationGap, RegistrationState};
use super::lookup::RegistrationLookup;
use super::pace::{ExchangeResult, PaceRefusal};
use super::turns::RegistryTurns;
use crate::address::DomainName;
use crate::cache::{Answers, DnsCache};
use crate::clock::Clock;
use crate::http_client::{HttpClient, HttpClientError, HttpTrust, HttpUrl, UrlHost};
use crate::instruments::CounterVec;
use crate::smtp::AllowedNetworks;

/// Time for which a registration is remembered.
const REGISTERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Time for which it is remembered that a domain is not registered: it may be any time.
const NOT_REGISTERED: Duration = Duration::from_secs(60 * 60);

/// Time after which a domain without an answer may be asked about again.
const UNKNOWN: Duration = Duration::from_secs(60);

/// Domains that may wait for their turns, at all registries together.
const MOST_WAITING: usize = 20_000;

/// Time after which a look for a newer bootstrap file that failed is repeated.
const REFRESH_AGAIN: Duration = Duration::from_secs(60 * 60);

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

/// Receives a registration once it is there.
type RegistrationReceiver = watch::Receiver<Option<Registration>>;

struct RegistrationParts {
    config: Config,
    client: RegistryClient,
    named: Bootstrap,
    bootstrap: RwLock<Arc<Bootstrap>>,
    refresh: Mutex<RefreshState>,
    remembered: Answers<DomainName, Registration>,
    waiting: Mutex<HashMap<DomainName, RegistrationReceiver>>,
    turns: RegistryTurns,
    requests: CounterVec,
    stop: CancellationToken,
    tasks: TaskTracker,
    clock: Clock,
}

/// The state of the looks for a newer bootstrap file.
struct RefreshState {
    due: SystemTime,
    etag: Option<String>,
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
        let trust = HttpTrust {
            networks,
            networks_setting: "smtp.allow_networks",
            ca: config.ca.as_deref(),
            ca_setting: "registration.ca",
        };
        let client = RegistryClient(HttpClient::new(domains, trust, clock)?.with_keep_alive());
        let bootstrap = match &config.bootstrap_file {
            Some(file) => read_bootstrap_file(file).map_err(RegistrationError::Unreadable)?,
            None => Bootstrap::built_in()?,
        };
        Ok(Self(Arc::new(RegistrationParts {
            client,
            named: Bootstrap::of_services(&config.services),
            bootstrap: RwLock::new(Arc::new(bootstrap)),
            refresh: Mutex::new(RefreshState { due: SystemTime::UNIX_EPOCH, etag: None }),
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
        let requests: u64 = self.requests().into_iter().map(|(_, count)| count).sum();
        if requests > 0 {
            tracing::info!(domains = requests, "registries were asked");
        }
    }

    async fn remembered(&self, domain: &DomainName) -> Option<Registration> {
        self.0.remembered.lookup(domain, None, self.0.clock.now()).await
    }

    /// Begins to ask about `domain`, or joins those who wait for it.
    fn join(&self, domain: &DomainName) -> Result<RegistrationReceiver, RegistrationGap> {
        let parts = &self.0;
        let mut waiting = parts.waiting.lock();
        if let Some(receiver) = waiting.get(domain) {
            return Ok(receiver.clone());
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
        let turn = parts.turns.take(&base).map_err(|refusal| refusal.gap)?;
        let (sender, receiver) = watch::channel(None);
        waiting.insert(domain.clone(), receiver.clone());
        drop(waiting);
        parts.tasks.spawn(self.clone().ask(domain.clone(), base, turn, sender));
        Ok(receiver)
    }

    /// Asks about `domain` when its turn has come.
    async fn ask(
        self,
        domain: DomainName,
        base: Arc<str>,
        turn: SystemTime,
        sender: watch::Sender<Option<Registration>>,
    ) {
        let parts = &*self.0;
        let asking = async {
            // Answered between the look into the memory and this one.
            if let Some(known) = self.remembered(&domain).await {
                return known;
            }
            tokio::time::sleep_until(parts.clock.instant(turn)).await;
            // Boxed: those that wait for their turn need not hold the space for it.
            let (registration, until) = Box::pin(parts.ask_now(&domain, &base)).await;
            let (now, known) = (parts.clock.now(), registration.clone());
            parts.remembered.insert(domain.clone(), known, now, until, now).await;
            registration
        };
        let registration = parts.stop.run_until_cancelled(asking).await;
        parts.waiting.lock().remove(&domain);
        sender.send_replace(registration);
    }

    /// Looks for a newer bootstrap file, if it is time to.
    fn refresh_bootstrap(&self) {
        let parts = &self.0;
        let every = parts.config.bootstrap_refresh;
        if every.is_zero() || parts.config.bootstrap_file.is_some() || parts.stop.is_cancelled() {
            return;
        }
        let now = parts.clock.now();
        let etag = {
            let mut refresh = parts.refresh.lock();
            if now < refresh.due {
                return;
            }
            refresh.due = now + every.min(REFRESH_AGAIN);
            refresh.etag.clone()
        };
        let registrations = self.clone();
        parts.tasks.spawn(async move {
            let parts = &registrations.0;
            let looking = Box::pin(parts.client.newer_bootstrap(etag.as_deref()));
            match parts.stop.run_until_cancelled(looking).await {
                Some(Ok(newer)) => {
                    let mut refresh = parts.refresh.lock();
                    refresh.due = now + every;
                    if let Some((bootstrap, etag)) = newer {
                        tracing::info!(published = bootstrap.publication(), "registries' services");
                        refresh.etag = etag;
                        *parts.bootstrap.write() = Arc::new(bootstrap);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(
                        error,
                        "no newer list of registries; the previous one stays in use"
                    );
                }
                None => {}
            }
        });
    }
}

impl RegistrationParts {
    /// Asks about `domain`, and says until when the answer is to be remembered.
    async fn ask_now(&self, domain: &DomainName, base: &Arc<str>) -> (Registration, SystemTime) {
        let place = match self.turns.begin(base).await {
            Ok(place) => place,
            Err(PaceRefusal { gap, until }) => {
                return (Registration::unknown(domain.clone(), gap), until);
            }
        };
        let answer = self.client.ask(base, domain).await;
        self.turns.record(base, answer.result);
        drop(place);
        self.requests.inc(match &answer.state {
            RegistrationState::Registered(_) => REGISTERED_NAME,
            RegistrationState::NotRegistered => NOT_REGISTERED_NAME,
            RegistrationState::Unknown(gap) => gap.name(),
        });
        let now = self.clock.now();
        let lasts = match (&answer.state, answer.result) {
            (RegistrationState::Registered(_), _) => REGISTERED,
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
        if !self.0.config.enabled {
            return;
        }
        self.refresh_bootstrap();
        let Some(domain) = name.organisational() else { return };
        if self.remembered(&domain).await.is_none() {
            let _ = self.join(&domain);
        }
    }

    async fn current(&self, name: &DomainName) -> Registration {
        self.find(name, SystemTime::UNIX_EPOCH).await
    }

    async fn find(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        let Some(domain) = name.organisational() else {
            return Registration::unknown(name.clone(), RegistrationGap::NoDomain);
        };
        if !self.0.config.enabled {
            return Registration::unknown(domain, RegistrationGap::Disabled);
        }
        if let Some(known) = self.remembered(&domain).await {
            return known;
        }
        self.refresh_bootstrap();
        let mut receiver = match self.join(&domain) {
            Ok(receiver) => receiver,
            Err(gap) => return Registration::unknown(domain, gap),
        };
        let until = self.0.clock.instant(deadline);
        let answered = tokio::time::timeout_at(until, receiver.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(registration)) => registration.clone(),
            _ => None,
        }
        .unwrap_or_else(|| Registration::unknown(domain, RegistrationGap::NotInTime))
    }
}

/// Everything for which this configuration could not be used, in words.
#[must_use]
pub fn problems(config: &Config) -> Vec<String> {
    let file = config.bootstrap_file.as_deref().map(read_bootstrap_file);
    let named = |why| format!("registration.bootstrap_file: {why}");
    file.and_then(Result::err).map(named).into_iter().collect()
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
