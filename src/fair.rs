//! A fair `buffer_unordered`: many futures in one task, the started ones first.
//!
//! It polls only the futures that were woken, prefers them to futures that have not started yet,
//! and yields to other tasks at regular intervals. Tokio's cooperative budget ensures only the
//! last: every future that is polled after the budget is spent wakes itself, so thousands in
//! progress would be polled again and again, and unstarted futures would run before answered ones.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered, Stream};
use tokio::task::coop;

/// Number of futures that are started or completed before the task yields.
const YIELD_EVERY: usize = 32;

/// Runs up to `limit` futures at a time (at least one) and yields their outputs as they complete.
/// Nothing makes progress unless the stream is polled.
pub fn buffer_unordered<F: Future>(
    futures: impl Stream<Item = F>,
    limit: usize,
) -> impl Stream<Item = F::Output> {
    let mut unstarted = Box::pin(futures.fuse());
    let mut running = FuturesUnordered::new();
    let mut steps = 0;
    stream::poll_fn(move |context| {
        loop {
            if steps >= YIELD_EVERY {
                steps = 0;
                yield_to_others(context);
                return Poll::Pending;
            }
            if let Poll::Ready(Some(output)) = running.poll_next_unpin(context) {
                steps += 1;
                return Poll::Ready(Some(output));
            }
            let next = match running.len() < limit.max(1) {
                true => unstarted.poll_next_unpin(context),
                false => Poll::Pending,
            };
            match next {
                Poll::Ready(Some(future)) => {
                    steps += 1;
                    // This stream counts its own steps; Tokio's budget would count them again.
                    running.push(coop::unconstrained(future));
                }
                Poll::Ready(None) if running.is_empty() => return Poll::Ready(None),
                _ => {
                    steps = 0;
                    return Poll::Pending;
                }
            }
        }
    })
}

/// Asks to be woken after all other ready tasks and the I/O driver had their turn.
fn yield_to_others(context: &mut Context<'_>) {
    let others = pin!(tokio::task::yield_now());
    // The first poll only registers the wake-up.
    let _pending = others.poll(context);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use futures_util::{future, poll};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn every_future_comes_to_its_end() {
        let futures = stream::iter(0..1000).map(async |n| {
            tokio::task::yield_now().await;
            n
        });
        let mut all: Vec<u32> = buffer_unordered(futures, 7).collect().await;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[tokio::test]
    async fn no_more_are_running_than_may_be_and_at_least_one() {
        for (most, wanted) in [(0, 1), (1, 1), (7, 7)] {
            let (now, peak) = (Cell::new(0), Cell::new(0));
            let futures = stream::iter(0..100).map(async |_| {
                now.set(now.get() + 1);
                peak.set(peak.get().max(now.get()));
                tokio::task::yield_now().await;
                now.set(now.get() - 1);
            });
            assert_eq!(buffer_unordered(futures, most).count().await, 100);
            assert_eq!(peak.get(), wanted, "{most}");
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_even_if_none_has_to_wait() {
        let begun = Cell::new(0);
        let futures = stream::iter(0..2 * YIELD_EVERY).map(async |_| begun.set(begun.get() + 1));
        let mut count = pin!(buffer_unordered(futures, 1000).count());
        assert!(poll!(count.as_mut()).is_pending());
        assert!((1..=YIELD_EVERY).contains(&begun.get()));
        assert_eq!(count.await, 2 * YIELD_EVERY);
    }

    #[tokio::test]
    async fn what_was_answered_goes_on_before_others_begin() {
        let (answer, answered) = oneshot::channel();
        let (mut answered, said) = (Some(answered), RefCell::new(Vec::new()));
        let futures = stream::iter(0..4 * YIELD_EVERY).map(|n| {
            said.borrow_mut().push(format!("{n} comes"));
            let (answered, said) = (answered.take(), &said);
            async move {
                match answered {
                    Some(answered) => answered.await.unwrap(),
                    None => future::pending().await,
                }
                said.borrow_mut().push(format!("{n} goes on"));
            }
        });
        let mut all = pin!(buffer_unordered(futures, usize::MAX).count());
        assert!(poll!(all.as_mut()).is_pending());
        let before = said.borrow().len();
        answer.send(()).unwrap();
        assert!(poll!(all.as_mut()).is_pending());
        assert_eq!(said.borrow()[before], "0 goes on");
        assert_eq!(said.borrow()[before + 1], format!("{before} comes"));
    }

    #[tokio::test]
    async fn a_future_is_polled_when_it_is_woken_and_no_more_however_many_there_are() {
        const MANY: usize = 5000;
        let (mut answers, polls) = (VecDeque::new(), Cell::new(0));
        let futures = (0..MANY).map(|_| {
            let (answer, mut answered) = oneshot::channel::<()>();
            answers.push_back(answer);
            let polls = &polls;
            future::poll_fn(move |context| {
                polls.set(polls.get() + 1);
                pin!(&mut answered).poll(context)
            })
        });
        let futures: Vec<_> = futures.collect();
        let mut all = pin!(buffer_unordered(stream::iter(futures), MANY).count());
        while polls.get() < MANY {
            assert!(poll!(all.as_mut()).is_pending());
        }
        answers.into_iter().for_each(|answer| answer.send(()).unwrap());
        assert_eq!(all.await, MANY);
        assert_eq!(polls.get(), 2 * MANY);
    }
}
