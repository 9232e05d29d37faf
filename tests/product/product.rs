//! A running product on a mail world of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use mailvet::app::App;
use mailvet::batch::Batches;
use mailvet::config::Config;
use mailvet::grpc;
use mailvet::grpc::server::Drained;
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// The service, the mail world it looks at, and where it listens.
pub(crate) struct Product {
    pub(crate) app: App,
    pub(crate) sandbox: Sandbox,
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) batches: Batches,
    store: TempDir,
    serving: JoinSet<Result<Drained, grpc::ServeError>>,
}

impl Product {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A product on the built-in world, its configuration changed by `change`.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let world = World::built_in().unwrap();
        let sandbox = Sandbox::start(world.clone()).await.unwrap();
        let mut config = Config::default();
        mailvet::cli::sandboxed(&mut config, &sandbox);
        change(&mut config);
        let app = App::build(config).unwrap();
        // Nobody asks DNS whether it answers here: tests count every question.
        app.sources.readiness.dns(true);
        let store = tempfile::tempdir().unwrap();
        let batches = app.open_batches(store.path()).await.unwrap();
        app.call_back(&batches).unwrap();
        let services = app.services(&batches).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(grpc::serve(
            listener,
            services,
            app.config.server.clone(),
            app.clock,
            shutdown.clone(),
        ));
        Self { app, sandbox, world, address, shutdown, batches, store, serving }
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.channel_or_error().await.unwrap()
    }

    /// A channel, if the service takes the connection.
    pub(crate) async fn channel_or_error(&self) -> Result<Channel, tonic::transport::Error> {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await
    }

    /// Where the batches are kept.
    pub(crate) fn store(&self) -> &Path {
        self.store.path()
    }

    pub(crate) async fn batch_client(&self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel().await)
    }

    pub(crate) async fn client(&self) -> VerificationServiceClient<Channel> {
        VerificationServiceClient::new(self.channel().await)
    }

    /// The address of the sandbox's sample for this reason, in the API's words.
    pub(crate) fn sample(&self, reason: &str) -> String {
        let sample = self.world.samples().iter().find(|sample| sample.reason == reason);
        sample.unwrap().address.clone()
    }

    /// Waits until the exchangers have this many connections open, all together.
    pub(crate) async fn connections(&self, wanted: u64) {
        let reached = async {
            while self.sandbox.counts().total().parallel != wanted {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        reached.unwrap_or_else(|_| panic!("never {wanted} connections"));
    }

    /// Waits until the service has ended.
    pub(crate) async fn ended(&mut self) -> Drained {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.serving.join_next());
        ended.await.expect("the service ends").unwrap().unwrap().unwrap()
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.ended().await;
        self.close().await;
    }

    /// Closes what is left once the service has ended.
    pub(crate) async fn close(self) {
        self.batches.drain().await;
        self.app.drain().await;
        self.sandbox.shutdown().await;
    }
}
