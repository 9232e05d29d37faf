//! What a caller may ask about and keep.

use super::*;

#[tokio::test]
async fn who_learns_of_too_many_unknown_mailboxes_through_batches_has_to_wait() {
    let product = Product::with(|config| {
        config.server.harvesting.spare_loopback = false;
        config.server.harvesting.unknown_percent = 50;
        config.server.harvesting.unknown_sample = 10;
    })
    .await;
    let mut client = product.batch_client().await;
    let list: Vec<String> = (0..20).map(|n| format!("nobody{n}@acme.test")).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let batch = create(&mut client, &list).await;
    assert_eq!(read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await.len(), 20);
    let parts = whole(spec("", Duration::ZERO), &["jane.doe@acme.test"]);
    assert_eq!(refused(&mut client, parts).await.code(), Code::ResourceExhausted);
    product.stop().await;
}

#[tokio::test]
async fn what_counts_against_guessing_is_what_a_batch_learned_and_not_which_of_it_is_read() {
    let product = Product::with(|config| {
        config.server.harvesting.spare_loopback = false;
        config.server.harvesting.unknown_percent = 60;
        config.server.harvesting.unknown_sample = 4;
    })
    .await;
    let mut client = product.batch_client().await;
    let unknown = |count: usize| (0..count).map(|n| format!("nobody{n}@acme.test"));
    let good = ["jane.doe@acme.test", "john.smith@acme.test", "lea.martin@northwind.test"];
    let honest: Vec<String> = unknown(4).chain(good.map(str::to_owned)).collect();
    let guessed: Vec<String> = unknown(20).collect();
    let with = async |list: &[String], verdict: Verdict| {
        let mut client = product.batch_client().await;
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let parts = whole(spec("", Duration::ZERO), &list);
        let batch = client.upload_batch(stream::iter(parts)).await?.into_inner().batch.unwrap();
        let mut results = results_of(&batch.batch_id, ResultOrder::Row);
        results.verdicts = vec![verdict.into()];
        Ok::<_, Status>(read(&mut client, results).await.len())
    };
    assert_eq!(with(&honest, Verdict::Undeliverable).await.unwrap(), 4);
    let more = with(&guessed, Verdict::Deliverable).await;
    assert_eq!(more.expect("4 of 7 are no guessing"), 0);
    let parts = whole(spec("", Duration::ZERO), &["jane.doe@acme.test"]);
    assert_eq!(refused(&mut client, parts).await.code(), Code::ResourceExhausted);
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_is_not_accepted_uses_up_no_addresses_of_the_day() {
    let product = Product::with(|config| {
        config.server.quota.addresses_per_day = 3;
        config.batch.rows_per_batch = 3;
    })
    .await;
    let mut client = product.batch_client().await;
    let (one, two) = (["jane.doe@acme.test"], ["john.smith@acme.test", "nobody@acme.test"]);
    let too_many = vec![spec("", Duration::ZERO), page(&two), page(&two), end(4)];
    let without_end = vec![spec("", Duration::ZERO), page(&two)];
    for parts in [too_many, without_end] {
        refused(&mut client, parts).await;
        // What was refused is taken away in the background.
        let all = || whole(spec("", Duration::ZERO), &one);
        until(async || {
            product.batch_client().await.upload_batch(stream::iter(all())).await.is_ok()
        })
        .await;
    }
    let created = client.create_batch(CreateBatchRequest { spec: Some(named("pages")) }).await;
    let batch = created.unwrap().into_inner().batch.unwrap();
    assert!(client.append_batch_rows(append(&batch, 7, &one)).await.is_err(), "rows are missing");
    let last = whole(spec("", Duration::ZERO), &one);
    client.upload_batch(stream::iter(last)).await.expect("three were asked about");
    product.stop().await;
}

#[tokio::test]
async fn a_caller_keeps_no_more_rows_and_batches_than_configured() {
    let product = Product::with(|config| {
        config.batch.rows_per_batch = 2;
        config.batch.batches_per_caller = 1;
    })
    .await;
    let mut client = product.batch_client().await;
    let three = ["a@acme.test", "b@acme.test", "c@acme.test"];
    let status = refused(&mut client, whole(spec("", Duration::ZERO), &three)).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("may have 2 rows"), "{}", status.message());
    // What was refused is taken away in the background.
    let kept = async || {
        let mut client = product.batch_client().await;
        let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap();
        listed.into_inner().batches.len()
    };
    until(async || kept().await == 0).await;
    let batch = create(&mut client, &three[..2]).await;
    let status = refused(&mut client, whole(spec("", Duration::ZERO), &three[..1])).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("1 batches may be kept"), "{}", status.message());
    let request = DeleteBatchRequest { batch_id: batch.batch_id };
    client.delete_batch(request).await.unwrap();
    create(&mut client, &three[..1]).await;
    product.stop().await;
}
