//! `mailvet serve`: the gRPC service, until it is told to stop.

use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use super::args::ServeArgs;
use super::common::{Common, set};
use super::descriptors;
use super::listen::listen;
use super::render::message;
use super::scratch::scratch_folder;
use crate::app::{self, App};
use crate::batch::Batches;
use crate::batch::postgres::DatabaseTarget;
use crate::config::{self, Config};
use crate::grpc::{self, server::Drained};
use crate::metrics;
use crate::outcomes::OutcomeHistory;
use crate::sandbox::{Sandbox, World};
use crate::telemetry::{self, Traces};

/// The time that the rest of a shutdown may take, once no call is left, and the end of a command,
/// once everything is answered: leases are given back, sessions are ended with QUIT.
const CLOSING: Duration = Duration::from_secs(5);

/// The time within [`CLOSING`] in which leases are given back before sessions are ended.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// The time for whoever reads measurements to hear that the service is ending.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

/// A running product, and the mail world it looks at, if that is the sandbox.
pub(super) struct Started {
    pub(super) app: App,
    pub(super) sandbox: Option<Sandbox>,
    pub(super) traces: Traces,
}

impl Started {
    /// Finishes what is begun, and then closes the mail world.
    pub(super) async fn close(self) {
        self.app.drain().await;
        self.close_surroundings().await;
    }

    /// The same, where everybody who asked has an answer: a session in which a server takes minutes
    /// for one that nobody waits for any more is left after [`CLOSING`].
    pub(super) async fn close_in_time(self) {
        if within_closing(self.app.drain()).await.is_none() {
            tracing::info!("ending before every SMTP session had sent QUIT");
        }
        self.close_surroundings().await;
    }

    async fn close_surroundings(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
        }
        self.traces.close().await;
    }
}

/// The result of `ending`, unless it takes longer than [`CLOSING`].
async fn within_closing<F: Future>(ending: F) -> Option<F::Output> {
    tokio::time::timeout(CLOSING, ending).await.ok()
}

/// Reads the configuration, starts logging, and builds the parts; with `sandbox`, on a mail world
/// of their own.
pub(super) async fn start(
    common: &Common,
    flags: Table,
    sandbox: bool,
    log_level: &str,
) -> anyhow::Result<Started> {
    let names_data_dir = flags
        .get("batch")
        .and_then(Value::as_table)
        .is_some_and(|batch| batch.contains_key("data_dir"));
    let mut config = common.load(flags)?;
    if sandbox && !names_data_dir {
        // The folder of a file or a variable has real lists, whose addresses do not exist in the
        // sandbox.
        config.batch.data_dir = None;
    }
    if !common.names_log_level() && config.log == telemetry::Config::default() {
        log_level.clone_into(&mut config.log.level);
    }
    let traces = telemetry::init(&config.log, &config.trace)?;
    let sandbox = if sandbox {
        let sandbox = Sandbox::start(World::built_in()?).await?;
        super::sandboxed(&mut config, &sandbox);
        Some(sandbox)
    } else {
        None
    };
    // What became of mail to the world has nothing to do with the sandbox's.
    let is_wanted = sandbox.is_none() || config.outcomes.file.is_some();
    let place = is_wanted.then(|| super::outcomes::place(&config).ok()).flatten();
    let outcomes = place.map(|place| OutcomeHistory::new(place, config.outcomes.clone()));
    // Who names a file wants verdicts to be remembered from the first list on; and a database that
    // is away is told of now.
    let is_needed = config.outcomes.file.is_some() || config.store.url.is_some();
    if let Some(outcomes) = outcomes.as_ref().filter(|_| is_needed) {
        outcomes.open().await?;
    }
    Ok(Started { app: App::with_outcomes(config, outcomes)?, sandbox, traces })
}

/// Refuses the sandbox the database of real batches, and other services: what they have under way
/// would be looked for in a world that has none of it.
fn check_sandbox(config: &Config) -> anyhow::Result<()> {
    let shared = [
        ("store.url", config.store.url.is_some()),
        ("cluster.listen", config.cluster.listen.is_some()),
    ];
    for (key, is_set) in shared {
        anyhow::ensure!(
            !is_set,
            "{key} is set, and --sandbox works on batches of its own: unset it, or leave out \
             --sandbox"
        );
    }
    Ok(())
}

/// Has the console served.
pub(super) fn set_console(flags: &mut Table) {
    let console = Table::from_iter([("console".to_owned(), true.into())]);
    set(flags, "server", "http", console.into());
}

pub(super) async fn run(args: ServeArgs, common: &Common) -> anyhow::Result<bool> {
    // Before anything else: as a container's first process, an unhandled signal is ignored.
    let signals = Signals::listen()?;
    let mut flags = Table::new();
    if let Some(listen) = args.listen {
        set(&mut flags, "server", "listen", listen.to_string().into());
    }
    if args.allow_anonymous {
        set(&mut flags, "server", "allow_anonymous", true.into());
    }
    if args.console {
        set_console(&mut flags);
    }
    if let Some(dir) = args.data_dir {
        set(&mut flags, "batch", "data_dir", dir.display().to_string().into());
    }
    if let Some(listen) = args.metrics_listen {
        set(&mut flags, "metrics", "listen", listen.to_string().into());
    }
    if args.allow_lossy_store {
        set(&mut flags, "store", "allow_lossy", true.into());
    }
    if args.metrics_allow_remote {
        set(&mut flags, "metrics", "allow_remote", true.into());
    }
    let mut started =
        start(common, flags, args.sandbox, &telemetry::Config::default().level).await?;
    if args.sandbox {
        check_sandbox(&started.app.config)?;
    }
    for variable in common.outvoting() {
        tracing::warn!(variable, "it sets another value than the configuration file, and counts");
    }
    keep_descriptors_free(&mut started.app.config.server.limits.connections);
    let app = &started.app;
    // Before anything is said to be ready.
    let problems: Vec<String> = app::problems(&app.config).iter().map(message).collect();
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    // First of all, so that a probe hears why the service is not ready yet.
    let measured = CancellationToken::new();
    let measuring = measure(app, measured.clone()).await?;
    app.look_after_readiness();
    let address = app.config.server.listen;
    let listener = listen(address).with_context(|| {
        format!("{address} cannot be listened on; choose another with --listen")
    })?;
    let store = Store::choose(app, args.sandbox)?;
    let batches = store.open(app).await?;
    app.call_back(&batches)?;
    let services = app.services(&batches)?;
    store.log_open(app, args.sandbox);
    let shutdown = CancellationToken::new();
    let serving =
        grpc::serve(listener, services, app.config.server.clone(), app.clock, shutdown.clone());
    let signalled = async {
        signals.told_to_stop().await;
        tracing::info!("shutting down: finishing what is in flight");
        app.sources.readiness.drain();
        shutdown.cancel();
        batches.drain().await;
        std::future::pending::<Infallible>().await
    };
    let drained = tokio::select! {
        drained = serving => drained?,
        never = signalled => match never {},
    };
    if drained == Drained::TimedOut {
        tracing::warn!("some calls were still running when the drain time ended");
    }
    measured.cancel();
    if within_closing(close(started, &batches, measuring)).await.is_none() {
        tracing::warn!("shutdown timed out before every SMTP session had sent QUIT");
    }
    tracing::info!("stopped");
    Ok(true)
}

/// Gives back what is leased, whatever ended the serving, and ends the sessions with mail servers.
/// These wait neither for whoever still reads measurements nor, for long, for a database that is
/// away.
async fn close(started: Started, batches: &Batches, mut measuring: JoinSet<()>) {
    let measured = async { while measuring.join_next().await.is_some() {} };
    let ended = async {
        let _is_away = tokio::time::timeout(GIVE_BACK, batches.drain()).await;
        tokio::join!(batches.drain(), started.close());
    };
    let _is_silent = tokio::join!(tokio::time::timeout(LAST_SCRAPE, measured), ended);
}

/// Lowers the limit on callers' connections where descriptors would not be enough for it.
fn keep_descriptors_free(connections: &mut usize) {
    let limit = descriptors::limit();
    let wanted = std::mem::replace(connections, descriptors::connections(*connections, limit));
    if *connections < wanted {
        tracing::warn!(
            descriptors = limit,
            connections = *connections,
            wanted,
            "too few file descriptors for server.limits.connections: fewer connections are taken; \
             raise the hard limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

/// Serves measurements until `stop`, if the configuration has a listener for them.
async fn measure(app: &App, stop: CancellationToken) -> anyhow::Result<JoinSet<()>> {
    let mut measuring = JoinSet::new();
    app.config.metrics.check()?;
    let Some(address) = app.config.metrics.listen else { return Ok(measuring) };
    let listener = listen(address).with_context(|| {
        format!("{address} cannot be listened on; choose another with --metrics-listen")
    })?;
    tracing::info!(address = %listener.local_addr()?, "metrics can be scraped");
    measuring.spawn(metrics::serve(listener, app.sources.clone(), stop));
    Ok(measuring)
}

/// The place where batches are kept.
enum Store {
    /// In a folder that stays.
    Kept(PathBuf),
    /// In one that vanishes with the sandbox it is about.
    Scratch(TempDir),
    /// In the database of `store.url`.
    Shared,
}

impl Store {
    fn choose(app: &App, is_sandbox: bool) -> anyhow::Result<Self> {
        if app.config.store.url.is_some() {
            return Ok(Self::Shared);
        }
        match (&app.config.batch.data_dir, is_sandbox) {
            (Some(dir), _) => Ok(Self::Kept(dir.clone())),
            (None, true) => scratch_folder().map(Self::Scratch).context(
                "there is no place for the sandbox's batches: name a folder with --data-dir, or \
                 one for such things in TMPDIR",
            ),
            (None, false) => config::state_dir()
                .map(Self::Kept)
                .context("there is no place for batches: name one with --data-dir"),
        }
    }

    async fn open(&self, app: &App) -> anyhow::Result<Batches> {
        match self {
            Self::Kept(dir) => app.open_batches(dir).await,
            Self::Scratch(dir) => app.open_batches(dir.path()).await,
            Self::Shared => app.open_shared_batches().await,
        }
    }

    fn log_open(&self, app: &App, is_sandbox: bool) {
        let (data_dir, database) = (self.folder(app), self.database(app));
        tracing::info!(sandbox = is_sandbox, data_dir, store = database, "the batches are open");
    }

    /// The folder of batches or of uploaded lists, as the log names it.
    fn folder(&self, app: &App) -> Option<String> {
        let folder = match self {
            Self::Kept(dir) => Some(dir.as_path()),
            Self::Scratch(dir) => Some(dir.path()),
            Self::Shared => app.config.batch.data_dir.as_deref(),
        };
        folder.map(|dir| dir.display().to_string())
    }

    /// The database, as the log names it.
    fn database(&self, app: &App) -> Option<String> {
        match self {
            Self::Kept(_) | Self::Scratch(_) => None,
            Self::Shared => {
                let target = DatabaseTarget::read(&app.config.store).ok()?;
                Some(target.place().to_owned())
            }
        }
    }
}

/// The signals that stop the service, and the one that would end it in the middle of its work.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// `true` if somebody started it at a terminal, by which it is stopped too.
    is_at_terminal: bool,
}

impl Signals {
    /// From here on they are noticed.
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        // Looked at now: a terminal that is closed no longer is one. `nohup` takes it away.
        let is_at_terminal = std::io::stdin().is_terminal();
        Ok(Self { terminate, interrupt, hang_up, is_at_terminal })
    }

    /// Waits for SIGTERM or SIGINT, or for the end of the terminal, behind which nobody could stop
    /// the service. Elsewhere SIGHUP asks a service to read its files again, which is done here
    /// without it; nobody who sends it wants calls and sessions broken off.
    async fn told_to_stop(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hang_up.recv() => {
                    if self.is_at_terminal {
                        return;
                    }
                    tracing::warn!(
                        "SIGHUP changes nothing: keys, certificates and lists are read again when \
                         their files change, and the rest at a restart"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_no_caller_waits_for_holds_up_the_end_for_the_closing_time_alone() {
        let ended = within_closing(pending::<()>());
        assert_eq!(tokio::time::timeout(2 * CLOSING, ended).await, Ok(None));
        assert_eq!(within_closing(async {}).await, Some(()));
    }

    #[tokio::test]
    async fn a_terminal_that_is_closed_stops_the_service_as_sigterm_does() {
        let signals = Signals { is_at_terminal: true, ..Signals::listen().unwrap() };
        let own_id = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &own_id]).status();
        assert!(sent.unwrap().success());
        let stopped = tokio::time::timeout(Duration::from_secs(60), signals.told_to_stop());
        stopped.await.expect("it is told to stop");
    }
}
