//! A place is free only when the server has closed the connection: until then it may count it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;

/// Slower to close than any pause of ours is long.
const SLOW: Duration = Duration::from_millis(1500);

fn few(world: &Arc<World>, sessions: u32) -> Prober {
    let mut config = Config::default();
    config.pacing.sessions_per_exchanger = NonZeroU32::new(sessions).unwrap();
    config.pacing.connections_per_minute = NonZeroU32::new(1000).unwrap();
    config.pacing.recipients_per_session = NonZeroU32::new(10).unwrap();
    world.prober(config)
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_the_server_has_closed() {
    let (world, _) = world(Rules { close_delay: SLOW, ..Rules::default() });
    let prober = few(&world, 2);
    let outcomes = probe_all(&world, &prober, &users(200, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250));
    let seen = world.seen(MX);
    assert!(seen.connections.len() >= 20, "{}", seen.connections.len());
    assert_eq!(seen.peak, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_has_its_place_until_the_server_has_closed() {
    for banner in ["421 4.3.2 too much load", "554 5.7.1 listed"] {
        let (world, _) =
            world(Rules { banner: Some(banner), close_delay: SLOW, ..Rules::default() });
        let mut config = Config::default();
        config.pacing.sessions_per_exchanger = NonZeroU32::MIN;
        config.pacing.block_backoff = Duration::from_secs(1);
        let prober = world.prober(config);
        for _ in 0..20 {
            let mut request = world.request("user1@a.example", &[(MX, 10)]);
            request.deadline = world.clock.now() + Duration::from_secs(1);
            prober.probe(request).await;
            sleep(Duration::from_millis(300)).await;
        }
        let seen = world.seen(MX);
        assert!(seen.connections.len() > 2, "{banner}: {}", seen.connections.len());
        assert_eq!(seen.peak, 1, "{banner}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_given_up_before_its_banner_has_its_place_until_the_server_has_closed() {
    let (world, _) = world(Rules { delay: Duration::from_secs(1), ..Rules::default() });
    let prober = few(&world, 1);
    let hasty = prober.probe(world.request("user1@a.example", &[(MX, 10)]));
    assert!(timeout(Duration::from_millis(500), hasty).await.is_err());
    // A caller in the same moment would get the session that is being opened.
    sleep(Duration::from_millis(10)).await;
    let outcomes = probe_all(&world, &prober, &users(1, "a.example")).await;
    assert_eq!(code(&outcomes[0]), 250);
    let seen = world.seen(MX);
    assert_eq!((seen.connections.len(), seen.peak), (2, 1));
}
