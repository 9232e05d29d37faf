//! A fair `buffer_unordered`: many futures in one task, the started ones first.
//!
//! It polls only the futures that were woken, prefers them to futures that have not started yet,
//! and yields to other tasks at regular intervals. Tokio's cooperative budget ensures only the
//! last: every future that is polled after the budget is spent wakes itself, so thousands in
//! progress would be polled again and again, and unstarted futures would run before answered ones.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered, Stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, coop};
use tracing::Instrument as _;

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

/// The same in a task of its own: the futures go on while nobody takes what others have yielded,
/// and so none keeps a turn or a connection that somebody else waits for. `limit` counts those
/// running and those whose output was not taken yet; nothing is read of `futures` beyond it.
///
/// Dropping the stream ends them. A future that panics does so for whoever reads the stream.
pub fn drive_unordered<S, F>(futures: S, limit: usize) -> impl Stream<Item = F::Output> + use<S, F>
where
    S: Stream<Item = F> + Send + 'static,
    F: Future<Output: Send> + Send + 'static,
{
    let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(limit));
    let state = (Box::pin(futures.fuse()), room);
    let started = stream::unfold(state, |(mut futures, room)| async move {
        // It is never closed.
        let place = Arc::clone(&room).acquire_owned().await.ok()?;
        let future = futures.next().await?;
        Some((async move { (future.await, place) }, (futures, room)))
    });
    // Each output has its place, so there is always room.
    run_ahead(buffer_unordered(started, limit), limit).map(|(output, _place)| output)
}

/// The stream in a task of its own, which makes the next items, `ahead` of them and one more, while
/// the reader deals with the last.
///
/// Dropping what is returned ends it. If it panics, whoever reads does so.
pub fn run_ahead<S>(items: S, ahead: usize) -> impl Stream<Item = S::Item> + use<S>
where
    S: Stream<Item: Send> + Send + 'static,
{
    let (send, made) = mpsc::channel(ahead.max(1));
    let mut driver = JoinSet::new();
    let drive = async move {
        let mut items = pin!(items);
        while let Some(item) = items.next().await {
            if send.send(item).await.is_err() {
                return;
            }
        }
    };
    driver.spawn(drive.in_current_span());
    stream::unfold((made, driver), |(mut made, mut driver)| async move {
        if let Some(item) = made.recv().await {
            return Some((item, (made, driver)));
        }
        if let Some(Err(ended)) = driver.join_next().await
            && let Ok(panic) = ended.try_into_panic()
        {
            resume_unwind(panic);
        }
        None
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{future, poll};
    use tokio::sync::oneshot;
    use tokio::time::{Duration, timeout};

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

    #[tokio::test(start_paused = true)]
    async fn driven_futures_go_on_while_nobody_takes_what_others_yield() {
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let of_all = Arc::clone(&turn);
        let futures = stream::iter(0..3).map(move |n| {
            let turn = Arc::clone(&of_all);
            async move {
                if n > 0 {
                    let _turn = turn.lock().await;
                    tokio::task::yield_now().await;
                }
                n
            }
        });
        let mut driven = pin!(drive_unordered(futures, 3));
        assert_eq!(driven.next().await, Some(0));
        // The others have begun, one of them in its turn. Nobody reads on.
        for _ in 0..3 {
            let mine = timeout(Duration::from_secs(1), turn.lock()).await;
            drop(mine.expect("whoever has the turn goes on"));
            tokio::task::yield_now().await;
        }
        assert_eq!(driven.count().await, 2);
    }

    #[tokio::test]
    async fn driven_futures_count_until_their_output_is_taken_and_all_come_to_their_end() {
        for (limit, wanted) in [(0, 1), (1, 1), (7, 7)] {
            let begun = Arc::new(AtomicUsize::new(0));
            let of_all = Arc::clone(&begun);
            let futures = stream::iter(0..100).map(move |_| {
                let begun = Arc::clone(&of_all);
                async move { begun.fetch_add(1, Ordering::Relaxed) }
            });
            let mut driven = pin!(drive_unordered(futures, limit));
            for taken in 0..100 {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                let begun = begun.load(Ordering::Relaxed);
                assert!(begun <= taken + wanted, "{begun} begun, {taken} taken of {limit}");
                assert!(driven.next().await.is_some());
            }
            assert_eq!(driven.next().await, None);
        }
    }

    #[tokio::test]
    async fn what_runs_ahead_makes_the_next_items_and_no_more_until_the_last_is_taken() {
        let made = Arc::new(AtomicUsize::new(0));
        let of_all = Arc::clone(&made);
        let items = stream::iter(0..10).map(move |n| {
            of_all.fetch_add(1, Ordering::Relaxed);
            n
        });
        let mut ahead = pin!(run_ahead(items, 2));
        for taken in 0..10 {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(made.load(Ordering::Relaxed), (taken + 3).min(10));
            assert_eq!(ahead.next().await, Some(taken));
        }
        assert_eq!(ahead.next().await, None);
    }

    #[tokio::test]
    async fn driven_futures_end_with_their_stream() {
        let (held, ended) = oneshot::channel::<()>();
        let futures = stream::iter([held]).map(|held| async move {
            let _held = held;
            future::pending::<()>().await;
        });
        {
            let mut driven = pin!(drive_unordered(futures, 1));
            assert!(poll!(driven.next()).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(ended.await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "it broke")]
    async fn a_driven_future_that_panics_does_so_for_the_reader() {
        let futures = stream::iter(0..2).map(|n| async move { assert!(n < 1, "it broke") });
        drive_unordered(futures, 1).count().await;
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
