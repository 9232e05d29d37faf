//! How batches end.

use super::*;

#[tokio::test]
async fn a_batch_that_is_cancelled_keeps_what_it_has_and_ends_its_streams() {
    let product = Product::with(|config| config.batch.wait_in_lane = Duration::ZERO).await;
    let mut client = product.batch_client().await;
    let list = ["jane.doe@acme.test", "jane@greylisted.test"];
    let parts = whole(spec("", Duration::from_secs(3 * 86_400)), &list);
    let batch = client.upload_batch(stream::iter(parts)).await.unwrap().into_inner();
    let id = batch.batch.unwrap().batch_id;
    until(async || {
        let batch = get(&mut client.clone(), &id).await.unwrap();
        let progress = batch.progress.unwrap();
        (progress.waiting_rows, progress.finished_rows) == (1, 1)
    })
    .await;
    let waiting = get(&mut client, &id).await.unwrap();
    assert_eq!(waiting.preflight.unwrap().open_rows, 1, "the bounds say that a row is open");
    let mut pages = pages(&mut client, results_of(&id, ResultOrder::Completion)).await;
    assert_eq!(pages.message().await.unwrap().unwrap().results.len(), 1);
    let request = CancelBatchRequest { batch_id: id.clone() };
    let cancelled = client.cancel_batch(request).await.unwrap().into_inner().batch.unwrap();
    assert_eq!(cancelled.state(), BatchState::Cancelled);
    while let Some(page) = pages.message().await.unwrap() {
        assert!(page.results.is_empty());
    }
    product.stop().await;
}

#[tokio::test]
async fn a_deleted_batch_is_really_gone() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let batch = create(&mut client, &["jane.doe.unmistakable@acme.test"]).await;
    read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    assert!(holds(product.store(), "unmistakable"), "the rows are on the disk");
    let request = DeleteBatchRequest { batch_id: batch.batch_id.clone() };
    client.delete_batch(request).await.unwrap();
    assert_eq!(get(&mut client, &batch.batch_id).await.unwrap_err().code(), Code::NotFound);
    assert!(!holds(product.store(), "unmistakable"), "their bytes are gone");
    product.stop().await;
}

/// Whether any file below `folder` holds `text`.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_shutdown_tells_readers_and_hands_the_work_back() {
    let mut product = Product::start().await;
    let mut client = product.batch_client().await;
    let list = ["jane@timeout.test", "jane.doe@acme.test"];
    let parts = whole(spec("", Duration::from_secs(3 * 86_400)), &list);
    let batch = client.upload_batch(stream::iter(parts)).await.unwrap().into_inner();
    let id = batch.batch.unwrap().batch_id;
    let mut pages = pages(&mut client, results_of(&id, ResultOrder::Completion)).await;
    assert_eq!(pages.message().await.unwrap().unwrap().results.len(), 1);
    product.shutdown.cancel();
    let told = loop {
        if let Err(told) = pages.message().await {
            break told;
        }
    };
    assert_eq!(told.code(), Code::Unavailable);
    drop((client, pages));
    product.ended().await;
    product.batches.drain().await;
    let kept = product.batches.list("", None, 1).await.unwrap();
    assert!(kept[0].progress.open_rows() >= 1, "what was not finished is still there");
    product.close().await;
}
