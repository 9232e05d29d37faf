//! The replies to one question that nobody has looked at yet: a few, in the order they came.
//!
//! A channel does the same for any number of senders and receivers, at several times the memory for
//! each question.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::task::coop;

/// Replies kept that nobody has looked at. More than one is a forger's, or a second answer.
const REPLIES: usize = 4;

/// A bounded queue of replies with one receiver.
#[derive(Default)]
pub(super) struct ReplyQueue {
    waiting: Mutex<WaitingReplies>,
}

#[derive(Default)]
struct WaitingReplies {
    /// The earliest first; none after a place that is free.
    replies: [Option<Vec<u8>>; REPLIES],
    /// The receiver, if it came before them.
    receiver: Option<Waker>,
}

impl ReplyQueue {
    /// Adds a reply and wakes the receiver. If there is no room, the reply is dropped: there are
    /// others to look at, and the right one is among them or comes again.
    pub(super) fn push(&self, reply: &[u8]) {
        let mut waiting = self.waiting.lock();
        let Some(place) = waiting.replies.iter_mut().find(|place| place.is_none()) else { return };
        *place = Some(reply.to_vec());
        let receiver = waiting.receiver.take();
        drop(waiting);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Waits for the next reply. Dropped before it is there, it takes none.
    pub(super) async fn receive(&self) -> Vec<u8> {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// The reply and the waker change places under one lock, so that no reply comes between.
    fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        // A flood of replies leaves the timers of its receiver their turn.
        let budget = ready!(coop::poll_proceed(context));
        let mut waiting = self.waiting.lock();
        let Some(reply) = waiting.replies[0].take() else {
            let is_registered =
                waiting.receiver.as_ref().is_some_and(|it| it.will_wake(context.waker()));
            if !is_registered {
                waiting.receiver = Some(context.waker().clone());
            }
            return Poll::Pending;
        };
        waiting.replies.rotate_left(1);
        budget.made_progress();
        Poll::Ready(reply)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn replies_come_in_their_order_and_those_beyond_the_room_are_dropped() {
        let queue = ReplyQueue::default();
        assert_eq!(queue.receive().now_or_never(), None);
        for reply in 1..=6 {
            queue.push(&[reply]);
        }
        assert_eq!(queue.receive().await, [1]);
        queue.push(&[7]);
        for reply in [2, 3, 4, 7] {
            assert_eq!(queue.receive().await, [reply]);
        }
        assert_eq!(queue.receive().now_or_never(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reply_wakes_its_receiver_whenever_it_comes() {
        for _ in 0..1_000 {
            let queue = Arc::new(ReplyQueue::default());
            let mut replying = tokio::task::JoinSet::new();
            let pushed = Arc::clone(&queue);
            replying.spawn(async move { [1, 2].map(|reply| pushed.push(&[reply])) });
            assert_eq!((queue.receive().await, queue.receive().await), (vec![1], vec![2]));
        }
    }

    #[tokio::test]
    async fn the_receiver_that_asked_last_is_woken() {
        let queue = ReplyQueue::default();
        // Asked for once from elsewhere, as by a future that has moved to another task.
        assert_eq!(queue.receive().now_or_never(), None);
        let (reply, ()) = tokio::join!(queue.receive(), async { queue.push(&[1]) });
        assert_eq!(reply, [1]);
    }

    #[tokio::test]
    async fn a_flood_of_replies_does_not_keep_its_receiver_from_its_timers() {
        let queue = ReplyQueue::default();
        let mut taken = 0;
        for _ in 0..1_000 {
            queue.push(&[1]);
            taken += usize::from(queue.receive().now_or_never().is_some());
        }
        assert!((1..1_000).contains(&taken), "{taken}");
    }
}
