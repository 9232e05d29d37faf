//! A customer of `BatchService`: sends a list, and reads on where reading broke off.

use std::collections::BTreeMap;

use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchResult, BatchSpec, ResultOrder,
    StreamBatchResultsRequest, StreamBatchResultsResponse, UploadBatchRequest,
};
use tokio_stream as stream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Rows of a page.
const PAGE: usize = 50;

/// Has a list vetted, without a look at whether its domains accept everything.
pub(crate) async fn create(
    client: &mut BatchServiceClient<Channel>,
    request_id: &str,
    addresses: Vec<String>,
) -> Result<String, Status> {
    let options = BatchOptions { skip_catch_all: true, ..BatchOptions::default() };
    let request_id = request_id.to_owned();
    let spec = BatchSpec { request_id, options: Some(options), ..BatchSpec::default() };
    let row = |address| BatchAddress { address, ..BatchAddress::default() };
    let rows: Vec<BatchAddress> = addresses.into_iter().map(row).collect();
    let end = Part::End(BatchEnd { rows: rows.len() as i64 });
    let pages = rows.chunks(PAGE).map(|page| Part::Page(BatchPage { addresses: page.to_vec() }));
    let parts: Vec<_> = std::iter::once(Part::Spec(spec))
        .chain(pages)
        .chain(std::iter::once(end))
        .map(|part| UploadBatchRequest { part: Some(part) })
        .collect();
    let created = client.upload_batch(stream::iter(parts)).await?;
    Ok(created.into_inner().batch.unwrap().batch_id)
}

/// The results of a batch from its start, in this order.
pub(crate) fn results_of(batch_id: &str, order: ResultOrder) -> StreamBatchResultsRequest {
    StreamBatchResultsRequest {
        batch_id: batch_id.to_owned(),
        order: order.into(),
        ..StreamBatchResultsRequest::default()
    }
}

/// The pages of results, as they come.
pub(crate) async fn pages(
    client: &mut BatchServiceClient<Channel>,
    request: StreamBatchResultsRequest,
) -> Streaming<StreamBatchResultsResponse> {
    client.stream_batch_results(request).await.unwrap().into_inner()
}

/// All results, once the batch is over.
pub(crate) async fn read(
    client: &mut BatchServiceClient<Channel>,
    request: StreamBatchResultsRequest,
) -> Vec<BatchResult> {
    let mut pages = pages(client, request).await;
    let mut rows = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        rows.extend(page.results);
    }
    rows
}

/// A batch that was accepted, and what was read of it.
pub(crate) struct Accepted {
    pub(crate) batch_id: String,
    cursor: String,
    /// Row -> its result, as it was first read.
    pub(crate) rows: BTreeMap<i64, BatchResult>,
}

impl Accepted {
    pub(crate) fn new(batch_id: String) -> Self {
        Self { batch_id, cursor: String::new(), rows: BTreeMap::new() }
    }

    /// Reads on until there are `enough` rows, the batch is over or the service is gone. No row
    /// comes twice.
    pub(crate) async fn read(
        &mut self,
        client: &mut BatchServiceClient<Channel>,
        enough: usize,
    ) -> Result<(), Status> {
        let request = StreamBatchResultsRequest {
            batch_id: self.batch_id.clone(),
            cursor: self.cursor.clone(),
            ..StreamBatchResultsRequest::default()
        };
        let mut pages = client.stream_batch_results(request).await?.into_inner();
        while self.rows.len() < enough
            && let Some(page) = pages.message().await?
        {
            for result in page.results {
                let twice = self.rows.insert(result.row, result);
                assert!(twice.is_none(), "a row came twice");
            }
            self.cursor = page.cursor;
        }
        Ok(())
    }
}
