//! `mailvet list --server` and a connection that breaks while the batch is under work.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::process::{self, TIME_LIMIT};
use crate::product::Product;

/// Carries connections to `target`; `cut` breaks the one there is off, in the middle of whatever it
/// carries.
async fn carry(listener: TcpListener, target: SocketAddr, cut: Arc<Notify>) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        tokio::select! {
            ended = copy_bidirectional(&mut near, &mut far) => drop(ended),
            () = cut.notified() => near.set_zero_linger().unwrap(),
        }
    }
}

#[tokio::test]
async fn a_run_goes_on_when_the_connection_to_its_service_breaks() {
    let product = Product::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let cut = Arc::new(Notify::new());
    let carrying = carry(listener, product.address, Arc::clone(&cut));

    let folder = tempfile::tempdir().unwrap();
    // A silent server: the batch takes a while.
    let list = format!("{}\n{}\n", product.sample("TIMEOUT"), "jane.doe@acme.test");
    std::fs::write(folder.path().join("list.txt"), list).unwrap();
    let at = folder.path().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        process::run(&at, &["list", "list.txt", "--server", &server, "--retry-window", "0s"], b"")
    });
    let calls = Arc::clone(&product.app.sources.calls);
    let watched = async {
        let uploaded = || {
            let methods = calls.stats();
            let upload = methods.iter().find(|it| it.name.ends_with("/UploadBatch")).unwrap();
            upload.codes.iter().any(|(code, many)| *code == "ok" && *many > 0)
        };
        while !uploaded() || calls.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        cut.notify_one();
        run.await.unwrap()
    };
    let output = tokio::select! {
        output = tokio::time::timeout(TIME_LIMIT, watched) => output.expect("it ends"),
        () = carrying => unreachable!("it carries for ever"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{said}");
    let written = std::fs::read_to_string(folder.path().join("list.vetted.csv")).unwrap();
    assert!(written.contains("mailbox_accepted") && written.contains("timeout"), "{written}");
    product.stop().await;
}
