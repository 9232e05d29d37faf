//! Posts to hooks that are not verified yet: their places, and the octets of their bodies.
//!
//! Whose a post is shows when all of it is there, and until then anybody may have sent it. So what
//! it holds, it holds as long as nobody else needs it: when places or octets run out, a post gives
//! way that is not verified, the oldest of the peer that holds most.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::arrivals::network;
use crate::outcomes::HookError;

/// Posts at a time.
const PLACES: usize = 64;

/// Octets of all their bodies.
const OCTETS: usize = 32 * 1024 * 1024;

/// The largest body, in octets.
const LARGEST: usize = super::message_limit::LARGEST_PAGE;

/// Time in which a body has to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// The posts in arrival. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct HookArrivals(Arc<Mutex<ArrivingPosts>>);

#[derive(Debug, Default)]
struct ArrivingPosts {
    next: u64,
    /// The oldest first.
    posts: BTreeMap<u64, ArrivingPost>,
}

#[derive(Debug)]
struct ArrivingPost {
    /// The network that it comes from.
    peer: IpAddr,
    octets: usize,
    is_verified: bool,
    gave_way: CancellationToken,
}

impl ArrivingPosts {
    /// Lets a post give way that is not verified, other than `own`: the oldest of the peer that
    /// holds most, as `held` weighs it. `false` if there is none.
    fn evict(&mut self, own: Option<u64>, held: fn(&ArrivingPost) -> usize) -> bool {
        let others =
            |(number, post): &(&u64, &ArrivingPost)| !post.is_verified && Some(**number) != own;
        let mut by_peer: HashMap<IpAddr, usize> = HashMap::new();
        for (_, post) in self.posts.iter().filter(others) {
            *by_peer.entry(post.peer).or_default() += held(post);
        }
        let most = by_peer.values().max();
        let largest = |(_, post): &(&u64, &ArrivingPost)| by_peer.get(&post.peer) == most;
        let Some((&number, _)) = self.posts.iter().filter(others).find(largest) else {
            return false;
        };
        self.posts.remove(&number).inspect(|post| post.gave_way.cancel()).is_some()
    }

    fn octets(&self) -> usize {
        self.posts.values().map(|post| post.octets).sum()
    }
}

impl HookArrivals {
    /// A place for a post of `ip` that begins.
    ///
    /// # Errors
    ///
    /// [`HookError::Crowded`] if all posts are verified and being kept.
    pub(super) fn enter(&self, ip: IpAddr) -> Result<ArrivalPlace, HookError> {
        let gave_way = CancellationToken::new();
        let mut arriving = self.0.lock();
        if arriving.posts.len() >= PLACES && !arriving.evict(None, |_| 1) {
            return Err(HookError::Crowded);
        }
        let number = arriving.next;
        arriving.next += 1;
        let (peer, is_verified) = (network(ip), false);
        let post = ArrivingPost { peer, octets: 0, is_verified, gave_way: gave_way.clone() };
        arriving.posts.insert(number, post);
        Ok(ArrivalPlace { arrivals: self.clone(), number, gave_way })
    }
}

/// The place of one post; free again when it is dropped.
#[derive(Debug)]
pub(super) struct ArrivalPlace {
    arrivals: HookArrivals,
    number: u64,
    gave_way: CancellationToken,
}

impl ArrivalPlace {
    /// The result of `work`, unless the post gives way before.
    ///
    /// # Errors
    ///
    /// Those of `work`, and [`HookError::Crowded`].
    pub(super) async fn hold<T>(
        &self,
        work: impl Future<Output = Result<T, HookError>>,
    ) -> Result<T, HookError> {
        tokio::select! {
            biased;
            () = self.gave_way.cancelled() => Err(HookError::Crowded),
            done = work => done,
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// If it is too long, comes too late or not at all, or there is no room for it.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, HookError> {
        let read = tokio::time::timeout(ARRIVAL, self.collect(body)).await;
        read.unwrap_or(Err(HookError::Late(ARRIVAL)))
    }

    async fn collect(&self, mut body: Body) -> Result<Bytes, HookError> {
        let mut octets = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| HookError::BrokenOff)?;
            let Ok(data) = frame.into_data() else { continue };
            if octets.len() + data.len() > LARGEST {
                return Err(HookError::TooLong(LARGEST));
            }
            self.reserve(data.len())?;
            octets.extend_from_slice(&data);
        }
        Ok(octets.freeze())
    }

    /// Counts octets that have arrived.
    fn reserve(&self, octets: usize) -> Result<(), HookError> {
        let mut arriving = self.arrivals.0.lock();
        while arriving.octets() + octets > OCTETS {
            if !arriving.evict(Some(self.number), |post| post.octets) {
                return Err(HookError::Crowded);
            }
        }
        let post = arriving.posts.get_mut(&self.number).ok_or(HookError::Crowded)?;
        post.octets += octets;
        Ok(())
    }

    /// Keeps the place until it is dropped: the post is verified.
    ///
    /// # Errors
    ///
    /// [`HookError::Crowded`] if it gave way before.
    pub(super) fn settle(&self) -> Result<(), HookError> {
        let mut arriving = self.arrivals.0.lock();
        let post = arriving.posts.get_mut(&self.number).ok_or(HookError::Crowded)?;
        post.is_verified = true;
        Ok(())
    }
}

impl Drop for ArrivalPlace {
    fn drop(&mut self) {
        self.arrivals.0.lock().posts.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::{StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Status;

    use super::*;

    /// A body whose octets come in `frames`, and which then stalls.
    fn stalled(frames: usize, octets: usize) -> Body {
        let frame = move || Ok::<_, Status>(Frame::data(Bytes::from(vec![b' '; octets])));
        let frames = stream::iter((0..frames).map(move |_| frame()));
        Body::new(StreamBody::new(frames.chain(stream::pending())))
    }

    fn whole(octets: usize) -> Body {
        Body::new(http_body_util::Full::new(Bytes::from(vec![b' '; octets])))
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    async fn read(arrivals: &HookArrivals, body: Body) -> Result<usize, HookError> {
        let place = arrivals.enter(HERE)?;
        place.hold(place.read(body)).await.map(|octets| octets.len())
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_post_that_is_not_verified_gives_way_to_a_new_one() {
        let arrivals = HookArrivals::default();
        let places: Vec<_> = (0..PLACES).map(|_| arrivals.enter(HERE).unwrap()).collect();
        places[0].settle().unwrap();
        assert_eq!(read(&arrivals, whole(100)).await.unwrap(), 100);
        let gone = places[1].hold(places[1].read(stalled(1, 1))).await;
        assert!(matches!(gone, Err(HookError::Crowded)), "{gone:?}");
        assert!(matches!(places[1].settle(), Err(HookError::Crowded)));
        let left = places[2].hold(places[2].read(stalled(1, 1))).await;
        assert!(matches!(left, Err(HookError::Late(_))), "it has its time: {left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn large_posts_that_stall_take_no_room_from_others() {
        let arrivals = HookArrivals::default();
        let stalls = (0..PLACES).map(|_| read(&arrivals, stalled(15, 256 * 1024)));
        let mut stalls: stream::FuturesUnordered<_> = stalls.collect();
        assert!(matches!(stalls.next().await, Some(Err(HookError::Crowded))));
        assert!(arrivals.0.lock().octets() <= OCTETS);
        assert_eq!(read(&arrivals, whole(LARGEST)).await.unwrap(), LARGEST);
    }

    #[tokio::test]
    async fn a_peer_that_holds_most_makes_room_for_others() {
        let arrivals = HookArrivals::default();
        let slow = arrivals.enter(THERE).unwrap();
        let flood: Vec<_> = (0..3 * PLACES).map(|_| arrivals.enter(HERE).unwrap()).collect();
        slow.settle().unwrap();
        assert!(flood[2 * PLACES].settle().is_err() && flood[3 * PLACES - 1].settle().is_ok());
    }

    #[tokio::test]
    async fn verified_posts_give_way_to_none() {
        let arrivals = HookArrivals::default();
        let places: Vec<_> = (0..PLACES).map(|_| arrivals.enter(HERE).unwrap()).collect();
        places.iter().for_each(|place| place.settle().unwrap());
        assert!(matches!(arrivals.enter(HERE), Err(HookError::Crowded)));
        drop(places);
        assert!(arrivals.enter(HERE).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_octets_and_in_time() {
        let arrivals = HookArrivals::default();
        assert_eq!(read(&arrivals, whole(LARGEST)).await.unwrap(), LARGEST);
        let long = read(&arrivals, whole(LARGEST + 1)).await;
        assert!(matches!(long, Err(HookError::TooLong(LARGEST))), "{long:?}");
        let late = read(&arrivals, stalled(1, 1)).await;
        assert!(matches!(late, Err(HookError::Late(ARRIVAL))), "{late:?}");
        let frames = stream::iter([Err::<Frame<Bytes>, _>(Status::cancelled("gone"))]);
        let broken = read(&arrivals, Body::new(StreamBody::new(frames))).await;
        assert!(matches!(broken, Err(HookError::BrokenOff)), "{broken:?}");
        assert_eq!(arrivals.0.lock().posts.len(), 0);
    }
}
