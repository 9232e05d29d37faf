//! Claims about sources that are read again, by other rules.

use super::*;

claims! {
    a_bounce_that_other_rules_read_otherwise_is_one_outcome
    two_fates_in_one_mail_are_two_outcomes
    no_other_reading_takes_a_complaint_back
}

fn read_as(kinds: &[OutcomeKind]) -> Vec<OutcomeEvent> {
    let mail = bounce("jane@acme.test", "news@sender.test");
    kinds.iter().map(|kind| OutcomeEvent { kind: *kind, ..mail.clone() }).collect()
}

async fn add_as(store: &OutcomeStore, kinds: &[OutcomeKind]) -> Vec<AddedEvent> {
    store.add(read_as(kinds), true, now()).await.unwrap()
}

async fn a_bounce_that_other_rules_read_otherwise_is_one_outcome(place: TestPlace) {
    use AddedEvent::{Repeated, Taken};
    let store = place.open().await;
    assert_eq!(add_as(&store, &[OutcomeKind::Gone]).await, [Taken]);
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, Some(OutcomeKind::Gone));
    assert_eq!(add_as(&store, &[OutcomeKind::Blocked]).await, [Taken]);
    assert_eq!(add_as(&store, &[OutcomeKind::Blocked]).await, [Repeated]);
    assert_eq!(suppressed(&store, "jane@acme.test", now()).await, None);
    let history = store.history("acme.test", now() - DAY * 180).await.unwrap();
    assert_eq!(history, DomainMail { sent: 1, bounced: 1, gone: 0 });
}

async fn two_fates_in_one_mail_are_two_outcomes(place: TestPlace) {
    let store = place.open().await;
    let kinds = [OutcomeKind::Gone, OutcomeKind::Temporary];
    assert_eq!(add_as(&store, &kinds).await, [AddedEvent::Taken; 2]);
    assert_eq!(add_as(&store, &kinds).await, [AddedEvent::Repeated; 2]);
}

async fn no_other_reading_takes_a_complaint_back(place: TestPlace) {
    let store = place.open().await;
    add_as(&store, &[OutcomeKind::Complaint]).await;
    add_as(&store, &[OutcomeKind::Unknown]).await;
    let found = suppressed(&store, "jane@acme.test", now()).await;
    assert_eq!(found, Some(OutcomeKind::Complaint));
}
