//! Claims about the store of outcomes.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::campaign::calibration::FateCounts;
use crate::verdict::Reason;
use crate::verifier::GivenVerdict;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn event(address: &str, kind: OutcomeKind, days_ago: u32) -> OutcomeEvent {
    OutcomeEvent::new("test", address, kind)
        .at(Some(now() - DAY * days_ago))
        .saying("550 5.1.1 <jane@acme.test> unknown")
}

fn bounce(address: &str, sent_to: &str) -> OutcomeEvent {
    let proof = EventProof::Mail(vec![sent_to.to_owned()]);
    let event = event(address, OutcomeKind::Gone, 1).named(Some("m1".to_owned()));
    OutcomeEvent { proof, source: "bounce", ..event }
}

struct Kept {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: OutcomeStore,
}

fn kept(config: &Config) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/outcomes.db");
    let store = OutcomeStore::open(&path, config).unwrap();
    Kept { _folder: folder, path, store }
}

fn suppressed(kept: &Kept, text: &str, now: SystemTime) -> Option<OutcomeKind> {
    kept.store.suppression(&address(text).identity(), now).unwrap().map(|found| found.kind)
}

#[test]
fn the_same_event_twice_changes_nothing() {
    let kept = kept(&Config::default());
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("Jane@ACME.test", OutcomeKind::Gone, 1),
        event("jane@acme.test", OutcomeKind::Gone, 2),
        event("nobody", OutcomeKind::Gone, 1),
    ];
    use AddedEvent::{NoAddress, Repeated, Taken};
    let added = kept.store.add(&events, false, now()).unwrap();
    assert_eq!(added, [Taken, Repeated, Taken, NoAddress]);
    let added = kept.store.add(&events, false, now()).unwrap();
    assert_eq!(added, [Repeated, Repeated, Repeated, NoAddress]);
}

#[test]
fn an_event_ahead_of_the_clock_is_the_same_one_tomorrow() {
    let kept = kept(&Config::default());
    let ahead = event("jane@acme.test", OutcomeKind::Full, 0).at(Some(now() + DAY * 3));
    let add = |now| kept.store.add(std::slice::from_ref(&ahead), false, now).unwrap();
    assert_eq!(add(now()), [AddedEvent::Taken]);
    assert_eq!(add(now() + DAY), [AddedEvent::Repeated]);
}

#[test]
fn only_gone_complaints_and_unsubscriptions_suppress() {
    let kept = kept(&Config::default());
    for kind in OutcomeKind::ALL {
        let address = format!("{}@acme.test", kind.name());
        kept.store.add(&[event(&address, kind, 1)], false, now()).unwrap();
        let expected =
            matches!(kind, OutcomeKind::Gone | OutcomeKind::Complaint | OutcomeKind::Unsubscribed);
        assert_eq!(suppressed(&kept, &address, now()).is_some(), expected, "{}", kind.name());
    }
}

#[test]
fn a_dead_mailbox_is_asked_again_after_its_time_and_a_complaint_is_not() {
    let kept = kept(&Config::default());
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 0),
        event("joe@acme.test", OutcomeKind::Complaint, 0),
    ];
    kept.store.add(&events, false, now()).unwrap();
    let later = now() + DAY * 179;
    assert_eq!(suppressed(&kept, "jane@acme.test", later), Some(OutcomeKind::Gone));
    assert_eq!(suppressed(&kept, "jane@acme.test", now() + DAY * 181), None);
    let later = now() + DAY * 5000;
    assert_eq!(suppressed(&kept, "joe@acme.test", later), Some(OutcomeKind::Complaint));
}

#[test]
fn mail_that_arrived_since_lifts_a_bounce() {
    let kept = kept(&Config::default());
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 10),
        event("jane@acme.test", OutcomeKind::Delivered, 5),
    ];
    kept.store.add(&events, false, now()).unwrap();
    assert_eq!(suppressed(&kept, "jane@acme.test", now()), None);
}

#[test]
fn another_alias_of_one_person_is_no_dead_mailbox_and_has_opted_out() {
    let kept = kept(&Config::default());
    kept.store.add(&[event("jane-shop@yahoo.com", OutcomeKind::Gone, 1)], false, now()).unwrap();
    assert_eq!(suppressed(&kept, "jane-news@yahoo.com", now()), None);
    let complaint = event("jane-shop@yahoo.com", OutcomeKind::Complaint, 1);
    kept.store.add(&[complaint], false, now()).unwrap();
    let found = suppressed(&kept, "jane-news@yahoo.com", now());
    assert_eq!(found, Some(OutcomeKind::Complaint));
}

#[test]
fn a_bounce_counts_only_with_a_proof() {
    let kept = kept(&Config::default());
    let forged = bounce("jane@acme.test", "news@sender.test");
    let add = |event: &OutcomeEvent| {
        kept.store.add(std::slice::from_ref(event), false, now()).unwrap()[0]
    };
    assert_eq!(add(&forged), AddedEvent::NotCounted);
    let token = kept.store.token(&address("jane@acme.test"));
    let other = bounce("joe@acme.test", &format!("bounces+{token}@sender.test"));
    assert_eq!(add(&other), AddedEvent::NotCounted);
    assert_eq!(
        add(&bounce("jane@acme.test", &format!("Bounces+{token}@sender.test"))),
        AddedEvent::Taken
    );
    assert_eq!(add(&event("joe@acme.test", OutcomeKind::Sent, 3)), AddedEvent::Taken);
    assert_eq!(add(&bounce("joe@acme.test", "news@sender.test")), AddedEvent::Taken);
    let trusted = kept.store.add(&[bounce("ann@acme.test", "x@y.test")], true, now()).unwrap();
    assert_eq!(trusted, [AddedEvent::Taken]);
}

#[test]
fn no_address_is_kept_unless_the_operator_says_so() {
    let without = kept(&Config::default());
    let events = [event("jane@acme.test", OutcomeKind::Gone, 1)];
    without.store.add(&events, false, now()).unwrap();
    let read = |kept: &Kept| {
        kept.store
            .run(|c| Ok(c.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")))
            .unwrap()
            .unwrap();
        String::from_utf8_lossy(&std::fs::read(&kept.path).unwrap()).into_owned()
    };
    assert!(!read(&without).contains("jane"));
    let with = kept(&Config { keep_addresses: true, ..Config::default() });
    with.store.add(&events, false, now()).unwrap();
    assert!(read(&with).contains("jane@acme.test"));
}

#[test]
fn others_cannot_read_the_key_and_a_store_without_it_is_refused() {
    let kept = kept(&Config::default());
    let key = kept.path.with_file_name("outcomes.key");
    for file in [&kept.path, &key] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::remove_file(&key).unwrap();
    let error = OutcomeStore::open(&kept.path, &Config::default()).err().unwrap();
    assert!(matches!(error, OutcomeStoreError::NoKey { .. }), "{error}");
}

#[test]
fn what_is_exported_comes_back_where_the_key_is_the_same() {
    let from = kept(&Config::default());
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("joe@acme.test", OutcomeKind::Complaint, 2),
    ];
    from.store.add(&events, false, now()).unwrap();
    let mut rows = Vec::new();
    from.store
        .export::<()>(|row| {
            rows.push(row);
            Ok(())
        })
        .unwrap()
        .unwrap();
    assert_eq!(rows.len(), 2);
    let to = kept(&Config::default());
    std::fs::copy(from.path.with_file_name("outcomes.key"), to.path.with_file_name("outcomes.key"))
        .unwrap();
    let to = Kept { store: OutcomeStore::open(&to.path, &Config::default()).unwrap(), ..to };
    assert_eq!(to.store.import(&rows).unwrap(), 2);
    assert_eq!(to.store.import(&rows).unwrap(), 0);
    assert_eq!(suppressed(&to, "jane@acme.test", now()), Some(OutcomeKind::Gone));
}

#[test]
fn what_is_erased_or_forgotten_is_gone() {
    let kept = kept(&Config::default());
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("joe@acme.test", OutcomeKind::Gone, 100),
        event("ann@acme.test", OutcomeKind::Unsubscribed, 100),
    ];
    kept.store.add(&events, false, now()).unwrap();
    assert_eq!(kept.store.erase(&address("jane@acme.test")).unwrap(), 1);
    assert_eq!(suppressed(&kept, "jane@acme.test", now()), None);
    assert_eq!(kept.store.forget_before(now() - DAY * 50).unwrap(), 1);
    assert_eq!(suppressed(&kept, "joe@acme.test", now()), None);
    assert_eq!(suppressed(&kept, "ann@acme.test", now()), Some(OutcomeKind::Unsubscribed));
}

#[test]
fn the_history_of_a_domain_counts_what_was_sent_and_what_came_back() {
    let kept = kept(&Config::default());
    let kinds =
        [OutcomeKind::Delivered, OutcomeKind::Delivered, OutcomeKind::Gone, OutcomeKind::Full];
    for (number, kind) in kinds.into_iter().enumerate() {
        kept.store.add(&[event(&format!("u{number}@acme.test"), kind, 1)], false, now()).unwrap();
    }
    kept.store.add(&[event("old@acme.test", OutcomeKind::Gone, 400)], false, now()).unwrap();
    let history = kept.store.history("acme.test", now() - DAY * 180).unwrap();
    assert_eq!(history, DomainMail { sent: 4, bounced: 2, gone: 1 });
    for number in 0..9 {
        let listed = event(&format!("l{number}@acme.test"), OutcomeKind::Sent, 1);
        kept.store.add(&[listed], false, now()).unwrap();
    }
    let history = kept.store.history("acme.test", now() - DAY * 180).unwrap();
    assert_eq!(history, DomainMail { sent: 9, bounced: 2, gone: 1 });
}

fn given(address: &str, reason: Reason) -> GivenVerdict {
    let provider = "acme.test".to_owned();
    GivenVerdict { address: address.to_owned(), reason, provider, gathered_at: None }
}

#[test]
fn verdicts_are_counted_with_what_became_of_mail_and_forgotten_in_time() {
    let kept = kept(&Config::default());
    let verdicts: Vec<GivenVerdict> = (0..50)
        .map(|number| given(&format!("u{number}@acme.test"), Reason::MailboxAccepted))
        .chain([given("none", Reason::InvalidSyntax)])
        .collect();
    kept.store.remember("spring", &verdicts, now() - DAY * 3).unwrap();
    let events: Vec<OutcomeEvent> = (0..30)
        .map(|number| (number, if number < 3 { OutcomeKind::Gone } else { OutcomeKind::Delivered }))
        .map(|(number, kind)| event(&format!("U{number}@acme.test"), kind, 1))
        .chain([event("other@acme.test", OutcomeKind::Gone, 1)])
        .collect();
    kept.store.add(&events, false, now()).unwrap();
    let tallies = kept.store.tallies().unwrap();
    let counts = FateCounts { given: 50, arrived: 27, gone: 3, apart: 0 };
    let mut total = FateCounts::default();
    tallies.kinds.values().for_each(|part| total.add(*part));
    assert_eq!(total, counts);
    assert_eq!(tallies.sends.len(), 1);
    assert_eq!(tallies.sends[0].reasons[&Reason::MailboxAccepted], counts);
    assert_eq!(kept.store.erase(&address("u0@acme.test")).unwrap(), 2);
    kept.store.remember("summer", &[], now() + DAY * 178).unwrap();
    assert!(kept.store.tallies().unwrap().sends.is_empty(), "kept for 180 days");
}

#[test]
fn a_bounce_about_an_address_of_a_list_counts() {
    let kept = kept(&Config::default());
    let forged = bounce("jane@acme.test", "news@sender.test");
    let add = || kept.store.add(std::slice::from_ref(&forged), false, now()).unwrap();
    assert_eq!(add(), [AddedEvent::NotCounted]);
    let verdict = given("jane@acme.test", Reason::MailboxAccepted);
    kept.store.remember("spring", &[verdict], now()).unwrap();
    assert_eq!(add(), [AddedEvent::Taken]);
}
