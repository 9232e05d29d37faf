//! Many futures in one task that goes on with those under way before it begins others, polls those
//! that were woken and no more, and lets other tasks have their turn.
//!
//! Tokio's budget of a task sees to the last alone: every future that is polled once it is used up
//! comes back by itself, so thousands under way would be polled again and again, and those that have
//! not begun yet would stand before those that have been answered.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered, Stream};
use tokio::task::coop;

/// How many futures are begun or come to their end in one turn of the task.
const TURN: usize = 32;

/// What the futures come to, as they do; at most `most` are under way at a time, and at least one.
/// Nothing goes on unless the stream is read.
pub fn side_by_side<F: Future>(
    futures: impl Stream<Item = F>,
    most: usize,
) -> impl Stream<Item = F::Output> {
    let mut waiting = Box::pin(futures.fuse());
    let mut under_way = FuturesUnordered::new();
    let mut steps = 0;
    stream::poll_fn(move |context| {
        loop {
            if steps >= TURN {
                steps = 0;
                let_others(context);
                return Poll::Pending;
            }
            if let Poll::Ready(Some(output)) = under_way.poll_next_unpin(context) {
                steps += 1;
                return Poll::Ready(Some(output));
            }
            let next = match under_way.len() < most.max(1) {
                true => waiting.poll_next_unpin(context),
                false => Poll::Pending,
            };
            match next {
                Poll::Ready(Some(future)) => {
                    steps += 1;
                    // The turn is this stream's, not the budget's.
                    under_way.push(coop::unconstrained(future));
                }
                Poll::Ready(None) if under_way.is_empty() => return Poll::Ready(None),
                _ => {
                    steps = 0;
                    return Poll::Pending;
                }
            }
        }
    })
}

/// Lets whatever else there is to do come first, news from the network included.
fn let_others(context: &mut Context<'_>) {
    let others = pin!(tokio::task::yield_now());
    // The first poll only asks to be woken afterwards.
    let _asked = others.poll(context);
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
        let mut all: Vec<u32> = side_by_side(futures, 7).collect().await;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_may_be_and_at_least_one() {
        for (most, wanted) in [(0, 1), (1, 1), (7, 7)] {
            let (now, peak) = (Cell::new(0), Cell::new(0));
            let futures = stream::iter(0..100).map(async |_| {
                now.set(now.get() + 1);
                peak.set(peak.get().max(now.get()));
                tokio::task::yield_now().await;
                now.set(now.get() - 1);
            });
            assert_eq!(side_by_side(futures, most).count().await, 100);
            assert_eq!(peak.get(), wanted, "{most}");
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_even_if_none_has_to_wait() {
        let begun = Cell::new(0);
        let futures = stream::iter(0..2 * TURN).map(async |_| begun.set(begun.get() + 1));
        let mut count = pin!(side_by_side(futures, 1000).count());
        assert!(poll!(count.as_mut()).is_pending());
        assert!((1..=TURN).contains(&begun.get()));
        assert_eq!(count.await, 2 * TURN);
    }

    #[tokio::test]
    async fn what_was_answered_goes_on_before_others_begin() {
        let (answer, answered) = oneshot::channel();
        let (mut answered, said) = (Some(answered), RefCell::new(Vec::new()));
        let futures = stream::iter(0..4 * TURN).map(|n| {
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
        let mut all = pin!(side_by_side(futures, usize::MAX).count());
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
        let mut all = pin!(side_by_side(stream::iter(futures), MANY).count());
        while polls.get() < MANY {
            assert!(poll!(all.as_mut()).is_pending());
        }
        answers.into_iter().for_each(|answer| answer.send(()).unwrap());
        assert_eq!(all.await, MANY);
        assert_eq!(polls.get(), 2 * MANY);
    }
}
