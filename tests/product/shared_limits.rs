//! Limits on callers, with several services on one database: they count once, not once for each.

use std::time::Duration;

use mailvet::proto::VerifyAddressRequest;
use mailvet::proto::verification_service_client::VerificationServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::process::Service;
use crate::replicas::Cluster;

const WORLD: &str = r#"
[names."quota-test.org"]
mx = ["10 mx.quota-test.org"]
[exchangers."mx.quota-test.org"]
recipients = { "user*" = "accept" }
"#;

type Client = VerificationServiceClient<Channel>;

async fn ask(client: &mut Client, address: String) -> Result<(), Status> {
    let request = VerifyAddressRequest { address, ..VerifyAddressRequest::default() };
    client.verify_address(request).await.map(drop)
}

async fn services<const N: usize>(
    cluster: &Cluster,
    variables: &[(&str, &str)],
) -> ([Service; N], [Client; N]) {
    let (mut services, mut clients) = (Vec::new(), Vec::new());
    for _ in 0..N {
        let mut service = cluster.service_with(variables).await;
        clients.push(service.client().await);
        services.push(service);
    }
    let array = |error| panic!("{error:?}");
    (
        services.try_into().unwrap_or_else(|_| panic!("so many services")),
        clients.try_into().unwrap_or_else(array),
    )
}

/// The name of the limit that refused, and when to come back.
fn limit(status: &Status) -> (String, Option<Duration>) {
    let details = status.get_error_details();
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    (details.error_info().unwrap().reason.clone(), retry)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_one_for_all_services_and_what_a_stopped_one_held_is_not_lost() {
    let cluster = Cluster::start_in(WORLD).await;
    let quota = [("MAILVET_SERVER__QUOTA__ADDRESSES_PER_DAY", "300")];
    let ([one, two, three], mut clients) = services::<3>(&cluster, &quota).await;
    let mut given = 0;
    // Each holds a block of three.
    for client in &mut clients {
        ask(client, "user@quota-test.org".to_owned()).await.unwrap();
        given += 1;
    }
    // One is killed, and loses two; another one stops, and gives two back.
    one.kill().await;
    two.stop().await;
    let status = loop {
        match ask(&mut clients[2], "user@quota-test.org".to_owned()).await {
            Ok(()) => given += 1,
            Err(status) => break status,
        }
        assert!(given <= 300);
    };
    assert_eq!((given, status.code()), (298, Code::ResourceExhausted));
    assert_eq!(limit(&status).0, "ADDRESSES_PER_DAY");
    // A new one begins no new day.
    let ([late], [mut client]) = services::<1>(&cluster, &quota).await;
    let status = ask(&mut client, "user@quota-test.org".to_owned()).await.unwrap_err();
    assert_eq!(limit(&status).0, "ADDRESSES_PER_DAY");
    for service in [three, late] {
        service.stop().await;
    }
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_service_gives_out_what_it_holds_and_nothing_for_free() {
    let cluster = Cluster::start_in(WORLD).await;
    let quota = [("MAILVET_SERVER__QUOTA__ADDRESSES_PER_DAY", "500")];
    let ([service], [mut client]) = services::<1>(&cluster, &quota).await;
    ask(&mut client, "user@quota-test.org".to_owned()).await.unwrap();
    cluster.let_in(false);
    for _ in 0..4 {
        ask(&mut client, "user@quota-test.org".to_owned()).await.unwrap();
    }
    for _ in 0..3 {
        let status = ask(&mut client, "user@quota-test.org".to_owned()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(limit(&status), ("QUOTA_UNAVAILABLE".into(), Some(Duration::from_secs(5))));
    }
    cluster.let_in(true);
    let back = async {
        while ask(&mut client, "user@quota-test.org".to_owned()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("the database is back");
    service.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_guessed_at_one_service_are_counted_at_the_others() {
    let cluster = Cluster::start_in(WORLD).await;
    let rules = [
        ("MAILVET_SERVER__HARVESTING__SPARE_LOOPBACK", "false"),
        ("MAILVET_SERVER__HARVESTING__LOCAL_PARTS_PER_DOMAIN", "20"),
    ];
    let (services, [mut here, mut there]) = services::<2>(&cluster, &rules).await;
    for n in 0..20 {
        ask(&mut here, format!("user{n}@quota-test.org")).await.unwrap();
    }
    while cluster.sql("SELECT count(*) FROM mailvet.harvest_parts") != "20" {}
    let mut own = 0;
    let status = loop {
        match ask(&mut there, format!("user-new{own}@quota-test.org")).await {
            Ok(()) => own += 1,
            Err(status) => break status,
        }
        assert!(own < 20, "these are enough alone");
        tokio::time::sleep(Duration::from_millis(900)).await;
    };
    assert_eq!(limit(&status).0, "LOCAL_PARTS_PER_DOMAIN");
    for service in services {
        service.stop().await;
    }
    cluster.sandbox.shutdown().await;
}
