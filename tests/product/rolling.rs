//! All services of a database are replaced under load, one after the other: nobody who calls again
//! loses a call, and nothing is left unknown because of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mailvet::proto::verification_service_client::VerificationServiceClient;
use mailvet::proto::{ResultOrder, VerifyAddressRequest, VerifyOptions};
use tokio::task::JoinSet;

use crate::addresses::Addresses;
use crate::customer;
use crate::one_sender::Sharing;
use crate::replicas::Cluster;

const WORLD: &str = r#"
[settings]
round_trip = "20ms"
[[generated]]
domain = "d{n}.rolling-test.org"
domains = 60
host = "mx.rolling{n}-test.net"
hosts = 60
[generated.exchanger.recipients]
"user*" = "accept"
"#;

/// Services at a time, callers, and rows of a list.
const SERVICES: usize = 3;
const CALLERS: usize = 4;
const ROWS: usize = 2000;

/// Calls that have to be answered between one replacement and the next.
const CALLS: usize = 60;

fn address(name: &str, n: usize) -> String {
    format!("user{name}{n}@d{}.rolling-test.org", n % 60)
}

/// Where the services are reached now.
async fn tell(addresses: &Addresses, services: &mut [Sharing]) {
    let mut reached = Vec::new();
    for it in services {
        reached.push(it.service.address().await);
    }
    addresses.set(reached);
}

/// Has one address after the other verified, at whatever service takes the call, until told to
/// stop.
async fn call(
    addresses: Addresses,
    caller: usize,
    answered: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
) {
    let (mut turn, mut n) = (caller, 0);
    let goes_on = || !over.load(Ordering::Relaxed);
    while goes_on() {
        turn += 1;
        if let Ok(channel) = addresses.connect(turn).await {
            let mut client = VerificationServiceClient::new(channel);
            while goes_on()
                && let Ok(answer) = client.verify_address(request(caller, n)).await
            {
                let verification = answer.into_inner().verification.unwrap();
                assert_eq!(verification.verdict, 1, "{verification:?}");
                answered.fetch_add(1, Ordering::Relaxed);
                n += 1;
            }
        }
        // A service that ends says so, and its port is closed soon.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn request(caller: usize, n: usize) -> VerifyAddressRequest {
    let options = VerifyOptions { skip_catch_all: true, ..VerifyOptions::default() };
    VerifyAddressRequest { address: address(&format!("call{caller}-"), n), options: Some(options) }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_services_are_replaced_under_load_and_no_call_is_lost_or_left_unknown() {
    let cluster = Cluster::start_in(WORLD).await;
    let mut services = Vec::new();
    for _ in 0..SERVICES {
        services.push(Sharing::start(&cluster).await);
    }
    let addresses = Addresses::default();
    tell(&addresses, &mut services).await;
    let (answered, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(call(addresses.clone(), caller, Arc::clone(&answered), Arc::clone(&over)));
    }
    let list: Vec<String> = (0..ROWS).map(|n| address("", n)).collect();
    let mut batches = services[0].service.batch_client().await;
    let batch_id = customer::create(&mut batches, "one", list.clone()).await.unwrap();
    for round in 1..=SERVICES {
        while answered.load(Ordering::Relaxed) < round * CALLS {
            assert!(callers.try_join_next().is_none(), "a caller has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        services.push(Sharing::start(&cluster).await);
        let old = services.remove(0);
        tell(&addresses, &mut services).await;
        old.service.stop().await;
    }
    let mut batches = services[0].service.batch_client().await;
    let request = customer::results_of(&batch_id, ResultOrder::Row);
    let rows = customer::read(&mut batches, request).await;
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(rows.len(), ROWS);
    for (row, address) in rows.iter().zip(&list) {
        let verification = row.verification.as_ref().unwrap();
        assert_eq!((&verification.address, verification.verdict), (address, 1), "{row:?}");
    }
    for it in services {
        it.service.stop().await;
    }
    cluster.sandbox.shutdown().await;
}
