//! Fault injection on the wire.
//!
//! Each of these goes on until it is done, the client is gone, or the sandbox is shut down: how
//! long a client puts up with it is the client's test.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::exchanger::InjectedFault;

/// Octets that are no reply.
const GARBAGE: &[u8] = b"\x00\xff\xfe\x16\x03\x01 <html>\x07\x1b[2J 999 \x80\x81\r\n\xc3\x28!\r\n";

/// Writes `text` the way the fault wants it. What the client says meanwhile is read and dropped.
pub(super) async fn spoil<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    text: &str,
    fault: InjectedFault,
    pace: Option<Duration>,
    size: usize,
) -> io::Result<()> {
    match fault {
        InjectedFault::Close => return Ok(()),
        InjectedFault::HalfReply => {
            return stream.write_all(&text.as_bytes()[..text.len() / 2]).await;
        }
        InjectedFault::Silence => {}
        InjectedFault::Garbage => stream.write_all(GARBAGE).await?,
        InjectedFault::Flood => flood(stream, text, pace.unwrap_or_default()).await?,
        InjectedFault::LongLine => long_line(stream, text, size).await?,
        InjectedFault::Drip => drip(stream, text, pace.unwrap_or(Duration::from_secs(1))).await?,
    }
    discard(stream).await
}

/// Reads and drops until the client is gone.
pub(super) async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Continuation lines with the code of `text`, until the client is gone.
async fn flood<S: AsyncWrite + Unpin>(
    stream: &mut S,
    text: &str,
    pace: Duration,
) -> io::Result<()> {
    let line = format!("{}-and so on\r\n", text.get(..3).unwrap_or("250"));
    let lines = if pace.is_zero() { line.repeat(256) } else { line };
    loop {
        stream.write_all(lines.as_bytes()).await?;
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
    }
}

/// The code of `text` and a line that is `size` octets long before it ends.
async fn long_line<S: AsyncWrite + Unpin>(
    stream: &mut S,
    text: &str,
    size: usize,
) -> io::Result<()> {
    stream.write_all(text.get(..3).unwrap_or("250").as_bytes()).await?;
    stream.write_all(b" ").await?;
    let chunk = [b'x'; 8192];
    let mut left = size.saturating_sub(4);
    while left > 0 {
        let part = left.min(chunk.len());
        stream.write_all(&chunk[..part]).await?;
        left -= part;
    }
    stream.write_all(b"\r\n").await
}

/// `text`, one octet at a time.
async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, text: &str, pace: Duration) -> io::Result<()> {
    for octet in text.as_bytes() {
        stream.write_all(&[*octet]).await?;
        stream.flush().await?;
        tokio::time::sleep(pace).await;
    }
    Ok(())
}
