//! The way through a SOCKS5 proxy, over real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::egress::{EgressIdentity, Socks5};
use crate::smtp::{self, AllowedNetworks};

/// Where the proxy's own connections come from.
const EXIT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 77));

/// A small SOCKS5 server (RFC 1928, RFC 1929).
#[derive(Default)]
struct Proxy {
    /// The user and password it wants.
    login: Option<(&'static str, &'static str)>,
    /// The reply code to `CONNECT`, if it does not connect.
    refuses: Option<u8>,
    /// What it was asked to connect to.
    asked: Mutex<Vec<SocketAddr>>,
}

impl Proxy {
    /// Serves as long as the last of these is kept.
    async fn start(self) -> (Arc<Self>, SocketAddr, JoinSet<()>) {
        let replies = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = replies.local_addr().unwrap();
        let proxy = Arc::new(self);
        let serving = Arc::clone(&proxy);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = replies.accept().await {
                let proxy = Arc::clone(&serving);
                connections.spawn(async move { proxy.serve(stream).await });
            }
        });
        (proxy, address, task)
    }

    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let version = client.read_u8().await?;
        assert_eq!(version, 5);
        let methods = read(&mut client).await?;
        let method = if self.login.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, method]).await?;
        if let Some((user, password)) = self.login {
            assert_eq!(client.read_u8().await?, 1);
            let said = (read(&mut client).await?, read(&mut client).await?);
            let welcome = said == (user.into(), password.into());
            client.write_all(&[1, u8::from(!welcome)]).await?;
            if !welcome {
                return Ok(());
            }
        }
        let mut request = [0; 10];
        client.read_exact(&mut request).await?;
        assert_eq!(request[..4], [5, 1, 0, 1], "CONNECT to an IPv4 address, not to a name");
        let [.., a, b, c, d, high, low] = request;
        let target = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
        self.asked.lock().unwrap().push(target);
        let code = self.refuses.unwrap_or(0);
        client.write_all(&[5, code, 0, 1, 127, 0, 0, 77, 0, 0]).await?;
        if code == 0 {
            let socket = TcpSocket::new_v4()?;
            socket.bind((EXIT, 0).into())?;
            let mut server = socket.connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Ok(())
    }
}

/// Octets behind their count.
async fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut octets = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

fn through(name: &str, address: SocketAddr, login: Option<(&str, &str)>) -> EgressIdentity {
    let socks5 = Socks5 {
        address,
        user: login.map(|(user, _)| user.to_owned()),
        password: login.map(|(_, password)| password.to_owned()),
    };
    let helo_name = format!("{name}.example.com").parse().ok();
    EgressIdentity {
        name: name.to_owned(),
        socks5: Some(socks5),
        helo_name,
        ..EgressIdentity::default()
    }
}

async fn listening(identities: Vec<EgressIdentity>) -> (Arc<World>, Prober, SocketAddr) {
    let world = World::new();
    world.host(MX, Rules::default());
    let exchanger = world.listen(MX).await;
    let smtp = smtp::Config {
        port: exchanger.port(),
        allow_networks: AllowedNetworks::new([AllowedNetworks::parse("127.0.0.0/8").unwrap()]),
        ..smtp::Config::default()
    };
    let prober = world.tcp_prober(Config { identities, ..Config::default() }, smtp);
    (world, prober, exchanger)
}

#[tokio::test]
async fn a_session_goes_through_the_proxy_and_serves_everybody() {
    let (proxy, address, _task) = Proxy::default().start().await;
    let (world, prober, exchanger) = listening(vec![through("a", address, None)]).await;
    let outcomes = probe_all(&world, &prober, &users(20, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{:?}", outcomes[0]);
    prober.drain().await;
    assert_eq!(*proxy.asked.lock().unwrap(), [exchanger]);
    let seen = world.seen(MX);
    assert_eq!(seen.clients, [Some(EXIT)], "the exchanger sees the proxy");
    assert_eq!(seen.helos, ["a.example.com"]);
    assert_eq!(seen.quits, 1);
}

#[tokio::test]
async fn a_proxy_gets_its_user_and_password() {
    let login = Some(("vetter", "secret"));
    let (_proxy, address, _task) = Proxy { login, ..Proxy::default() }.start().await;
    let (world, prober, _) = listening(vec![through("a", address, login)]).await;
    let outcomes = probe_all(&world, &prober, &users(3, "a.example")).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == 250), "{:?}", outcomes[0]);
    assert_eq!(world.seen(MX).clients, [Some(EXIT)]);
}

/// Asks through a proxy that does not serve us; what we are told, and what the exchanger saw.
async fn refused(proxy: Proxy, login: Option<(&str, &str)>) -> (NoReply, usize) {
    let (_proxy, address, _task) = proxy.start().await;
    let (world, prober, _) = listening(vec![through("a", address, login)]).await;
    let outcome = prober.probe(world.request("user@a.example", &[(MX, 10)])).await;
    let (stage, reason) = no_reply(&outcome).unwrap();
    assert_eq!(stage, Stage::Connect);
    (reason, world.seen(MX).connections.len())
}

#[tokio::test]
async fn a_proxy_that_refuses_us_is_named_as_what_failed() {
    let login = Some(("vetter", "secret"));
    for (proxy, says) in [
        (Proxy { login, ..Proxy::default() }, Some(("vetter", "wrong"))),
        (Proxy { login, ..Proxy::default() }, None),
        // Connection not allowed by ruleset; general failure.
        (Proxy { refuses: Some(2), ..Proxy::default() }, None),
        (Proxy { refuses: Some(1), ..Proxy::default() }, None),
    ] {
        let (reason, connections) = refused(proxy, says).await;
        assert!(matches!(reason, NoReply::ProxyFailed(_)), "{reason:?}");
        assert_eq!(connections, 0);
    }
}

#[tokio::test]
async fn a_host_that_the_proxy_cannot_reach_is_an_answer_about_the_host() {
    // Network unreachable, host unreachable, connection refused.
    for code in [3, 4, 5] {
        let proxy = Proxy { refuses: Some(code), ..Proxy::default() };
        let (reason, _) = refused(proxy, None).await;
        assert!(matches!(reason, NoReply::ConnectFailed(_)), "{code}: {reason:?}");
    }
}

#[tokio::test]
async fn where_one_proxy_fails_another_identity_asks() {
    let (bad, bad_address, _bad_task) =
        Proxy { refuses: Some(2), ..Proxy::default() }.start().await;
    let (_good, good_address, _good_task) = Proxy::default().start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = nobody.local_addr().unwrap();
    drop(nobody);
    let identities = vec![
        through("bad", bad_address, None),
        through("gone", gone, None),
        through("good", good_address, None),
    ];
    let (world, prober, _) = listening(identities).await;
    for n in 0..20 {
        let outcome = prober.probe(world.request(&format!("user@d{n}.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250, "{outcome:?}");
    }
    assert!(bad.asked.lock().unwrap().len() <= 1, "a proxy that failed rests");
    assert_eq!(world.seen(MX).helos, ["good.example.com"]);
}

#[tokio::test]
async fn where_one_proxy_says_nothing_another_identity_asks_and_the_silent_one_rests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let mut mute = JoinSet::new();
    let dialled = Arc::new(Mutex::new(0));
    let count = Arc::clone(&dialled);
    mute.spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            *count.lock().unwrap() += 1;
            stream.read_u8().await.unwrap();
            // The time limit of a connection is over.
            tokio::time::pause();
            tokio::time::advance(std::time::Duration::from_secs(11)).await;
            tokio::time::resume();
            held.push(stream);
        }
    });
    let (_good, good_address, _good_task) = Proxy::default().start().await;
    let identities = vec![through("silent", silent, None), through("good", good_address, None)];
    let (world, prober, _) = listening(identities).await;
    for n in 0..20 {
        let outcome = prober.probe(world.request(&format!("user@d{n}.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250, "{outcome:?}");
    }
    assert_eq!(*dialled.lock().unwrap(), 1, "a proxy that says nothing rests");
    assert_eq!(world.seen(MX).helos, ["good.example.com"]);
}

#[tokio::test]
async fn where_a_source_address_is_not_there_another_identity_asks() {
    let from = |name: &str, source: [u8; 4]| EgressIdentity {
        name: name.to_owned(),
        source_v4: Some(source.into()),
        helo_name: format!("{name}.example.com").parse().ok(),
        ..EgressIdentity::default()
    };
    // No machine has an address of TEST-NET-1.
    let identities = vec![from("away", [192, 0, 2, 1]), from("here", [127, 0, 0, 9])];
    let (world, prober, _) = listening(identities).await;
    for n in 0..20 {
        let outcome = prober.probe(world.request(&format!("user@d{n}.example"), &[(MX, 10)])).await;
        assert_eq!(code(&outcome), 250, "{outcome:?}");
    }
    let seen = world.seen(MX);
    assert_eq!(seen.helos.iter().collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert_eq!(seen.helos[0], "here.example.com");
}
