//! Clients and checks that no one here wrote, all from the OpenAPI document or the protos.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::examples::told;
use crate::process::TIME_LIMIT;
use crate::product::Product;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Arguments of schemathesis: the same few requests in each run, none with a made-up key.
const MADE_UP_REQUESTS: [&str; 15] = [
    "--checks",
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    "--phases",
    "coverage,fuzzing",
    "--max-examples",
    "10",
    "--seed",
    "1",
    "--generation-database",
    "none",
    "--generation-with-security-parameters",
    "false",
    "--request-timeout",
    "20",
    "--no-color",
];

/// A folder with the clients, and with the packages they use.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clients = Path::new(ROOT).join("tests/http_clients");
    for file in std::fs::read_dir(clients).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    std::fs::write(folder.path().join("openapi.json"), mailvet::http::openapi()).unwrap();
    let packages = PathBuf::from(told("TEST_MAILVET_HTTP_CLIENTS"));
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
    folder
}

/// What a command prints, run in `folder` until it ends well.
async fn printed(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output =
        tokio::time::timeout(TIME_LIMIT * 5, output).await.expect("it ends").unwrap().unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {out}\n{errors}");
    out.into_owned()
}

#[tokio::test]
async fn a_typescript_client_generated_from_the_openapi_document_works() {
    let product = Product::start().await;
    let folder = workshop();
    let node = |arguments: Vec<String>| {
        let folder = folder.path().to_owned();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            printed(&folder, "node", &arguments).await
        }
    };
    let generate =
        ["node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "schema.d.ts"];
    node(generate.map(str::to_owned).to_vec()).await;
    node(["node_modules/typescript/bin/tsc", "--project", "."].map(str::to_owned).to_vec()).await;
    let printed = node(vec!["client.js".to_owned(), format!("http://{}", product.address)]).await;
    let expected = [
        "address VERDICT_UNDELIVERABLE 550",
        "domain ROUTE_EXCHANGERS",
        "reply REPLY_MEANING_MAILBOX_FULL",
        "refused 400 3",
        "watched true",
        "result 1 REASON_MAILBOX_ACCEPTED",
        "batch BATCH_STATE_FINISHED 2 PREFLIGHT_DECISION_GO",
        "list 1",
        "gone 404",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    product.stop().await;
}

/// What the calls of `grpc_web.js` print, by one of the scripts that make them.
async fn grpc_web_calls(product: &Product, script: &[&str]) -> Vec<String> {
    let folder = workshop();
    let descriptors = folder.path().join("mailvet.bin");
    std::fs::write(&descriptors, mailvet::proto::FILE_DESCRIPTOR_SET).unwrap();
    let service = format!("http://{}", product.address);
    let arguments = [script[0], &service, "mailvet.bin"];
    let arguments: Vec<&str> = arguments.into_iter().chain(script[1..].iter().copied()).collect();
    let printed = printed(folder.path(), "node", &arguments).await;
    printed.lines().map(str::to_owned).collect()
}

const GRPC_WEB_ANSWERS: [&str; 4] =
    ["address 550", "refused InvalidArgument", "watched 1", "result jane.doe@acme.test"];

#[tokio::test]
async fn a_grpc_web_client_verifies_an_address_and_watches_a_batch() {
    let product = Product::start().await;
    assert_eq!(grpc_web_calls(&product, &["grpc_web_node.js"]).await, GRPC_WEB_ANSWERS);
    product.stop().await;
}

#[tokio::test]
async fn a_page_of_a_listed_origin_does_the_same_in_a_browser_and_another_page_nothing() {
    let listed = "http://crm.localhost";
    let product =
        Product::with(|config| config.server.http.cors_origins = vec![listed.to_owned()]).await;
    let from_a_page = |origin| {
        let script = ["grpc_web_chromium.js", origin];
        let product = &product;
        async move { grpc_web_calls(product, &script).await }
    };
    assert_eq!(from_a_page(listed).await, GRPC_WEB_ANSWERS);
    let refused = from_a_page("http://stranger.localhost").await;
    assert!(refused.len() == 1 && refused[0].contains("Failed to fetch"), "{refused:?}");
    product.stop().await;
}

#[tokio::test]
async fn the_openapi_document_has_nothing_that_its_linter_objects_to() {
    let folder = workshop();
    let linter = "node_modules/@redocly/cli/bin/cli.js";
    let arguments = [linter, "lint", "--config", "redocly.yaml", "openapi.json"];
    printed(folder.path(), "node", &arguments).await;
}

#[tokio::test]
async fn requests_made_up_from_the_openapi_document_never_break_the_service() {
    let product = Product::with(|config| {
        // Made-up domains cost time, not insight.
        config.server.longest_call = std::time::Duration::from_millis(300);
        config.server.harvesting.local_parts_per_domain = 0;
    })
    .await;
    let folder = workshop();
    // A stream of a batch that is still open does not end: those two get ids of no batch.
    let streams = ["watchBatch", "streamBatchResults"];
    let url = format!("http://{}", product.address);
    for choice in ["--exclude-operation-id", "--include-operation-id"] {
        let chosen = streams.iter().flat_map(|operation| [choice, operation]);
        let arguments = ["-m", "schemathesis.cli", "run", "openapi.json", "--url", &url];
        let arguments: Vec<&str> =
            arguments.into_iter().chain(MADE_UP_REQUESTS).chain(chosen).collect();
        printed(folder.path(), &told("TEST_MAILVET_PYTHON"), &arguments).await;
    }
    product.stop().await;
}
