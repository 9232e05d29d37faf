//! The regular course of a session.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, client::danger};

use super::*;

#[tokio::test]
async fn a_session_runs_as_rfc_5321_has_it() {
    let sandbox = one("").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    assert_eq!(client.reply().await, "220 mx.a.test ESMTP");
    let replies = client
        .all(&[
            "EHLO client.test",
            "MAIL FROM:<probe@client.test> SIZE=100 BODY=8BITMIME",
            "RCPT TO:<Jane+tag@A.test>",
            "RCPT TO:<nobody@a.test>",
            "RCPT TO:<jane@elsewhere.test>",
            "RSET",
            "NOOP",
            "QUIT",
        ])
        .await;
    let codes: Vec<_> = replies.iter().map(|r| &r[..9]).collect();
    assert_eq!(
        codes,
        [
            "250-mx.a.",
            "250 2.1.0",
            "250 2.1.5",
            "550 5.1.1",
            "554 5.7.1",
            "250 2.0.0",
            "250 2.0.0",
            "221 2.0.0"
        ]
    );
    assert!(client.is_closed().await);
    let counts = sandbox.counts().exchanger("mx.a.test");
    assert_eq!((counts.connections, counts.mail, counts.rcpt, counts.accepted), (1, 1, 3, 1));
    assert_eq!((counts.rset, counts.quit, counts.flights, counts.violations), (1, 1, 8, 0));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let sandbox = one("").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.reply().await;
    let early = client.all(&["MAIL FROM:<>", "RCPT TO:<jane@a.test>", "STARTTLS"]).await;
    assert!(early[0].starts_with("503") && early[1].starts_with("503"), "{early:?}");
    assert!(early[2].starts_with("502"), "{early:?}");
    client.ask("HELO client.test").await;
    let twice =
        client.all(&["MAIL FROM:<>", "MAIL FROM:<>", "EHLO again.test", "RCPT TO:<jane@a.test>"]);
    let twice = twice.await;
    assert!(twice[1].starts_with("503") && twice[3].starts_with("503"), "{twice:?}");
    let wrong = client.all(&["MAIL FROM:jane", "MAIL FROM:<> WISH=1", "BREW coffee"]).await;
    assert!(wrong[0].starts_with("501"), "{wrong:?}");
    assert!(wrong[1].starts_with("555"), "{wrong:?}");
    assert!(wrong[2].starts_with("500"), "{wrong:?}");
}

#[tokio::test]
async fn every_way_to_a_message_is_refused_and_counted() {
    let sandbox = one("").await;
    let mut client = Client::ready(&sandbox).await;
    client.all(&["MAIL FROM:<>", "RCPT TO:<jane@a.test>"]).await;
    for reply in client.all(&["DATA", "BDAT 0 LAST", "VRFY jane", "EXPN all"]).await {
        assert!(reply.starts_with("502"), "{reply}");
    }
    assert_eq!(sandbox.counts().total().violations, 4);
}

#[tokio::test]
async fn a_flight_is_answered_in_order_and_counted_once() {
    let sandbox = one("").await;
    let mut client = Client::ready(&sandbox).await;
    client
        .send("MAIL FROM:<>\r\nRCPT TO:<jane@a.test>\r\nRCPT TO:<x@a.test>\r\nRSET\r\nQUIT\r\n")
        .await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(client.reply().await[..3].to_owned());
    }
    assert_eq!(codes, ["250", "250", "550", "250", "221"]);
    let counts = sandbox.counts().total();
    assert_eq!((counts.flights, counts.unoffered_pipelining), (2, 0));
}

#[tokio::test]
async fn pipelining_that_was_not_offered_is_counted() {
    let sandbox = one("pipelining = false").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.reply().await;
    assert!(!client.ask("EHLO client.test").await.contains("PIPELINING"));
    client.send("MAIL FROM:<>\r\nRSET\r\n").await;
    client.reply().await;
    client.reply().await;
    assert_eq!(sandbox.counts().total().unoffered_pipelining, 1);
}

#[tokio::test]
async fn a_server_may_know_helo_only_or_offer_nothing() {
    let sandbox = one("ehlo = false").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.reply().await;
    assert!(client.ask("EHLO client.test").await.starts_with("502"));
    assert_eq!(client.ask("HELO client.test").await, "250 mx.a.test");
    let bare = one("pipelining = false\ncapabilities = []").await;
    let mut client = Client::open(&bare, "mx.a.test").await;
    client.reply().await;
    assert_eq!(client.ask("EHLO client.test").await, "250 mx.a.test");
}

#[tokio::test]
async fn smtputf8_is_asked_for_where_an_address_needs_it() {
    let sandbox = one("recipients.\"jörg\" = \"accept\"\nsmtputf8 = true").await;
    let mut client = Client::ready(&sandbox).await;
    assert_eq!(client.probe("jörg@a.test").await, "553 5.6.7");
    let replies = client.all(&["MAIL FROM:<> SMTPUTF8", "RCPT TO:<JÖRG@a.test>"]).await;
    assert!(replies[1].starts_with("250"), "{replies:?}");
    let plain = one("").await;
    let mut client = Client::ready(&plain).await;
    assert!(client.ask("MAIL FROM:<> SMTPUTF8").await.starts_with("555"));
    let raw = one("recipients.\"jörg\" = \"accept\"\ntakes_raw_utf8 = true").await;
    assert_eq!(Client::ready(&raw).await.probe("jörg@a.test").await, "250 2.1.5");
}

#[tokio::test]
async fn the_null_sender_may_be_refused_and_the_transaction_with_it() {
    let sandbox = one("senders.\"\" = \"550 5.7.1 not from nobody\"").await;
    let mut client = Client::ready(&sandbox).await;
    let replies =
        client.all(&["MAIL FROM:<>", "RCPT TO:<jane@a.test>", "MAIL FROM:<a@b.test>"]).await;
    assert_eq!(replies[0], "550 5.7.1 not from nobody");
    assert!(replies[1].starts_with("503") && replies[2].starts_with("250"), "{replies:?}");
}

#[tokio::test]
async fn a_catch_all_accepts_everybody_of_its_domains_only() {
    let sandbox = one("others = \"accept\"").await;
    let mut client = Client::ready(&sandbox).await;
    assert_eq!(client.probe("q7x@a.test").await, "250 2.1.5");
    assert_eq!(client.probe("q7x@b.test").await, "554 5.7.1");
}

/// Trusts every certificate, as a prober does (RFC 7435).
#[derive(Debug)]
struct Trusting(CryptoProvider);

impl danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        _: &[tokio_rustls::rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: tokio_rustls::rustls::pki_types::UnixTime,
    ) -> Result<danger::ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        _: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<danger::HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        Ok(danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        _: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<danger::HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        Ok(danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<tokio_rustls::rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn connector() -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(ring::default_provider())))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn starttls_is_required_before_mail_and_forgets_what_was_said() {
    let sandbox = one("starttls = \"required\"").await;
    let mut client = Client::ready(&sandbox).await;
    assert!(client.ask("MAIL FROM:<>").await.starts_with("530 5.7.0"));
    assert!(client.ask("STARTTLS").await.starts_with("220"));
    let name = ServerName::try_from("mx.a.test").unwrap();
    let stream = connector().connect(name, client.stream).await.unwrap();
    let mut client = Client::new(stream);
    assert!(client.ask("MAIL FROM:<>").await.starts_with("503"));
    assert!(!client.ask("EHLO client.test").await.contains("STARTTLS"));
    assert_eq!(client.probe("jane@a.test").await, "250 2.1.5");
    assert!(client.ask("QUIT").await.starts_with("221"));
    assert_eq!(sandbox.counts().total().tls, 1);
}

#[tokio::test]
async fn a_tls_handshake_may_break_off() {
    let sandbox =
        one("starttls = \"offered\"\ndeviations = [{ at = \"handshake\", fault = \"close\" }]")
            .await;
    let mut client = Client::ready(&sandbox).await;
    assert!(client.ask("STARTTLS").await.starts_with("220"));
    let name = ServerName::try_from("mx.a.test").unwrap();
    assert!(connector().connect(name, client.stream).await.is_err());
    assert_eq!(sandbox.counts().total().tls, 0);
}

#[tokio::test]
async fn a_round_trip_is_paid_by_the_flight_not_by_the_command() {
    let sandbox = one("round_trip = \"20ms\"").await;
    let clock = Clock::start();
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.reply().await;
    let opened = clock.now();
    client.ask("EHLO client.test").await;
    // Ten flights sent without waiting are ten flights under way at once.
    for _ in 0..10 {
        client.send("NOOP\r\n").await;
    }
    for _ in 0..10 {
        client.reply().await;
    }
    let took = clock.now().duration_since(opened).unwrap();
    assert!(took >= Duration::from_millis(40), "{took:?}");
    assert!(took < Duration::from_millis(200), "{took:?}");
}
