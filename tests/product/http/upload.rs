//! List files as they are: uploaded, verified, and downloaded with the results beside their rows.

use std::io::Cursor;
use std::time::Duration;

use mailvet::listfile::import::{Container, ImportLimits};
use mailvet::listfile::{Reader, ReaderOptions, Row, WorkbookWriter};
use mailvet::proto::ListBatchesRequest;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{HttpAnswer, HttpRequest};
use super::gate::with_key;
use crate::product::Product;

const LIST: &str = "Nr;Kunde;E-Mail\r\n1;Jane;jane.doe@acme.test\r\n2;;\r\n\
                    3;\"Doe; John\";Nobody <nobody@acme.test>\r\n4;C;jane@catch-all.test\r\n";

fn upload(parameters: &str, list: impl Into<Vec<u8>>) -> HttpRequest {
    HttpRequest::new("POST", &format!("/v1/batches:upload{parameters}"))
        .header("content-type", "text/csv")
        .octets(list)
}

/// A form with these fields, and then the file.
fn form(fields: &[(&str, &str)], filename: &str, list: &[u8]) -> HttpRequest {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(head.as_bytes());
    }
    let head = "--x\r\ncontent-type: application/octet-stream\r\ncontent-disposition: form-data; ";
    body.extend(format!("{head}name=\"file\"; filename=\"{filename}\"\r\n\r\n").as_bytes());
    body.extend(list);
    body.extend(b"\r\n--x--\r\n");
    HttpRequest::new("POST", "/v1/batches:upload")
        .header("content-type", "multipart/form-data; boundary=x")
        .octets(body)
}

async fn send(product: &Product, request: HttpRequest) -> HttpAnswer {
    let answer = request.send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The answer to an upload, and the path of its batch once it is over.
async fn finished(product: &Product, request: HttpRequest) -> (Value, String) {
    let answer = send(product, request).await.json();
    let path = format!("/v1/batches/{}", answer["batch"]["batchId"].as_str().unwrap());
    let watched = send(product, HttpRequest::get(&format!("{path}:watch"))).await;
    assert!(watched.body.contains("BATCH_STATE_FINISHED"), "{}", watched.body);
    (answer, path)
}

/// Number of files in the folder of uploads.
fn kept(product: &Product) -> usize {
    std::fs::read_dir(product.store().join("uploads")).unwrap().count()
}

async fn is_empty(product: &Product) -> bool {
    let listed = send(product, HttpRequest::get("/v1/batches")).await.json();
    listed.get("batches").is_none()
}

/// Waits until no batch and no file is there: what was refused is taken away beside its answer.
async fn nothing_is_left(product: &Product) {
    let gone = async {
        while kept(product) > 0 || !is_empty(product).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::process::TIME_LIMIT, gone).await.expect("nothing is left");
}

#[tokio::test]
async fn a_list_is_uploaded_as_it_is_and_comes_back_with_columns_appended() {
    let product = Product::start().await;
    let request = upload("?filename=Kunden%20%C3%BC.csv", LIST);
    let (answer, path) = finished(&product, request).await;
    let list = &answer["list"];
    assert_eq!((&list["column"], &list["columnNumber"]), (&"E-Mail".into(), &3.into()), "{list}");
    assert_eq!((&list["rows"], &list["rowsWithoutAddress"]), (&"4".into(), &"1".into()));
    assert!(list["layout"].as_str().unwrap().contains("semicolon"), "{list}");
    assert_eq!(answer["batch"]["displayName"], "Kunden ü.csv");
    assert_eq!(answer["batch"]["progress"]["rows"], "3");
    let answer = send(&product, HttpRequest::get(&format!("{path}:download"))).await;
    assert_eq!(answer.header("content-type"), Some("text/csv"));
    let disposition = answer.header("content-disposition").unwrap();
    assert!(disposition.ends_with("''Kunden%20%C3%BC.vetted.csv"), "{disposition}");
    let lines: Vec<&str> = answer.body.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5, "{}", answer.body);
    assert!(lines[0].starts_with("Nr;Kunde;E-Mail;verdict;action;reason;"), "{}", lines[0]);
    assert!(lines[1].starts_with("1;Jane;jane.doe@acme.test;deliverable;send;"), "{}", lines[1]);
    assert_eq!(lines[2], "2;;;;;;;;;;;no_address;");
    let third =
        "3;\"Doe; John\";Nobody <nobody@acme.test>;undeliverable;suppress;mailbox_not_found;";
    assert!(lines[3].starts_with(third), "{}", lines[3]);
    assert!(lines[4].contains(";risky;"), "{}", lines[4]);
    let results = send(&product, HttpRequest::get(&format!("{path}/results"))).await;
    assert!(results.body.contains(r#""rowId":"4""#), "{}", results.body);
    product.stop().await;
}

#[tokio::test]
async fn a_workbook_in_a_form_is_read_and_comes_back_as_a_workbook_or_as_csv() {
    let product = Product::start().await;
    let mut reader = Reader::open(LIST.as_bytes(), &ReaderOptions::default()).unwrap();
    let mut book = WorkbookWriter::new(reader.layout(), &[]).unwrap();
    let mut row = Row::default();
    while reader.read(&mut row).unwrap() {
        book.write(&row, &[]).unwrap();
    }
    let mut octets = Vec::new();
    book.finish(&mut octets).unwrap();
    let fields = [("column", "3"), ("depth", "DEPTH_DOMAIN"), ("request_id", "spring")];
    let request = form(&fields, "Kunden.xlsx", &octets);
    let (answer, path) = finished(&product, request.clone()).await;
    assert_eq!(answer["batch"]["displayName"], "Kunden.xlsx");
    assert_eq!(answer["batch"]["options"]["depth"], "DEPTH_DOMAIN");
    assert_eq!(
        (&answer["list"]["rows"], &answer["list"]["column"]),
        (&"4".into(), &"E-Mail".into())
    );
    let download = HttpRequest::get(&format!("{path}:download"));
    let book = send(&product, download.clone()).await;
    let disposition = book.header("content-disposition").unwrap();
    assert!(disposition.ends_with("''Kunden.vetted.xlsx"), "{disposition}");
    let mut from_book = Vec::new();
    let limits = ImportLimits::default();
    Container::Xlsx.convert(Cursor::new(book.octets), &mut from_book, limits).unwrap();
    let table = send(&product, download.header("accept", "text/csv, */*;q=0.1")).await;
    assert_eq!(table.header("content-type"), Some("text/csv"));
    for table in [from_book, table.octets] {
        // A sheet's rows end with their last cell that is not empty.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_slice());
        assert_eq!(&reader.headers().unwrap()[3], "verdict");
        let verdicts: Vec<String> =
            reader.records().map(|row| row.unwrap()[3].to_owned()).collect();
        assert_eq!(verdicts, ["unknown", "", "unknown", "unknown"], "nobody was asked");
    }
    // The same request once more is the same batch; the file is not read.
    let again = send(&product, request).await.json();
    assert_eq!(again["batch"]["batchId"], answer["batch"]["batchId"]);
    assert!(again.get("list").is_none(), "{again}");
    // What the second one had begun to keep is taken away beside its answer.
    let settled = async {
        while kept(&product) != 2 {
            tokio::task::yield_now().await;
        }
    };
    let settled = tokio::time::timeout(crate::process::TIME_LIMIT, settled).await;
    settled.expect("the list and how it is read are kept");
    let deleted = send(&product, HttpRequest::new("DELETE", &path)).await;
    assert_eq!((deleted.status, kept(&product)), (200, 0), "it goes with its batch");
    product.stop().await;
}

#[tokio::test]
async fn a_download_refuses_parameters_which_would_change_nothing() {
    let product = Product::start().await;
    let (_, path) = finished(&product, upload("", LIST)).await;
    let some = format!("{path}:download?verdicts=VERDICT_DELIVERABLE");
    let answer = HttpRequest::get(&some).send(product.address).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("/results"), "{answer:?}");
    send(&product, HttpRequest::get(&format!("{path}:download?"))).await;
    product.stop().await;
}

#[tokio::test]
async fn a_sheet_that_is_left_out_is_named() {
    let product = Product::start().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    for (name, addresses) in [("Kunden", ["jane.doe@acme.test"; 2]), ("Alt", ["", "a@acme.test"])] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        sheet.write_string(0, 0, "email").unwrap();
        for (row, address) in (1..).zip(addresses) {
            sheet.write_string(row, 0, address).unwrap();
        }
    }
    let octets = book.save_to_buffer().unwrap();
    let (answer, _) = finished(&product, upload("?filename=a.xlsx", octets)).await;
    let notes = answer["list"]["notes"].to_string();
    assert!(notes.contains("Kunden") && notes.contains("Alt"), "{notes}");
    product.stop().await;
}

#[tokio::test]
async fn each_of_several_addresses_in_a_cell_is_asked_and_one_answers_for_the_row() {
    let product = Product::start().await;
    let list = "n,email\n1,\"No <nobody@acme.test>, Jane <jane.doe@acme.test>\"\n\
                2,nobody@acme.test; jane@catch-all.test\n3,jane.doe@acme.test\n";
    let (answer, path) = finished(&product, upload("", list)).await;
    assert_eq!(answer["list"]["rowsWithSeveral"], "2", "{answer}");
    assert_eq!(answer["batch"]["progress"]["rows"], "5", "addresses");
    let table = send(&product, HttpRequest::get(&format!("{path}:download"))).await;
    let mut reader = csv::Reader::from_reader(table.body.as_bytes());
    let names = reader.headers().unwrap().clone();
    let place = |name: &str| names.iter().position(|it| it == name).unwrap();
    let columns = ["n", "verdict", "address", "other_addresses"].map(place);
    let rows: Vec<[String; 4]> = reader
        .records()
        .map(|row| row.unwrap())
        .map(|row| columns.map(|it| row[it].to_owned()))
        .collect();
    assert_eq!(
        rows,
        [
            ["1", "deliverable", "jane.doe@acme.test", "nobody@acme.test"],
            ["2", "undeliverable", "nobody@acme.test", "jane@catch-all.test"],
            ["3", "deliverable", "jane.doe@acme.test", ""],
        ]
    );
    product.stop().await;
}

#[tokio::test]
async fn what_is_no_list_leaves_nothing() {
    let product = Product::with(|config| config.batch.megabytes_per_upload = 1).await;
    let refused = [
        (upload("", ""), 400, "empty"),
        (upload("", "name\nJane\n"), 400, "no column"),
        (upload("?column=phone", LIST), 400, "phone"),
        (upload("?colum=3", LIST), 400, "colum"),
        (upload("?consent_column=Kunde", LIST), 400, "row 1, line 2: \"Jane\" is no time"),
        (upload("", &b"%PDF-1.7\n\0\0"[..]), 400, "PDF"),
        (upload("", format!("email\n{}", "jane.doe@acme.test\n".repeat(60_000))), 400, "1 MiB"),
        (form(&[("depth", "DEEP")], "a.csv", LIST.as_bytes()), 400, "depth"),
        (form(&[], "a.xlsx", b"PK\x03\x04 and no more"), 400, "save it as CSV"),
        (HttpRequest::get("/v1/batches:upload"), 405, "POST"),
    ];
    for (request, status, says) in refused {
        let answer = request.send(product.address).await;
        assert_eq!(answer.status, status, "{says}: {answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{says}: {message}");
    }
    let no_file = HttpRequest::new("POST", "/v1/batches:upload")
        .header("content-type", "multipart/form-data; boundary=x")
        .body("--x\r\ncontent-disposition: form-data; name=\"column\"\r\n\r\n1\r\n--x--\r\n");
    let answer = no_file.send(product.address).await;
    assert!(answer.json()["message"].as_str().unwrap().contains("no file"), "{answer:?}");
    nothing_is_left(&product).await;
    product.stop().await;
}

#[tokio::test]
async fn a_parameter_that_cannot_be_taken_is_named_as_it_was_given() {
    let product = Product::start().await;
    let long = "x".repeat(257);
    for (request, parameter) in [
        (upload("?skipRows=x", LIST), "skipRows"),
        (upload("?depth=9", LIST), "depth"),
        (upload(&format!("?requestId={long}"), LIST), "requestId"),
        (form(&[("sendPolicy", "ALL")], "a.csv", LIST.as_bytes()), "sendPolicy"),
        (form(&[("requestId", &long)], "a.csv", LIST.as_bytes()), "requestId"),
    ] {
        let answer = request.send(product.address).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let body = answer.json();
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{parameter}: ")), "{message}");
        assert_eq!(body["details"][0]["fieldViolations"][0]["field"], parameter, "{message}");
    }
    nothing_is_left(&product).await;
    product.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let product = Product::start().await;
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    let head = format!(
        "POST /v1/batches:upload HTTP/1.1\r\nhost: {}\r\ncontent-type: text/csv\r\n\
         content-length: 1000000\r\n\r\n{LIST}",
        product.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It has begun.
    let begun = async {
        while kept(&product) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::process::TIME_LIMIT, begun).await.expect("it begins");
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    drop(stream);
    nothing_is_left(&product).await;
    product.stop().await;
}

#[tokio::test]
async fn an_upload_is_counted_as_its_callers_addresses_and_nobody_elses_list_is_shown() {
    let (product, key, file) = with_key().await;
    let bearer = format!("Bearer {key}");
    let answer = upload("", LIST).send(product.address).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(kept(&product), 0, "it was not read");
    let answer = upload("", LIST).header("authorization", &bearer).send(product.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = answer.json()["batch"]["batchId"].as_str().unwrap().to_owned();
    let download = HttpRequest::get(&format!("/v1/batches/{id}:download"));
    assert_eq!(download.clone().send(product.address).await.status, 401);
    let calls = product.app.sources.calls.by_caller();
    let method = "mailvet.v1.BatchService/UploadBatch".to_owned();
    assert!(calls.contains(&("crm".into(), method, 1)), "{calls:?}");
    product.stop().await;
    drop(file);
    let product = Product::with(|config| config.server.quota.addresses_per_day = 2).await;
    let answer = upload("", LIST).send(product.address).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("retry-after").is_some() || answer.body.contains("ADDRESSES_PER_DAY"));
    nothing_is_left(&product).await;
    product.stop().await;
}

/// A frame of HTTP/2 on the first stream (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

#[tokio::test]
async fn a_list_whose_stream_is_reset_without_an_error_is_accepted_in_no_part() {
    let product = Product::start().await;
    // Fields without a table and without Huffman's code (RFC 7541 section 6.2.2).
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/batches:upload?filename=a.csv"),
        (":authority", "localhost"),
        ("content-type", "text/csv"),
    ];
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head = fields.map(|(name, value)| [&[0][..], &text(name), &text(value)].concat()).concat();
    let mut stream = TcpStream::connect(product.address).await.unwrap();
    let begun = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        frame(1, 4, &head),
        frame(0, 0, b"email\njane.doe@acme.test\nnobody@ac"),
    ];
    stream.write_all(&begun.concat()).await.unwrap();
    let batches = async |count: usize| {
        let mut client = product.batch_client().await;
        loop {
            let listed = client.list_batches(ListBatchesRequest::default()).await.unwrap();
            if listed.into_inner().batches.len() == count {
                break;
            }
        }
    };
    batches(1).await;
    stream.write_all(&frame(3, 0, &[0; 4])).await.unwrap();
    let none = tokio::time::timeout(Duration::from_secs(60), batches(0)).await;
    none.expect("what came of the list is no list");
    product.stop().await;
}
