//! Claims about the store of outcomes, each made of the file and of the database.

use super::*;
use crate::campaign::calibration::FateCounts;
use crate::outcomes::{EventProof, OutcomePlace};
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
    let proof = EventProof::Mail([sent_to.to_owned()].into());
    let event = event(address, OutcomeKind::Gone, 1).named(Some("m1".to_owned()));
    OutcomeEvent { proof, source: "bounce", ..event }
}

/// An empty place for outcomes.
struct TestPlace {
    folder: tempfile::TempDir,
    place: OutcomePlace,
}

impl TestPlace {
    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = OutcomePlace::File(folder.path().join("data/outcomes.db"));
        Self { folder, place }
    }

    #[cfg(feature = "external-tests")]
    fn database() -> Self {
        use crate::batch::StoreConfig;
        use crate::batch::postgres::tests::server::SERVER;
        let url = Some(SERVER.url(&SERVER.create_database()));
        let place = OutcomePlace::Database(StoreConfig { url, ..StoreConfig::default() });
        Self { folder: tempfile::tempdir().unwrap(), place }
    }

    #[cfg(feature = "external-tests")]
    fn database_name(&self) -> String {
        let OutcomePlace::Database(config) = &self.place else { panic!("a file") };
        config.url.as_deref().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    async fn open(&self) -> OutcomeStore {
        self.place.open(&Config::default()).await.unwrap()
    }

    /// The store under the key in a file of the test's own.
    async fn keyed(&self, file: &Path) -> Result<OutcomeStore, OutcomeStoreError> {
        let key_file = Some(file.to_owned());
        self.place.open(&Config { key_file, ..Config::default() }).await
    }
}

async fn suppressed(store: &OutcomeStore, text: &str, now: SystemTime) -> Option<OutcomeKind> {
    let found = store.suppression(&address(text).identity(), now).await.unwrap();
    found.map(|found| found.kind)
}

async fn add(store: &OutcomeStore, events: &[OutcomeEvent]) -> Vec<AddedEvent> {
    store.add(events.to_vec(), false, now()).await.unwrap()
}

/// Makes each claim of each place.
macro_rules! claims {
    ($($claim:ident)*) => {
        mod of_the_file {
            $(#[tokio::test] async fn $claim() { super::$claim(super::TestPlace::file()).await; })*
        }

        #[cfg(feature = "external-tests")]
        mod of_the_database {
            $(
                #[tokio::test]
                async fn $claim() { super::$claim(super::TestPlace::database()).await; }
            )*
        }
    };
}

#[cfg(feature = "external-tests")]
mod database;
mod rereading;

claims! {
    the_same_event_twice_changes_nothing
    an_event_ahead_of_the_clock_is_the_same_one_tomorrow
    only_gone_complaints_and_unsubscriptions_suppress
    a_dead_mailbox_is_asked_again_after_its_time_and_a_complaint_is_not
    mail_that_arrived_since_lifts_a_bounce
    the_hand_over_that_a_bounce_answers_does_not_lift_it
    of_several_outcomes_the_latest_are_told
    another_alias_of_one_person_is_no_dead_mailbox_and_has_opted_out
    a_bounce_counts_only_with_a_proof
    what_is_exported_comes_back_where_the_key_is_the_same
    what_is_erased_or_forgotten_is_gone
    the_history_of_a_domain_counts_what_was_sent_and_what_came_back
    a_mail_of_which_two_sources_tell_is_one_mail
    verdicts_are_counted_with_what_became_of_mail_and_forgotten_in_time
    a_bounce_about_an_address_of_a_list_counts
    two_stores_of_one_place_know_the_same
}

async fn the_same_event_twice_changes_nothing(place: TestPlace) {
    let store = place.open().await;
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("Jane@ACME.test", OutcomeKind::Gone, 1),
        event("jane@acme.test", OutcomeKind::Gone, 2),
        event("nobody", OutcomeKind::Gone, 1),
    ];
    use AddedEvent::{NoAddress, Repeated, Taken};
    assert_eq!(add(&store, &events).await, [Taken, Repeated, Taken, NoAddress]);
    assert_eq!(add(&store, &events).await, [Repeated, Repeated, Repeated, NoAddress]);
}

async fn an_event_ahead_of_the_clock_is_the_same_one_tomorrow(place: TestPlace) {
    let store = place.open().await;
    let ahead = event("jane@acme.test", OutcomeKind::Full, 0).at(Some(now() + DAY * 3));
    let add = async |now| store.add(vec![ahead.clone()], false, now).await.unwrap();
    assert_eq!(add(now()).await, [AddedEvent::Taken]);
    assert_eq!(add(now() + DAY).await, [AddedEvent::Repeated]);
}

async fn only_gone_complaints_and_unsubscriptions_suppress(place: TestPlace) {
    let store = place.open().await;
    for kind in OutcomeKind::ALL {
        let address = format!("{}@acme.test", kind.name());
        add(&store, &[event(&address, kind, 1)]).await;
        let expected =
            matches!(kind, OutcomeKind::Gone | OutcomeKind::Complaint | OutcomeKind::Unsubscribed);
        let found = suppressed(&store, &address, now()).await;
        assert_eq!(found.is_some(), expected, "{}", kind.name());
    }
}

async fn a_dead_mailbox_is_asked_again_after_its_time_and_a_complaint_is_not(place: TestPlace) {
    let store = place.open().await;
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 0),
        event("joe@acme.test", OutcomeKind::Complaint, 0),
    ];
    add(&store, &events).await;
    let later = now() + DAY * 179;
    assert_eq!(suppressed(&store, "jane@acme.test", later).await, Some(OutcomeKind::Gone));
    assert_eq!(suppressed(&store, "jane@acme.test", now() + DAY * 181).await, None);
    let later = now() + DAY * 5000;
    assert_eq!(suppressed(&store, "joe@acme.test", later).await, Some(OutcomeKind::Complaint));
}

async fn mail_that_arrived_since_lifts_a_bounce(place: TestPlace) {
    let store = place.open().await;
    add(&store, &[event("jane@acme.test", OutcomeKind::Gone, 10)]).await;
    assert!(suppressed(&store, "jane@acme.test", now()).await.is_some());
    add(&store, &[event("jane@acme.test", OutcomeKind::Delivered, 5)]).await;
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, None);
}

async fn the_hand_over_that_a_bounce_answers_does_not_lift_it(place: TestPlace) {
    let store = place.open().await;
    let gone = event("jane@acme.test", OutcomeKind::Gone, 10);
    // As the log of a host 14 hours east of UTC has it, without its offset.
    let ahead = Duration::from_secs(14 * 60 * 60);
    let taken =
        event("jane@acme.test", OutcomeKind::Delivered, 10).at(gone.at.map(|at| at + ahead));
    add(&store, &[gone, taken]).await;
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, Some(OutcomeKind::Gone));
}

async fn of_several_outcomes_the_latest_are_told(place: TestPlace) {
    use OutcomeKind::{Complaint, Delivered, Gone, Unsubscribed};
    let store = place.open().await;
    let days = [(Delivered, 9), (Delivered, 5), (Gone, 8), (Gone, 4), (Gone, 6)];
    let days = days.into_iter().chain([(Complaint, 3), (Unsubscribed, 7)]);
    let events: Vec<_> = days.map(|(kind, days)| event("jane@acme.test", kind, days)).collect();
    add(&store, &events).await;
    let latest = store.latest(&address("jane@acme.test").identity(), now()).await.unwrap();
    let told = [latest.delivered, latest.gone, latest.opted_out].map(|found| found.unwrap().at);
    assert_eq!(told, [5, 4, 3].map(|days| now() - DAY * days));
    let other = store.latest(&address("joe@acme.test").identity(), now()).await.unwrap();
    assert_eq!(other, LatestOutcomes::default());
}

async fn another_alias_of_one_person_is_no_dead_mailbox_and_has_opted_out(place: TestPlace) {
    let store = place.open().await;
    add(&store, &[event("jane-shop@yahoo.com", OutcomeKind::Gone, 1)]).await;
    assert_eq!(suppressed(&store, "jane-news@yahoo.com", now()).await, None);
    add(&store, &[event("jane-shop@yahoo.com", OutcomeKind::Complaint, 1)]).await;
    let found = suppressed(&store, "jane-news@yahoo.com", now()).await;
    assert_eq!(found, Some(OutcomeKind::Complaint));
}

async fn a_bounce_counts_only_with_a_proof(place: TestPlace) {
    use AddedEvent::{NotCounted, Taken};
    let store = place.open().await;
    let forged = bounce("jane@acme.test", "news@sender.test");
    assert_eq!(add(&store, &[forged]).await, [NotCounted]);
    let token = store.token(&address("jane@acme.test")).await.unwrap();
    let other = bounce("joe@acme.test", &format!("bounces+{token}@sender.test"));
    assert_eq!(add(&store, &[other]).await, [NotCounted]);
    let proven = bounce("jane@acme.test", &format!("Bounces+{token}@sender.test"));
    assert_eq!(add(&store, &[proven]).await, [Taken]);
    // What an own source tells counts for bounces that stand before it too.
    let bounced = bounce("joe@acme.test", "news@sender.test");
    let sent = event("joe@acme.test", OutcomeKind::Sent, 3);
    assert_eq!(add(&store, &[bounced, sent]).await, [Taken, Taken]);
    let trusted = store.add(vec![bounce("ann@acme.test", "x@y.test")], true, now()).await.unwrap();
    assert_eq!(trusted, [Taken]);
}

async fn what_is_exported_comes_back_where_the_key_is_the_same(place: TestPlace) {
    let key = place.folder.path().join("the.key");
    let from = place.keyed(&key).await.unwrap();
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("joe@acme.test", OutcomeKind::Complaint, 2),
        event("ann@acme.test", OutcomeKind::Sent, 2),
    ];
    add(&from, &events).await;
    let mut rows: Vec<StoredOutcome> = Vec::new();
    loop {
        let page = from.export(rows.last(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    assert_eq!(rows.len(), 3);
    assert!(rows.is_sorted_by_key(|row| (row.at, row.id)), "the oldest first");
    let elsewhere = TestPlace::file();
    let to = elsewhere.keyed(&key).await.unwrap();
    assert_eq!(to.import(rows.clone()).await.unwrap(), 3);
    assert_eq!(to.import(rows).await.unwrap(), 0);
    assert_eq!(suppressed(&to, "jane@acme.test", now()).await, Some(OutcomeKind::Gone));
}

async fn what_is_erased_or_forgotten_is_gone(place: TestPlace) {
    let store = place.open().await;
    let events = [
        event("jane@acme.test", OutcomeKind::Gone, 1),
        event("joe@acme.test", OutcomeKind::Gone, 100),
        event("ann@acme.test", OutcomeKind::Unsubscribed, 100),
    ];
    add(&store, &events).await;
    // More than are removed at a time.
    let old = (0..10_001).map(|n| event(&format!("u{n}@acme.test"), OutcomeKind::Gone, 99));
    add(&store, &old.collect::<Vec<_>>()).await;
    assert_eq!(store.erase(&address("jane@acme.test")).await.unwrap(), 1);
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, None);
    assert_eq!(store.forget_before(now() - DAY * 50).await.unwrap(), 10_002);
    assert_eq!(suppressed(&store, "joe@acme.test", now()).await, None);
    let ann = suppressed(&store, "ann@acme.test", now()).await;
    assert_eq!(ann, Some(OutcomeKind::Unsubscribed));
}

async fn the_history_of_a_domain_counts_what_was_sent_and_what_came_back(place: TestPlace) {
    let store = place.open().await;
    let kinds =
        [OutcomeKind::Delivered, OutcomeKind::Delivered, OutcomeKind::Gone, OutcomeKind::Full];
    for (number, kind) in kinds.into_iter().enumerate() {
        add(&store, &[event(&format!("u{number}@acme.test"), kind, 1)]).await;
    }
    add(&store, &[event("old@acme.test", OutcomeKind::Gone, 400)]).await;
    let history = store.history("acme.test", now() - DAY * 180).await.unwrap();
    assert_eq!(history, DomainMail { sent: 4, bounced: 2, gone: 1 });
    for number in 0..9 {
        let listed = event(&format!("l{number}@acme.test"), OutcomeKind::Sent, 1);
        add(&store, &[listed]).await;
    }
    let history = store.history("acme.test", now() - DAY * 180).await.unwrap();
    assert_eq!(history, DomainMail { sent: 9, bounced: 2, gone: 1 });
}

async fn a_mail_of_which_two_sources_tell_is_one_mail(place: TestPlace) {
    let store = place.open().await;
    let (gone, delivered) = (OutcomeKind::Gone, OutcomeKind::Delivered);
    let by = |source, address, kind| OutcomeEvent { source, ..event(address, kind, 1) };
    add(&store, &["postfix", "bounce"].map(|source| by(source, "jane@acme.test", gone))).await;
    add(&store, &["postfix", "ses"].map(|source| by(source, "joe@acme.test", delivered))).await;
    let second = by("postfix", "joe@acme.test", delivered).at(Some(now() - DAY / 2));
    add(&store, &[second]).await;
    let history = store.history("acme.test", now() - DAY * 180).await.unwrap();
    assert_eq!(history, DomainMail { sent: 3, bounced: 1, gone: 1 });
}

fn given(address: &str, reason: Reason) -> GivenVerdict {
    let provider = "acme.test".to_owned();
    GivenVerdict { address: address.to_owned(), reason, provider, gathered_at: None }
}

async fn verdicts_are_counted_with_what_became_of_mail_and_forgotten_in_time(place: TestPlace) {
    let store = place.open().await;
    let verdicts: Vec<GivenVerdict> = (0..50)
        .map(|number| given(&format!("u{number}@acme.test"), Reason::MailboxAccepted))
        .chain([given("none", Reason::InvalidSyntax)])
        .collect();
    store.remember("spring", &verdicts, now() - DAY * 3).await.unwrap();
    let events: Vec<OutcomeEvent> = (0..30)
        .map(|number| (number, if number < 3 { OutcomeKind::Gone } else { OutcomeKind::Delivered }))
        .map(|(number, kind)| event(&format!("U{number}@acme.test"), kind, 1))
        .chain([event("other@acme.test", OutcomeKind::Gone, 1)])
        .collect();
    add(&store, &events).await;
    let tallies = store.tallies().await.unwrap();
    let counts = FateCounts { given: 50, arrived: 27, gone: 3, apart: 0 };
    let mut total = FateCounts::default();
    tallies.kinds.values().for_each(|part| total.add(*part));
    assert_eq!(total, counts);
    assert_eq!(tallies.sends.len(), 1);
    assert_eq!(tallies.sends[0].reasons[&Reason::MailboxAccepted], counts);
    assert_eq!(store.erase(&address("u0@acme.test")).await.unwrap(), 2);
    store.forget_old_verdicts(now() + DAY * 178).await.unwrap();
    assert!(store.tallies().await.unwrap().sends.is_empty(), "kept for 180 days");
}

async fn a_bounce_about_an_address_of_a_list_counts(place: TestPlace) {
    let store = place.open().await;
    let forged = bounce("jane@acme.test", "news@sender.test");
    assert_eq!(add(&store, std::slice::from_ref(&forged)).await, [AddedEvent::NotCounted]);
    let verdict = given("jane@acme.test", Reason::MailboxAccepted);
    store.remember("spring", &[verdict], now()).await.unwrap();
    assert_eq!(add(&store, &[forged]).await, [AddedEvent::Taken]);
}

async fn two_stores_of_one_place_know_the_same(place: TestPlace) {
    let (one, other) = (place.open().await, place.open().await);
    let third = place.open().await;
    assert_eq!(suppressed(&other, "jane@acme.test", now()).await, None);
    add(&one, &[event("jane@acme.test", OutcomeKind::Gone, 1)]).await;
    let later = now() + Duration::from_secs(1);
    assert_eq!(suppressed(&other, "jane@acme.test", later).await, Some(OutcomeKind::Gone));
    // All that look up at a time know it, not only the first of them.
    let found = futures_util::future::join_all([later; 3].map(|now| {
        let third = &third;
        async move { suppressed(third, "jane@acme.test", now).await }
    }));
    assert_eq!(found.await, [Some(OutcomeKind::Gone); 3]);
    assert!(other.is_in_use());
    let token = one.token(&address("jane@acme.test")).await.unwrap();
    assert_eq!(other.token(&address("jane@acme.test")).await.unwrap(), token);
}
