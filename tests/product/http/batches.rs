//! A batch over HTTP, from its first row to its end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::{HttpAnswer, HttpRequest};
use crate::process;
use crate::product::Product;

const ADDRESSES: [&str; 3] = ["jane.doe@acme.test", "nobody@acme.test", "jane@catch-all.test"];

async fn send(product: &Product, request: HttpRequest) -> HttpAnswer {
    let answer = request.send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The path of a new batch that holds the rows and takes more.
async fn created(product: &Product) -> String {
    let create = HttpRequest::post("/v1/batches", json!({ "spec": { "displayName": "spring" } }));
    let id = send(product, create).await.json()["batch"]["batchId"].as_str().unwrap().to_owned();
    let path = format!("/v1/batches/{id}");
    let rows: Vec<Value> = ADDRESSES.iter().map(|address| json!({ "address": address })).collect();
    let append = HttpRequest::post(&format!("{path}:append"), json!({ "rows": rows }));
    assert_eq!(send(product, append).await.json(), json!({ "rows": "3" }));
    path
}

/// The path of a batch that is over.
async fn finished(product: &Product) -> String {
    let path = created(product).await;
    let seal = HttpRequest::post(&format!("{path}:seal"), json!({ "rows": 3 }));
    send(product, seal).await;
    let watched = send(product, HttpRequest::get(&format!("{path}:watch"))).await;
    assert!(watched.body.contains("BATCH_STATE_FINISHED"), "{}", watched.body);
    path
}

#[tokio::test]
async fn a_watched_batch_is_events_and_the_last_one_says_that_this_was_all() {
    let product = Product::start().await;
    let path = created(&product).await;
    send(&product, HttpRequest::post(&format!("{path}:seal"), json!({ "rows": "3" }))).await;
    let watched = send(&product, HttpRequest::get(&format!("{path}:watch"))).await;
    assert_eq!(watched.header("content-type"), Some("text/event-stream"));
    let events: Vec<&str> = watched.body.split_terminator("\n\n").collect();
    let (last, states) = events.split_last().unwrap();
    assert_eq!(*last, "event: end\ndata: {}");
    let state = states.last().unwrap().strip_prefix("data: ").unwrap();
    let state: Value = serde_json::from_str(state).unwrap();
    assert_eq!(state["batch"]["state"], "BATCH_STATE_FINISHED");
    assert_eq!(state["batch"]["progress"]["finishedRows"], "3");
    product.stop().await;
}

#[tokio::test]
async fn results_are_lines_that_can_be_gone_on_from_or_a_table() {
    let product = Product::start().await;
    let path = finished(&product).await;
    let results = format!("{path}/results?order=RESULT_ORDER_ROW");
    let lines = send(&product, HttpRequest::get(&results)).await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let pages: Vec<Value> =
        lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<&Value> =
        pages.iter().flat_map(|page| page["results"].as_array().unwrap()).collect();
    let addresses: Vec<&Value> = rows.iter().map(|row| &row["verification"]["address"]).collect();
    assert_eq!(addresses, ADDRESSES);
    let cursor = pages.last().unwrap()["cursor"].as_str().unwrap();
    let rest = send(&product, HttpRequest::get(&format!("{results}&cursor={cursor}"))).await;
    let rest: Value = serde_json::from_str(&rest.body).unwrap();
    assert!(rest.get("results").is_none(), "{rest}");
    let risky =
        send(&product, HttpRequest::get(&format!("{results}&verdicts=VERDICT_RISKY"))).await;
    assert!(risky.body.contains("catch-all") && !risky.body.contains("nobody"), "{}", risky.body);

    let table = HttpRequest::get(&results).header("accept", "text/csv");
    let table = send(&product, table).await;
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut reader = csv::Reader::from_reader(table.body.as_bytes());
    assert_eq!(&reader.headers().unwrap()[4], "verdict");
    let verdicts: Vec<String> = reader.records().map(|row| row.unwrap()[4].to_owned()).collect();
    assert_eq!(verdicts, ["deliverable", "undeliverable", "risky"]);
    product.stop().await;
}

#[tokio::test]
async fn a_cursor_of_other_results_is_a_bad_request_in_each_form() {
    let product = Product::start().await;
    let path = finished(&product).await;
    let in_order = format!("{path}/results?order=RESULT_ORDER_ROW");
    let lines = send(&product, HttpRequest::get(&in_order)).await;
    let last: Value = serde_json::from_str(lines.body.lines().last().unwrap()).unwrap();
    let of_rows = last["cursor"].as_str().unwrap().to_owned();
    // One that never was, one of the other order, one beyond the end.
    let beyond = format!("{}-99", of_rows.rsplit_once('-').unwrap().0);
    for url in [
        format!("{in_order}&cursor=nonsense"),
        format!("{path}/results?cursor={of_rows}"),
        format!("{in_order}&cursor={beyond}"),
    ] {
        for form in ["application/x-ndjson", "text/csv"] {
            let request = HttpRequest::get(&url).header("accept", form);
            let answer = request.send(product.address).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            let body = answer.json();
            assert_eq!(body["code"], 3, "{answer:?}");
            assert_eq!(body["details"][0]["fieldViolations"][0]["field"], "cursor", "{answer:?}");
        }
    }
    product.stop().await;
}

/// What an answer says, without what differs from run to run.
fn lasting(mut verification: Value) -> Value {
    let members = verification.as_object_mut().unwrap();
    members.remove("elapsedDuration");
    if let Some(evidence) = members.get_mut("evidence").and_then(Value::as_object_mut) {
        for member in ["gatherTime", "fromCache", "exchangerIp", "answerDuration"] {
            evidence.remove(member);
        }
    }
    verification
}

/// The cells of a table by their columns' names.
fn cells(table: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(table.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_have_the_shape_and_the_words_of_lists() {
    const TEXTS: [&str; 4] =
        ["jane.doe@acme.test", "SMTP:nobody@acme.test", "jane@@acme.test", "jane@catch-all.test"];
    let product = Product::start().await;
    let rows: Vec<Value> = TEXTS.iter().map(|text| json!({ "address": text })).collect();
    let create = HttpRequest::post("/v1/batches", json!({ "spec": {} }));
    let id = send(&product, create).await.json()["batch"]["batchId"].as_str().unwrap().to_owned();
    let path = format!("/v1/batches/{id}");
    send(&product, HttpRequest::post(&format!("{path}:append"), json!({ "rows": rows }))).await;
    send(&product, HttpRequest::post(&format!("{path}:seal"), json!({ "rows": 4 }))).await;
    send(&product, HttpRequest::get(&format!("{path}:watch"))).await;
    let results = HttpRequest::get(&format!("{path}/results?order=RESULT_ORDER_ROW"));
    let page: Value =
        serde_json::from_str(send(&product, results.clone()).await.body.lines().next().unwrap())
            .unwrap();
    let table = cells(&send(&product, results.header("accept", "text/csv")).await.body);

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), format!("email\n{}\n", TEXTS.join("\n"))).unwrap();
    let server = format!("http://{}", product.address);
    for output in ["b.csv", "c.jsonl"] {
        let format = output.rsplit('.').next().unwrap();
        let args = ["list", "a.csv", "-o", output, "--format", format, "--server", &server];
        let vetted = process::run(folder.path(), &args, b"");
        assert!(vetted.status.code().is_some_and(|code| code < 2), "{vetted:?}");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let listed = cells(&read("b.csv"));
    let lines: Vec<Value> =
        read("c.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (row, text) in TEXTS.iter().enumerate() {
        let result = lasting(page["results"][row]["verification"].clone());
        let mut line = lasting(lines[row]["verification"].clone());
        // A list sends what it took out of the cell, and keeps the cell.
        line["input"] = result["input"].clone();
        assert_eq!(result, line, "JSON lines of {text}");
        for (name, cell) in &listed[row] {
            if let Some(same) = table[row].get(name).filter(|_| name != "evidence_time") {
                assert_eq!(same, cell, "column {name} of {text}");
            }
        }
    }
    let shared = listed[0].keys().filter(|name| table[0].contains_key(*name)).count();
    assert_eq!(shared, 8, "{:?} {:?}", listed[0].keys(), table[0].keys());
    product.stop().await;
}

#[tokio::test]
async fn a_batch_is_listed_tallied_cancelled_and_deleted() {
    let product = Product::start().await;
    let (first, second) = (finished(&product).await, created(&product).await);
    let listed = send(&product, HttpRequest::get("/v1/batches?pageSize=1")).await.json();
    assert_eq!(listed["batches"].as_array().unwrap().len(), 1);
    let token = listed["nextPageToken"].as_str().unwrap();
    let rest = HttpRequest::get(&format!("/v1/batches?pageToken={token}"));
    assert_eq!(send(&product, rest).await.json()["batches"][0]["displayName"], "spring");
    let tallies = send(&product, HttpRequest::get(&format!("{first}/tallies"))).await.json();
    assert_eq!(tallies["tallies"][0]["name"], "acme.test");
    assert_eq!(tallies["tallies"][0]["rows"], "2");
    // A body is not needed where there is nothing to say.
    let cancel = HttpRequest::new("POST", &format!("{second}:cancel"));
    let cancelled = send(&product, cancel).await.json();
    assert_eq!(cancelled["batch"]["state"], "BATCH_STATE_CANCELLED");
    let deleted = send(&product, HttpRequest::new("DELETE", &second)).await;
    assert_eq!(deleted.json(), json!({}));
    assert_eq!(HttpRequest::get(&second).send(product.address).await.status, 404);
    assert_eq!(
        send(&product, HttpRequest::get(&first)).await.json()["batch"]["state"],
        "BATCH_STATE_FINISHED"
    );
    product.stop().await;
}

#[tokio::test]
async fn a_stream_of_a_batch_that_is_not_there_is_an_error_and_no_stream() {
    let product = Product::start().await;
    for path in [":watch", "/results"] {
        let path = format!("/v1/batches/0193a1b2-0000-7000-8000-000000000000{path}");
        let answer = HttpRequest::get(&path).send(product.address).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_eq!(answer.json()["code"], 5);
    }
    product.stop().await;
}
