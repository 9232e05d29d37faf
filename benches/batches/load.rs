//! A client that has lists vetted, and takes the time.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::Instant;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use mailvet::proto::batch_service_client::BatchServiceClient;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, DeleteBatchRequest, Depth,
    ResultOrder, StreamBatchResultsRequest, UploadBatchRequest, VerifyAddressesRequest,
    VerifyOptions,
};
use tonic::transport::{Channel, Endpoint};

use crate::address;

/// Rows of one page.
const PAGE: usize = 1_000;

/// A client of the service.
pub(crate) struct Client {
    channel: Channel,
}

/// What a batch took, in seconds from its first row's sending.
pub(crate) struct Took {
    pub(crate) id: String,
    pub(crate) accepted: f64,
    pub(crate) first: f64,
    pub(crate) all: f64,
}

/// A batch of which some results were read.
pub(crate) struct Begun {
    id: String,
    cursor: String,
    pub(crate) seen: usize,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(Self { channel: endpoint.connect().await? })
    }

    fn batches(&self) -> BatchServiceClient<Channel> {
        BatchServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// The same rows through a stream that keeps nothing: seconds.
    pub(crate) async fn stream(&self, rows: usize) -> anyhow::Result<f64> {
        let options = VerifyOptions { depth: Depth::Domain.into(), ..Default::default() };
        let requests = stream::iter((0..rows).map(move |row| VerifyAddressesRequest {
            correlation_id: row.to_string(),
            address: address(row),
            options: Some(options),
        }));
        let started = Instant::now();
        let mut client = VerificationServiceClient::new(self.channel.clone());
        let mut answers = client.verify_addresses(requests).await?.into_inner();
        let mut count = 0;
        while answers.message().await?.is_some() {
            count += 1;
        }
        anyhow::ensure!(count == rows, "{count} answers to {rows} rows");
        Ok(started.elapsed().as_secs_f64())
    }

    /// A batch, to its last result.
    pub(crate) async fn batch(&self, rows: usize) -> anyhow::Result<Took> {
        let started = Instant::now();
        let id = self.create(rows).await?;
        let accepted = started.elapsed().as_secs_f64();
        let begun = Begun { id, cursor: String::new(), seen: 0 };
        let (first, all) = self.read_on(&begun, rows).await?;
        Ok(Took { id: begun.id, accepted, first: accepted + first, all: accepted + all })
    }

    /// A batch, until so many of its results were read.
    pub(crate) async fn batch_until(&self, rows: usize, until: usize) -> anyhow::Result<Begun> {
        let mut begun = Begun { id: self.create(rows).await?, cursor: String::new(), seen: 0 };
        let mut pages = self.batches().stream_batch_results(begun.request()).await?.into_inner();
        while begun.seen < until {
            let page = pages.message().await?.context("the results ended early")?;
            begun.seen += page.results.len();
            begun.cursor = page.cursor;
        }
        Ok(begun)
    }

    /// Reads the other results: seconds until the first and the last of them.
    pub(crate) async fn read_on(&self, begun: &Begun, rows: usize) -> anyhow::Result<(f64, f64)> {
        let started = Instant::now();
        let mut pages = self.batches().stream_batch_results(begun.request()).await?.into_inner();
        let (mut seen, mut first) = (begun.seen, None);
        while let Some(page) = pages.message().await? {
            seen += page.results.len();
            first.get_or_insert_with(|| started.elapsed().as_secs_f64());
        }
        anyhow::ensure!(seen == rows, "{seen} results of {rows} rows");
        Ok((first.unwrap_or_default(), started.elapsed().as_secs_f64()))
    }

    pub(crate) async fn delete(&self, id: &str) -> anyhow::Result<()> {
        let request = DeleteBatchRequest { batch_id: id.to_owned() };
        self.batches().delete_batch(request).await?;
        Ok(())
    }

    async fn create(&self, rows: usize) -> anyhow::Result<String> {
        let options = BatchOptions { depth: Depth::Domain.into(), ..Default::default() };
        let spec = BatchSpec { options: Some(options), ..BatchSpec::default() };
        let pages = (0..rows.div_ceil(PAGE)).map(move |page| {
            let of_page = page * PAGE..rows.min((page + 1) * PAGE);
            let row = |row| BatchAddress { address: address(row), ..BatchAddress::default() };
            Part::Page(BatchPage { addresses: of_page.map(row).collect() })
        });
        let end = Part::End(BatchEnd { rows: rows as i64 });
        let parts = std::iter::once(Part::Spec(spec)).chain(pages);
        let parts = stream::iter(parts.chain(std::iter::once(end)));
        let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
        let created = self.batches().upload_batch(parts).await?.into_inner();
        Ok(created.batch.context("no batch")?.batch_id)
    }
}

impl Begun {
    fn request(&self) -> StreamBatchResultsRequest {
        StreamBatchResultsRequest {
            batch_id: self.id.clone(),
            cursor: self.cursor.clone(),
            order: ResultOrder::Completion.into(),
            ..StreamBatchResultsRequest::default()
        }
    }
}
