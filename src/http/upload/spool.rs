//! A file on its way to disk.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tonic::Status;

use super::fault::failed;
use super::message_sender::MessageSender;
use crate::batch::uploads::{SpoolFile, UploadError, UploadStore};
use crate::proto::BatchPage;
use crate::proto::upload_batch_request::Part;

/// Octets that are gathered before they are written.
const PIECE: usize = 256 * 1024;

/// Time within which something must arrive.
const SILENCE: Duration = Duration::from_secs(30);

/// Interval of the empty pages that tell the call that the file is still being taken.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// A file being written, piece by piece.
pub(super) struct SpoolWriter {
    file: SpoolFile,
    gathered: BytesMut,
    /// Who is told now and then that the file is still being taken.
    messages: Option<MessageSender>,
    signs: Interval,
}

impl SpoolWriter {
    pub(super) async fn begin(
        store: UploadStore,
        messages: Option<MessageSender>,
    ) -> Result<Self, Status> {
        let file = on_disk(move || store.begin()).await?;
        Ok(Self { file, gathered: BytesMut::new(), messages, signs: signs_of_life() })
    }

    pub(super) async fn push(mut self, data: Bytes) -> Result<Self, Status> {
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() >= PIECE {
            self = self.write().await?;
        }
        if let Some(messages) = &self.messages
            && self.signs.tick().now_or_never().is_some()
        {
            messages.send(Part::Page(BatchPage::default())).await?;
        }
        Ok(self)
    }

    async fn write(self) -> Result<Self, Status> {
        let Self { mut file, mut gathered, messages, signs } = self;
        let (file, gathered) = on_disk(move || {
            file.write(&gathered)?;
            gathered.clear();
            Ok((file, gathered))
        })
        .await?;
        Ok(Self { file, gathered, messages, signs })
    }

    pub(super) async fn finish(self) -> Result<SpoolFile, Status> {
        Ok(self.write().await?.file)
    }
}

/// Ticks whenever the call is to be told that the file is still being taken.
pub(super) fn signs_of_life() -> Interval {
    let mut signs = interval(SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    signs.reset();
    signs
}

/// Does what waits for the disk.
pub(super) async fn on_disk<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|_| Status::internal("the list cannot be kept"))?.map_err(|e| failed(&e))
}

/// Waits for what is to arrive, but not for ever.
pub(super) async fn arrives<T>(what: impl Future<Output = T>) -> Result<T, Status> {
    timeout(SILENCE, what).await.map_err(|_| {
        let seconds = SILENCE.as_secs();
        Status::deadline_exceeded(format!("nothing came for {seconds} s; send the list again"))
    })
}
