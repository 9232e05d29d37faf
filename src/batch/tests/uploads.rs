//! Uploads and seals: what is made, what outlives its caller, and what a caller may keep.

use std::time::Duration;

use super::super::{Config, IncomingRow};
use super::script::{Room, spec};
use crate::batch::queue::{Queue as _, QueueError, SubmittedBatch};
use crate::campaign::{BatchOptions, SendPolicy, Spec};
use crate::verifier::Subject;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_where_it_was_and_a_second_seal_changes_nothing() {
    let room = Room::open(&[], Config::default());
    let mut spec = spec(BatchOptions::default());
    spec.request_id = Some("r".to_owned());
    let SubmittedBatch::New(batch) = room.batches.submit(spec.clone()).await.unwrap() else {
        panic!()
    };
    let row = |address: &str| IncomingRow::new(Subject::parse(address));
    let page = [row("jane@a.example"), row("john@a.example")];
    assert_eq!(room.batches.append(&batch.id, Some(0), page.clone()).await.unwrap().rows, 2);
    tokio::time::sleep(30 * MINUTE).await;
    let SubmittedBatch::Known(found) = room.batches.submit(spec).await.unwrap() else { panic!() };
    assert_eq!((found.id.clone(), found.progress.rows), (batch.id.clone(), 2));
    room.batches.append(&found.id, Some(0), page).await.unwrap();
    let last = room.batches.append(&found.id, Some(2), [row("al@a.example")]).await.unwrap();
    assert_eq!((last.rows, last.new), (3, 1));
    let sealed = room.batches.seal(&found.id).await.unwrap();
    assert_eq!(room.batches.seal(&found.id).await.unwrap().sealed_at, sealed.sealed_at);
    assert_eq!(room.rows(&batch.id).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_seal_outlives_its_caller_and_what_nobody_waits_for_holds_up_no_stop() {
    let room = Room::open(&[], Config::default());
    let (go, told) = tokio::sync::oneshot::channel();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let work = room.batches.run_to_end(async { done.send(told.await) });
    assert!(tokio::time::timeout(MINUTE, work).await.is_err(), "its caller goes away");
    go.send(()).unwrap();
    is_done.await.unwrap().unwrap();
    let endless = room.batches.run_to_end(std::future::pending::<()>());
    assert!(tokio::time::timeout(MINUTE, endless).await.is_err());
    room.batches.drain().await;
}

#[cfg(feature = "cli")]
#[tokio::test(start_paused = true)]
async fn what_outlives_its_caller_is_part_of_its_call_in_the_traces() {
    use tracing::Instrument as _;

    let _traced = tracing::subscriber::set_default(tracing_subscriber::registry());
    let room = Room::open(&[], Config::default());
    let call = tracing::info_span!("call");
    let work = room.batches.run_to_end(async { tracing::Span::current().id() });
    let span = work.instrument(call.clone()).await.flatten();
    assert!(span.is_some() && span == call.id());
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_upload_is_removed_and_one_that_goes_on_is_not() {
    let room = Room::open(&[], Config { upload_timeout: 10 * MINUTE, ..Config::default() });
    let submit = async || match room.batches.submit(spec(BatchOptions::default())).await.unwrap() {
        SubmittedBatch::New(batch) => batch.id,
        SubmittedBatch::Known(_) => panic!("it has no request id"),
    };
    let (left, kept) = (submit().await, submit().await);
    for n in 0..4 {
        let page = [IncomingRow::new(Subject::parse(format!("jane@a{n}.example")))];
        room.batches.append(&kept, Some(n), page).await.unwrap();
        tokio::time::sleep(8 * MINUTE).await;
    }
    assert!(matches!(room.batches.batch("", &left).await, Err(QueueError::NoSuchBatch(_))));
    assert_eq!(room.batch(&kept).await.progress.rows, 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_id_with_other_options_is_refused_and_the_difference_named() {
    let room = Room::open(&[], Config::default());
    let mut first = spec(BatchOptions::default());
    first.request_id = Some("r".to_owned());
    room.batches.submit(first.clone()).await.unwrap();
    let mut second = first.clone();
    second.options.send_policy = SendPolicy::All;
    let error = room.batches.submit(second).await.unwrap_err();
    assert!(matches!(&error, QueueError::OtherRequest { .. }), "{error}");
    assert!(error.to_string().contains("send_policy deliverable, not all"), "{error}");
    assert!(matches!(room.batches.submit(first).await, Ok(SubmittedBatch::Known(_))));
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_rows_is_refused_and_stays_open_for_some() {
    let room = Room::open(&[], Config::default());
    let spec = spec(BatchOptions::default());
    let SubmittedBatch::New(batch) = room.batches.submit(spec).await.unwrap() else { panic!() };
    let error = room.batches.seal(&batch.id).await.unwrap_err();
    assert!(matches!(&error, QueueError::Empty(id) if *id == batch.id), "{error}");
    let page = [IncomingRow::new(Subject::parse("jane@a.example"))];
    room.batches.append(&batch.id, Some(0), page).await.unwrap();
    room.batches.seal(&batch.id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_keeps_is_bounded_in_rows_batches_and_bytes() {
    let config = Config {
        rows_per_batch: 3,
        batches_per_caller: 2,
        megabytes_per_caller: 1,
        ..Config::default()
    };
    let room = Room::open(&[], config);
    let of = |owner: &str| {
        let spec = spec(BatchOptions::default());
        room.batches.submit(Spec { owner: owner.to_owned(), ..spec })
    };
    let SubmittedBatch::New(batch) = of("me").await.unwrap() else { panic!() };
    let row = |n: usize| IncomingRow::new(Subject::parse(format!("user{n}@a.example")));
    let four = (0..4).map(row);
    let error = room.batches.append(&batch.id, Some(0), four).await.unwrap_err();
    assert!(matches!(error, QueueError::TooManyRows { most: 3 }), "{error}");
    let three: Vec<_> = (0..3).map(row).collect();
    room.batches.append(&batch.id, Some(0), three.clone()).await.unwrap();
    room.batches.append(&batch.id, Some(0), three).await.unwrap();
    of("me").await.unwrap();
    let error = of("me").await.err().unwrap();
    assert!(matches!(error, QueueError::TooManyBatches { most: 2 }), "{error}");
    assert!(of("you").await.is_ok());
    // What was refused is taken away in the background.
    while room.queue.usage("me").await.unwrap().batches > 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_batches_fill_their_bytes_makes_no_other() {
    let room = Room::open(&[], Config { megabytes_per_caller: 1, ..Config::default() });
    let SubmittedBatch::New(batch) =
        room.batches.submit(spec(BatchOptions::default())).await.unwrap()
    else {
        panic!()
    };
    let row = |n: usize| {
        let subject = Subject::parse(format!("user{n}@a.example"));
        IncomingRow { row_id: "i".repeat(1000), ..IncomingRow::new(subject) }
    };
    room.batches.append(&batch.id, None, (0..1100).map(row)).await.unwrap();
    let error = room.batches.submit(spec(BatchOptions::default())).await.err().unwrap();
    assert!(matches!(error, QueueError::TooManyBytes { most: 1 }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_store_could_not_make_is_not_discarded_there() {
    let room = Room::open(&[], Config::default());
    *room.queue.is_away.lock() = true;
    let error = room.batches.submit(spec(BatchOptions::default())).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
    tokio::time::sleep(MINUTE).await;
    assert!(room.queue.discards.lock().is_empty(), "the store has no second call to fail");
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_caller_leaves_is_discarded_once_the_store_is_done_with_it() {
    let room = Room::open(&[], Config::default());
    *room.queue.submit_delay.lock() = MINUTE;
    let submitting = room.batches.submit(spec(BatchOptions::default()));
    assert!(tokio::time::timeout(MINUTE / 2, submitting).await.is_err(), "its caller goes away");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(*room.queue.discards.lock(), [true], "one that is there");
    // With a request id too, if its rows come in the call that broke off.
    let spec = Spec { request_id: Some("r".to_owned()), ..spec(BatchOptions::default()) };
    let uploading = room.batches.submit_upload(spec);
    assert!(tokio::time::timeout(MINUTE / 2, uploading).await.is_err(), "its caller goes away");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(*room.queue.discards.lock(), [true, true], "both were there");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_a_second_call_got_by_its_request_id_outlives_the_caller_of_the_first() {
    let room = Room::open(&[], Config::default());
    *room.queue.usage_delay.lock() = MINUTE;
    let spec = Spec { request_id: Some("r".to_owned()), ..spec(BatchOptions::default()) };
    let first = room.batches.submit(spec.clone());
    assert!(tokio::time::timeout(MINUTE / 2, first).await.is_err(), "its caller goes away");
    let SubmittedBatch::Known(batch) = room.batches.submit(spec).await.unwrap() else { panic!() };
    let page = [IncomingRow::new(Subject::parse("jane@a.example"))];
    room.batches.append(&batch.id, Some(0), page).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert!(room.queue.discards.lock().is_empty(), "the second call goes on with it");
    assert_eq!(room.batches.seal(&batch.id).await.unwrap().progress.rows, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_a_request_id_that_is_one_too_many_is_discarded_without_its_caller_too() {
    let room = Room::open(&[], Config { batches_per_caller: 1, ..Config::default() });
    room.batches.submit(spec(BatchOptions::default())).await.unwrap();
    *room.queue.usage_delay.lock() = MINUTE;
    let spec = Spec { request_id: Some("r".to_owned()), ..spec(BatchOptions::default()) };
    let second = room.batches.submit(spec);
    assert!(tokio::time::timeout(MINUTE / 2, second).await.is_err(), "its caller goes away");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(*room.queue.discards.lock(), [true], "it was refused");
}
