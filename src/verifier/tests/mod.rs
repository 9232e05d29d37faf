//! The verifier above scripted DNS and scripted exchangers, under a paused clock.

mod deadline;
mod depth;
mod domain;
mod memory;
mod prior;
mod shared_memory;
mod stale;
mod suggestions;

use std::sync::Arc;
use std::time::Duration;

use super::{Config, Options, Subject, Verification, Verifier};
use crate::lists::{self, ListsHandle};
use crate::prober;
use crate::prober::tests::exchanger::Rules;
use crate::prober::tests::world::World;
use crate::verdict::Policy;

const MX: &str = "mx.example.net";

/// A verifier, and the world it looks at: `a.example` has one exchanger. Local parts that begin
/// with `user` exist.
struct Bench {
    world: Arc<World>,
    verifier: Verifier,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        let world = World::new();
        world.host(MX, rules);
        world.domain("a.example", MX);
        let lists = ListsHandle::open(&lists::Config::default()).unwrap();
        let verifier = Verifier::new(
            world.dns(),
            world.prober(prober::Config::default()),
            Arc::new(lists),
            Policy::default(),
            Config::default(),
            world.clock,
        );
        Self { world, verifier }
    }

    /// Options of a caller that wants a verdict within `seconds` and asks nobody twice.
    fn within(&self, seconds: u64) -> Options {
        let deadline = self.world.clock.now() + Duration::from_secs(seconds);
        Options { deadline, test_catch_all: false, ..Options::default() }
    }

    async fn verify(&self, address: &str, options: &Options) -> Verification {
        self.verifier.verify_with(Subject::parse(address), options).await
    }

    /// The verification from memory; the subject if that has none.
    async fn cached(&self, address: &str, options: &Options) -> Result<Verification, Subject> {
        self.verifier.cached(Subject::parse(address), options).await
    }

    /// The recipients named to the exchanger so far.
    fn named(&self) -> Vec<String> {
        self.world.seen(MX).rcpt().into_iter().map(str::to_owned).collect()
    }
}
