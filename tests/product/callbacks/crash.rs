//! The service is killed between the end of a batch and its callback: none is lost, and each has
//! one id.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use mailvet::sandbox::{Sandbox, World};
use serde_json::json;

use super::SECRETS;
use super::receiver::{Received, Receiver};
use crate::http::client::HttpRequest;
use crate::process::{Service, TIME_LIMIT};

/// How often the service is killed.
const ROUNDS: u64 = 20;

/// The ids under which each batch was told.
type Ids = BTreeMap<String, BTreeSet<String>>;

fn note(ids: &mut Ids, received: &Received) {
    let body: serde_json::Value = serde_json::from_str(&received.body).unwrap();
    let batch = body["data"]["batchId"].as_str().unwrap().to_owned();
    ids.entry(batch).or_default().insert(received.header("webhook-id").to_owned());
}

#[tokio::test]
async fn killed_between_the_end_and_the_call_the_service_loses_no_callback() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut secrets = tempfile::NamedTempFile::new().unwrap();
    write!(secrets, "{}", SECRETS[0]).unwrap();
    let variables = [
        ("MAILVET_CALLBACKS__SECRETS", secrets.path().to_str().unwrap()),
        ("MAILVET_CALLBACKS__ALLOW_NETWORKS", "[\"127.0.0.1\"]"),
    ];
    let mut receiver = Receiver::start().await;
    for _ in 0..100 * ROUNDS {
        receiver.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
    let (mut batches, mut ids) = (BTreeSet::new(), Ids::new());
    for round in 0..ROUNDS {
        let mut service = Service::on(&sandbox, store.path(), &variables).await;
        let address = service.address().await.parse().unwrap();
        let post = async |path: &str, body: serde_json::Value| {
            let answer = HttpRequest::post(path, body).send(address).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()
        };
        let options = json!({ "depth": "DEPTH_SYNTAX" });
        let callback = json!({ "url": receiver.url });
        let spec = json!({ "spec": { "callback": callback, "options": options } });
        let id = post("/v1/batches", spec).await["batch"]["batchId"].as_str().unwrap().to_owned();
        let rows = json!({ "rows": [{ "address": "jane.doe@acme.test" }] });
        post(&format!("/v1/batches/{id}:append"), rows).await;
        post(&format!("/v1/batches/{id}:seal"), json!({ "rows": 1 })).await;
        batches.insert(id);
        // A little later each time: before the end, between the two, and after the call.
        let heard = tokio::time::timeout(Duration::from_millis(4 * round), receiver.next()).await;
        heard.into_iter().for_each(|received| note(&mut ids, &received));
        service.kill().await;
    }
    let service = Service::on(&sandbox, store.path(), &variables).await;
    let told = async {
        while ids.len() < batches.len() {
            note(&mut ids, &receiver.next().await);
        }
    };
    tokio::time::timeout(TIME_LIMIT, told).await.expect("every batch is told");
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    service.kill().await;
    sandbox.shutdown().await;
}
