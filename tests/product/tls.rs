//! TLS at the door: who is let in by certificate, and certificates that change while it runs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mailvet::config::Config;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{VerifyAddressRequest, VerifyAddressesRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::authority::{Authority, Signed};
use crate::command_line::{mailvet_with, text};
use crate::product::Product;

/// Takes the certificate, and asks for client certificates of `clients`.
fn tls<'a>(
    dir: &'a Path,
    server: &'a Signed,
    clients: Option<&'a Authority>,
) -> impl FnOnce(&mut Config) + use<'a> {
    move |config| {
        let (certificate, key) = server.write(dir);
        let files = &mut config.server.tls;
        (files.certificate, files.key) = (Some(certificate), Some(key));
        if let Some(authority) = clients {
            let path = dir.join("clients.pem");
            std::fs::write(&path, authority.pem()).unwrap();
            files.client_ca = Some(path);
        }
        config.server.poll_interval = Duration::from_secs(1);
        config.server.limits.handshake_timeout = Duration::from_secs(2);
    }
}

async fn connect(
    address: SocketAddr,
    tls: ClientTlsConfig,
) -> Result<Channel, tonic::transport::Error> {
    let url = format!("https://{address}");
    Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await
}

fn ask() -> VerifyAddressRequest {
    VerifyAddressRequest { address: "jane.doe@acme.test".to_owned(), options: None }
}

/// Whether a client with this configuration gets an answer.
async fn is_served(address: SocketAddr, tls: ClientTlsConfig) -> bool {
    let Ok(channel) = connect(address, tls).await else { return false };
    VerificationServiceClient::new(channel).verify_address(ask()).await.is_ok()
}

#[tokio::test]
async fn a_client_certificate_lets_in_by_name_and_none_lets_nobody_in_but_to_the_health() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.sign("localhost");
    let keys = dir.path().join("keys.toml");
    // A key of the certificate's name gives it its quota.
    let entry = mailvet::access::issue("crm.example", [1; 32], None).unwrap().entry;
    std::fs::write(&keys, format!("{entry}addresses_per_day = 1\n")).unwrap();
    let product = Product::with(|config| {
        tls(dir.path(), &server, Some(&ours))(config);
        config.server.api_keys = Some(keys);
    })
    .await;
    let with = |signed: &Signed| ours.trusted().identity(signed.identity());

    let channel = connect(product.address, with(&ours.sign("crm.example"))).await.unwrap();
    let mut client = VerificationServiceClient::new(channel);
    client.verify_address(ask()).await.unwrap();
    let status = client.verify_address(ask()).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "ADDRESSES_PER_DAY");
    assert!(is_served(product.address, with(&ours.sign("erp.example"))).await, "another name");

    let channel = connect(product.address, ours.trusted()).await.unwrap();
    let status = VerificationServiceClient::new(channel.clone()).verify_address(ask()).await;
    assert_eq!(status.unwrap_err().code(), Code::Unauthenticated);
    let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    assert!(health.is_ok(), "{health:?}");

    assert!(!is_served(product.address, with(&theirs.sign("crm.example"))).await);
    assert!(!is_served(product.address, theirs.trusted()).await, "not whom the client trusts");
    product.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_without_a_restart_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = old.sign("localhost");
    let product = Product::with(tls(dir.path(), &server, None)).await;
    let kept = connect(product.address, old.trusted()).await.unwrap();
    VerificationServiceClient::new(kept.clone()).verify_address(ask()).await.unwrap();
    assert!(is_served(product.address, old.trusted()).await);
    assert!(!is_served(product.address, new.trusted()).await);

    // Half of a new one: the key that fits comes later.
    let next = new.sign("localhost");
    std::fs::write(dir.path().join("certificate.pem"), &next.certificate).unwrap();
    for _ in 0..20 {
        assert!(is_served(product.address, old.trusted()).await, "the old one stays");
    }
    next.write(dir.path());
    let taken_up = async { while !is_served(product.address, new.trusted()).await {} };
    tokio::time::timeout(Duration::from_secs(60), taken_up).await.expect("it is taken up");
    assert!(!is_served(product.address, old.trusted()).await);
    let answer = VerificationServiceClient::new(kept).verify_address(ask()).await;
    assert!(answer.is_ok(), "a connection that is there stays: {answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_connection_ends_when_its_authority_is_taken_away_and_not_when_one_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.sign("localhost");
    let product = Product::with(tls(dir.path(), &server, Some(&ours))).await;
    let with = |by: &Authority| ours.trusted().identity(by.sign("crm.example").identity());
    let channel = connect(product.address, with(&ours)).await.unwrap();
    let mut client = VerificationServiceClient::new(channel);
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let items = ReceiverStream::new(receive);
    let mut answers = client.verify_addresses(items).await.unwrap().into_inner();
    let clients = dir.path().join("clients.pem");
    std::fs::write(&clients, format!("{}{}", ours.pem(), theirs.pem())).unwrap();
    let taken_up = async { while !is_served(product.address, with(&theirs)).await {} };
    tokio::time::timeout(Duration::from_secs(60), taken_up).await.expect("it is taken up");
    let item = VerifyAddressesRequest { address: ask().address, ..Default::default() };
    send.send(item).await.unwrap();
    assert!(answers.message().await.unwrap().is_some(), "its own authority is still there");
    std::fs::write(&clients, theirs.pem()).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), answers.message()).await;
    end.expect("the connection ends").expect_err("it was cut off");
    client.verify_address(ask()).await.expect_err("it does not get in again");
    product.stop().await;
}

#[tokio::test]
async fn handshakes_that_stand_still_give_way_to_one_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = ours.sign("localhost");
    let product = Product::with(|config| {
        tls(dir.path(), &server, None)(config);
        config.server.limits.handshake_timeout = Duration::from_secs(600);
    })
    .await;
    let mut half_open = Vec::new();
    for _ in 0..210 {
        let mut stream = TcpStream::connect(product.address).await.unwrap();
        stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        half_open.push(stream);
    }
    let served = is_served(product.address, ours.trusted());
    assert!(tokio::time::timeout(Duration::from_secs(60), served).await.expect("it is served"));
    product.stop().await;
}

#[tokio::test]
async fn handshakes_that_fail_or_never_end_are_cut_off_and_hold_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = ours.sign("localhost");
    let product = Product::with(tls(dir.path(), &server, None)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(product.address).await.unwrap());
    }
    for _ in 0..20 {
        let mut noisy = TcpStream::connect(product.address).await.unwrap();
        noisy.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // An alert, or nothing; then the end.
        drop(noisy.read_to_end(&mut answer).await);
        assert!(answer.len() < 100, "{answer:?}");
    }
    assert!(is_served(product.address, ours.trusted()).await);
    let cut_off = async {
        for mut stream in silent {
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), cut_off).await.expect("they are cut off");
    assert!(is_served(product.address, ours.trusted()).await);
    product.stop().await;
}

#[tokio::test]
async fn the_health_command_trusts_an_authority_or_the_service_s_own_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.sign("localhost");
    let product = Product::with(tls(dir.path(), &server, Some(&ours))).await;
    let (ours_file, theirs_file) = (dir.path().join("ours.pem"), dir.path().join("theirs.pem"));
    std::fs::write(&ours_file, ours.pem()).unwrap();
    std::fs::write(&theirs_file, theirs.pem()).unwrap();
    let url = format!("https://localhost:{}", product.address.port());
    let certificate = dir.path().join("certificate.pem").display().to_string();
    let listen = product.address.to_string();
    let health = async |args: Vec<String>, environment: Vec<(&'static str, String)>| {
        let run = move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            mailvet_with(&args, &environment)
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let with = |ca: &Path| {
        ["health", "--server", &url, "--ca", &ca.display().to_string()].map(str::to_owned).to_vec()
    };
    let (code, said) = health(with(&ours_file), vec![]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = health(with(&theirs_file), vec![]).await;
    assert_eq!(code, Some(1), "{said}");
    // In the container: the same variables as the service's, and nothing else.
    let own = |certificate: &str| {
        vec![
            ("MAILVET_SERVER__LISTEN", listen.clone()),
            ("MAILVET_SERVER__TLS__CERTIFICATE", certificate.to_owned()),
        ]
    };
    let (code, said) = health(vec!["health".to_owned()], own(&certificate)).await;
    assert_eq!(code, Some(0), "{said}");
    let mut other = tempfile::NamedTempFile::new().unwrap();
    other.write_all(ours.sign("localhost").certificate.as_bytes()).unwrap();
    let (code, said) =
        health(vec!["health".to_owned()], own(&other.path().display().to_string())).await;
    assert_eq!(code, Some(1), "another certificate, if by the same authority: {said}");
    // It was renewed on disk, and is not taken up yet: no reason for a restart.
    let liveness = vec!["health".to_owned(), "--liveness".to_owned()];
    let (code, said) = health(liveness, own(&other.path().display().to_string())).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) =
        health([with(&theirs_file), vec!["--liveness".to_owned()]].concat(), vec![]).await;
    assert_eq!(code, Some(1), "one that is asked elsewhere is checked as ever: {said}");
    product.stop().await;
}
