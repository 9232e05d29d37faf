//! A recipient at which the server hangs holds back no answer to another one.

use std::time::Duration;

use futures_util::future::join;

use super::*;

/// An exchanger that holds each refusal back for a second, and a session with it.
async fn tarpit() -> (Arc<World>, Prober) {
    let (world, prober) = world(Rules { soft_errors: 0, ..Rules::default() });
    assert_eq!(code(&prober.probe(world.request("user@b.example", &[(MX, 10)])).await), 250);
    (world, prober)
}

/// A request of a caller who has so much time.
fn request(world: &World, address: &str, time: Duration) -> ProbeRequest {
    let request = world.request(address, &[(MX, 10)]);
    ProbeRequest { deadline: world.clock.now() + time, ..request }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_told_while_the_server_hangs_at_another_recipient_of_its_flight() {
    let (world, prober) = tarpit().await;
    let began = world.clock.now();
    let told = async {
        let user = prober.probe(world.request("user1@a.example", &[(MX, 10)])).await;
        (user, world.clock.now().duration_since(began).unwrap())
    };
    let gone = ["gone1@a.example".to_owned(), "gone2@a.example".to_owned()];
    let ((user, took), gone) = join(told, probe_all(&world, &prober, &gone)).await;
    assert_eq!((code(&user), code(&gone[0]), code(&gone[1])), (250, 550, 550));
    assert!(took < Duration::from_millis(200), "{took:?}");
    assert_eq!(world.seen(MX).transactions.len(), 2, "they were of one flight");
}

#[tokio::test(start_paused = true)]
async fn an_answer_behind_a_refusal_is_told_early_once_the_server_has_shown_how_it_refuses() {
    let (world, prober) = tarpit().await;
    for (n, expected) in [(0, 0), (1, 250)] {
        let time = Duration::from_millis(1500);
        let second = Duration::from_secs(60);
        let requests = vec![
            request(&world, &format!("gone{n}@a.example"), second),
            request(&world, &format!("user{n}@a.example"), time),
            request(&world, &format!("lost{n}@a.example"), second),
        ];
        let outcomes = probe_requests(&prober, requests).await;
        let codes: Vec<u16> = outcomes.iter().map(code).collect();
        assert_eq!(codes, [550, expected, 550]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_lacks_the_control_recipient_s_is_told_at_the_deadline_as_ever() {
    let (world, prober) = tarpit().await;
    let curious = |address: &str, time| ProbeRequest {
        test_catch_all: true,
        ..request(&world, address, Duration::from_millis(time))
    };
    let requests = vec![
        curious("user1@a.example", 500),
        curious("user2@a.example", 9000),
        curious("gone@a.example", 9000),
    ];
    let outcomes = probe_requests(&prober, requests).await;
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), [250, 250, 550]);
    let timeout = RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Timeout };
    assert_eq!(outcomes[0].control, Control::Answered(Arc::new(timeout)));
    assert_eq!(outcomes[1].control, Control::KnownNo, "the refusal told");
}
