//! What several services on one database find out about mailboxes and domains: once for all.

use std::time::Duration;

use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{Reason, ResultOrder, Verification, VerifyAddressRequest};
use tonic::transport::Channel;

use crate::customer;
use crate::process::Service;
use crate::replicas::Cluster;

const WORLD: &str = r#"
[[generated]]
domain = "d{n}.evidence-test.org"
domains = 4
host = "mx{n}.evidence-test.net"
hosts = 4
[generated.exchanger.recipients]
"user*" = "accept"
[names."all.evidence-test.org"]
mx = ["10 mx.all.evidence-test.org"]
[exchangers."mx.all.evidence-test.org"]
recipients = { "*" = "accept" }
"#;

type Client = VerificationServiceClient<Channel>;

async fn verify(client: &mut Client, address: &str) -> Verification {
    let request = VerifyAddressRequest { address: address.to_owned(), options: None };
    client.verify_address(request).await.unwrap().into_inner().verification.unwrap()
}

/// A service that is patient with a busy machine.
async fn service(cluster: &Cluster) -> Service {
    cluster.service_with(&[("MAILVET_STORE__RECALL_TIMEOUT", "1m")]).await
}

/// Waits until so many answers are shared.
fn shared(cluster: &Cluster, count: usize) {
    let count = count.to_string();
    while cluster.sql("SELECT count(*) FROM mailvet.evidence") != count {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_asked_on_two_services_is_one_recipient_in_all_and_a_domain_one_control() {
    let cluster = Cluster::start_in(WORLD).await;
    let (mut one, mut two) = (service(&cluster).await, service(&cluster).await);
    let (mut here, mut there) = (one.client().await, two.client().await);
    let asked = || cluster.sandbox.counts().total().rcpt;
    // The mailbox, and the control recipient of its domain.
    let first = verify(&mut here, "user1@d0.evidence-test.org").await;
    assert_eq!((first.reason(), asked()), (Reason::MailboxAccepted, 2));
    shared(&cluster, 2);
    let second = verify(&mut there, "User1@d0.evidence-test.org").await;
    assert_eq!((second.reason(), asked()), (Reason::MailboxAccepted, 2));
    let (first, second) = (first.evidence.unwrap(), second.evidence.unwrap());
    assert!(second.from_cache && !first.from_cache);
    assert_eq!(second.reply, first.reply);
    // Another mailbox of the domain needs no control recipient.
    verify(&mut there, "user2@d0.evidence-test.org").await;
    assert_eq!(asked(), 3);
    // A mailbox that is not there, and a domain that accepts everything.
    verify(&mut here, "gone@d1.evidence-test.org").await;
    verify(&mut here, "any@all.evidence-test.org").await;
    let before = asked();
    shared(&cluster, 7);
    let gone = verify(&mut there, "gone@d1.evidence-test.org").await;
    let any = verify(&mut there, "any@all.evidence-test.org").await;
    assert_eq!((gone.reason(), any.reason()), (Reason::MailboxNotFound, Reason::CatchAll));
    assert_eq!(asked(), before);
    let other = verify(&mut there, "other@all.evidence-test.org").await;
    assert_eq!((other.reason(), asked()), (Reason::CatchAll, before + 1));
    for service in [one, two] {
        service.stop().await;
    }
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_one_service_verified_costs_another_one_nothing() {
    let cluster = Cluster::start_in(WORLD).await;
    let list: Vec<String> =
        (0..200).map(|n| format!("user{n}@d{}.evidence-test.org", n % 4)).collect();
    let mut one = service(&cluster).await;
    let mut batches = one.batch_client().await;
    let batch = customer::create(&mut batches, "one", list.clone()).await.unwrap();
    let rows = customer::read(&mut batches, customer::results_of(&batch, ResultOrder::Row)).await;
    assert_eq!(rows.len(), list.len());
    // No control recipients: they are not wanted for these lists.
    shared(&cluster, list.len());
    one.stop().await;
    let asked = cluster.sandbox.counts().total().rcpt;
    let mut two = service(&cluster).await;
    let mut batches = two.batch_client().await;
    let batch = customer::create(&mut batches, "two", list.clone()).await.unwrap();
    let rows = customer::read(&mut batches, customer::results_of(&batch, ResultOrder::Row)).await;
    assert!(rows.iter().all(|row| row.verification.as_ref().unwrap().verdict == 1));
    assert_eq!((rows.len(), cluster.sandbox.counts().total().rcpt), (list.len(), asked));
    two.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_service_asks_itself_and_nobody_waits() {
    let cluster = Cluster::start_in(WORLD).await;
    let mut service = service(&cluster).await;
    let mut client = service.client().await;
    verify(&mut client, "user0@d0.evidence-test.org").await;
    cluster.let_in(false);
    let asking = async {
        for n in 0..20 {
            let verification = verify(&mut client, &format!("user{n}@d0.evidence-test.org")).await;
            assert_eq!(verification.reason(), Reason::MailboxAccepted);
        }
    };
    // Far less than the minute that one look-up might take.
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("20 verdicts");
    service.stop().await;
    cluster.sandbox.shutdown().await;
}
