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
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::response;
use crate::clock::Clock;

/// Sockets in use at a time. Few questions on each, so that the kernel's buffer holds their
/// replies when they all come at once.
const SOCKETS: usize = 16;
/// Questions of one socket, and the age after which it takes none: what is shorter.
const QUESTIONS: u32 = 2_000;
const AGE: Duration = Duration::from_secs(5);
/// Times that a question is sent before its time is over: a datagram may be lost.
const TRIES: u32 = 4;
/// The time before it is sent again, doubled each time: a cold recursion is slow, and so is a busy
/// host.
const INTERVAL: Duration = Duration::from_millis(333);
/// Replies kept that nobody has looked at. More than one is a forger's, or a second answer.
const REPLIES: usize = 4;
/// The longest reply: more than the payload that we announce (RFC 9715 section 3.2).
const LONGEST: usize = 4_096;
/// The pause after an error of the socket itself.
const PAUSE: Duration = Duration::from_millis(10);

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
    until: SystemTime,
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
    awaited: Mutex<HashMap<u16, mpsc::Sender<Vec<u8>>>>,
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

    /// Sends `request` and waits for its reply, as long as `timeout`. Sends it again meanwhile,
    /// over another socket.
    pub(super) async fn exchange(
        &self,
        request: &DnsRequest,
        timeout: Duration,
    ) -> Result<DnsResponse, NetError> {
        let mut octets = request.to_vec()?;
        let mut interval = INTERVAL;
        let (replies, mut heard) = mpsc::channel(REPLIES);
        let mut sent = Vec::with_capacity(1);
        let mut timer = pin!(sleep(timeout));
        let end = timer.deadline();
        for tries in 1..=TRIES {
            sent.push(self.send(&mut octets, request.id, &replies).await?);
            let until = if tries < TRIES { end.min(sleep(interval).deadline()) } else { end };
            timer.as_mut().reset(until);
            interval *= 2;
            loop {
                tokio::select! {
                    biased;
                    reply = heard.recv() => {
                        if let Some(response) = reply.and_then(|reply| read(reply, request)) {
                            return response;
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

    /// Sends a question over the next socket, with the identifier `id` if it is free there.
    async fn send(
        &self,
        octets: &mut [u8],
        id: u16,
        replies: &mpsc::Sender<Vec<u8>>,
    ) -> Result<SentQuestion, NetError> {
        let socket = self.socket()?;
        let sent = SentQuestion::new(socket, id, replies).ok_or(NetError::Busy)?;
        if let Some(first) = octets.first_chunk_mut() {
            *first = sent.id.to_be_bytes();
        }
        match sent.socket.shared.socket.send(octets).await {
            // About an earlier datagram: nobody listened. This one counts as lost.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(sent),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(sent),
        }
    }

    /// The next socket, opened if its place is free or the one there has done its part.
    fn socket(&self) -> Result<Arc<Socket>, Error> {
        let now = self.clock.now();
        let mut slots = self.slots.lock();
        let next = slots.next;
        slots.next = (next + 1) % SOCKETS;
        let slot = &mut slots.slots[next];
        if let Some(slot) = slot.as_mut().filter(|slot| slot.questions_left > 0 && now < slot.until)
        {
            slot.questions_left -= 1;
            return Ok(Arc::clone(&slot.socket));
        }
        let socket = Arc::new(Socket::open(self.server)?);
        *slot = Some(Slot {
            socket: Arc::clone(&socket),
            questions_left: QUESTIONS - 1,
            until: now + AGE,
        });
        Ok(socket)
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
        let awaited = self.awaited.lock();
        if let Some(receiver) = awaited.get(&u16::from_be_bytes(*id)) {
            // Full: there are replies to look at, and the right one is among them or comes again.
            let _ = receiver.try_send(reply.to_vec());
        }
    }
}

impl SentQuestion {
    /// Awaits replies with `id`, or with the next identifier that is free; none if none is.
    fn new(socket: Arc<Socket>, id: u16, replies: &mpsc::Sender<Vec<u8>>) -> Option<Self> {
        let mut awaited = socket.shared.awaited.lock();
        let id = (0..=u16::MAX).map(|n| id.wrapping_add(n)).find(|id| !awaited.contains_key(id))?;
        awaited.insert(id, replies.clone());
        drop(awaited);
        Some(Self { socket, id })
    }
}

impl Drop for SentQuestion {
    fn drop(&mut self) {
        self.socket.shared.awaited.lock().remove(&self.id);
    }
}

/// Reads a reply; `None` if it does not bring the question of `request` back. A refusal of its form
/// need not: who cannot read a question, for its EDNS (RFC 6891 section 7), may answer with a
/// header alone.
fn read(reply: Vec<u8>, request: &DnsRequest) -> Option<Result<DnsResponse, NetError>> {
    match DnsResponse::from_buffer(reply) {
        Ok(response) => {
            let is_refusal = response::refuses_form(response.response_code);
            let is_bare = response.queries.is_empty() && response.answers.is_empty();
            let is_about_it = response.queries == request.queries || is_refusal && is_bare;
            is_about_it.then_some(Ok(response))
        }
        Err(error) => Some(Err(error.into())),
    }
}

#[cfg(test)]
mod tests;
