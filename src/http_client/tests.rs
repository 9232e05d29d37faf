//! Exchanges with a scripted server: which connections are used again, and which are not; and
//! which address of a host is connected to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::rustls::RootCertStore;

use super::{HttpClient, HttpLimits, HttpUrl};
use crate::address::DomainName;
use crate::cache::{self, DnsCache};
use crate::clock::Clock;
use crate::dns::no_dns::NoDns;
use crate::dns::{DnsFailure, DomainLookup, HostFacts, Lookup};
use crate::egress::{Connection, Dial, DialOptions};
use crate::smtp::{AllowedNetworks, NoReply, Target};

const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(10), body: 1000 };

/// What a connection does with a request.
#[derive(Clone)]
enum ServerStep {
    /// It answers.
    Answer(String),
    /// It answers, and says nothing any more until the client leaves.
    AnswerAndStall(String),
    /// It closes without an answer.
    Drop,
}

/// A server whose connections follow their scripts, and close at the end of them; those after the
/// last script follow it too.
struct ScriptedServer {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// A permit for each connection that its client left.
    left: Arc<Semaphore>,
    _serving: JoinSet<()>,
}

impl ScriptedServer {
    async fn start(scripts: impl Into<Vec<Vec<ServerStep>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let left = Arc::new(Semaphore::new(0));
        let scripts = scripts.into();
        let counts = (Arc::clone(&connections), Arc::clone(&requests), Arc::clone(&left));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (connections, requests, left) = counts;
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let script = scripts[number.min(scripts.len() - 1)].clone();
                serving.spawn(follow(stream, script, Arc::clone(&requests), Arc::clone(&left)));
            }
        });
        Self { url, connections, requests, left, _serving: serving }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn follow(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Vec<ServerStep>,
    requests: Arc<AtomicUsize>,
    left: Arc<Semaphore>,
) {
    for step in script {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                left.add_permits(1);
                return;
            }
        }
        requests.fetch_add(1, Ordering::SeqCst);
        match step {
            ServerStep::Answer(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            ServerStep::AnswerAndStall(answer) => {
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.read_buf(&mut Vec::new()).await;
            }
            ServerStep::Drop => return,
        }
    }
}

fn text(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn answer(body: &str) -> ServerStep {
    ServerStep::Answer(text(body))
}

fn client() -> HttpClient {
    client_of(Arc::new(NoDns), Clock::start())
}

fn client_of(lookup: Arc<dyn Lookup>, clock: Clock) -> HttpClient {
    let domains = DnsCache::new(lookup, cache::Config::default(), clock).unwrap();
    let lab = ["127.0.0.1", "::/64"].map(|network| AllowedNetworks::parse(network).unwrap());
    let lab = AllowedNetworks::new(lab);
    HttpClient::with_roots(domains, lab, "lab", RootCertStore::empty(), clock).unwrap()
}

async fn ask(client: &HttpClient, method: Method, url: &str) -> Result<String, String> {
    let limits = match url.ends_with("/stalls") {
        true => HttpLimits { time: Duration::from_millis(50), ..LIMITS },
        false => LIMITS,
    };
    let url = HttpUrl::parse(url).unwrap();
    let request = Request::builder().method(method).uri(&url.path).header("host", &url.authority);
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let answer = client.send(&url, request, limits).await.map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8(answer.body).unwrap())
}

async fn get(client: &HttpClient, server: &ScriptedServer) -> Result<String, String> {
    ask(client, Method::GET, &format!("{}/", server.url)).await
}

#[tokio::test]
async fn a_connection_that_the_server_keeps_open_is_used_again() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n";
    let script = vec![answer("a"), ServerStep::Answer(chunked.to_owned()), answer("c"), answer("")];
    let server = ScriptedServer::start([script]).await;
    let client = client().with_keep_alive();
    for body in ["a", "b", "c", ""] {
        assert_eq!(get(&client, &server).await.as_deref(), Ok(body));
    }
    assert_eq!((server.connections(), server.requests()), (1, 4));
    // Nor does it lead anywhere else.
    let elsewhere = server.url.replace("127.0.0.1", "127.0.0.2");
    assert!(ask(&client, Method::GET, &elsewhere).await.unwrap_err().contains("public address"));
}

#[tokio::test]
async fn requests_that_change_something_and_clients_that_keep_nothing_have_connections_of_their_own()
 {
    let server = ScriptedServer::start([vec![answer("a"), answer("b")]]).await;
    let (keeping, plain) = (client().with_keep_alive(), client());
    for (client, method) in [(&keeping, Method::POST), (&plain, Method::GET)] {
        let before = server.connections();
        for _ in 0..2 {
            let body = ask(client, method.clone(), &format!("{}/", server.url)).await;
            assert_eq!(body.as_deref(), Ok("a"));
        }
        assert_eq!(server.connections() - before, 2);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_with_its_answer_is_not_used_again() {
    let closing = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na";
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na";
    for first in [closing.to_owned(), old.to_owned(), text("a")] {
        // The last of them does not say so. The first two would answer wrongly if asked again.
        let scripts = match first == text("a") {
            true => [vec![answer("a")], vec![answer("b")]],
            false => [vec![ServerStep::Answer(first), answer("x")], vec![answer("b")]],
        };
        let server = ScriptedServer::start(scripts).await;
        let client = client().with_keep_alive();
        assert_eq!(get(&client, &server).await.as_deref(), Ok("a"));
        assert_eq!(get(&client, &server).await.as_deref(), Ok("b"));
        assert_eq!((server.connections(), server.requests()), (2, 2));
    }
}

#[tokio::test]
async fn a_request_that_is_lost_with_an_idle_connection_is_repeated_once() {
    let lost = vec![answer("a"), ServerStep::Drop];
    let server = ScriptedServer::start([lost.clone(), vec![answer("b")]]).await;
    let keeping = client().with_keep_alive();
    assert_eq!(get(&keeping, &server).await.as_deref(), Ok("a"));
    assert_eq!(get(&keeping, &server).await.as_deref(), Ok("b"));
    assert_eq!((server.connections(), server.requests()), (2, 3));

    let server = ScriptedServer::start([lost, vec![ServerStep::Drop]]).await;
    let keeping = client().with_keep_alive();
    assert_eq!(get(&keeping, &server).await.as_deref(), Ok("a"));
    assert!(get(&keeping, &server).await.unwrap_err().contains("broke off"));
    assert_eq!((server.connections(), server.requests()), (2, 3));
    // A new connection is no idle one.
    assert!(get(&keeping, &server).await.unwrap_err().contains("broke off"));
    assert_eq!((server.connections(), server.requests()), (3, 4));
}

#[tokio::test]
async fn a_connection_whose_answer_broke_a_bound_is_not_used_again() {
    let huge = text(&"x".repeat(LIMITS.body + 1));
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx";
    let no_http = "no HTTP\r\n\r\n";
    for (path, first) in [("/", huge.as_str()), ("/stalls", stalled), ("/", no_http)] {
        let first = ServerStep::AnswerAndStall(first.to_owned());
        let server = ScriptedServer::start([vec![first], vec![answer("b")]]).await;
        let client = client().with_keep_alive();
        ask(&client, Method::GET, &format!("{}{path}", server.url)).await.unwrap_err();
        assert_eq!(get(&client, &server).await.as_deref(), Ok("b"));
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() {
    let two = ServerStep::Answer(format!("{}{}", text("a"), text("smuggled")));
    let server = ScriptedServer::start([vec![two, answer("x")], vec![answer("b")]]).await;
    let client = client().with_keep_alive();
    assert_eq!(get(&client, &server).await.as_deref(), Ok("a"));
    assert_eq!(get(&client, &server).await.as_deref(), Ok("b"));
    assert_eq!((server.connections(), server.requests()), (2, 2));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_ten_seconds_and_with_its_client() {
    let server = ScriptedServer::start([vec![answer("a"), answer("b")]]).await;
    let client = client().with_keep_alive();
    assert_eq!(get(&client, &server).await.as_deref(), Ok("a"));
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(server.left.available_permits(), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    server.left.acquire().await.unwrap().forget();
    assert_eq!(get(&client, &server).await.as_deref(), Ok("a"), "a new connection");
    drop(client);
    server.left.acquire().await.unwrap().forget();
    assert_eq!(server.connections(), 2);
}

/// A network in which each host has addresses of both families, and only IPv4 leads to a server.
struct HalfNetwork {
    clock: Clock,
    /// IPv6 answers nothing, instead of failing at once.
    is_silent: bool,
    serving: Mutex<JoinSet<()>>,
}

#[async_trait]
impl Lookup for HalfNetwork {
    async fn domain(&self, _: &DomainName) -> Result<DomainLookup, DnsFailure> {
        Err(DnsFailure::Timeout)
    }

    async fn host(&self, host: &DomainName) -> Result<HostFacts, DnsFailure> {
        let addresses = ["::1", "::2", "127.0.0.1"].map(|address| address.parse().unwrap());
        Ok(HostFacts {
            host: host.clone(),
            addresses: addresses.to_vec(),
            exists: true,
            alias_of: None,
            looked_up_at: self.clock.now(),
            valid_until: self.clock.now() + Duration::from_secs(60),
        })
    }
}

#[async_trait]
impl Dial for HalfNetwork {
    async fn dial(&self, target: Target, options: DialOptions<'_>) -> Result<Connection, NoReply> {
        if target.address().is_ipv4() {
            let (ours, theirs) = duplex(4096);
            let (requests, left) = (Arc::default(), Arc::new(Semaphore::new(0)));
            self.serving.lock().spawn(follow(theirs, vec![answer("b")], requests, left));
            return Ok(Connection { stream: Box::new(ours), local: None });
        }
        if !self.is_silent {
            return Err(NoReply::ConnectFailed("there is no IPv6 here".to_owned()));
        }
        tokio::time::sleep_until(self.clock.instant(options.deadline)).await;
        Err(NoReply::Timeout)
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_fail_or_are_silent_leave_the_next_one_its_time() {
    for is_silent in [false, true] {
        let clock = Clock::start();
        let network = Arc::new(HalfNetwork { clock, is_silent, serving: Mutex::default() });
        let lookup: Arc<dyn Lookup> = Arc::clone(&network) as _;
        let client = HttpClient { dial: network, ..client_of(lookup, clock) };
        let answer = ask(&client, Method::GET, "http://dual.test/").await;
        assert_eq!(answer.as_deref(), Ok("b"), "silent: {is_silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_is_told_once() {
    let clock = Clock::start();
    let network = Arc::new(HalfNetwork { clock, is_silent: false, serving: Mutex::default() });
    let lookup: Arc<dyn Lookup> = Arc::clone(&network) as _;
    let client = HttpClient { dial: network, ..client_of(lookup, clock) };
    let answer = ask(&client, Method::GET, "http://[::1]/").await;
    assert_eq!(answer.unwrap_err(), "no connection: there is no IPv6 here");
}
