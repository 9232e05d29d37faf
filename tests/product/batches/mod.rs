//! `BatchService`, called by a real client over a socket.

mod bounds;
mod ends;
mod intake;
mod reading;

use std::time::Duration;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    AppendBatchRowsRequest, Batch, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec,
    BatchState, CancelBatchRequest, CreateBatchRequest, DeleteBatchRequest, GetBatchRequest,
    ListBatchTalliesRequest, ListBatchesRequest, PreflightCautionKind, PreflightDecision, Reason,
    ResultOrder, SealBatchRequest, SyntaxErrorKind, TallyKind, UploadBatchRequest, Verdict,
    WatchBatchRequest,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{self as stream, StreamExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::customer::{pages, read, results_of};
use crate::product::Product;

type Client = BatchServiceClient<Channel>;

/// The description of a batch whose rows are not asked about again.
fn named(request_id: &str) -> BatchSpec {
    let Some(Part::Spec(spec)) = spec(request_id, Duration::ZERO).part else { unreachable!() };
    spec
}

fn spec(request_id: &str, retry_window: Duration) -> UploadBatchRequest {
    let options = BatchOptions {
        retry_window: Some(retry_window.try_into().unwrap()),
        ..BatchOptions::default()
    };
    let spec = BatchSpec {
        request_id: request_id.to_owned(),
        display_name: "spring.csv".to_owned(),
        options: Some(options),
        callback: None,
    };
    UploadBatchRequest { part: Some(Part::Spec(spec)) }
}

fn page(addresses: &[&str]) -> UploadBatchRequest {
    let row = |(n, address): (usize, &&str)| BatchAddress {
        address: (*address).to_owned(),
        row_id: format!("row-{n}"),
        ..BatchAddress::default()
    };
    let addresses = addresses.iter().enumerate().map(row).collect();
    UploadBatchRequest { part: Some(Part::Page(BatchPage { addresses })) }
}

fn end(rows: i64) -> UploadBatchRequest {
    UploadBatchRequest { part: Some(Part::End(BatchEnd { rows })) }
}

/// A request for the rows from `first` on.
fn append(batch: &Batch, first: i64, addresses: &[&str]) -> AppendBatchRowsRequest {
    let row =
        |address: &&str| BatchAddress { address: (*address).to_owned(), ..Default::default() };
    let rows = addresses.iter().map(row).collect();
    AppendBatchRowsRequest { batch_id: batch.batch_id.clone(), first_row: first, rows }
}

/// The whole list in one page.
fn whole(spec: UploadBatchRequest, addresses: &[&str]) -> Vec<UploadBatchRequest> {
    vec![spec, page(addresses), end(addresses.len() as i64)]
}

async fn create(client: &mut Client, addresses: &[&str]) -> Batch {
    let parts = whole(spec("", Duration::ZERO), addresses);
    let created = client.upload_batch(stream::iter(parts)).await.unwrap();
    created.into_inner().batch.unwrap()
}

async fn refused(client: &mut Client, parts: Vec<UploadBatchRequest>) -> Status {
    client.upload_batch(stream::iter(parts)).await.unwrap_err()
}

async fn get(client: &mut Client, id: &str) -> Result<Batch, Status> {
    let request = GetBatchRequest { batch_id: id.to_owned() };
    Ok(client.get_batch(request).await?.into_inner().batch.unwrap())
}

/// Asks until the answer is yes.
async fn until(ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("it never came about");
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
    assert_eq!(row(1).evidence.unwrap().code, Some(550));
    assert_eq!(row(2).syntax_error.unwrap().kind(), SyntaxErrorKind::Empty);
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
