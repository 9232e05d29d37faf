//! Callers far away: a proxy holds every octet back for half a round trip.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future;
use mailvet::clock::Clock;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{Reason, VerifyAddressRequest};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::Endpoint;

use crate::product::Product;

/// Half a round trip: ten times what callers have, so that a busy machine does not decide.
const ONE_WAY: Duration = Duration::from_millis(1_500);

/// Carries octets, each of them `ONE_WAY` after it came.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    clock: Clock,
) -> io::Result<()> {
    let (send, mut arrived) = mpsc::channel(10_000);
    let read = async move {
        loop {
            let mut octets = vec![0; 16 * 1024];
            let many = from.read(&mut octets).await?;
            octets.truncate(many);
            if many == 0 || send.send((clock.now() + ONE_WAY, octets)).await.is_err() {
                return Ok::<_, io::Error>(());
            }
        }
    };
    let write = async {
        while let Some((due, octets)) = arrived.recv().await {
            tokio::time::sleep_until(clock.instant(due)).await;
            to.write_all(&octets).await?;
        }
        to.shutdown().await
    };
    future::try_join(read, write).await.map(drop)
}

/// A proxy in front of `target`, as long as the tasks live.
async fn proxy(target: SocketAddr, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Clock::start();
    tasks.spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(target).await.unwrap();
        near.set_nodelay(true).unwrap();
        far.set_nodelay(true).unwrap();
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        let (there, back) =
            (carry(near_read, far_write, clock), carry(far_read, near_write, clock));
        // However it ends, it ends with the test.
        drop(future::join(there, back).await);
    });
    address
}

#[tokio::test]
async fn many_calls_from_far_away_get_a_verdict_before_their_deadline() {
    let product = Product::with(|config| {
        // The silent server is waited for longer than the callers wait.
        config.smtp.time_limits = mailvet::smtp::TimeLimits::default();
    })
    .await;
    let mut tasks = JoinSet::new();
    let far = proxy(product.address, &mut tasks).await;
    let channel = Endpoint::from_shared(format!("http://{far}")).unwrap().connect().await.unwrap();
    // The first call measures the round trip.
    let mut client = VerificationServiceClient::new(channel.clone());
    let easy = VerifyAddressRequest { address: "not an address".to_owned(), options: None };
    client.verify_address(easy).await.unwrap();
    let calls = (0..64).map(|call| {
        let mut client = VerificationServiceClient::new(channel.clone());
        let silent = product.sample("TIMEOUT").replace('@', &format!("{call}@"));
        let mut request = Request::new(VerifyAddressRequest { address: silent, options: None });
        request.set_timeout(Duration::from_secs(12));
        async move { client.verify_address(request).await }
    });
    for answer in future::join_all(calls).await {
        let verification = answer.expect("a verdict, no error").into_inner().verification.unwrap();
        assert_eq!(verification.reason(), Reason::Timeout, "{verification:?}");
    }
    product.stop().await;
}
