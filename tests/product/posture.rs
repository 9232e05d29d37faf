//! The posture of domains: what strict senders meet there (MTA-STS, DANE), and who parks them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::future::join_all;
use mailvet::proto::{
    DomainReport, MtaStsState, Posture, PostureNoteKind as Note, PostureState, Reason, TlsState,
    TlsaState, VerifyAddressRequest, VerifyDomainRequest,
};
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tonic::Request;

use crate::process;
use crate::product::Product;

/// A product that may look at postures.
async fn looking() -> Product {
    Product::with(|config| config.posture.enabled = true).await
}

fn request(domain: &str) -> VerifyDomainRequest {
    let domain = domain.to_owned();
    VerifyDomainRequest { domain, include_posture: true, ..Default::default() }
}

async fn report(product: &Product, request: VerifyDomainRequest) -> DomainReport {
    let answer = product.client().await.verify_domain(request).await.unwrap();
    answer.into_inner().report.unwrap()
}

async fn posture(product: &Product, domain: &str) -> Posture {
    report(product, request(domain)).await.posture.unwrap()
}

fn notes(posture: &Posture) -> Vec<Note> {
    posture.notes.iter().map(|note| note.kind()).collect()
}

#[tokio::test]
async fn an_mta_sts_policy_that_the_domain_s_own_exchangers_do_not_meet_is_noted() {
    use MtaStsState::{Enforce, NotPublished, Testing, Unusable};
    let product = looking().await;
    let cases: [(&str, MtaStsState, &[Note]); 11] = [
        ("mta-sts.test", Enforce, &[]),
        ("mta-sts-stale.test", Enforce, &[Note::NoExchangerNamed]),
        ("mta-sts-partly.test", Enforce, &[Note::ExchangerNotNamed]),
        ("mta-sts-self-signed.test", Enforce, &[Note::CertificateFault]),
        ("mta-sts-other-name.test", Enforce, &[Note::CertificateFault]),
        ("mta-sts-no-tls.test", Enforce, &[Note::TlsNotOffered]),
        ("mta-sts-testing.test", Testing, &[]),
        ("mta-sts-missing.test", Unusable, &[]),
        ("mta-sts-moved.test", Unusable, &[]),
        ("mta-sts-distrusted.test", Unusable, &[]),
        ("acme.test", NotPublished, &[]),
    ];
    for (domain, state, wanted) in cases {
        let posture = posture(&product, domain).await;
        assert_eq!(posture.state(), PostureState::Known, "{domain}");
        let policy = posture.mta_sts.as_ref().unwrap();
        assert_eq!(policy.state(), state, "{domain}: {:?}", policy.text);
        assert_eq!(policy.text.is_some(), state == Unusable, "{domain}");
        assert_eq!(notes(&posture), wanted, "{domain}: {:?}", posture.notes);
    }
    let policy = posture(&product, "mta-sts-partly.test").await.mta_sts.unwrap();
    assert_eq!(policy.mx_patterns, ["*.mta-sts.test"]);
    assert_eq!(policy.max_age.unwrap().seconds, 86_400);
    product.stop().await;
}

/// A domain; its exchanger's records, TLS, and whether the certificate matches; the remarks.
type DaneCase = (&'static str, TlsaState, TlsState, Option<bool>, &'static [Note]);

#[tokio::test]
async fn tlsa_records_that_the_certificate_does_not_match_are_noted_where_they_are_signed() {
    use TlsaState::{Published, Unknown, Unsigned};
    let product = looking().await;
    let (begun, not_offered) = (TlsState::Begun, TlsState::NotOffered);
    let cases: [DaneCase; 7] = [
        ("dane.test", Published, begun, Some(true), &[]),
        ("dane-authority.test", Published, begun, Some(true), &[]),
        ("dane-stale.test", Published, begun, Some(false), &[Note::TlsaMismatch]),
        ("dane-no-tls.test", Published, not_offered, None, &[Note::TlsNotOffered]),
        ("dane-not-told.test", Unknown, TlsState::Unspecified, None, &[Note::TlsaNotTold]),
        ("dane-unsigned.test", Unsigned, TlsState::Unspecified, None, &[]),
        ("northwind.test", Unsigned, TlsState::Unspecified, None, &[]),
    ];
    for (domain, tlsa, tls, matches, wanted) in cases {
        let posture = posture(&product, domain).await;
        let [exchanger] = &posture.exchangers[..] else { panic!("{posture:?}") };
        assert_eq!((exchanger.tlsa(), exchanger.tls()), (tlsa, tls), "{domain}: {exchanger:?}");
        assert_eq!(exchanger.matches_tlsa, matches, "{domain}");
        assert_eq!(notes(&posture), wanted, "{domain}");
    }
    product.stop().await;
}

/// Passes questions on to `honest`, but for the MX records that are to be authentic: SERVFAIL.
async fn serve_no_authentic_mx(socket: UdpSocket, honest: SocketAddr) {
    let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut packet = [0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut packet).await.unwrap();
        // RFC 1035 section 4.1: the header, the labels of the name, its type.
        let mut end = 12;
        while packet[end] != 0 {
            end += usize::from(packet[end]) + 1;
        }
        let is_mx = packet[end + 1..end + 3] == [0, 15];
        let wants_authenticity = packet[3] & 0x20 != 0;
        let length = if is_mx && wants_authenticity {
            (packet[2], packet[3]) = (packet[2] | 0x80, 2);
            length
        } else {
            upstream.send_to(&packet[..length], honest).await.unwrap();
            upstream.recv(&mut packet).await.unwrap()
        };
        socket.send_to(&packet[..length], client).await.unwrap();
    }
}

#[tokio::test]
async fn mx_records_that_dns_cannot_vouch_for_now_are_not_called_unsigned() {
    let mut proxied = None;
    let product = Product::with(|config| {
        config.posture.enabled = true;
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let honest = config.dns.nameservers[0];
        config.dns.nameservers = vec![socket.local_addr().unwrap()];
        proxied = Some((UdpSocket::from_std(socket).unwrap(), honest));
    })
    .await;
    let (socket, honest) = proxied.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve_no_authentic_mx(socket, honest));
    let posture = posture(&product, "dane.test").await;
    assert_eq!(posture.exchangers[0].tlsa(), TlsaState::Unknown, "{posture:?}");
    assert_eq!(notes(&posture), [Note::TlsaNotTold]);
    product.stop().await;
}

#[tokio::test]
async fn a_posture_costs_one_session_before_mail_however_many_ask() {
    let product = looking().await;
    let postures = join_all((0..20).map(|_| posture(&product, "mta-sts.test"))).await;
    assert!(postures.iter().all(|posture| posture == &postures[0]));
    assert_eq!(posture(&product, "mta-sts.test").await, postures[0], "it is remembered");
    let anew = VerifyDomainRequest {
        max_age: Some(Duration::ZERO.try_into().unwrap()),
        ..request("mta-sts.test")
    };
    let anew = report(&product, anew).await.posture.unwrap();
    assert!(notes(&anew).is_empty() && anew.look_time != postures[0].look_time);
    product.connections(0).await;
    let seen = product.sandbox.counts().exchangers["mx.mta-sts.test"];
    assert_eq!((seen.connections, seen.tls, seen.quit), (2, 2, 2));
    assert_eq!((seen.mail, seen.rcpt, seen.violations), (0, 0, 0));
    product.stop().await;
}

#[tokio::test]
async fn nobody_looks_at_a_posture_unless_the_service_may_and_the_caller_wants_it() {
    let product = Product::start().await;
    let disabled = posture(&product, "mta-sts.test").await;
    assert_eq!(disabled.state(), PostureState::Disabled);
    assert!(disabled.text.is_some() && disabled.mta_sts.is_none());
    product.stop().await;
    let product = looking().await;
    let plain = VerifyDomainRequest { include_posture: false, ..request("dane-stale.test") };
    assert!(report(&product, plain).await.posture.is_none());
    assert_eq!(product.sandbox.counts().total().connections, 0);
    // What is noted of a domain weighs nothing in a verdict.
    posture(&product, "dane-stale.test").await;
    let address = "jane@dane-stale.test".to_owned();
    let verify = VerifyAddressRequest { address, options: None };
    let verified = product.client().await.verify_address(verify).await.unwrap().into_inner();
    assert_eq!(verified.verification.unwrap().reason(), Reason::MailboxAccepted);
    product.stop().await;
}

#[tokio::test]
async fn a_host_of_policies_that_is_silent_costs_no_more_than_the_caller_s_time() {
    let mut silent = None;
    let product = Product::with(|config| {
        config.posture.enabled = true;
        // On the address of the sandbox's hosts of policies: takes connections, says nothing.
        let host = config.dns.nameservers[0].ip();
        let listener = TcpListener::bind((host, 0)).unwrap();
        config.posture.policy_port = listener.local_addr().unwrap().port().try_into().unwrap();
        silent = Some(listener);
    })
    .await;
    for _ in 0..2 {
        let mut asking = Request::new(request("mta-sts.test"));
        asking.set_timeout(Duration::from_secs(2));
        let answer = product.client().await.verify_domain(asking).await.unwrap().into_inner();
        let report = answer.report.unwrap();
        assert_eq!(report.exchangers.len(), 1, "the route is told all the same");
        assert_eq!(report.posture.unwrap().state(), PostureState::NotInTime);
    }
    let silent = silent.unwrap();
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_ok());
    assert!(silent.accept().is_err(), "who asks again waits for the look that goes on");
    drop(silent);
    product.stop().await;
}

#[tokio::test]
async fn an_exchanger_that_does_not_greet_in_the_caller_s_time_leaves_the_policy_known() {
    // On every address, as the sandbox's exchangers: takes connections, says nothing.
    let silent = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let product = Product::with(|config| {
        config.posture.enabled = true;
        config.smtp.port = port;
    })
    .await;
    // The second one waits for the look of the first, which goes on.
    for seconds in [3, 1] {
        let mut asking = Request::new(request("mta-sts.test"));
        asking.set_timeout(Duration::from_secs(seconds));
        let answer = product.client().await.verify_domain(asking).await.unwrap().into_inner();
        let posture = answer.report.unwrap().posture.unwrap();
        assert_eq!(posture.state(), PostureState::Known, "{posture:?}");
        assert_eq!(posture.mta_sts.unwrap().state(), MtaStsState::Enforce);
        assert_eq!(posture.exchangers[0].tls(), TlsState::NotReached);
    }
    drop(silent);
    product.stop().await;
}

#[tokio::test]
async fn a_domain_with_the_name_servers_of_a_parking_service_is_parked_there() {
    let product = Product::start().await;
    let parked = VerifyDomainRequest { include_posture: false, ..request("mail.parked.test") };
    // The organisational domain is parked, and so is every name below it.
    assert_eq!(report(&product, parked).await.parking_service.as_deref(), Some("Sedo"));
    let parked = report(&product, request("parked.test")).await;
    assert_eq!(parked.parking_service.as_deref(), Some("Sedo"));
    assert_eq!(report(&product, request("acme.test")).await.parking_service, None);
    product.stop().await;
}

#[test]
fn the_command_line_shows_what_strict_senders_meet_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = process::run(folder.path(), args, b"");
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = run(&["domain", "--sandbox", "mta-sts-stale.test"]);
    assert!(!plain.contains("mta-sts:"), "{plain}");
    let stale = run(&["domain", "--sandbox", "--posture", "mta-sts-stale.test"]);
    assert!(stale.contains("mta-sts: enforce: mx.old-provider.test, *.older"), "{stale}");
    assert!(
        stale.contains("note: the domain's MTA-STS policy is enforced and names none"),
        "{stale}"
    );
    assert!(stale.contains("spf: none"), "{stale}");
    let dane = run(&["domain", "--sandbox", "--posture", "dane.test"]);
    let line = "mx.dane.test: certificate not good";
    assert!(dane.contains(line) && dane.contains("; matches its TLSA records"), "{dane}");
    let not_told = run(&["domain", "--sandbox", "--posture", "dane-not-told.test"]);
    let line = "mx.dane-not-told.test: TLSA: DNS did not say";
    assert!(not_told.contains(line) && not_told.contains("note: DNS did not tell"), "{not_told}");
    let json = run(&["domain", "--sandbox", "--posture", "--json", "dane-stale.test"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let posture = &json["posture"];
    assert_eq!((&posture["state"], &posture["spf"]["record"]), (&"known".into(), &Value::Null));
    assert_eq!(posture["notes"][0]["kind"], "tlsa_mismatch");
    assert_eq!(posture["exchangers"][0]["matches_tlsa"], false);
    assert!(run(&["domain", "--sandbox", "parked.test"]).contains("parked at Sedo"));
}
