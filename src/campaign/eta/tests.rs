use super::*;

const PACE: Pace = Pace::USUAL;

fn open(open: u64) -> DestinationWork {
    DestinationWork { name: format!("d{open}.example"), open, ..DestinationWork::default() }
}

fn work(destinations: &[DestinationWork]) -> Workload {
    Workload {
        destinations: destinations.to_vec(),
        open: destinations.iter().map(|one| one.open).sum(),
        finished_lately: 0,
        observed: Duration::ZERO,
        rows_and_mailboxes: (0, 0),
        pace: PACE,
        waiting: None,
    }
}

fn seconds_left(work: &Workload) -> u64 {
    estimate(work).map_or(0, |estimate| estimate.left.as_secs())
}

#[test]
fn one_large_provider_sets_the_time_before_anything_is_answered() {
    let estimate = estimate(&work(&[open(130_000), open(500), open(20)])).unwrap();
    assert_eq!(estimate.left.as_secs() / 60, 44, "43 minutes of 62 seconds");
    let words = estimate.basis.words();
    assert_eq!(words, "130,000 rows at d130000.example, 3,000 a minute");
}

#[test]
fn a_minute_s_worth_is_taken_at_once() {
    assert_eq!(estimate(&work(&[open(3_000)])), None, "only a rate can tell");
    assert_eq!(seconds_left(&work(&[open(3_001)])), 62);
}

#[test]
fn what_was_asked_within_the_minute_makes_room_as_it_grows_older() {
    let lately = vec![(Duration::from_secs(20), 3_000)];
    let amid = DestinationWork { finished: 3_000, lately, ..open(4_500) };
    let work = Workload { observed: Duration::from_secs(20), ..work(&[amid]) };
    assert_eq!(seconds_left(&work), 42 + 62);
}

#[test]
fn a_new_minute_s_worth_that_began_shows_that_the_last_one_is_over() {
    let lately = vec![(Duration::from_secs(61), 3_000), (Duration::from_secs(1), 500)];
    let amid = DestinationWork { finished: 3_500, lately, ..open(5_500) };
    let work = Workload { observed: Duration::from_secs(62), ..work(&[amid]) };
    assert_eq!(seconds_left(&work), 62, "2,500 at once, 3,000 in a minute");
}

#[test]
fn a_fast_start_elsewhere_does_not_hide_the_provider_that_is_left() {
    // 100,000 rows of small domains in ten seconds: their rate says 13 seconds.
    let all = Workload {
        finished_lately: 100_000,
        observed: Duration::from_secs(10),
        ..work(&[open(130_000)])
    };
    assert!(seconds_left(&all) > 42 * 60);
}

#[test]
fn a_provider_slower_than_its_pace_is_told_by_its_own_rate() {
    let lately = vec![(Duration::from_secs(90), 300), (Duration::from_secs(30), 300)];
    let slow = DestinationWork { finished: 600, lately, ..open(6_000) };
    let work = Workload { observed: Duration::from_secs(120), ..work(&[slow]) };
    assert_eq!(seconds_left(&work), 20 * 60);
}

#[test]
fn unknown_users_end_sessions_early_and_connections_are_counted() {
    // Ten sessions a minute. One that meets many of them has named 112 recipients by then.
    let pace = Pace { connections: 10, ..PACE };
    let some = DestinationWork { finished: 1000, refused: 200, ..open(12_321) };
    assert_eq!(seconds_left(&Workload { pace, ..work(&[some]) }), 11 * 62);
    // One in twenty: 180 recipients a session.
    let few = DestinationWork { finished: 1000, refused: 50, ..open(18_001) };
    assert_eq!(seconds_left(&Workload { pace, ..work(&[few]) }), 10 * 62);
}

#[test]
fn several_identities_share_the_domains_of_a_provider_and_a_single_domain_keeps_to_one() {
    let left = |identities, domains| {
        let pace = Pace { identities, ..PACE };
        seconds_left(&Workload { pace, ..work(&[DestinationWork { domains, ..open(24_000) }]) })
    };
    assert_eq!((left(1, 1), left(4, 1)), (8 * 62, 8 * 62));
    assert_eq!(left(4, 1_000), 2 * 62);
    assert_eq!(left(4, 2), 4 * 62);
}

#[test]
fn a_list_of_small_domains_goes_at_the_rate_of_the_whole() {
    let work = Workload {
        open: 90_000,
        finished_lately: 1_000,
        observed: Duration::from_secs(5),
        ..work(&[open(100)])
    };
    let estimate = estimate(&work).unwrap();
    assert_eq!(estimate.left.as_secs(), 450);
    assert_eq!(estimate.basis.words(), "90,000 rows, 12,000 a minute");
}

#[test]
fn a_mailbox_that_is_on_the_list_twice_is_asked_about_once() {
    let work = Workload { rows_and_mailboxes: (60_002, 30_001), ..work(&[open(60_002)]) };
    let estimate = estimate(&work).unwrap();
    assert_eq!(estimate.left.as_secs(), 620);
    assert_eq!(estimate.basis.words(), "60,002 rows at d60002.example, 6,000 a minute");
}

#[test]
fn few_results_are_no_rate_yet() {
    let work = Workload { open: 3_000, finished_lately: 10, observed: MINUTE, ..work(&[]) };
    assert_eq!(estimate(&work), None);
}

#[test]
fn the_pauses_of_a_large_provider_are_no_rate() {
    // Its minute's worth came at once, 40 seconds ago; little came from elsewhere since.
    let lately = vec![(Duration::from_secs(40), 3_000)];
    let large = DestinationWork { finished: 3_000, lately, ..open(6_000) };
    let work = Workload {
        open: 6_100,
        finished_lately: 3_400,
        observed: Duration::from_secs(40),
        ..work(&[large])
    };
    assert_eq!(seconds_left(&work), 22 + 62, "the other 100 take ten seconds");
}

#[test]
fn rows_that_wait_are_waited_for() {
    let until_last = Duration::from_secs(360);
    let waiting = Some(WaitingWork { rows: 5, until_last, is_growing: true });
    let last = Workload { open: 0, waiting, ..work(&[open(5)]) };
    let words = estimate(&last).unwrap().basis.words();
    assert_eq!(words, "5 rows wait until their servers are asked again");
    assert_eq!(seconds_left(&last), 360);
    let answered = DestinationWork { finished: 100, ..open(30_001) };
    let amid = Workload { waiting, ..work(std::slice::from_ref(&answered)) };
    assert_eq!(seconds_left(&amid), 620 + 360, "the last of them will wait as long");
    let waiting = waiting.map(|waiting| WaitingWork { is_growing: false, ..waiting });
    let behind = Workload { waiting, ..work(&[answered]) };
    assert_eq!(seconds_left(&behind), 620, "others put off than the provider with the most work");
    let silent = Workload { waiting, ..work(&[open(30_001)]) };
    assert_eq!(seconds_left(&silent), 620 + 360, "it answered nothing: it is what puts off");
}

#[test]
fn until_the_provider_with_the_most_work_has_answered_the_end_is_the_least() {
    let at_least = |work: &Workload| estimate(work).unwrap().at_least;
    let elsewhere = DestinationWork { finished: 1, ..open(30) };
    assert!(at_least(&work(&[open(30_001), elsewhere.clone()])));
    let answered = DestinationWork { finished: 1, ..open(30_001) };
    assert!(!at_least(&work(&[answered, elsewhere])));
}

#[test]
fn a_batch_that_is_done_needs_no_time() {
    assert_eq!(estimate(&work(&[])), None);
}
