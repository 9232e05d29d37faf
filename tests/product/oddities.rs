//! Servers and domains that break naive probers, from the address to the verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use mailvet::proto::{Reason, Verification, VerifyAddressRequest};
use tonic::Request;

use crate::product::Product;

async fn verify_within(
    product: &Product,
    address: &str,
    timeout: Option<Duration>,
) -> Verification {
    let message = VerifyAddressRequest { address: address.to_owned(), options: None };
    let mut request = Request::new(message);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let answer = product.client().await.verify_address(request).await.unwrap();
    answer.into_inner().verification.unwrap()
}

/// What the sandbox's `jane` at each of these domains comes to, all asked at once.
async fn reasons<'a>(product: &Product, domains: &[&'a str]) -> BTreeMap<&'a str, Reason> {
    let asked = domains.iter().map(async |domain| {
        let v = verify_within(product, &format!("jane@{domain}"), None).await;
        (*domain, v.reason())
    });
    futures_util::future::join_all(asked).await.into_iter().collect()
}

#[tokio::test]
async fn a_hostile_server_costs_an_unknown_and_nothing_else() {
    let product = Product::start().await;
    let domains = [
        "flood.test",
        "long-line.test",
        "drip.test",
        "half-reply.test",
        "two-codes.test",
        "protocol-error.test",
        "timeout.test",
    ];
    for (domain, reason) in reasons(&product, &domains).await {
        assert!(matches!(reason, Reason::ProtocolError | Reason::Timeout), "{domain}: {reason:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn odd_but_working_servers_get_their_answer() {
    let product = Product::start().await;
    let domains = [
        "alias.test",
        "mx-alias.test",
        "null-mx-beside.test",
        "dns-truncated.test",
        "backup-mx.test",
        "secure.test",
        "old-server.test",
        "no-pipelining.test",
        "greet-delay.test",
        "no-goodbye.test",
    ];
    for (domain, reason) in reasons(&product, &domains).await {
        assert_eq!(reason, Reason::MailboxAccepted, "{domain}");
    }
    product.stop().await;
}

#[tokio::test]
async fn what_stands_between_us_and_the_mailbox_is_told() {
    let product = Product::start().await;
    let expected = [
        ("mx-missing.test", Reason::NoMailHost),
        ("dns-silent.test", Reason::DnsFailure),
        ("dns-refused.test", Reason::DnsFailure),
        ("tls-broken.test", Reason::TlsRequired),
        ("blocked-at-mail.test", Reason::SenderBlocked),
        ("blocked-at-rcpt.test", Reason::SenderBlocked),
        ("no-null-sender.test", Reason::SenderBlocked),
    ];
    let domains = expected.map(|(domain, _)| domain);
    let got = reasons(&product, &domains).await;
    for (domain, reason) in expected {
        assert_eq!(got[domain], reason, "{domain}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_configured_sender_passes_where_the_null_sender_is_refused() {
    let product = Product::with(|config| {
        config.smtp.fallback_mail_from = "probe@mailvet.test".parse().ok();
    })
    .await;
    let v = verify_within(&product, "jane@no-null-sender.test", None).await;
    assert_eq!(v.reason(), Reason::MailboxAccepted, "{v:?}");
    product.stop().await;
}

#[tokio::test]
async fn greylisting_is_waited_out_for_a_caller_with_a_retry_window_only() {
    let product = Product::start().await;
    let address = "jane@greylists-briefly.test";
    let hasty = verify_within(&product, address, None).await;
    assert_eq!(hasty.reason(), Reason::Greylisted, "{hasty:?}");
    assert!(hasty.retry_time.is_some());
    let patient = verify_within(&product, address, Some(Duration::from_secs(20))).await;
    assert_eq!(patient.reason(), Reason::MailboxAccepted, "{patient:?}");
    product.stop().await;
}

#[tokio::test]
async fn an_address_literal_is_dialled_only_where_it_may_be() {
    let product = Product::start().await;
    let v = verify_within(&product, "jane@[10.0.0.1]", None).await;
    assert_eq!(v.reason(), Reason::TargetRefused, "{v:?}");
    assert!(v.flags.unwrap().address_literal);
    let exchanger = product.sandbox.exchanger("mx1.acme.test").unwrap().ip();
    let v = verify_within(&product, &format!("jane.doe@[{exchanger}]"), None).await;
    assert_eq!(v.evidence.unwrap().exchanger_ip, Some(exchanger.to_string()));
    product.stop().await;
}
