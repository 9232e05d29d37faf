//! The connection that listens for changes of other processes, and tells them of ours.

use std::future::poll_fn;

use tokio_postgres::AsyncMessage;

use super::absence::Absence;
use super::engine::Engine;
use super::error::described;
use super::news::{RECONNECT, TELL_EVERY};

/// Listens and tells, for ever.
pub(super) async fn run(engine: &Engine) {
    let mut absence = Absence::default();
    loop {
        match engine.target.config.connect(engine.target.tls.clone()).await {
            Ok((client, connection)) => listen(engine, &client, connection, &mut absence).await,
            Err(error) if absence.begins() => {
                tracing::warn!(reason = described(&error), "no news from the database");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen<S, T>(
    engine: &Engine,
    client: &tokio_postgres::Client,
    mut connection: tokio_postgres::Connection<S, T>,
    absence: &mut Absence,
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
        _ = tell(engine, client, absence) => {}
    }
}

/// Begins to listen, and then tells of changes.
async fn tell(
    engine: &Engine,
    client: &tokio_postgres::Client,
    absence: &mut Absence,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("LISTEN mailvet_news").await?;
    if absence.ends() {
        tracing::info!("news comes from the database again");
    }
    // Something may have been told while nobody listened.
    engine.news.hear();
    loop {
        engine.news.changed().await;
        let sql = "SELECT pg_notify('mailvet_news', $1)";
        client.execute(sql, &[&engine.member().to_string()]).await?;
        tokio::time::sleep(TELL_EVERY).await;
    }
}
