//! The console, as a browser without JavaScript meets it.

pub(crate) mod browser;

mod before_start;
mod exclusion;
#[cfg(feature = "external-tests")]
mod real_browser;
mod safety;

use std::path::Path;
use std::time::Duration;

use mailvet::config::Config;
use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, UploadBatchRequest,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::browser::Browser;
use crate::http::client::HttpRequest;
use crate::process::TIME_LIMIT;
use crate::product::Product;

/// A list with one address of each kind.
const LIST: &str = "Nr,Name,E-Mail\n1,Jane,jane.doe@acme.test\n2,Nobody,nobody@acme.test\n\
                    3,Without,\n4,Sales,sales@acme.test\n5,Misspelt,jane..doe@\n";

pub(crate) async fn product() -> Product {
    Product::with(with_console).await
}

/// A service that keeps outcomes in this folder, and knows of one.
async fn product_with_outcomes(folder: &Path) -> Product {
    let file = folder.join("outcomes.db");
    let product = Product::with(|config| {
        with_console(config);
        config.outcomes.file = Some(file);
    })
    .await;
    let outcome = json!({ "address": "somebody@acme.test", "kind": "OUTCOME_KIND_SENT" });
    let report = HttpRequest::post("/v1/outcomes:report", json!({ "outcomes": [outcome] }));
    assert_eq!(report.send(product.address).await.status, 200);
    product
}

fn with_console(config: &mut Config) {
    config.server.http.console = true;
    config.batch.wait_in_lane = Duration::ZERO;
}

#[tokio::test]
async fn the_console_is_off_unless_it_is_wanted() {
    let product = Product::start().await;
    assert_eq!(HttpRequest::get("/console/").send(product.address).await.status, 404);
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_is_not_there_is_told_in_words_of_the_page() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let page = browser.get("/console/batches/none").await;
    assert_eq!(page.status, 404, "{page:?}");
    assert!(page.body.contains("look in your lists"), "{}", page.body);
    product.stop().await;
}

#[tokio::test]
async fn who_comes_back_to_the_address_of_a_form_comes_to_its_page() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let draft = browser.upload("people.csv", LIST.as_bytes()).await;
    let mut stale = browser.clone();
    stale.token.clear();
    let refused = stale.post(&format!("{draft}/start"), &[]).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let link = format!(r#"href="{draft}">Back to the list<"#);
    assert!(refused.body.contains(&link), "{link}: {}", refused.body);
    let lead = async |form: String, page: &str| {
        let answer = browser.get(&form).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(page)), "{form}");
    };
    for form in ["verify", "lists", "sign-in", "sign-out"] {
        lead(format!("/console/{form}"), "/console/").await;
    }
    for form in ["start", "column", "exclude", "include", "discard"] {
        lead(format!("{draft}/{form}"), &draft).await;
    }
    let batch = browser.start("others.csv", LIST.as_bytes()).await;
    for form in ["cancel", "delete"] {
        lead(format!("{batch}/{form}"), &batch).await;
    }
    browser.report(&batch).await;
    product.stop().await;
}

#[tokio::test]
async fn a_method_that_no_page_has_is_refused_with_those_they_have() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let request = HttpRequest::new("PUT", "/console/").header("cookie", &browser.cookie);
    let page = request.send(product.address).await;
    assert_eq!((page.status, page.header("allow")), (405, Some("GET, HEAD, POST")), "{page:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_list_goes_from_its_upload_to_its_report_and_comes_back_in_parts() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let path = browser.start("people.csv", LIST.as_bytes()).await;
    let report = browser.report(&path).await;
    assert!(report.body.contains("Clean first") || report.body.contains("No go"), "{report:?}");
    assert!(report.body.contains("the server says: no such mailbox"), "{report:?}");
    let without = "<dt>without an address</dt>";
    assert!(report.body.contains(without), "its row is in Everything alone: {}", report.body);
    let part = async |part: &str| {
        let answer = browser.get(&format!("{path}/{part}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let name = answer.header("content-disposition").unwrap().to_owned();
        let rows = answer.body.lines().skip(1).map(|line| line[..1].to_owned());
        (name, rows.collect::<Vec<_>>().join(""))
    };
    let (name, rows) = part("clean").await;
    assert!(name.ends_with("''people.clean.csv"), "{name}");
    assert_eq!(rows, "1");
    assert_eq!(part("review").await.1, "4");
    assert_eq!(part("suppress").await.1, "25");
    let (name, rows) = part("all").await;
    assert!(name.ends_with("''people.vetted.csv"), "{name}");
    assert_eq!(rows, "12345");
    assert_eq!(browser.get(&format!("{path}/others")).await.status, 404);
    let home = browser.get("/console/").await;
    assert!(home.body.contains("people.csv") && home.body.contains(&path), "{}", home.body);
    assert_eq!(browser.post(&format!("{path}/delete"), &[]).await.status, 303);
    assert_eq!(browser.get(&path).await.status, 404);
    product.stop().await;
}

/// A list with one row that has an answer, and one whose server is waited for; its page's path.
async fn waiting_list(product: &Product) -> String {
    let options = BatchOptions {
        retry_window: Some(prost_types::Duration { seconds: 3 * 86_400, nanos: 0 }),
        ..BatchOptions::default()
    };
    let spec = BatchSpec {
        display_name: "slow.csv".to_owned(),
        options: Some(options),
        ..BatchSpec::default()
    };
    let row = |address: String| BatchAddress { address, ..BatchAddress::default() };
    let addresses = vec![row("jane.doe@acme.test".into()), row(product.sample("GREYLISTED"))];
    let page = BatchPage { addresses };
    let parts = [Part::Spec(spec), Part::Page(page), Part::End(BatchEnd { rows: 2 })];
    let parts = parts.map(|part| UploadBatchRequest { part: Some(part) });
    let mut client = product.batch_client().await;
    let created = client.upload_batch(tokio_stream::iter(parts)).await.unwrap().into_inner();
    format!("/console/batches/{}", created.batch.unwrap().batch_id)
}

#[tokio::test]
async fn a_running_list_shows_its_progress_and_can_be_stopped() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let path = waiting_list(&product).await;
    let page = browser.get(&path).await;
    assert!(page.body.contains(r#"http-equiv="refresh""#), "{}", page.body);
    assert!(page.body.contains("of 2 rows have an answer"), "{}", page.body);
    let events = events(&product, &browser, &format!("{path}/live")).await;
    assert!(events.starts_with("event: progress\ndata: <p class=\"percent\">"), "{events}");
    let answer = browser.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let report = browser.report(&path).await;
    assert!(report.body.contains("The batch was cancelled"), "{}", report.body);
    assert!(!report.body.contains("Clean list"), "it did not come as a file");
    assert!(browser.get("/console/").await.body.contains(" (stopped)</span>"));
    assert_eq!(browser.get(&format!("{path}/clean")).await.status, 404);
    product.stop().await;
}

/// The first events of a list that is watched.
async fn events(product: &Product, browser: &Browser, path: &str) -> String {
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
        product.address, browser.cookie
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut octets = Vec::new();
    let reading = async {
        while !octets.windows(3).any(|window| window == b"\n\n\r") {
            assert!(stream.read_buf(&mut octets).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(TIME_LIMIT, reading).await.expect("events");
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/event-stream"), "{head}");
    body.split_once("\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_list_that_arrives_is_a_call_under_way() {
    let product = Product::with(|config| {
        with_console(config);
        config.server.limits.calls = 1;
    })
    .await;
    let browser = Browser::open(&product).await;
    let verify = HttpRequest::post("/v1/addresses:verify", json!({ "address": "jane@acme.test" }));
    assert_eq!(verify.clone().send(product.address).await.status, 200);
    let form = browser.upload_form("list.csv", b"jane.doe@acme.test\n");
    let head = format!(
        "POST /console/lists HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n",
        product.address,
        browser.cookie,
        form.len()
    );
    let most = [head.as_bytes(), &form[..form.len() - 10]].concat();
    // Sent once more if it came while the one place was taken.
    let arriving = async {
        loop {
            let mut arriving = TcpStream::connect(product.address).await.unwrap();
            arriving.write_all(&most).await.unwrap();
            let mut refused = 0;
            for _ in 0..100 {
                refused += u32::from(verify.clone().send(product.address).await.status != 200);
                // More than a look at the key takes.
                if refused == 20 {
                    return arriving;
                }
            }
        }
    };
    let arriving = tokio::time::timeout(TIME_LIMIT, arriving).await;
    drop(arriving.expect("a list that arrives has a place among the calls"));
    let is_over = async { while verify.clone().send(product.address).await.status != 200 {} };
    tokio::time::timeout(TIME_LIMIT, is_over).await.expect("its place is free again");
    product.stop().await;
}

#[tokio::test]
async fn an_address_gets_its_verdict_with_the_evidence_in_words() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let answer = browser.post("/console/verify", &[("address", " nobody@acme.test ")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for told in ["Undeliverable", "Do not send", "answered 550", "RCPT TO:", "conversation"] {
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    assert!(!answer.body.contains("RCPT TO:&#60;nobody@"), "the transcript is redacted");
    let answer = browser.post("/console/verify", &[("address", "")]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_list_is_refused_in_words() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    for (name, list) in [("empty.csv", &b""[..]), ("", b"a@b.test\n"), ("x.csv", b"some\nwords\n")]
    {
        let answer = browser.upload_with(&browser.token, name, list).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert!(answer.body.contains("That did not work"), "{}", answer.body);
    }
    product.stop().await;
}

#[tokio::test]
async fn what_became_of_mail_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let product = product_with_outcomes(folder.path()).await;
    let browser = Browser::open(&product).await;
    assert!(browser.get("/console/").await.body.contains("/console/outcomes"));
    let page = browser.get("/console/outcomes").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("</strong> not known yet.") && page.body.contains("Nothing yet."));
    let path = browser.start("people.csv", LIST.as_bytes()).await;
    browser.report(&path).await;
    let page = browser.get("/console/outcomes").await;
    assert!(page.body.contains("within 7 days"), "{}", page.body);
    product.stop().await;
    let product = self::product().await;
    let page = Browser::open(&product).await.get("/console/outcomes").await;
    assert_eq!(page.status, 200, "the front page links to it: {page:?}");
    assert!(page.body.contains("No outcomes are kept"), "{}", page.body);
    assert!(page.body.contains("outcomes.file"), "{}", page.body);
    product.stop().await;
}
