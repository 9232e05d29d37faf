//! The results of a batch, each for the address it is about.

use std::collections::VecDeque;

use tonic::{Status, Streaming};

use super::backend::Client;
use super::retries::Retries;
use crate::proto::{
    BatchResult, ResultOrder, StreamBatchResultsRequest, StreamBatchResultsResponse,
};

/// The results of the addresses that were sent, one by one, in their order. A service that went
/// away for a while is asked again, from the last cursor on.
pub(super) struct Results<'a> {
    client: &'a mut Client,
    request: StreamBatchResultsRequest,
    /// `None` until the service was asked, and after its connection broke.
    pages: Option<Streaming<StreamBatchResultsResponse>>,
    ready: VecDeque<BatchResult>,
    /// The number of the next address, as the batch counts its rows.
    row: i64,
    retries: Retries,
}

impl<'a> Results<'a> {
    pub(super) fn new(client: &'a mut Client, batch_id: &str) -> Self {
        let request = StreamBatchResultsRequest {
            batch_id: batch_id.to_owned(),
            order: ResultOrder::Row.into(),
            ..StreamBatchResultsRequest::default()
        };
        let (ready, retries) = (VecDeque::new(), Retries::default());
        Self { client, request, pages: None, ready, row: 0, retries }
    }

    /// The result of the next address; `None` if it has none. Those of a cancelled batch that were
    /// not answered are passed over by the service, wherever they stand.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<BatchResult>> {
        let row = self.row;
        self.row += 1;
        while self.ready.is_empty() {
            match self.next_page().await {
                Ok(Some(page)) => {
                    self.retries.reset();
                    self.request.cursor = page.cursor;
                    self.ready = page.results.into();
                }
                Ok(None) => return Ok(None),
                Err(status) => {
                    self.pages = None;
                    self.retries.wait_after(status).await?;
                }
            }
        }
        Ok(self.ready.pop_front_if(|result| result.row == row))
    }

    async fn next_page(&mut self) -> Result<Option<StreamBatchResultsResponse>, Status> {
        let pages = match &mut self.pages {
            Some(pages) => pages,
            None => {
                let opened = self.client.stream_batch_results(self.request.clone()).await?;
                self.pages.insert(opened.into_inner())
            }
        };
        pages.message().await
    }
}

#[cfg(test)]
mod tests {
    use tonic::service::interceptor::InterceptedService;
    use tonic::transport::Endpoint;

    use super::*;
    use crate::cli::client::ShowKey;

    #[tokio::test]
    async fn a_row_without_a_result_does_not_take_that_of_a_later_one() {
        let channel = Endpoint::from_static("http://nobody.is.asked").connect_lazy();
        let mut client = Client::new(InterceptedService::new(channel, ShowKey::NOTHING));
        let mut results = Results::new(&mut client, "batch");
        let result = |row| BatchResult { row, ..BatchResult::default() };
        results.ready = [0, 1, 4, 8].map(result).into();
        let mut rows = Vec::new();
        for _ in 0..9 {
            rows.push(results.next().await.unwrap().map(|result| result.row));
        }
        let none = None;
        assert_eq!(rows, [Some(0), Some(1), none, none, Some(4), none, none, none, Some(8)]);
    }
}
