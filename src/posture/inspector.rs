//! The memory of postures, and how one is looked at.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use foldhash::HashMap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificates::{CertificateChecker, authorities};
use super::config::Config;
use super::facts::{
    ExchangerPosture, MtaStsState, Posture, PostureGap, PostureReport, PostureState, TlsState,
    TlsaState,
};
use super::look_place::{LookFindings, LookPlace};
use super::lookup::PostureLookup;
use super::mta_sts::{self, MtaStsPolicy};
use super::parking::ParkingService;
use super::policy_client::PolicyClient;
use super::tlsa;
use crate::address::DomainName;
use crate::cache::{Answers, DnsCache};
use crate::clock::Clock;
use crate::dns::answer::TlsaRecord;
use crate::dns::{DnsFailure, Resolver, Route};
use crate::http_client::{HttpClient, HttpClientError};
use crate::prober::{Prober, TlsInspection};
use crate::smtp::AllowedNetworks;

/// Exchangers of a domain that are looked at, best first.
const EXCHANGERS: usize = 3;

/// Domains that are looked at at a time; others wait.
const LOOKS: usize = 32;

/// Time that a look has for the sessions with the exchangers at the least. It is not that of who
/// asked: what is learned is for others too.
const LOOK_TIME: Duration = Duration::from_secs(30);

/// Time for which a posture is remembered, and one with a gap that may close soon.
const KNOWN: Duration = Duration::from_secs(60 * 60);
const INCOMPLETE: Duration = Duration::from_secs(5 * 60);

/// Bounds of the time for which a policy is remembered; its own `max_age` decides between them. The
/// record in DNS is looked at each time, and a policy with another `id` is asked for again.
const POLICY: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(7 * 24 * 60 * 60));

/// Longest wait for the name servers of a domain: that it is parked is worth no more.
const PARKING_WAIT: Duration = Duration::from_secs(2);

/// Places of domains kept before those that nobody holds are dropped.
const FEW_PLACES: usize = 1024;

/// An error of setting postures up.
#[derive(Debug, thiserror::Error)]
pub enum PostureError {
    /// The client of HTTP cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
    /// The authorities cannot be used.
    #[error("{0}")]
    Authorities(String),
}

/// Looks at postures. Cheap to clone; all clones share one memory.
#[derive(Clone)]
pub struct PostureInspector(Arc<InspectorParts>);

struct InspectorParts {
    config: Config,
    resolver: Arc<Resolver>,
    prober: Prober,
    policies: PolicyClient,
    certificates: CertificateChecker,
    remembered: Answers<DomainName, Arc<Posture>>,
    remembered_policies: Answers<DomainName, Arc<(String, MtaStsPolicy)>>,
    remembered_parking: Answers<DomainName, Option<&'static ParkingService>>,
    places: Mutex<HashMap<DomainName, Weak<LookPlace>>>,
    looks: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    clock: Clock,
}

/// The right to look at a domain, which nobody else has meanwhile.
type LookTurn = (OwnedMutexGuard<()>, OwnedSemaphorePermit);

impl PostureInspector {
    /// Postures as `config` says. Nobody is asked yet. Looks are `tasks`, until `stop`.
    ///
    /// # Errors
    /// If a file that the configuration names cannot be used.
    pub fn new(
        config: Config,
        (resolver, domains): (Arc<Resolver>, DnsCache),
        prober: Prober,
        networks: AllowedNetworks,
        clock: Clock,
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Result<Self, PostureError> {
        let roots = authorities(config.ca.as_deref(), config.sandbox_authority.as_deref())
            .map_err(PostureError::Authorities)?;
        let certificates = CertificateChecker::new(roots.clone());
        let http = HttpClient::with_roots(domains, networks, "smtp.allow_networks", roots, clock)?;
        Ok(Self(Arc::new(InspectorParts {
            policies: PolicyClient { http, port: config.policy_port },
            certificates,
            resolver,
            prober,
            remembered: Answers::new(config.max_remembered),
            remembered_policies: Answers::new(config.max_remembered),
            remembered_parking: Answers::new(config.max_remembered),
            places: Mutex::default(),
            looks: Arc::new(Semaphore::new(LOOKS)),
            tasks,
            stop,
            config,
            clock,
        })))
    }

    /// The remembered posture of `domain`, if it is no older than `max_age` or came after `since`.
    async fn remembered(
        &self,
        domain: &DomainName,
        max_age: Option<Duration>,
        since: SystemTime,
    ) -> Option<Arc<Posture>> {
        let now = self.0.clock.now();
        let known = self.0.remembered.lookup(domain, None, now).await?;
        let age = now.duration_since(known.looked_at).unwrap_or_default();
        (known.looked_at >= since || max_age.is_none_or(|most| age <= most)).then_some(known)
    }

    /// The posture of `domain`, remembered or looked at now; `None` if the process ends.
    async fn find_or_look(
        &self,
        place: &Arc<LookPlace>,
        domain: &DomainName,
        route: &Route,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> Option<Arc<Posture>> {
        let parts = &*self.0;
        let began = parts.clock.now();
        if let Some(known) = self.remembered(domain, max_age, began).await {
            return Some(known);
        }
        let turn = Arc::clone(&place.turn).lock_owned().await;
        if let Some(known) = self.remembered(domain, max_age, began).await {
            return Some(known);
        }
        // Never closed.
        let permit = Arc::clone(&parts.looks).acquire_owned().await.ok()?;
        let (place, deadline) = (Arc::clone(place), deadline.max(parts.clock.now() + LOOK_TIME));
        let asked = (domain.clone(), route.clone());
        let look = self.clone().look(place, asked, deadline, (turn, permit));
        let stop = parts.stop.clone();
        // A look outlives the caller whose time is over: who asks again finds what it brings, and
        // does not begin another.
        let looking = parts.tasks.spawn(async move { stop.run_until_cancelled(look).await });
        looking.await.ok().flatten()
    }

    async fn look(
        self,
        place: Arc<LookPlace>,
        (domain, route): (DomainName, Route),
        deadline: SystemTime,
        _turn: LookTurn,
    ) -> Arc<Posture> {
        let parts = &*self.0;
        let posture = Arc::new(Box::pin(parts.look(&place, &domain, &route, deadline)).await);
        let now = parts.clock.now();
        let lasts = if posture.is_complete() { KNOWN } else { INCOMPLETE };
        let known = Arc::clone(&posture);
        parts.remembered.insert(domain, known, now, now + lasts, now).await;
        place.end();
        posture
    }
}

impl InspectorParts {
    fn place(&self, domain: &DomainName) -> Arc<LookPlace> {
        let mut places = self.places.lock();
        if let Some(place) = places.get(domain).and_then(Weak::upgrade) {
            return place;
        }
        if places.len() >= FEW_PLACES {
            places.retain(|_, place| place.strong_count() > 0);
        }
        let place = Arc::default();
        places.insert(domain.clone(), Arc::downgrade(&place));
        place
    }

    async fn look(
        &self,
        place: &LookPlace,
        domain: &DomainName,
        route: &Route,
        deadline: SystemTime,
    ) -> Posture {
        let hosts: Vec<DomainName> =
            route.exchangers().iter().map(|exchanger| exchanger.host.clone()).collect();
        if hosts.is_empty() {
            return Posture::new(MtaStsState::NotPublished, &[], Vec::new(), self.clock.now());
        }
        let best = &hosts[..hosts.len().min(EXCHANGERS)];
        let (mta_sts, tlsa) = tokio::join!(self.mta_sts(domain), self.tlsa(domain, route, best));
        let policy = mta_sts.enforced();
        let begin = |(host, (tlsa, _)): (&DomainName, &(TlsaState, Vec<TlsaRecord>))| {
            let is_asked = tlsa.demands_tls() || policy.is_some_and(|policy| policy.names(host));
            ExchangerPosture {
                host: host.clone(),
                tlsa: tlsa.clone(),
                tls: is_asked.then(|| TlsState::NotReached("no answer in time".to_owned())),
            }
        };
        let begun: Vec<ExchangerPosture> = best.iter().zip(&tlsa).map(begin).collect();
        place.begin(LookFindings {
            mta_sts: mta_sts.clone(),
            hosts: hosts.clone(),
            exchangers: begun.clone(),
        });
        let asking = begun.into_iter().zip(tlsa).enumerate();
        let asking = asking.map(|(number, (begun, (_, records)))| async move {
            let found = self.exchanger(domain, begun, records, deadline).await;
            place.note(number, &found);
            found
        });
        let exchangers = join_all(asking).await;
        Posture::new(mta_sts, &hosts, exchangers, self.clock.now())
    }

    async fn mta_sts(&self, domain: &DomainName) -> MtaStsState {
        let texts = match self.resolver.texts(&mta_sts::record_name(domain)).await {
            Ok(answer) => answer.records().to_vec(),
            Err(failure) => return MtaStsState::Unknown(failure),
        };
        let id = match mta_sts::read_record(&texts) {
            Ok(Some(id)) => id,
            Ok(None) => return MtaStsState::NotPublished,
            Err(fault) => return MtaStsState::Unusable(fault.to_string()),
        };
        let known = self.remembered_policies.lookup(domain, None, self.clock.now()).await;
        if let Some(known) = known.filter(|known| known.0 == id) {
            return MtaStsState::Published(known.1.clone());
        }
        match self.policies.ask(domain).await {
            Ok(policy) => {
                let (now, (least, most)) = (self.clock.now(), POLICY);
                let until = now + policy.max_age.clamp(least, most);
                let known = Arc::new((id, policy.clone()));
                self.remembered_policies.insert(domain.clone(), known, now, until, now).await;
                MtaStsState::Published(policy)
            }
            Err(cause) => MtaStsState::Unusable(cause),
        }
    }

    /// The TLSA records of each of `hosts`. Nobody asks for them where the MX records are not
    /// authentic (RFC 7672 section 2.2.1).
    async fn tlsa(
        &self,
        domain: &DomainName,
        route: &Route,
        hosts: &[DomainName],
    ) -> Vec<(TlsaState, Vec<TlsaRecord>)> {
        let is_route_authentic = match route {
            // Its records stand in the same zone as those of the exchanger.
            Route::ImplicitMx(_) => Ok(true),
            _ => match self.resolver.authentic_mx(domain).await {
                Ok(mx) => Ok(mx.is_authentic),
                // A name server that knows no EDNS vouches for nothing.
                Err(DnsFailure::ServerFailure(code)) if code == "FORMERR" || code == "NOTIMP" => {
                    Ok(false)
                }
                Err(failure) => Err(failure),
            },
        };
        let is_route_authentic = &is_route_authentic;
        let ask = hosts.iter().map(|host| async move {
            match is_route_authentic {
                Ok(true) => {}
                Ok(false) => return (TlsaState::Unsigned, Vec::new()),
                Err(failure) => return (TlsaState::Unknown(failure.clone()), Vec::new()),
            }
            let answer = match self.resolver.tlsa(&tlsa::record_name(host)).await {
                Ok(answer) => answer,
                Err(failure) => return (TlsaState::Unknown(failure), Vec::new()),
            };
            let records = answer.answer.records().to_vec();
            let state = match &records[..] {
                [] => TlsaState::NotPublished,
                _ if !answer.is_authentic => TlsaState::Unsigned,
                some if some.iter().any(tlsa::is_usable) => TlsaState::Published,
                _ => TlsaState::Unusable,
            };
            (state, records)
        });
        join_all(ask).await
    }

    /// Looks at the TLS of an exchanger, where a policy or TLSA records ask for some.
    async fn exchanger(
        &self,
        domain: &DomainName,
        begun: ExchangerPosture,
        records: Vec<TlsaRecord>,
        deadline: SystemTime,
    ) -> ExchangerPosture {
        if begun.tls.is_none() {
            return begun;
        }
        let ExchangerPosture { host, tlsa, .. } = begun;
        let tls = match self.prober.inspect_tls(&host, domain, deadline).await {
            TlsInspection::Begun(chain) => {
                let now = self.clock.now();
                let certificate_fault = self.certificates.find_fault(&chain, &host, now);
                let names = [&host, domain];
                let matches_tlsa = (tlsa == TlsaState::Published)
                    .then(|| self.certificates.matches_tlsa(&records, &chain, names, now));
                TlsState::Begun { certificate_fault, matches_tlsa }
            }
            TlsInspection::NotOffered => TlsState::NotOffered,
            TlsInspection::Failed(cause) => TlsState::Failed(cause),
            TlsInspection::NotReached(cause) => TlsState::NotReached(cause),
        };
        ExchangerPosture { host, tlsa, tls: Some(tls) }
    }
}

#[async_trait]
impl PostureLookup for PostureInspector {
    async fn find(
        &self,
        domain: &DomainName,
        route: &Route,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> PostureReport {
        let unknown = |gap| (domain.clone(), PostureState::Unknown(gap));
        let (domain, state) = if self.0.config.enabled {
            let (until, place) = (self.0.clock.instant(deadline), self.0.place(domain));
            let finding = self.find_or_look(&place, domain, route, max_age, deadline);
            let found = match timeout_at(until, finding).await {
                Ok(found) => found,
                Err(_) => place.posture_so_far(self.0.clock.now()),
            };
            match found {
                Some(posture) => (domain.clone(), PostureState::Known(posture)),
                None => unknown(PostureGap::NotInTime),
            }
        } else {
            unknown(PostureGap::Disabled)
        };
        PostureReport { domain, state }
    }

    async fn find_parking(
        &self,
        name: &DomainName,
        deadline: SystemTime,
    ) -> Option<&'static ParkingService> {
        let parts = &*self.0;
        let domain = name.organisational()?;
        let now = parts.clock.now();
        if let Some(known) = parts.remembered_parking.lookup(&domain, None, now).await {
            return known;
        }
        let asking = parts.resolver.name_servers(&domain);
        let until = parts.clock.instant(deadline.min(now + PARKING_WAIT));
        let answer = timeout_at(until, asking).await.ok()?.ok()?;
        let service = ParkingService::of_name_servers(answer.records());
        parts.remembered_parking.insert(domain, service, now, now + KNOWN, now).await;
        service
    }
}
