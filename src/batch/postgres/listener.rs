//! The connection that listens for changes of other processes, and tells them of ours.

use std::future::poll_fn;

use tokio_postgres::AsyncMessage;

use super::engine::Engine;
use super::error::described;
use super::news::{RECONNECT, TELL_EVERY};

/// Listens and tells, for ever.
pub(super) async fn run(engine: &Engine) {
    loop {
        match engine.target.config.connect(engine.target.tls.clone()).await {
            Ok((client, connection)) => listen(engine, &client, connection).await,
            Err(error) => {
                tracing::warn!(reason = described(&error), "no news from the database");
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen<S, T>(
    engine: &Engine,
    client: &tokio_postgres::Client,
    mut connection: tokio_postgres::Connection<S, T>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let hearing = async {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(news) = message
                && news.payload() != engine.member().to_string()
            {
                engine.news.hear();
            }
        }
    };
    tokio::select! {
        () = hearing => {}
        _ = tell(engine, client) => {}
    }
}

/// Begins to listen, and then tells of changes.
async fn tell(
    engine: &Engine,
    client: &tokio_postgres::Client,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("LISTEN mailvet_news").await?;
    // Something may have been told while nobody listened.
    engine.news.hear();
    loop {
        engine.news.changed().await;
        let sql = "SELECT pg_notify('mailvet_news', $1)";
        client.execute(sql, &[&engine.member().to_string()]).await?;
        tokio::time::sleep(TELL_EVERY).await;
    }
}
