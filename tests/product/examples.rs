//! The clients of `examples/`, run as their readers run them: over TLS, with an API key.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::product::Product;

const ADDRESSES: [&str; 3] = ["jane.doe@acme.test", "nobody@acme.test", "jane@catch-all.test"];

/// What each client prints about them, sorted: streams and batches answer in any order.
const PRINTED: [&str; 10] = [
    "batch jane.doe@acme.test DELIVERABLE MAILBOX_ACCEPTED",
    "batch jane@catch-all.test RISKY CATCH_ALL",
    "batch nobody@acme.test UNDELIVERABLE MAILBOX_NOT_FOUND",
    "campaign PREFLIGHT_DECISION_GO",
    "one jane.doe@acme.test DELIVERABLE MAILBOX_ACCEPTED",
    "one jane@catch-all.test RISKY CATCH_ALL",
    "one nobody@acme.test UNDELIVERABLE MAILBOX_NOT_FOUND",
    "stream jane.doe@acme.test DELIVERABLE MAILBOX_ACCEPTED",
    "stream jane@catch-all.test RISKY CATCH_ALL",
    "stream nobody@acme.test UNDELIVERABLE MAILBOX_NOT_FOUND",
];

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What `tests/run` says in this variable.
#[expect(clippy::disallowed_methods, reason = "tests/run tells it by a variable")]
pub(crate) fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by tests/run"))
}

/// What a command prints, which ends well.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `client`, a command without its options yet, against a service that has TLS and wants a
/// key.
async fn run(mut client: Command, scheme: &str) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("example");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let (certificate, private_key) = authority.sign("localhost").write(dir.path());
    let issued = mailvet::access::issue("example", [7; 32], None).unwrap();
    let keys = dir.path().join("api_keys.toml");
    std::fs::write(&keys, &issued.entry).unwrap();
    let product = Product::with(|config| {
        config.server.api_keys = Some(keys);
        config.server.tls.certificate = Some(certificate);
        config.server.tls.key = Some(private_key);
    })
    .await;
    client
        .env("MAILVET_API_KEY", issued.key)
        .arg("--ca")
        .arg(ca)
        .arg(format!("{scheme}localhost:{}", product.address.port()))
        .args(ADDRESSES);
    let output = tokio::task::spawn_blocking(move || printed(&mut client));
    let output = tokio::time::timeout(Duration::from_secs(300), output).await;
    let output = output.expect("the client ends").unwrap();
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, PRINTED);
    product.stop().await;
}

/// The Python code of the .proto files.
fn generated() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let protos = Path::new(ROOT).join("proto");
    let files = std::fs::read_dir(protos.join("mailvet/v1")).unwrap();
    printed(
        Command::new(told("TEST_MAILVET_PYTHON"))
            .args(["-m", "grpc_tools.protoc", "-I"])
            .arg(protos)
            .arg(format!("--python_out={}", dir.path().display()))
            .arg(format!("--grpc_python_out={}", dir.path().display()))
            .args(files.map(|file| file.unwrap().path())),
    );
    dir
}

#[tokio::test]
async fn the_python_example_vets_one_address_a_stream_and_a_batch() {
    let generated = generated();
    let mut client = Command::new(told("TEST_MAILVET_PYTHON"));
    client.arg(Path::new(ROOT).join("examples/python/vet.py"));
    client.env("PYTHONPATH", generated.path());
    run(client, "").await;
}

#[tokio::test]
async fn the_node_example_vets_one_address_a_stream_and_a_batch() {
    let mut client = Command::new("node");
    client.arg(Path::new(ROOT).join("examples/node/vet.js"));
    client.env("NODE_PATH", told("TEST_MAILVET_NODE_MODULES"));
    run(client, "").await;
}

/// What cargo tells of the package whose test it runs. Build scripts of others ask for these, and
/// would build half of the dependencies again, here and in whatever comes after.
const OF_THIS_TEST: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "OUT_DIR",
];

#[tokio::test]
async fn the_rust_example_vets_one_address_a_stream_and_a_batch() {
    let mut client = Command::new(env!("CARGO"));
    client.current_dir(ROOT).args(["run", "--quiet", "--locked", "--features", "external-tests"]);
    // With the features of the tests, which have built it.
    client.args(["--example", "vet", "--"]);
    for name in OF_THIS_TEST {
        client.env_remove(name);
    }
    run(client, "https://").await;
}
