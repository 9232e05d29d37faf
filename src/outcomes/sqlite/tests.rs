//! Claims about the file alone.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::outcomes::{Config, OutcomeEvent, OutcomeStore};

/// The tables of version 1, with one outcome.
const VERSION_1: &str = "
    CREATE TABLE outcomes (
        id BLOB PRIMARY KEY, mailbox BLOB NOT NULL, person BLOB NOT NULL, domain TEXT NOT NULL,
        kind TEXT NOT NULL, at INTEGER NOT NULL, source TEXT NOT NULL, words TEXT NOT NULL,
        address TEXT
    ) WITHOUT ROWID;
    CREATE INDEX by_mailbox ON outcomes (mailbox, kind, at);
    CREATE INDEX by_person ON outcomes (person, kind, at);
    CREATE INDEX by_domain ON outcomes (domain, at, kind);
    CREATE INDEX by_time ON outcomes (at);
    INSERT INTO outcomes VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 'acme.test', 'gone',
        1000, 'ses', 'no such user', NULL);
    PRAGMA user_version = 1;
";

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("data/outcomes.db")
}

#[tokio::test]
async fn others_cannot_read_the_key_and_a_store_without_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let key = path.with_file_name("outcomes.key");
    for file in [&path, &key] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::remove_file(&key).unwrap();
    let error = OutcomeStore::open(&path, &Config::default()).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::NoKey { .. }), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE contacts (name TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = OutcomeStore::open(&path, &Config::default()).await.err().unwrap();
    assert!(error.to_string().contains("other.db is no database of outcomes"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!folder.path().join("outcomes.key").exists());
}

#[tokio::test]
async fn no_file_is_made_where_its_key_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let (path, secrets) = (file(&folder), folder.path().join("secrets"));
    let config = Config { key_file: Some(secrets.join("the.key")), ..Config::default() };
    let error = OutcomeStore::open(&path, &config).await.err().unwrap();
    assert!(error.to_string().contains("the.key cannot be used"), "{error}");
    assert!(!path.exists());
    std::fs::create_dir(&secrets).unwrap();
    // As an earlier version left it.
    std::fs::write(&path, "").unwrap();
    OutcomeStore::open(&path, &config).await.unwrap();
    OutcomeStore::open(&path, &config).await.unwrap();
}

#[tokio::test]
async fn no_address_is_in_the_file_unless_the_operator_says_so() {
    for keep_addresses in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { keep_addresses, ..Config::default() };
        let store = OutcomeStore::open(&file(&folder), &config).await.unwrap();
        let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Gone)
            .saying("550 5.1.1 <jane@acme.test> unknown");
        store.add(vec![event], false, SystemTime::UNIX_EPOCH).await.unwrap();
        drop(store);
        let read = String::from_utf8_lossy(&std::fs::read(file(&folder)).unwrap()).into_owned();
        assert!(read.contains("acme.test"), "the last connection moves what is kept into the file");
        assert_eq!(read.contains("jane"), keep_addresses);
    }
}

#[tokio::test]
async fn a_file_of_version_1_is_brought_to_this_one_with_all_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    Connection::open(&path).unwrap().execute_batch(VERSION_1).unwrap();
    AddressKey::open(&path.with_file_name("outcomes.key"), true).unwrap();
    for _ in 0..2 {
        let table = SqliteOutcomes::open(&path, None).unwrap();
        let kept = table.page(None, 10).await.unwrap();
        assert_eq!((kept.len(), kept[0].words.as_str()), (1, "no such user"));
        let found: i64 =
            table.read(|c| c.query_row("PRAGMA user_version", [], |r| r.get(0))).unwrap();
        assert_eq!(found, schema::VERSION);
        let digests = AddressDigests { mailbox: kept[0].mailbox, person: kept[0].person };
        assert_eq!(table.latest(digests).await.unwrap().gone, Some(kept[0].clone()));
    }
}

/// Puts another key in the place of the file's own, which it returns.
fn change_key(path: &Path) -> Vec<u8> {
    let key = path.with_file_name("outcomes.key");
    let own = std::fs::read(&key).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    own
}

#[tokio::test]
async fn a_file_with_another_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let store = OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let event = OutcomeEvent::new("ses", "jane@acme.test", OutcomeKind::Unsubscribed);
    store.add(vec![event], false, SystemTime::UNIX_EPOCH).await.unwrap();
    let own = change_key(&path);
    let error = OutcomeStore::open(&path, &Config::default()).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::OtherKey { .. }), "{error}");
    std::fs::write(path.with_file_name("outcomes.key"), own).unwrap();
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
}

#[tokio::test]
async fn a_file_without_a_fingerprint_takes_that_of_the_present_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("DROP TABLE outcome_key").unwrap();
    drop(connection);
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
    change_key(&path);
    let error = OutcomeStore::open(&path, &Config::default()).await.err().unwrap();
    assert!(matches!(error, OutcomeStoreError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn outcomes_of_another_key_are_not_imported() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [one, other] = folders.each_ref().map(file);
    let one = OutcomeStore::open(&one, &Config::default()).await.unwrap();
    let other = OutcomeStore::open(&other, &Config::default()).await.unwrap();
    let of = one.fingerprint().await.unwrap().unwrap();
    one.check_fingerprint(of).await.unwrap();
    let error = other.check_fingerprint(of).await.unwrap_err();
    assert!(matches!(error, OutcomeStoreError::ForeignKey), "{error}");
}

#[tokio::test]
async fn counts_need_no_place_for_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let connection = tally::open(&path).unwrap();
    let place: i64 = connection.query_row("PRAGMA temp_store", [], |row| row.get(0)).unwrap();
    assert_eq!(place, 2, "in memory");
}

#[tokio::test]
async fn of_a_domain_with_more_outcomes_than_are_counted_the_latest_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let store = OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let day = |number: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(24 * 60 * 60) * number;
    let kinds = [OutcomeKind::Gone, OutcomeKind::Delivered, OutcomeKind::Delivered];
    let events = kinds.into_iter().zip(1..).map(|(kind, number)| {
        OutcomeEvent::new("ses", &format!("u{number}@acme.test"), kind).at(Some(day(number)))
    });
    store.add(events.collect(), false, day(9)).await.unwrap();
    let count = |most| tally::count_domain(&path, "acme.test", day(0), most).unwrap();
    assert_eq!(count(2), [(OutcomeKind::Delivered, 2)]);
    assert_eq!(count(3), [(OutcomeKind::Delivered, 2), (OutcomeKind::Gone, 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_domain_at_a_time_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    OutcomeStore::open(&path, &Config::default()).await.unwrap();
    let table = SqliteOutcomes::open(&path, None).unwrap();
    let count = || {
        let count = table.count("acme.test", SystemTime::UNIX_EPOCH);
        tokio::time::timeout(Duration::from_secs(1), count)
    };
    let turn = table.0.counting.try_acquire().unwrap();
    assert!(count().await.is_err());
    drop(turn);
    assert!(count().await.unwrap().unwrap().is_empty());
}
