//! Look-ups on the way of verdicts: those that wait are one question to the database.
//!
//! The first of them asks for all; those that come meanwhile wait for the next question. However
//! many addresses are vetted at a time, one connection is enough.

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Look-ups of one question.
const MOST: usize = 500;

/// An answer, or why there is none.
type LookupResult<A> = Result<A, String>;

/// A look-up that waits for its answer.
struct PendingLookup<Q, A> {
    digests: Q,
    reply: oneshot::Sender<LookupResult<A>>,
}

/// The look-ups of a process: of hashes `Q`, answered by `A`.
pub(super) struct LookupGroup<Q, A> {
    pending: Mutex<Vec<PendingLookup<Q, A>>>,
    turn: tokio::sync::Mutex<()>,
}

impl<Q, A> Default for LookupGroup<Q, A> {
    fn default() -> Self {
        Self { pending: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<Q: Copy, A: Default> LookupGroup<Q, A> {
    /// Looks an address up, with the others that wait; `ask` answers several in their order.
    pub(super) async fn look_up<F>(&self, digests: Q, ask: impl Fn(Vec<Q>) -> F) -> LookupResult<A>
    where
        F: Future<Output = Result<Vec<A>, String>>,
    {
        let mut answer = self.enqueue(digests);
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answer => Err(answer),
                turn = self.turn.lock() => Ok(turn),
            };
            match turn {
                Err(Ok(answer)) => return answer,
                // Whoever asked for it was dropped meanwhile.
                Err(Err(_)) => answer = self.enqueue(digests),
                Ok(_turn) => {
                    // Those that are about to come are asked for too.
                    tokio::task::yield_now().await;
                    self.ask_for_all(&ask).await;
                }
            }
        }
    }

    fn enqueue(&self, digests: Q) -> oneshot::Receiver<LookupResult<A>> {
        let (reply, answer) = oneshot::channel();
        self.pending.lock().push(PendingLookup { digests, reply });
        answer
    }

    async fn ask_for_all<F>(&self, ask: impl Fn(Vec<Q>) -> F)
    where
        F: Future<Output = Result<Vec<A>, String>>,
    {
        let taken: Vec<PendingLookup<Q, A>> = {
            let mut pending = self.pending.lock();
            pending.retain(|lookup| !lookup.reply.is_closed());
            let many = pending.len().min(MOST);
            pending.drain(..many).collect()
        };
        if taken.is_empty() {
            return;
        }
        let answers = ask(taken.iter().map(|lookup| lookup.digests).collect()).await;
        let mut answers = answers.map(Vec::into_iter);
        for lookup in taken {
            let answer = match &mut answers {
                Ok(answers) => Ok(answers.next().unwrap_or_default()),
                Err(reason) => Err(reason.clone()),
            };
            let _ = lookup.reply.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::outcomes::address_key::{AddressDigests, AddressKey};
    use crate::outcomes::kind::OutcomeKind;
    use crate::outcomes::stored_outcome::{LatestOutcomes, StoredOutcome};

    fn digests(name: &str) -> AddressDigests {
        let digest = AddressKey::new(&[7; 32]).digest("mailbox", &[name]);
        AddressDigests { mailbox: digest, person: digest }
    }

    fn latest(of: &AddressDigests) -> LatestOutcomes {
        let gone = StoredOutcome {
            id: of.mailbox,
            mailbox: of.mailbox,
            person: of.person,
            domain: String::new(),
            kind: OutcomeKind::Gone,
            at: std::time::SystemTime::UNIX_EPOCH,
            source: String::new(),
            words: String::new(),
            address: None,
        };
        LatestOutcomes { gone: Some(gone), ..LatestOutcomes::default() }
    }

    #[tokio::test]
    async fn a_chunk_is_one_question_and_each_gets_its_own_answer() {
        let (group, questions) = (LookupGroup::default(), AtomicUsize::new(0));
        let ask = async |asked: Vec<AddressDigests>| {
            questions.fetch_add(1, Ordering::Relaxed);
            Ok(asked.iter().map(latest).collect())
        };
        let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let found = join_all(names.iter().map(|name| group.look_up(digests(name), &ask))).await;
        for (name, found) in names.iter().zip(found) {
            assert_eq!(found, Ok(latest(&digests(name))), "{name}");
        }
        assert_eq!(questions.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_that_were_asked_for_and_passes() {
        let group = LookupGroup::default();
        let failing = async |_: Vec<AddressDigests>| Err("away".to_owned());
        let found = join_all(["a", "b"].map(|name| group.look_up(digests(name), failing))).await;
        assert_eq!(found, [Err("away".to_owned()), Err("away".to_owned())]);
        let asked = async |asked: Vec<AddressDigests>| Ok(asked.iter().map(latest).collect());
        assert_eq!(group.look_up(digests("a"), asked).await, Ok(latest(&digests("a"))));
    }

    #[tokio::test]
    async fn whoever_waits_for_one_that_was_dropped_asks_again() {
        let group = LookupGroup::default();
        let never = async |_: Vec<AddressDigests>| std::future::pending().await;
        let asked = async |asked: Vec<AddressDigests>| Ok(asked.iter().map(latest).collect());
        let mut first = Box::pin(group.look_up(digests("a"), never));
        let mut second = Box::pin(group.look_up(digests("b"), asked));
        for _ in 0..3 {
            assert!(futures_util::poll!(&mut first).is_pending());
            assert!(futures_util::poll!(&mut second).is_pending());
        }
        drop(first);
        assert_eq!(second.await, Ok(latest(&digests("b"))));
    }
}
