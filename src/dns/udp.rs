//! UDP to one name server: a few connected sockets that carry many questions each.
//!
//! A socket for each question costs more than the question. Here a socket, of a port that the
//! kernel draws, carries questions for a short time; then another takes its place, so that no port
//! is worth finding out (RFC 5452 section 9.2). A reply counts if it comes from the name server
//! (the socket is connected to it), with the identifier of a question of that socket (drawn at
//! random), and with that question (RFC 5452 section 9.1).

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::HashMap;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::{DnsResponse, Query};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::question_message::QuestionMessage;
use super::reply_queue::ReplyQueue;
use super::response;
use crate::clock::Clock;

/// Sockets in use at a time. Few questions on each, so that the kernel's buffer holds their
/// replies when they all come at once.
const SOCKETS: usize = 16;
/// Questions of one socket, and the age after which it takes none: what is shorter.
const QUESTIONS: u32 = 2_000;
const AGE: Duration = Duration::from_secs(5);
/// Times that a question is sent before its time is over: a datagram may be lost.
const TRIES: usize = 4;
/// The time before it is sent again, doubled each time: a cold recursion is slow, and so is a busy
/// host.
const INTERVAL: Duration = Duration::from_millis(333);
/// The longest reply: more than the payload that we announce (RFC 9715 section 3.2).
const LONGEST: usize = 4_096;
/// The age up to which a socket that cannot send is not replaced.
const YOUNG: Duration = Duration::from_millis(100);
/// The pause after an error of the socket itself.
const PAUSE: Duration = Duration::from_millis(10);

/// Flags in the third octet of a message (RFC 1035 section 4.1.1): QR and TC.
const IS_RESPONSE: u8 = 0x80;
const IS_TRUNCATED: u8 = 0x02;

/// The sockets to one name server.
pub(super) struct UdpSockets {
    server: SocketAddr,
    clock: Clock,
    slots: Mutex<Slots>,
}

/// Places for sockets, used in turn.
struct Slots {
    slots: [Option<Slot>; SOCKETS],
    next: usize,
}

/// A socket that takes questions.
struct Slot {
    socket: Arc<Socket>,
    questions_left: u32,
    opened_at: SystemTime,
}

/// What a reply brings.
#[derive(Debug)]
pub(super) enum UdpReply {
    /// The whole response.
    Whole(DnsResponse),
    /// The word that the response has no room in a datagram.
    Truncated,
}

/// A socket, open as long as it may take a question or an answer is awaited on it.
struct Socket {
    shared: Arc<Shared>,
    /// Ends with the socket.
    _reader: JoinSet<()>,
}

/// The part of a socket that its reader sees.
struct Shared {
    socket: UdpSocket,
    /// For each identifier in use, the receiver of its replies.
    awaited: Mutex<HashMap<u16, Arc<ReplyQueue>>>,
}

/// A question that was sent: forgotten when this is dropped.
struct SentQuestion {
    socket: Arc<Socket>,
    id: u16,
}

impl UdpSockets {
    pub(super) fn new(server: SocketAddr, clock: Clock) -> Self {
        let slots = Slots { slots: Default::default(), next: 0 };
        Self { server, clock, slots: Mutex::new(slots) }
    }

    /// Sends `question` and waits for its reply, as long as `timeout`. Sends it again meanwhile,
    /// over another socket.
    pub(super) async fn exchange(
        &self,
        question: &mut QuestionMessage,
        timeout: Duration,
    ) -> Result<UdpReply, NetError> {
        let replies = Arc::new(ReplyQueue::default());
        let mut sent = [const { None::<SentQuestion> }; TRIES];
        let end = self.clock.instant(self.clock.now() + timeout);
        let mut timer = pin!(sleep_until(end));
        let mut interval = INTERVAL;
        for (tries, place) in sent.iter_mut().enumerate() {
            match self.send(question, &replies).await {
                Ok(question) => *place = Some(question),
                Err(error) if tries == 0 => return Err(error),
                // What was sent before may still be answered.
                Err(_) => {}
            }
            let again_at = self.clock.instant(self.clock.now() + interval);
            let until = if tries + 1 < TRIES { end.min(again_at) } else { end };
            timer.as_mut().reset(until);
            interval *= 2;
            loop {
                tokio::select! {
                    biased;
                    reply = replies.receive() => {
                        if let Some(reply) = read(reply, question.query()) {
                            return reply;
                        }
                    }
                    () = timer.as_mut() => break,
                }
            }
            if until == end {
                break;
            }
        }
        Err(NetError::Timeout)
    }

    /// Sends a question over the next socket; if that cannot, over one that takes its place.
    async fn send(
        &self,
        question: &mut QuestionMessage,
        replies: &Arc<ReplyQueue>,
    ) -> Result<SentQuestion, NetError> {
        let (place, socket) = self.socket()?;
        match SentQuestion::send(Arc::clone(&socket), question, replies).await {
            Err(_) => {
                let socket = self.replaced(place, &socket)?;
                SentQuestion::send(socket, question, replies).await
            }
            sent => sent,
        }
    }

    /// The next socket, opened if its place is free or the one there has done its part; and its
    /// place.
    fn socket(&self) -> Result<(usize, Arc<Socket>), Error> {
        let now = self.clock.now();
        let mut slots = self.slots.lock();
        let place = slots.next;
        slots.next = (place + 1) % SOCKETS;
        let slot = &mut slots.slots[place];
        if let Some(slot) =
            slot.as_mut().filter(|slot| slot.questions_left > 0 && now < slot.opened_at + AGE)
        {
            slot.questions_left -= 1;
            return Ok((place, Arc::clone(&slot.socket)));
        }
        Ok((place, slot.insert(Slot::open(self.server, now)?).socket.clone()))
    }

    /// The socket that takes the place of one that could not send: its address may be gone. One
    /// that is young stays, so that a host that cannot send does not open one for each question.
    fn replaced(&self, place: usize, failed: &Arc<Socket>) -> Result<Arc<Socket>, Error> {
        let now = self.clock.now();
        let slot = &mut self.slots.lock().slots[place];
        if let Some(slot) = slot
            .as_ref()
            .filter(|slot| !Arc::ptr_eq(&slot.socket, failed) || now < slot.opened_at + YOUNG)
        {
            return Ok(Arc::clone(&slot.socket));
        }
        Ok(slot.insert(Slot::open(self.server, now)?).socket.clone())
    }
}

impl Slot {
    fn open(server: SocketAddr, now: SystemTime) -> Result<Self, Error> {
        let socket = Arc::new(Socket::open(server)?);
        Ok(Self { socket, questions_left: QUESTIONS - 1, opened_at: now })
    }
}

impl Socket {
    /// Opens a socket to `server`, of a port that the kernel draws.
    fn open(server: SocketAddr) -> Result<Self, Error> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        Self::listening(socket)
    }

    fn listening(socket: std::net::UdpSocket) -> Result<Self, Error> {
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let shared = Arc::new(Shared { socket, awaited: Mutex::default() });
        let mut reader = JoinSet::new();
        reader.spawn(Arc::clone(&shared).read());
        Ok(Self { shared, _reader: reader })
    }
}

impl Shared {
    /// Hands replies to those who await them, for as long as the socket is open.
    async fn read(self: Arc<Self>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(length) => self.hand_over(&buffer[..length]),
                // A message that a datagram did not arrive: it is sent again in its time.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn hand_over(&self, reply: &[u8]) {
        let Some(id) = reply.first_chunk() else { return };
        let replies = self.awaited.lock().get(&u16::from_be_bytes(*id)).cloned();
        if let Some(replies) = replies {
            replies.push(reply);
        }
    }
}

impl SentQuestion {
    /// Sends a question, with its identifier if that is free on the socket.
    async fn send(
        socket: Arc<Socket>,
        question: &mut QuestionMessage,
        replies: &Arc<ReplyQueue>,
    ) -> Result<Self, NetError> {
        let sent = Self::new(socket, question.id(), replies).ok_or(NetError::Busy)?;
        question.set_id(sent.id);
        match sent.socket.shared.socket.send(question.octets()).await {
            Err(error) if !counts_as_lost(error.kind()) => Err(error.into()),
            _ => Ok(sent),
        }
    }

    /// Awaits replies with `id`, or with the next identifier that is free; none if none is.
    fn new(socket: Arc<Socket>, id: u16, replies: &Arc<ReplyQueue>) -> Option<Self> {
        let mut awaited = socket.shared.awaited.lock();
        let id = (0..=u16::MAX).map(|n| id.wrapping_add(n)).find(|id| !awaited.contains_key(id))?;
        awaited.insert(id, Arc::clone(replies));
        drop(awaited);
        Some(Self { socket, id })
    }
}

impl Drop for SentQuestion {
    fn drop(&mut self) {
        self.socket.shared.awaited.lock().remove(&self.id);
    }
}

/// `true` if a datagram that met this error is as good as lost on its way: the error is about an
/// earlier one to which nobody listened, or a filter of this host dropped it, whose table is full.
/// Any other tells that there is no way to the name server.
fn counts_as_lost(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied)
}

/// Reads a reply; `None` if it is not about `question`.
fn read(reply: Vec<u8>, question: &Query) -> Option<Result<UdpReply, NetError>> {
    let [_, _, flags, ..] = *reply else { return None };
    if flags & IS_RESPONSE == 0 {
        return None;
    }
    let is_truncated = flags & IS_TRUNCATED != 0;
    match DnsResponse::from_buffer(reply) {
        Ok(response) if !response::is_about(&response, question) => None,
        // Cut off in the middle of a record, perhaps.
        _ if is_truncated => Some(Ok(UdpReply::Truncated)),
        Ok(response) => Some(Ok(UdpReply::Whole(response))),
        Err(error) => Some(Err(error.into())),
    }
}

#[cfg(test)]
mod tests;
