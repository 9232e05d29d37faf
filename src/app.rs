//! Puts the parts together, and takes them apart again in the right order.

mod background;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::LimitStore;
use crate::batch::postgres::{self, PostgresQueue};
use crate::batch::sqlite::SqliteQueue;
use crate::batch::uploads::UploadStore;
use crate::batch::{AddressVerifier, Batches, Queue};
use crate::cache::DnsCache;
use crate::callbacks::{self, Callbacks};
use crate::campaign::eta::Pace;
use crate::campaign::preflight::Thresholds;
use crate::clock::Clock;
use crate::cluster::{self, Cluster, Tenure};
use crate::config::Config;
use crate::dns::Resolver;
use crate::grpc::{self, Calls, Services};
use crate::lists::ListsHandle;
use crate::metrics::Sources;
use crate::outcomes::{
    OutcomeHistory, OutcomeHooks, OutcomeIntake, OutcomePlace, PostgresEvidence, hook_problems,
};
use crate::posture::PostureInspector;
use crate::prober::Prober;
use crate::readiness::Readiness;
use crate::registration::{self, Registrations};
use crate::smtp::meaning::Classifier;
use crate::telemetry;
use crate::verifier::{Builder, Verifier, VerifierParts, read_reply_rules};
use background::{
    forget_verdicts, log_readiness, look_at_clock, look_at_dns, look_at_machine, share_places,
    watch_lists,
};

/// The running parts.
pub struct App {
    /// The configuration they were built from.
    pub config: Config,
    /// The process's clock.
    pub clock: Clock,
    /// Verifies addresses.
    pub verifier: Arc<Verifier>,
    /// The rules that read replies.
    pub replies: Arc<Classifier>,
    /// The lists in use.
    pub lists: Arc<ListsHandle>,
    /// Sources of the measurements.
    pub sources: Sources,
    callbacks: OnceLock<Callbacks>,
    cluster: OnceLock<Cluster>,
    limits: OnceLock<Arc<dyn LimitStore>>,
    outcomes: Option<OutcomeIntake>,
    /// What became of earlier mail, if outcomes count.
    pub history: Option<Arc<OutcomeHistory>>,
    registrations: Registrations,
    prober: Prober,
    domains: DnsCache,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl App {
    /// Builds the parts and starts what runs in the background.
    ///
    /// # Errors
    ///
    /// If the configuration names a file that cannot be read, or the resolver cannot be set up.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let place = config.outcomes.file.clone().map(OutcomePlace::File);
        let history = place.map(|place| OutcomeHistory::new(place, config.outcomes.clone()));
        Self::with_outcomes(config, history)
    }

    /// The same with these outcomes of earlier mail.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub fn with_outcomes(config: Config, history: Option<OutcomeHistory>) -> anyhow::Result<Self> {
        let mut builder = builder(&config);
        let history = history.map(Arc::new);
        if let Some(history) = &history {
            builder = builder.prior_outcomes(Arc::clone(history) as _);
        }
        let reporters = &config.outcomes.reporters;
        let outcomes = history.clone().map(|history| OutcomeIntake::new(history, reporters));
        let VerifierParts {
            clock,
            resolver,
            domains,
            classifier: replies,
            lists,
            prober,
            verifier,
        } = builder.build_parts()?;
        let networks = || config.smtp.allow_networks.clone();
        let registration = config.registration.clone();
        let registrations = Registrations::new(registration, domains.clone(), networks(), clock)?;
        let (posture, names) = (config.posture.clone(), (Arc::clone(&resolver), domains.clone()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let background = (tasks.clone(), stop.clone());
        let postures =
            PostureInspector::new(posture, names, prober.clone(), networks(), clock, background)?;
        let hooks = OutcomeHooks::open(&config.outcomes.hooks, &domains, &networks(), clock)?;
        if outcomes.is_none() && !config.outcomes.hooks.is_empty() {
            tracing::warn!("no outcomes are kept, so hooks answer with 503; set outcomes.file");
        }
        let verifier = verifier
            .with_registrations(Arc::new(registrations.clone()))
            .with_postures(Arc::new(postures));
        let verifier = Arc::new(verifier);
        if config.lists.dir.is_some() {
            tasks.spawn(watch_lists(Arc::clone(&lists), config.lists.clone(), stop.clone()));
        }
        let sources = Sources {
            started_at: clock.now(),
            resolver,
            domains: domains.clone(),
            prober: prober.clone(),
            verifier: Arc::clone(&verifier),
            registrations: registrations.clone(),
            hooks,
            batches: Arc::new(OnceLock::new()),
            calls: Arc::new(Calls::default()),
            readiness: Readiness::default(),
        };
        Ok(Self {
            config,
            clock,
            verifier,
            replies,
            lists,
            sources,
            callbacks: OnceLock::new(),
            cluster: OnceLock::new(),
            limits: OnceLock::new(),
            outcomes,
            history,
            registrations,
            prober,
            domains,
            tasks,
            stop,
        })
    }

    /// Asks DNS from now on, again and again, whether it answers, and looks at the machine's clock:
    /// until DNS does, and once the clock was set, the service is not ready.
    pub fn look_after_readiness(&self) {
        let (resolver, readiness) = (self.sources.resolver.clone(), self.sources.readiness.clone());
        self.tasks.spawn(log_readiness(readiness.clone(), self.stop.clone()));
        self.tasks.spawn(look_at_machine(self.clock, readiness.clone(), self.stop.clone()));
        self.tasks.spawn(look_at_dns(resolver, readiness, self.stop.clone()));
    }

    /// The services behind the listener.
    ///
    /// # Errors
    ///
    /// As [`Self::thresholds`].
    pub fn services(&self, batches: &Batches) -> anyhow::Result<Services> {
        Ok(Services {
            callbacks: self.callbacks.get().cloned(),
            outcomes: self.outcomes.clone(),
            hooks: self.sources.hooks.clone(),
            verifier: Arc::clone(&self.verifier),
            replies: Arc::clone(&self.replies),
            batches: batches.clone(),
            thresholds: self.thresholds()?,
            limits: self.limits.get().cloned(),
            calls: Arc::clone(&self.sources.calls),
            readiness: self.sources.readiness.clone(),
        })
    }

    /// Opens the batches kept in `dir`, and goes on with them.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used; the error says why and what to do.
    pub async fn open_batches(&self, dir: &Path) -> anyhow::Result<Batches> {
        let place = dir.to_path_buf();
        // Opening reads files.
        let limits = self.config.batch.clone();
        let open = move || {
            let queue = SqliteQueue::open(&place)?;
            anyhow::Ok((queue, UploadStore::open(&place, &limits)?))
        };
        let (queue, uploads) = tokio::task::spawn_blocking(open).await??;
        Ok(self.start_batches(Arc::new(queue), Some(uploads)))
    }

    /// Opens the batches in the database of `store.url`, which other services may share, and goes
    /// on with them. Lists that are uploaded are kept in `batch.data_dir`, which is this service's
    /// alone; without one none are taken.
    ///
    /// # Errors
    ///
    /// If the database or the folder cannot be used; the error says why and what to do.
    pub async fn open_shared_batches(&self) -> anyhow::Result<Batches> {
        let queue = PostgresQueue::open(&self.config.store, self.clock).await?;
        let shared = self.share_destinations(&queue).await?;
        let _ = self.limits.set(queue.limits().await?);
        self.share_evidence().await?;
        let (drift, readiness) = (queue.clock_drift(), self.sources.readiness.clone());
        self.tasks.spawn(look_at_clock(drift, readiness, self.stop.clone()));
        let limits = self.config.batch.clone();
        let open = move || {
            let folder = limits.data_dir.as_deref();
            folder.map(|folder| UploadStore::open(folder, &limits)).transpose()
        };
        let uploads = tokio::task::spawn_blocking(open).await??;
        let batches = self.start_batches(Arc::new(queue), uploads);
        if let Some(tenure) = shared {
            self.tasks.spawn(share_places(tenure, batches.clone(), self.stop.clone()));
        }
        Ok(batches)
    }

    /// Has what is found out about mailboxes and domains shared with the other replicas.
    async fn share_evidence(&self) -> anyhow::Result<()> {
        let store = &self.config.store;
        if store.recall_timeout.is_zero() {
            return Ok(());
        }
        let key_file = self.config.outcomes.key_file.as_deref();
        let (evidence, writer) = PostgresEvidence::open(store, key_file).await?;
        self.verifier.share_evidence(Arc::clone(&evidence) as _);
        self.prober.share_evidence(evidence);
        self.tasks.spawn(writer.run(self.stop.clone()));
        Ok(())
    }

    /// Has egress addresses paced together with the other replicas, if `cluster.listen` is set.
    async fn share_destinations(
        &self,
        queue: &PostgresQueue,
    ) -> anyhow::Result<Option<watch::Receiver<Option<Tenure>>>> {
        let config = &self.config.cluster;
        let (Some(listen), Some(address)) = (config.listen, config.told_address()) else {
            return Ok(None);
        };
        let holders = queue.share_destinations(&address).await?;
        let tenure = holders.tenure();
        let cluster = Cluster::start(config, listen, &self.prober, holders, self.clock).await?;
        tracing::info!(address, "destinations are shared with the other replicas");
        let _ = self.cluster.set(cluster);
        Ok(Some(tenure))
    }

    fn start_batches(&self, queue: Arc<dyn Queue>, uploads: Option<UploadStore>) -> Batches {
        if let Some(history) = self.history.clone() {
            self.tasks.spawn(forget_verdicts(history, self.clock, self.stop.clone()));
        }
        let ask = Arc::clone(&self.verifier) as Arc<dyn AddressVerifier>;
        let pace = self.pace();
        let config = self.config.batch.clone();
        let batches = Batches::start(queue, ask, uploads, config, pace, self.clock);
        // Opened once; a second time is a test's, and the first ones are measured.
        let _ = self.sources.batches.set(batches.clone());
        self.sources.readiness.store_is_open();
        batches
    }

    /// The limits on what a destination is asked.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let identities = self.config.prober.identities.len().max(1);
        let pacing = &self.config.prober.pacing;
        let count = |limit: NonZeroU32| u64::from(limit.get());
        Pace {
            identities: u64::try_from(identities).unwrap_or(u64::MAX),
            recipients: count(pacing.recipients_per_minute),
            connections: count(pacing.connections_per_minute),
            recipients_per_session: count(pacing.recipients_per_session),
            refused_per_session: count(pacing.unknown_users_per_session),
        }
    }

    /// Begins to call back about `batches`; before [`Self::services`].
    ///
    /// # Errors
    ///
    /// If the thresholds do not ascend, or a file of the configuration cannot be used.
    pub fn call_back(&self, batches: &Batches) -> anyhow::Result<()> {
        let (domains, config) = (self.domains.clone(), self.config.callbacks.clone());
        let callbacks =
            Callbacks::start(batches.clone(), domains, config, self.thresholds()?, self.clock)?;
        let _ = self.callbacks.set(callbacks);
        Ok(())
    }

    /// The thresholds a campaign is held against.
    ///
    /// # Errors
    ///
    /// If they do not ascend.
    pub fn thresholds(&self) -> anyhow::Result<Thresholds> {
        Ok(self.config.preflight.try_into()?)
    }

    /// Finishes what is begun: sessions are ended with QUIT, background tasks are waited for.
    pub async fn drain(&self) {
        self.stop.cancel();
        let callbacks = async {
            if let Some(callbacks) = self.callbacks.get() {
                callbacks.drain().await;
            }
        };
        // Side by side: what one of them waits for is nothing to the sessions with mail servers.
        tokio::join!(callbacks, self.registrations.drain(), self.end_sessions());
        self.domains.drain().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends the sessions with mail servers, and hands over what is held.
    async fn end_sessions(&self) {
        if let Some(cluster) = self.cluster.get() {
            cluster.begin_to_leave();
        }
        self.prober.drain().await;
        if let Some(cluster) = self.cluster.get() {
            cluster.leave().await;
        }
    }
}

/// The builder of a verifier as the configuration has it.
fn builder(config: &Config) -> Builder {
    let builder = Verifier::builder()
        .dns(config.dns.clone())
        .cache(config.cache.clone())
        .lists(config.lists.clone())
        .smtp(config.smtp.clone())
        .prober(config.prober.clone())
        .policy(config.policy.clone())
        .memory(config.verifier.clone());
    match &config.replies.rules {
        Some(file) => builder.reply_rules(file),
        None => builder,
    }
}

/// Registrations as the configuration has them, for commands without a verifier.
///
/// # Errors
///
/// If the configuration names a file that cannot be read, or the resolver cannot be set up.
pub fn registrations(config: &Config, clock: Clock) -> anyhow::Result<Registrations> {
    let resolver = Arc::new(Resolver::new(config.dns.clone(), clock)?);
    let domains = DnsCache::new(resolver, config.cache.clone(), clock)?;
    let networks = config.smtp.allow_networks.clone();
    Ok(Registrations::new(config.registration.clone(), domains, networks, clock)?)
}

/// Everything for which `serve` would refuse this configuration, in the order of its parts, but for
/// what [`App::build`] refuses.
#[must_use]
pub fn problems(config: &Config) -> Vec<anyhow::Error> {
    let mut found: Vec<anyhow::Error> = Vec::new();
    found.extend(grpc::problems(&config.server).into_iter().map(Into::into));
    if let Some(dir) = config.batch.data_dir.as_ref().filter(|dir| dir.exists() && !dir.is_dir()) {
        found.push(anyhow::anyhow!("batch.data_dir: {} is not a folder", dir.display()));
    }
    found.extend(config.batch.problems().into_iter().map(anyhow::Error::msg));
    found.extend(callbacks::problems(&config.callbacks).into_iter().map(anyhow::Error::msg));
    found.extend(registration::problems(&config.registration).into_iter().map(anyhow::Error::msg));
    let is_http = config.server.http.enabled;
    found
        .extend(hook_problems(&config.outcomes.hooks, is_http).into_iter().map(anyhow::Error::msg));
    found.extend(postgres::check_config(&config.store).err().map(Into::into));
    let has_store = config.store.url.is_some();
    found.extend(cluster::problems(&config.cluster, has_store).into_iter().map(anyhow::Error::msg));
    found.extend(config.smtp.check().err().map(Into::into));
    found.extend(config.prober.check().err().map(Into::into));
    found.extend(config.dns.check().err().map(Into::into));
    found.extend(config.cache.check().err().map(Into::into));
    found.extend(Thresholds::try_from(config.preflight).err().map(Into::into));
    found.extend(ListsHandle::open(&config.lists).err().map(Into::into));
    let rules = read_reply_rules(config.replies.rules.as_deref());
    found.extend(rules.err().map(Into::into));
    found.extend(config.metrics.check().err().map(Into::into));
    found.extend(telemetry::problems(&config.log, &config.trace).into_iter().map(Into::into));
    found
}
