//! Claims about the store in a database alone.

use super::*;
use crate::batch::postgres::tests::server::SERVER;

#[tokio::test]
async fn a_database_whose_key_is_in_a_file_is_refused_without_it_and_with_another() {
    let place = TestPlace::database();
    let file = |name: &str| place.folder.path().join(name);
    let store = place.keyed(&file("the.key")).await.unwrap();
    assert!(!file("the.key").exists() && !store.is_in_use(), "made with the first outcome");
    add(&store, &[event("jane@acme.test", OutcomeKind::Gone, 1)]).await;
    let error = place.place.open(&Config::default()).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::KeyElsewhere { .. }), "{error}");
    let error = place.keyed(&file("none.key")).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::NoKey { .. }), "{error}");
    std::fs::write(file("other.key"), [7; 32]).unwrap();
    let error = place.keyed(&file("other.key")).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::OtherKey { .. }), "{error}");
    let again = place.keyed(&file("the.key")).await.unwrap();
    assert_eq!(suppressed(&again, "jane@acme.test", now()).await, Some(OutcomeKind::Gone));
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let place = TestPlace::database();
    place.open().await;
    let name = place.database_name();
    let sql = "UPDATE mailvet.outcome_version SET readable_from = 99";
    SERVER.sql(&name, sql);
    let error = place.place.open(&Config::default()).await.err().unwrap();
    assert!(error.to_string().contains("version 99"), "{error}");
}

#[tokio::test]
async fn an_outage_is_an_error_within_seconds_and_passes() {
    let place = TestPlace::database();
    let (store, unused) = (place.open().await, TestPlace::database());
    let empty = unused.open().await;
    add(&store, &[event("jane@acme.test", OutcomeKind::Gone, 1)]).await;
    let server = &*SERVER;
    for place in [&place, &unused] {
        let name = place.database_name();
        server.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        server.sql("postgres", &end);
    }
    let name = place.database_name();
    let identity = address("jane@acme.test").identity();
    let error = store.latest(&identity, now()).await.unwrap_err();
    assert!(error.to_string().starts_with("postgres://"), "{error}");
    // Of a database in which nothing was ever kept nothing is waited for.
    assert_eq!(empty.latest(&identity, now()).await.unwrap(), LatestOutcomes::default());
    server.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, Some(OutcomeKind::Gone));
}
