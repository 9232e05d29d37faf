//! Results on their way out.

use super::*;

#[tokio::test]
async fn a_reader_goes_on_from_the_last_cursor_and_may_ask_for_verdicts() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let list: Vec<String> = (0..1_200).map(|n| format!("not an address {n}")).collect();
    let mut list: Vec<&str> = list.iter().map(String::as_str).collect();
    list.push("jane.doe@acme.test");
    let batch = create(&mut client, &list).await;
    let mut request = results_of(&batch.batch_id, ResultOrder::Completion);
    let mut rows = Vec::new();
    loop {
        let mut pages = pages(&mut client, request.clone()).await;
        // One page, and the stream is given up.
        let Some(page) = pages.message().await.unwrap() else { break };
        let is_last = page.results.is_empty();
        rows.extend(page.results.into_iter().map(|row| row.row));
        request.cursor = page.cursor;
        if is_last {
            break;
        }
    }
    rows.sort_unstable();
    assert_eq!(rows, (0..1_201).collect::<Vec<_>>());
    let mut deliverable = results_of(&batch.batch_id, ResultOrder::Row);
    deliverable.verdicts = vec![Verdict::Deliverable.into()];
    let rows = read(&mut client, deliverable).await;
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [1_200]);
    product.stop().await;
}

#[tokio::test]
async fn a_mostly_dead_list_carries_a_caution_and_the_age_of_its_evidence() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let mut list = vec!["jane.doe@acme.test"];
    list.extend(["nobody1@acme.test", "nobody2@acme.test", "nobody3@acme.test", "x"]);
    let batch = create(&mut client, &list).await;
    read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    let batch = get(&mut client, &batch.batch_id).await.unwrap();
    let preflight = batch.preflight.unwrap();
    assert_eq!(preflight.decision(), PreflightDecision::Go);
    let caution = &preflight.cautions[0];
    assert_eq!(caution.kind(), PreflightCautionKind::MostlyUndeliverable);
    assert_eq!((caution.rows, caution.of_rows), (4, 5));
    assert!(preflight.explanation.contains(&caution.text), "{}", preflight.explanation);
    assert!(preflight.explanation.contains("The oldest evidence is of"));
    assert!(batch.progress.unwrap().oldest_evidence_time.is_some());
    product.stop().await;
}

#[tokio::test]
async fn a_watcher_sees_the_way_and_the_end() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let batch = create(&mut client, &["jane.doe@acme.test", "jane@timeout.test"]).await;
    let request = WatchBatchRequest { batch_id: batch.batch_id };
    let states = client.watch_batch(request).await.unwrap().into_inner();
    let states: Vec<_> = states.map(|state| state.unwrap().batch.unwrap()).collect().await;
    let last = states.last().unwrap();
    assert_eq!(last.state(), BatchState::Finished);
    assert_eq!(last.progress.as_ref().unwrap().finished_rows, 2);
    assert_eq!(states[0].state(), BatchState::Running, "there was something to see");
    product.stop().await;
}

#[tokio::test]
async fn domains_and_the_providers_behind_them_are_counted() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let list = ["jane.doe@acme.test", "nobody@acme.test", "otto.normal@outlook.com", "x"];
    let batch = create(&mut client, &list).await;
    read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    let mut tallies = async |kind: TallyKind| {
        let request = ListBatchTalliesRequest {
            batch_id: batch.batch_id.clone(),
            kind: kind.into(),
            page_size: 10,
            page_token: String::new(),
        };
        let tallies = client.list_batch_tallies(request).await.unwrap().into_inner().tallies;
        tallies.into_iter().map(|tally| (tally.name, tally.rows)).collect::<Vec<_>>()
    };
    let domains = tallies(TallyKind::Domain).await;
    assert_eq!(domains[0], ("acme.test".to_owned(), 2));
    assert!(domains.contains(&(String::new(), 1)), "what is no address has no domain");
    let providers = tallies(TallyKind::Provider).await;
    assert!(providers.contains(&("outlook.com".to_owned(), 1)), "{providers:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_second_batch_is_answered_from_what_the_first_one_learned() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let list = ["jane.doe@acme.test", "nobody@acme.test"];
    let batch = create(&mut client, &list).await;
    let first = read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    let asked = product.sandbox.counts().total().rcpt;
    let batch = create(&mut client, &list).await;
    let second = read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    assert_eq!(product.sandbox.counts().total().rcpt, asked, "nobody is asked again");
    for (first, second) in first.into_iter().zip(second) {
        let (first, second) = (first.verification.unwrap(), second.verification.unwrap());
        assert_eq!(first.reason(), second.reason());
        assert!(!first.evidence.unwrap().from_cache && second.evidence.unwrap().from_cache);
    }
    product.stop().await;
}
