//! Lists on their way in.

use super::*;

#[tokio::test]
async fn a_request_id_makes_a_batch_once() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let parts = || whole(spec("spring-2026", Duration::ZERO), &["jane.doe@acme.test"]);
    let first = client.upload_batch(stream::iter(parts())).await.unwrap().into_inner();
    let again = client.upload_batch(stream::iter(parts())).await.unwrap().into_inner();
    let (first, again) = (first.batch.unwrap(), again.batch.unwrap());
    assert_eq!(first.batch_id, again.batch_id);
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.batches.len(), 1);
    product.stop().await;
}

#[tokio::test]
async fn a_list_whose_sending_breaks_off_leaves_nothing() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let (send, receive) = tokio::sync::mpsc::channel(4);
    send.send(spec("broken", Duration::ZERO)).await.unwrap();
    send.send(page(&["jane.doe@acme.test"])).await.unwrap();
    {
        let mut other = client.clone();
        let call = other.upload_batch(ReceiverStream::new(receive));
        tokio::select! {
            _ = call => panic!("the list has no end"),
            () = async {
                let batches = product.store().join("batches");
                until(async || std::fs::read_dir(&batches).unwrap().next().is_some()).await;
                let again = vec![spec("broken", Duration::ZERO)];
                let busy = refused(&mut client.clone(), again).await;
                assert_eq!(busy.code(), Code::Aborted);
            } => {}
        }
    }
    // The caller is gone; the name may be used again once the service has noticed.
    until(async || {
        let parts = whole(spec("broken", Duration::ZERO), &["nobody@acme.test"]);
        client.clone().upload_batch(stream::iter(parts)).await.is_ok()
    })
    .await;
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.batches.len(), 1);
    assert_eq!(listed.batches[0].progress.as_ref().unwrap().rows, 1);
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_is_sent_again_after_its_caller_left_is_never_removed_behind_its_answer() {
    let product = Product::start().await;
    let client = product.batch_client().await;
    for n in 0..30 {
        let request_id = format!("again-{n}");
        let parts = || whole(spec(&request_id, Duration::ZERO), &["jane.doe@acme.test"]);
        let mut leaving = client.clone();
        let call = leaving.upload_batch(stream::iter(parts()));
        // Sooner or later: before the rows came, while they are sealed, and after that.
        let leave = async {
            for _ in 0..4 * n {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = call => {}
            () = leave => {}
        }
        let send_again = async {
            loop {
                let again = client.clone().upload_batch(stream::iter(parts())).await;
                if let Ok(answer) = again {
                    return answer.into_inner().batch.unwrap();
                }
            }
        };
        let batch = tokio::time::timeout(Duration::from_secs(60), send_again).await.unwrap();
        let results = results_of(&batch.batch_id, ResultOrder::Row);
        assert_eq!(read(&mut client.clone(), results).await.len(), 1);
    }
    product.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_with_its_field() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let field = |status: &Status| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let details = status.get_error_details();
        details.bad_request().unwrap().field_violations[0].field.clone()
    };
    let long = "x".repeat(1_001);
    let start = || spec("", Duration::ZERO);
    assert_eq!(field(&refused(&mut client, vec![]).await), "spec");
    assert_eq!(field(&refused(&mut client, vec![page(&["a@b.test"])]).await), "spec");
    assert_eq!(field(&refused(&mut client, vec![start(), start()]).await), "spec");
    let too_long = refused(&mut client, vec![start(), page(&["a@b.test"]), page(&[&long])]).await;
    assert_eq!(field(&too_long), "page.addresses[0].address");
    assert!(too_long.message().contains("row 1 "), "{too_long}");
    assert_eq!(field(&refused(&mut client, vec![start(), page(&["a@b.test"])]).await), "end");
    let short = vec![start(), page(&["a@b.test"]), end(2)];
    assert_eq!(field(&refused(&mut client, short).await), "end.rows");
    let empty = UploadBatchRequest { part: None };
    assert_eq!(field(&refused(&mut client, vec![start(), empty]).await), "part");
    assert_eq!(field(&get(&mut client, "../etc/passwd").await.unwrap_err()), "batch_id");
    let unknown = get(&mut client, "01900000-0000-7000-8000-000000000000").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let batch = create(&mut client, &["jane.doe@acme.test"]).await;
    let mut request = results_of(&batch.batch_id, ResultOrder::Row);
    request.cursor = "nonsense".to_owned();
    let refused = client.stream_batch_results(request).await.unwrap_err();
    assert_eq!(field(&refused), "cursor");
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.batches.len(), 1, "what was refused left nothing");
    product.stop().await;
}

#[tokio::test]
async fn batches_are_listed_newest_first_in_pages() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(create(&mut client, &["jane.doe@acme.test"]).await.batch_id);
    }
    made.reverse();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListBatchesRequest { page_size: 2, page_token: token };
        let page = client.list_batches(request).await.unwrap().into_inner();
        assert!(page.batches.len() <= 2);
        listed.extend(page.batches.into_iter().map(|batch| batch.batch_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
    product.stop().await;
}

#[tokio::test]
async fn a_last_page_that_is_full_names_no_next_one() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    for _ in 0..4 {
        create(&mut client, &["jane.doe@acme.test"]).await;
    }
    let (mut sizes, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListBatchesRequest { page_size: 2, page_token };
        let page = client.list_batches(request).await.unwrap().into_inner();
        sizes.push(page.batches.len());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2]);
    product.stop().await;
}

#[tokio::test]
async fn a_list_without_rows_is_refused_and_leaves_nothing() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let empty = refused(&mut client, vec![spec("", Duration::ZERO), end(0)]).await;
    assert_eq!(empty.code(), Code::FailedPrecondition);
    assert!(empty.message().contains("has no rows"), "{}", empty.message());
    let kept = async || {
        let mut client = product.batch_client().await;
        let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap();
        listed.into_inner().batches.len()
    };
    until(async || kept().await == 0).await;
    product.stop().await;
}

#[tokio::test]
async fn a_list_in_pages_goes_on_where_a_broken_connection_left_it() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let request = CreateBatchRequest { spec: Some(named("paged")) };
    let batch = client.create_batch(request.clone()).await.unwrap().into_inner().batch.unwrap();
    let rows = ["jane.doe@acme.test", "nobody@acme.test", "john@acme.test"];
    let added = client.append_batch_rows(append(&batch, 0, &rows[..2])).await.unwrap().into_inner();
    assert_eq!(added.rows, 2);
    // The same page again, as after a lost answer, and one that overlaps.
    let added = client.append_batch_rows(append(&batch, 0, &rows[..2])).await.unwrap().into_inner();
    assert_eq!(added.rows, 2, "rows that are there are passed over");
    let gap = client.append_batch_rows(append(&batch, 3, &rows[2..])).await.unwrap_err();
    assert_eq!(gap.code(), Code::OutOfRange, "{gap}");
    assert!(gap.message().contains("begins with row 2"), "{gap}");
    let found = client.create_batch(request).await.unwrap().into_inner().batch.unwrap();
    assert_eq!((&found.batch_id, found.progress.unwrap().rows), (&batch.batch_id, 2));
    let added = client.append_batch_rows(append(&batch, 1, &rows[1..])).await.unwrap().into_inner();
    assert_eq!(added.rows, 3);
    let seal = |rows| SealBatchRequest { batch_id: batch.batch_id.clone(), rows };
    let short = client.seal_batch(seal(4)).await.unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument, "{short}");
    client.seal_batch(seal(3)).await.unwrap();
    client.seal_batch(seal(3)).await.unwrap();
    let read = read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    let read = read.into_iter().map(|row| row.verification.unwrap().address);
    assert_eq!(read.collect::<Vec<_>>(), rows);
    let late = client.append_batch_rows(append(&batch, 3, &rows[..1])).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late}");
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_was_cancelled_before_it_was_sealed_is_not_accepted() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let mut sealed_after_cancel = async |request_id: &str, is_sealed_before: bool| {
        let request = CreateBatchRequest { spec: Some(named(request_id)) };
        let batch = client.create_batch(request).await.unwrap().into_inner().batch.unwrap();
        client.append_batch_rows(append(&batch, 0, &["jane.doe@acme.test"])).await.unwrap();
        let seal = SealBatchRequest { batch_id: batch.batch_id.clone(), rows: 1 };
        if is_sealed_before {
            client.seal_batch(seal.clone()).await.unwrap();
        }
        client.cancel_batch(CancelBatchRequest { batch_id: batch.batch_id }).await.unwrap();
        client.seal_batch(seal).await.map(drop)
    };
    let refused = sealed_after_cancel("cancelled", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let again = sealed_after_cancel("sealed", true).await;
    assert!(again.is_ok(), "what was accepted once may be sealed again: {again:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_page_that_comes_twice_at_once_counts_once() {
    let product = Product::with(|config| config.server.quota.addresses_per_day = 18).await;
    let mut client = product.batch_client().await;
    let rows = ["jane.doe@acme.test", "nobody@acme.test"];
    for n in 0..8 {
        let request = CreateBatchRequest { spec: Some(named(&format!("twice-{n}"))) };
        let batch = client.create_batch(request).await.unwrap().into_inner().batch.unwrap();
        let (mut one, mut two) = (client.clone(), client.clone());
        let page = || append(&batch, 0, &rows);
        let (one, two) = tokio::join!(one.append_batch_rows(page()), two.append_batch_rows(page()));
        for answer in [one, two] {
            assert_eq!(answer.unwrap().into_inner().rows, 2);
        }
    }
    let last = whole(spec("", Duration::ZERO), &rows);
    client.upload_batch(stream::iter(last)).await.expect("16 of 18 addresses are counted");
    product.stop().await;
}

#[tokio::test]
async fn a_request_id_with_other_options_is_an_error_that_names_the_difference() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let parts = whole(spec("spring-2026", Duration::ZERO), &["jane.doe@acme.test"]);
    client.upload_batch(stream::iter(parts)).await.unwrap();
    let parts = whole(spec("spring-2026", Duration::from_secs(60)), &["jane.doe@acme.test"]);
    let status = client.upload_batch(stream::iter(parts)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    assert!(status.message().contains("retry_window 0ns, not 60s"), "{status}");
    product.stop().await;
}

#[tokio::test]
async fn tallies_come_in_pages() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let list = [
        "a@acme.test",
        "b@acme.test",
        "c@acme.test",
        "a@catch-all.test",
        "b@catch-all.test",
        "a@no-such-domain.test",
    ];
    let batch = create(&mut client, &list).await;
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let batch_id = batch.batch_id.clone();
        let request = ListBatchTalliesRequest { batch_id, page_size: 2, page_token, kind: 0 };
        let page = client.list_batch_tallies(request).await.unwrap().into_inner();
        names.extend(page.tallies.into_iter().map(|tally| tally.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        assert_eq!(names.len(), 2);
    }
    assert_eq!(names, ["acme.test", "catch-all.test", "no-such-domain.test"]);
    product.stop().await;
}
