//! What is to be told about batches that are over.

use super::*;
use crate::batch::queue::{NextTry, Notification, NotificationId, NotificationState, TryReport};
use crate::campaign::callback::{BatchEvent, Callback};

const URL: &str = "https://crm.example.com/mailvet";

fn told(owner: &str, events: &[BatchEvent]) -> Spec {
    let (url, events) = (URL.to_owned(), events.to_vec());
    let callback = Callback { url, events, is_standing: false };
    Spec { callback: Some(callback), ..spec(owner, None) }
}

/// Finishes a batch of one row with this spec.
async fn finish(queue: &dyn Queue, spec: Spec, at_second: u64) -> BatchId {
    let id = list_with(queue, spec, rows("a.example", 0, 1)).await;
    let chunk = lease_one(queue, at(at_second)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(at_second)).await.unwrap();
    id
}

async fn claim(queue: &dyn Queue, second: u64) -> Vec<Notification> {
    queue.claim_notifications(9, at(second + 60), at(second)).await.unwrap()
}

async fn report(queue: &dyn Queue, id: &NotificationId, next: NextTry) {
    let report = TryReport { next, result: "500".to_owned() };
    queue.report_try(id, report).await.unwrap();
}

pub(crate) async fn the_end_of_a_batch_makes_the_notification_that_was_asked_for(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    finish(&*queue, spec("me", None), 1).await;
    finish(&*queue, told("me", &[BatchEvent::Cancelled]), 1).await;
    assert_eq!(queue.next_notification().await.unwrap(), None);
    let id = finish(&*queue, told("me", &[]), 2).await;
    let cancelled = list_with(&*queue, told("me", &[]), rows("a.example", 0, 1)).await;
    queue.cancel(&cancelled, at(3)).await.unwrap();
    queue.cancel(&cancelled, at(4)).await.unwrap();
    assert_eq!(queue.next_notification().await.unwrap(), Some(at(2)));
    let stats = queue.outbox_stats().await.unwrap();
    assert_eq!((stats.pending, stats.oldest), (2, Some(at(2))));
    let queue = backend.again(queue);
    let claimed = claim(&*queue, 5).await;
    let finished = &claimed[0];
    assert_eq!((&finished.batch, finished.event), (&id, BatchEvent::Finished));
    assert_eq!((finished.owner.as_str(), finished.url.as_str()), ("me", URL));
    assert_eq!((finished.created_at, finished.tries), (at(2), 0));
    assert_eq!(claimed[1].event, BatchEvent::Cancelled);
    assert_eq!(claimed.len(), 2);
}

pub(crate) async fn a_batch_that_ends_without_running_makes_its_notification(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    let empty = submit(&*queue, told("me", &[]), at(0)).await;
    queue.seal(&empty, at(1)).await.unwrap();
    let receiving = submit(&*queue, told("me", &[]), at(0)).await;
    queue.cancel(&receiving, at(2)).await.unwrap();
    let claimed = claim(&*queue, 5).await;
    let events: Vec<BatchEvent> = claimed.iter().map(|claimed| claimed.event).collect();
    assert_eq!(events, [BatchEvent::Finished, BatchEvent::Cancelled]);
}

pub(crate) async fn a_batch_in_which_rows_only_wait_tells_once_that_its_preflight_is_ready(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    let id = list_with(&*queue, told("me", &[]), rows("a.example", 0, 3)).await;
    let chunk = lease_one(&*queue, at(1)).await;
    let number = |n: usize| chunk.items[n].number;
    let greylisted = vec![known(number(0), Reason::Greylisted)];
    queue.release_until(chunk.id, at(10), greylisted, at(1)).await.unwrap();
    assert_eq!(queue.next_notification().await.unwrap(), None, "two rows were not asked about");
    let chunk = lease_one(&*queue, at(10)).await;
    let answers = vec![
        known(number(0), Reason::Greylisted),
        known(number(1), Reason::NullMx),
        known(number(2), Reason::Greylisted),
    ];
    queue.release_until(chunk.id, at(20), answers.clone(), at(11)).await.unwrap();
    let told = claim(&*queue, 12).await;
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&told.batch, told.event), (&id, BatchEvent::PreflightReady));
    assert_eq!(told.created_at, at(11));
    report(&*queue, &told.id, NextTry::Delivered).await;
    let queue = backend.again(queue);
    let chunk = lease_one(&*queue, at(20)).await;
    queue.release_until(chunk.id, at(30), answers, at(21)).await.unwrap();
    assert_eq!(claim(&*queue, 22).await, [], "it was told");
    let chunk = lease_one(&*queue, at(30)).await;
    queue.complete(chunk.id, all(&chunk, Reason::NullMx), at(31)).await.unwrap();
    let ended = claim(&*queue, 32).await;
    assert_eq!(ended.iter().map(|it| it.event).collect::<Vec<_>>(), [BatchEvent::Finished]);
}

pub(crate) async fn a_claimed_notification_is_due_again_unless_its_try_is_reported(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    finish(&*queue, told("me", &[]), 1).await;
    let id = claim(&*queue, 2).await[0].id.clone();
    assert_eq!(claim(&*queue, 61).await, []);
    let queue = backend.again(queue);
    assert_eq!(claim(&*queue, 62).await[0].id, id, "its process ended before it said anything");
    report(&*queue, &id, NextTry::At(at(500))).await;
    assert_eq!(queue.next_notification().await.unwrap(), Some(at(500)));
    let again = claim(&*queue, 500).await.remove(0);
    assert_eq!((&again.id, again.tries, again.result.as_str()), (&id, 1, "500"));
    report(&*queue, &id, NextTry::Delivered).await;
    assert_eq!(claim(&*queue, 9999).await, []);
    assert_eq!(queue.outbox_stats().await.unwrap().pending, 0);
    let listed = queue.notifications("me", None, 9).await.unwrap();
    assert_eq!((listed[0].state, listed[0].tries), (NotificationState::Delivered, 2));
}

pub(crate) async fn a_url_that_wants_no_more_gets_no_more_until_one_is_sent_again(
    backend: &dyn Backend,
) {
    let queue = backend.open();
    finish(&*queue, told("me", &[]), 1).await;
    finish(&*queue, told("me", &[]), 1).await;
    finish(&*queue, told("other", &[]), 1).await;
    let claimed = claim(&*queue, 2).await;
    let of_me: Vec<&Notification> = claimed.iter().filter(|c| c.owner == "me").collect();
    report(&*queue, &of_me[0].id, NextTry::SwitchedOff).await;
    finish(&*queue, told("me", &[]), 100).await;
    let due = claim(&*queue, 200).await;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(due[0].owner, "other");
    let off = queue.notifications("me", None, 9).await.unwrap();
    assert_eq!(off.len(), 3);
    assert!(off.iter().all(|one| one.state == NotificationState::SwitchedOff), "{off:?}");
    let strange = queue.resend_notification("other", &off[0].id, at(300)).await.unwrap();
    assert_eq!(strange, None, "it is not its own");
    let again = queue.resend_notification("me", &off[0].id, at(300)).await.unwrap().unwrap();
    assert_eq!((again.state, again.due_at), (NotificationState::Pending, Some(at(300))));
    finish(&*queue, told("me", &[]), 301).await;
    let due = claim(&*queue, 302).await;
    assert_eq!(due.iter().filter(|due| due.owner == "me").count(), 2, "{due:?}");
}

pub(crate) async fn a_deleted_batch_takes_its_notification_with_it(backend: &dyn Backend) {
    let queue = backend.open();
    let mut ids =
        [finish(&*queue, told("me", &[]), 1).await, finish(&*queue, told("me", &[]), 1).await];
    // Both began at one time.
    ids.sort_unstable();
    let [first, second] = ids;
    let listed = queue.notifications("me", None, 9).await.unwrap();
    let batches: Vec<&BatchId> = listed.iter().map(|one| &one.batch).collect();
    assert_eq!(batches, [&second, &first], "the newest first");
    let older = queue.notifications("me", Some(&listed[0].id), 9).await.unwrap();
    assert_eq!(older, listed[1..]);
    queue.delete(&first).await.unwrap();
    assert_eq!(queue.notifications("me", None, 9).await.unwrap(), listed[..1]);
    report(&*queue, &listed[1].id, NextTry::Delivered).await;
    assert_eq!(queue.notifications("other", None, 9).await.unwrap(), []);
}
