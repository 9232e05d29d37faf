//! `docs/openapi.json` is what the service answers with at `/openapi.json`.
//! `TEST_MAILVET_WRITE=1 cargo test --test corpora openapi` writes it.

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable says to write what is compared")]
fn the_committed_openapi_document_is_the_one_that_is_served() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    if std::env::var_os("TEST_MAILVET_WRITE").is_some() {
        std::fs::write(file, mailvet::http::openapi()).expect("a writable file");
    }
    let committed = std::fs::read_to_string(file).expect("a readable file");
    let remedy = "run TEST_MAILVET_WRITE=1 cargo test --test corpora openapi";
    assert!(committed == mailvet::http::openapi(), "docs/openapi.json is out of date: {remedy}");
}
