//! Who is not let in knocks again: later each time, and one at a time.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use super::*;

fn brisk(world: &Arc<World>, recipients_per_session: u32) -> Prober {
    let mut config = Config::default();
    config.pacing.connections_per_minute = NonZeroU32::new(1000).unwrap();
    config.pacing.recipients_per_session = NonZeroU32::new(recipients_per_session).unwrap();
    config.pacing.recipients_per_flight = NonZeroU32::new(recipients_per_session).unwrap();
    world.prober(config)
}

#[tokio::test(start_paused = true)]
async fn several_sessions_refused_at_once_lengthen_the_pause_once() {
    let (world, _) = world(Rules { sessions: 2, ..Rules::default() });
    let prober = brisk(&world, 5);
    let began = world.clock.now();
    let outcomes = probe_all(&world, &prober, &users(100, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let took = world.clock.now().duration_since(began).unwrap();
    assert!(took < Duration::from_secs(3), "three refused, one pause of a second: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_one_session_knocks_for_all() {
    let (world, _) = world(Rules { banner: Some("421 4.3.2 too busy"), ..Rules::default() });
    let prober = brisk(&world, 100);
    let addresses = users(1000, "a.example");
    let all = probe_all(&world, &prober, &addresses);
    let watch = async {
        sleep(Duration::from_secs(40)).await;
        let knocks = world.seen(MX).connections;
        world.host(MX, Rules::default());
        knocks
    };
    let (outcomes, knocks) = tokio::join!(all, watch);
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let first = knocks[0];
    let at_first = knocks.iter().filter(|at| **at < first + Duration::from_millis(900)).count();
    // After 1, 3, 7, 15 and 31 seconds.
    assert_eq!(knocks.len() - at_first, 5, "{knocks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_new_connections_is_lived_with_and_the_pauses_do_not_grow() {
    let (world, _) =
        world(Rules { connections: Some((2, Duration::from_secs(2))), ..Rules::default() });
    let prober = brisk(&world, 5);
    let began = world.clock.now();
    let outcomes = probe_all(&world, &prober, &users(200, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let took = world.clock.now().duration_since(began).unwrap();
    let connections = world.seen(MX).connections.len();
    // 40 sessions, of which two may begin every two seconds.
    assert!(took < Duration::from_secs(80), "{took:?}, {connections} connections");
    assert!(connections <= 80, "{connections}");
}
