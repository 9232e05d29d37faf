//! The console in Chromium, by a script that clicks, types, drops and measures
//! (`tests/browser/console.mjs`).

use std::process::Stdio;

/// Rows of the list, unless `TEST_MAILVET_BROWSER_ROWS` tells another number.
const ROWS: &str = "300";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tests/run says where the modules are")]
async fn a_person_gets_from_a_list_to_its_clean_rows_in_three_clicks() {
    let kept = tempfile::tempdir().unwrap();
    let product = super::product_with_outcomes(kept.path()).await;
    let rows = std::env::var("TEST_MAILVET_BROWSER_ROWS").unwrap_or_else(|_| ROWS.to_owned());
    let modules = std::env::var("TEST_MAILVET_BROWSER")
        .expect("TEST_MAILVET_BROWSER names the modules; run the tests with tests/run");
    let running = super::waiting_list(&product).await;
    let (behind_keys, keys, _file) = super::safety::with_keys().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/console.mjs");
    let folder = tempfile::tempdir().unwrap();
    let run = tokio::process::Command::new("node")
        .arg(script)
        .env("TEST_MODULES", modules)
        .env("TEST_URL", format!("http://{}", product.address))
        .env("TEST_RUNNING", running)
        .env("TEST_BEHIND_KEYS", format!("http://{}", behind_keys.address))
        .env("TEST_KEY", &keys[0])
        .env("TEST_ROWS", rows)
        .env("TEST_FOLDER", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = run.await.unwrap();
    let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{error}");
    println!("{out}");
    behind_keys.stop().await;
    product.stop().await;
}
