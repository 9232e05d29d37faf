//! A panic says where it was, and nothing that it was about.

use std::process::Command;

/// Set for the process that panics.
const PANICKING: &str = "OBSERVE_PANICS";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "this test runs itself again, told so by a variable")]
async fn a_panic_shows_its_place_and_no_address() {
    if std::env::var(PANICKING).is_ok() {
        let config = mailvet::telemetry::Config::default();
        let traces =
            mailvet::telemetry::init(&config, &mailvet::telemetry::TraceConfig::default()).unwrap();
        let address = "zq7wombat@acme.test".to_owned();
        let panicked = tokio::task::spawn_blocking(move || {
            // Cut in the middle of a character, as a bug would.
            let cut = format!("é{address}");
            cut[1..].len()
        });
        assert!(panicked.await.is_err());
        traces.close().await;
        return;
    }
    let name = "observe::panics::a_panic_shows_its_place_and_no_address";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PANICKING, "yes")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("this is a bug") && said.contains("tests/product/observe/panics.rs:"),
        "{said}"
    );
    assert!(!said.contains("zq7wombat"), "{said}");
}
