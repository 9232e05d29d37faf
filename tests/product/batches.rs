//! `BatchService`, called by a real client over a socket.

use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::create_batch_request::Part;
use mailvet::proto::{
    Batch, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchResult, BatchSpec, BatchState,
    CancelBatchRequest, CreateBatchRequest, DeleteBatchRequest, GetBatchRequest,
    ListBatchTalliesRequest, ListBatchesRequest, PreflightDecision, Reason, ResultOrder,
    StreamBatchResultsRequest, TallyKind, Verdict, WatchBatchRequest,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{self as stream, StreamExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::product::Product;

type Client = BatchServiceClient<Channel>;

fn spec(request_id: &str, patience: Duration) -> CreateBatchRequest {
    let options =
        BatchOptions { patience: Some(patience.try_into().unwrap()), ..BatchOptions::default() };
    let spec = BatchSpec {
        request_id: request_id.to_owned(),
        display_name: "spring.csv".to_owned(),
        options: Some(options),
    };
    CreateBatchRequest { part: Some(Part::Spec(spec)) }
}

fn page(addresses: &[&str]) -> CreateBatchRequest {
    let row = |(n, address): (usize, &&str)| BatchAddress {
        address: (*address).to_owned(),
        row_id: format!("row-{n}"),
    };
    let addresses = addresses.iter().enumerate().map(row).collect();
    CreateBatchRequest { part: Some(Part::Page(BatchPage { addresses })) }
}

fn end(rows: i64) -> CreateBatchRequest {
    CreateBatchRequest { part: Some(Part::End(BatchEnd { rows })) }
}

/// The whole list in one page.
fn whole(spec: CreateBatchRequest, addresses: &[&str]) -> Vec<CreateBatchRequest> {
    vec![spec, page(addresses), end(addresses.len() as i64)]
}

async fn create(client: &mut Client, addresses: &[&str]) -> Batch {
    let parts = whole(spec("", Duration::ZERO), addresses);
    let created = client.create_batch(stream::iter(parts)).await.unwrap();
    created.into_inner().batch.unwrap()
}

async fn refused(client: &mut Client, parts: Vec<CreateBatchRequest>) -> Status {
    client.create_batch(stream::iter(parts)).await.unwrap_err()
}

fn results_of(id: &str, order: ResultOrder) -> StreamBatchResultsRequest {
    StreamBatchResultsRequest {
        batch_id: id.to_owned(),
        order: order.into(),
        ..StreamBatchResultsRequest::default()
    }
}

async fn read(client: &mut Client, request: StreamBatchResultsRequest) -> Vec<BatchResult> {
    let mut pages = client.stream_batch_results(request).await.unwrap().into_inner();
    let mut rows = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        rows.extend(page.results);
    }
    rows
}

async fn get(client: &mut Client, id: &str) -> Result<Batch, Status> {
    let request = GetBatchRequest { batch_id: id.to_owned() };
    Ok(client.get_batch(request).await?.into_inner().batch.unwrap())
}

#[tokio::test]
async fn a_list_comes_back_in_its_order_with_verdicts_evidence_and_a_pre_flight_answer() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let list = ["jane.doe@acme.test", "nobody@acme.test", "", "Jane.Doe@ACME.test"];
    let batch = create(&mut client, &list).await;
    assert_eq!(batch.state(), BatchState::Running);
    let rows = read(&mut client, results_of(&batch.batch_id, ResultOrder::Row)).await;
    let row = |n: usize| rows[n].verification.clone().unwrap();
    assert_eq!(rows.len(), 4);
    for (n, address) in list.iter().enumerate() {
        assert_eq!((rows[n].row, rows[n].row_id.as_str()), (n as i64, &*format!("row-{n}")));
        assert_eq!(row(n).address, *address);
    }
    assert_eq!(row(1).reason(), Reason::MailboxNotFound);
    assert_eq!(row(1).evidence.unwrap().code, 550);
    assert_eq!(row(2).syntax_error.unwrap().reason, "empty");
    assert_eq!(row(3).verdict(), Verdict::Deliverable);
    assert_eq!(product.sandbox.counts().total().accepted, 1, "asked once");

    let batch = get(&mut client, &batch.batch_id).await.unwrap();
    let progress = batch.progress.clone().unwrap();
    assert_eq!((batch.state(), progress.finished_rows), (BatchState::Finished, 4));
    assert_eq!(progress.mailboxes, 3);
    assert!(batch.expire_time.is_some());
    let preflight = batch.preflight.unwrap();
    assert_eq!(preflight.decision(), PreflightDecision::Go);
    assert_eq!(preflight.estimates.len(), 3);
    let all = preflight.estimates[2];
    assert_eq!(all.at_least.unwrap().bounces, 2);
    assert_eq!(all.decision(), PreflightDecision::NoGo);
    product.stop().await;
}

#[tokio::test]
async fn a_request_id_makes_a_batch_once() {
    let product = Product::start().await;
    let mut client = product.batch_client().await;
    let parts = || whole(spec("spring-2026", Duration::ZERO), &["jane.doe@acme.test"]);
    let first = client.create_batch(stream::iter(parts())).await.unwrap().into_inner();
    let again = client.create_batch(stream::iter(parts())).await.unwrap().into_inner();
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
        let call = other.create_batch(ReceiverStream::new(receive));
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
        client.clone().create_batch(stream::iter(parts)).await.is_ok()
    })
    .await;
    let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.batches.len(), 1);
    assert_eq!(listed.batches[0].progress.as_ref().unwrap().rows, 1);
    product.stop().await;
}

/// Asks until the answer is yes.
async fn until(ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it never came about");
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
    assert_eq!(field(&too_long), "page.addresses.address");
    assert!(too_long.message().contains("row 1 "), "{too_long}");
    assert_eq!(field(&refused(&mut client, vec![start(), page(&["a@b.test"])]).await), "end");
    let short = vec![start(), page(&["a@b.test"]), end(2)];
    assert_eq!(field(&refused(&mut client, short).await), "end.rows");
    let empty = CreateBatchRequest { part: None };
    assert_eq!(field(&refused(&mut client, vec![start(), empty]).await), "part");
    assert_eq!(field(&get(&mut client, "../etc/passwd").await.unwrap_err()), "batch_id");
    let unknown = get(&mut client, "01900000-0000-7000-8000-000000000000").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let batch = create(&mut client, &["jane.doe@acme.test"]).await;
    let mut request = results_of(&batch.batch_id, ResultOrder::Row);
    request.cursor = "nonsense".to_owned();
    let mut pages = client.stream_batch_results(request).await.unwrap().into_inner();
    assert_eq!(field(&pages.message().await.unwrap_err()), "cursor");
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
        let mut pages = client.stream_batch_results(request.clone()).await.unwrap().into_inner();
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
async fn a_batch_that_is_cancelled_keeps_what_it_has_and_ends_its_streams() {
    let product = Product::with(|config| config.batch.wait_in_lane = Duration::ZERO).await;
    let mut client = product.batch_client().await;
    let list = ["jane.doe@acme.test", "jane@greylisted.test"];
    let parts = whole(spec("", Duration::from_secs(3 * 86_400)), &list);
    let batch = client.create_batch(stream::iter(parts)).await.unwrap().into_inner();
    let id = batch.batch.unwrap().batch_id;
    until(async || {
        let batch = get(&mut client.clone(), &id).await.unwrap();
        let progress = batch.progress.unwrap();
        (progress.waiting_rows, progress.finished_rows) == (1, 1)
    })
    .await;
    let waiting = get(&mut client, &id).await.unwrap();
    assert_eq!(waiting.preflight.unwrap().open_rows, 1, "the bounds say that a row is open");
    let mut pages = client
        .stream_batch_results(results_of(&id, ResultOrder::Completion))
        .await
        .unwrap()
        .into_inner();
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
    let batch = client.create_batch(stream::iter(parts)).await.unwrap().into_inner();
    let id = batch.batch.unwrap().batch_id;
    let mut pages = client
        .stream_batch_results(results_of(&id, ResultOrder::Completion))
        .await
        .unwrap()
        .into_inner();
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
