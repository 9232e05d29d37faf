//! The worker: what is asked, how often, when, and what a stop leaves behind.

use std::time::{Duration, SystemTime};

use super::super::Config;
use super::script::{Room, Says};
use crate::campaign::{BatchOptions, State};
use crate::verdict::{Action, Depth, Reason};

const MINUTE: Duration = Duration::from_secs(60);

fn reasons(rows: &[super::super::queue::RowResult]) -> Vec<Reason> {
    rows.iter().map(|row| row.outcome.reason()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_row_gets_its_result_in_the_list_s_order() {
    let says = [("nobody", Says::Now(Reason::MailboxNotFound))];
    let room = Room::open(&says, Config::default());
    let list = ["jane@a.example", "nobody@a.example", "not an address", "john@b.example"];
    let id = room.submit(&list, BatchOptions::default()).await;
    let rows = room.rows(&id).await;
    assert_eq!(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), list);
    assert_eq!(reasons(&rows)[..2], [Reason::MailboxAccepted, Reason::MailboxNotFound]);
    let batch = room.batch(&id).await;
    assert_eq!((batch.state, batch.progress.finished_rows()), (State::Finished, 4));
}

#[tokio::test(start_paused = true)]
async fn an_address_at_which_the_verifier_breaks_is_unknown_and_takes_no_other_with_it() {
    let room = Room::open(&[("odd", Says::Breaks)], Config::default());
    let list = ["jane@a.example", "odd@a.example", "john@a.example"];
    let id = room.submit(&list, BatchOptions::default()).await;
    let rows = room.rows(&id).await;
    let accepted = Reason::MailboxAccepted;
    assert_eq!(reasons(&rows), [accepted, Reason::NotProbed, accepted]);
    assert_eq!(room.script.asked("odd@a.example"), 1, "it would break again");
    assert_eq!(room.batch(&id).await.state, State::Finished);
}

#[tokio::test(start_paused = true)]
async fn rows_that_reach_one_mailbox_are_asked_about_once_and_all_answered() {
    let room = Room::open(&[], Config::default());
    let list = ["jane@gmail.com", "Jane@gmail.com", "j.ane+news@gmail.com", "john@gmail.com"];
    let id = room.submit(&list, BatchOptions::default()).await;
    let rows = room.rows(&id).await;
    assert_eq!(rows.len(), 4);
    assert_eq!(room.script.all_asked(), 2);
    assert_eq!(room.batch(&id).await.progress.mailboxes, 2);
}

#[tokio::test(start_paused = true)]
async fn a_greylisted_row_comes_back_by_itself_when_it_is_due() {
    let room = Room::open(&[("grey", Says::YesAfter(6 * MINUTE))], Config::default());
    let started = room.clock.now();
    let id = room.submit(&["grey@a.example", "jane@a.example"], BatchOptions::default()).await;
    tokio::time::sleep(MINUTE).await;
    let waiting = room.batch(&id).await.progress;
    assert_eq!(waiting.waiting.get(&Reason::Greylisted), Some(&1));
    assert_eq!(waiting.next_retry_at, Some(started + 6 * MINUTE));
    assert_eq!(reasons(&room.rows(&id).await), [Reason::MailboxAccepted; 2]);
    let times = room.script.times("grey@a.example");
    assert_eq!(times.len(), 2);
    assert!(times[1] >= started + 6 * MINUTE && times[1] < started + 7 * MINUTE);
    assert_eq!(room.script.asked("jane@a.example"), 1, "what is finished is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_row_with_a_consent_waits_for_its_registry_and_its_server_is_not_asked_again() {
    let says = [("late", Says::RegistryAfter(6 * MINUTE))];
    let room = Room::open(&says, Config::default());
    let started = room.clock.now();
    let consented_at = Some(SystemTime::UNIX_EPOCH);
    let options = BatchOptions { consented_at, ..BatchOptions::default() };
    let id = room.submit(&["late@a.example", "jane@b.example"], options).await;
    tokio::time::sleep(MINUTE / 2).await;
    let progress = room.batch(&id).await.progress;
    assert_eq!((progress.rows_at_registries(), progress.finished_rows()), (1, 1));
    let rows = room.rows(&id).await;
    assert_eq!(reasons(&rows), [Reason::MailboxAccepted; 2]);
    assert!(rows[0].outcome.is_registered_after_consent());
    assert_eq!(room.script.asked("late@a.example"), 1);
    let batch = room.batch(&id).await;
    let ended = batch.ended_at.unwrap();
    assert!(ended >= started + 6 * MINUTE && ended < started + 9 * MINUTE);
    let counts = (batch.progress.registered_after_consent, batch.progress.unchecked_consents);
    assert_eq!(counts, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_within_the_window_leaves_the_verdict_and_a_count() {
    let says = [("late", Says::RegistryAfter(60 * MINUTE))];
    let consented_at = Some(SystemTime::UNIX_EPOCH);
    for (retry_window, deadline) in [(5_u32, None), (0, None), (90, Some(5 * MINUTE))] {
        let room = Room::open(&says, Config::default());
        let started = room.clock.now();
        let retry_window = retry_window * MINUTE;
        let options =
            BatchOptions { consented_at, retry_window, deadline, ..BatchOptions::default() };
        let id = room.submit(&["late@a.example"], options).await;
        let rows = room.rows(&id).await;
        assert_eq!(reasons(&rows), [Reason::MailboxAccepted]);
        assert!(!rows[0].outcome.is_registered_after_consent());
        let batch = room.batch(&id).await;
        assert_eq!(batch.progress.unchecked_consents, 1);
        assert!(batch.ended_at.unwrap() <= started + 6 * MINUTE);
        assert_eq!(room.script.asked("late@a.example"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_caller_s_patience_not_now_is_the_answer() {
    let room = Room::open(&[("grey", Says::YesAfter(60 * MINUTE))], Config::default());
    let options = BatchOptions { retry_window: 5 * MINUTE, ..BatchOptions::default() };
    let id = room.submit(&["grey@a.example"], options).await;
    let rows = room.rows(&id).await;
    assert_eq!(reasons(&rows), [Reason::Greylisted]);
    assert_eq!(room.script.all_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_batch_ends_with_what_is_known() {
    let says = [("grey", Says::YesAfter(60 * MINUTE)), ("slow", Says::Slowly(90 * MINUTE))];
    let config = Config { longest_address: 4 * MINUTE, ..Config::default() };
    let room = Room::open(&says, config);
    let options = BatchOptions {
        retry_window: 120 * MINUTE,
        deadline: Some(10 * MINUTE),
        ..BatchOptions::default()
    };
    let started = room.clock.now();
    let id = room.submit(&["grey@a.example", "slow@b.example"], options).await;
    let rows = room.rows(&id).await;
    assert_eq!(reasons(&rows), [Reason::Greylisted, Reason::MailboxAccepted]);
    let ended = room.batch(&id).await.ended_at.unwrap();
    assert!(ended <= started + 11 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn what_never_had_its_turn_before_the_deadline_was_not_asked() {
    let config = Config {
        addresses_at_once: 100,
        longest_address: 20 * MINUTE,
        chunks_per_domain: 1,
        ..Config::default()
    };
    let slow: Vec<String> = (0..100).map(|n| format!("slow@{n}.example")).collect();
    let room = Room::open(&[("slow", Says::Slowly(15 * MINUTE))], config);
    let mut list: Vec<&str> = slow.iter().map(String::as_str).collect();
    list.push("late@z.example");
    let options = BatchOptions { deadline: Some(10 * MINUTE), ..BatchOptions::default() };
    let id = room.submit(&list, options).await;
    let rows = room.rows(&id).await;
    assert_eq!(reasons(&rows)[100], Reason::NotProbed);
    let late = rows[100].outcome.clone().into_verification("late@z.example");
    assert_eq!(late.judgement.action, Action::RetryLater);
    assert!(late.evidence.failure.is_some_and(|failure| failure.contains("deadline")));
    assert_eq!(room.script.asked("late@z.example"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_slow_destination_does_not_hold_up_the_list() {
    let config = Config { addresses_at_once: 400, ..Config::default() };
    let mut list: Vec<String> = (0..2_000).map(|n| format!("slow@d{n}.slow.example")).collect();
    list.extend((0..300).map(|n| format!("jane@fast{n}.example")));
    let room = Room::open(&[("slow", Says::Slowly(3 * MINUTE))], config);
    let id = room.submit(&list, BatchOptions::default()).await;
    tokio::time::sleep(2 * MINUTE).await;
    let finished = room.batch(&id).await.progress.finished_rows();
    assert_eq!(finished, 300, "the fast ones are through while the slow ones wait");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_needs_no_place_at_its_destination() {
    let config = Config { addresses_at_once: 400, ..Config::default() };
    let slow = (0..300).map(|n| format!("slow@d{n}.slow.example"));
    let known = (0..2_000).map(|n| format!("known@k{n}.slow.example"));
    let list: Vec<String> = slow.chain(known).collect();
    let says =
        [("slow", Says::Slowly(3 * MINUTE)), ("known", Says::Remembered(Reason::MailboxNotFound))];
    let room = Room::open(&says, config);
    let id = room.submit(&list, BatchOptions::default()).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(room.batch(&id).await.progress.finished_rows(), 2_000);
    assert_eq!(room.script.asked("known@k7.slow.example"), 0);
}

#[tokio::test(start_paused = true)]
async fn where_no_server_is_asked_no_destination_sets_the_pace() {
    let config = Config { addresses_at_once: 400, ..Config::default() };
    let list: Vec<String> = (0..2_000).map(|n| format!("jane@d{n}.one.example")).collect();
    let room = Room::open(&[], config);
    let began = room.clock.now();
    let options = BatchOptions { depth: Depth::Domain, ..BatchOptions::default() };
    let id = room.submit(&list, options).await;
    assert_eq!(room.rows(&id).await.len(), 2_000);
    assert!(room.clock.now().duration_since(began).unwrap() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_takes_results_in_as_many_others_are_asked_about_and_no_more() {
    let config = Config { addresses_at_once: 200, ..Config::default() };
    let list: Vec<String> = (0..800).map(|n| format!("jane{n}@one.example")).collect();
    let room = Room::open(&[], config);
    *room.queue.delay.lock() = MINUTE;
    let options = BatchOptions { depth: Depth::Domain, ..BatchOptions::default() };
    let id = room.submit(&list, options).await;
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(room.script.all_asked(), 400);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(
        (room.script.all_asked(), room.batch(&id).await.progress.finished_rows()),
        (800, 400)
    );
    assert_eq!(room.rows(&id).await.len(), 800);
}

#[tokio::test(start_paused = true)]
async fn results_that_wait_for_the_store_hold_no_place_at_their_destination() {
    let room = Room::open(&[], Config { addresses_at_once: 200, ..Config::default() });
    *room.queue.delay.lock() = MINUTE;
    let list = |domain: &str| (0..100).map(|n| format!("jane{n}@{domain}")).collect::<Vec<_>>();
    room.submit(&list("one.example"), BatchOptions::default()).await;
    tokio::time::sleep(MINUTE / 6).await;
    assert_eq!(room.script.all_asked(), 100);
    room.submit(&list("beside.one.example"), BatchOptions::default()).await;
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(room.script.all_asked(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_does_not_starve_a_small_one() {
    let config = Config { addresses_at_once: 200, chunks_per_domain: 1, ..Config::default() };
    let large: Vec<String> = (0..3_000).map(|n| format!("slow@d{n}.example")).collect();
    let room = Room::open(&[("slow", Says::Slowly(Duration::from_secs(10)))], config);
    let large = room.submit(&large, BatchOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let small = room.submit(&["jane@x.example"], BatchOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(room.batch(&small).await.state, State::Finished);
    assert_eq!(room.batch(&large).await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_everything_back_and_the_next_worker_goes_on_at_once() {
    let says = [("slow", Says::Slowly(3 * MINUTE))];
    let room = Room::open(&says, Config::default());
    let list = ["jane@a.example", "slow@a.example"];
    let id = room.submit(&list, BatchOptions::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    room.batches.drain().await;
    let kept = room.batch(&id).await.progress;
    assert_eq!(kept.finished_rows(), 1, "what was known was kept");
    let again = Room::reopen(room.queue.clone(), room.clock, &[], Config::default());
    assert_eq!(again.rows(&id).await.len(), 2);
    assert_eq!(again.script.asked("jane@a.example"), 0, "what was kept is not asked again");
    assert_eq!(again.script.asked("slow@a.example"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_batch_is_asked_about_no_more_and_keeps_what_it_has() {
    let room = Room::open(&[("grey", Says::YesAfter(6 * MINUTE))], Config::default());
    let id = room.submit(&["jane@a.example", "grey@a.example"], BatchOptions::default()).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(room.batches.cancel(&id).await.unwrap().state, State::Cancelled);
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(room.script.asked("grey@a.example"), 1);
    assert_eq!(room.rows(&id).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_deleted_by_itself_when_its_time_is_over() {
    let config = Config { retention: 10 * MINUTE, ..Config::default() };
    let room = Room::open(&[], config);
    let id = room.submit(&["jane@a.example"], BatchOptions::default()).await;
    assert_eq!(room.rows(&id).await.len(), 1);
    tokio::time::sleep(9 * MINUTE).await;
    assert!(room.batches.batch("", &id).await.is_ok());
    tokio::time::sleep(3 * MINUTE).await;
    assert!(room.batches.batch("", &id).await.is_err());
}
