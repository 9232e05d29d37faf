//! Tests that need port 25, port 53 or a resolver of their own run in a network of their own: the
//! test's process starts once more, in a network namespace that ends with it.

use std::process::Command;

use super::place;

/// Tells the second process that it is one.
const MARK: &str = "TEST_MAILVET_OWN_NETWORK";

/// Whether this process is alone in its network.
pub(crate) fn is_own_network() -> bool {
    place::setting(MARK).is_some()
}

/// Runs `body` in a network that has only a loopback interface, where every port is free and the
/// system's resolver is 127.0.0.1:53. `name` is the calling test's full name.
///
/// # Panics
/// As `body` does, with its output.
pub(crate) fn in_a_network_of_its_own(name: &str, body: impl Future<Output = ()>) {
    if is_own_network() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body);
    }
    let output = Command::new(place::script("inside"))
        .args(["", "/"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("INSIDE_NETWORK", "new")
        .env(MARK, "yes")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "in its own network, {name} ended with {}:\n{text}",
        output.status,
    );
}
