use tokio::io::{BufReader, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls;

use super::*;
use crate::smtp::{
    Certificate, ClientIdentity, Explanation, Mailbox, Meaning, Reply, Stage, StartTlsMode,
    TlsVersion,
};

struct Unexplained;

impl Interpret for Unexplained {
    fn explain(&self, _: Stage, _: &DomainName, _: &ClientIdentity, _: &Reply) -> Explanation {
        Explanation::new(Meaning::Unknown, "none")
    }
}

fn setup(config: Config) -> SessionSetup {
    SessionSetup {
        identity: Arc::new(config.identity([192, 0, 2, 1].into())),
        config: Arc::new(config),
        interpreter: Arc::new(Unexplained),
        tls: TlsClient::new().unwrap(),
        clock: Clock::start(),
    }
}

fn peer() -> Peer {
    let exchanger = DomainName::from_ascii("mx.example.com");
    Peer { exchanger, address: [192, 0, 2, 9].into(), stale: false }
}

fn transaction(locals: &[&str]) -> Transaction {
    let domain = DomainName::from_ascii("example.com");
    Transaction::new(locals.iter().map(|local| Mailbox::new(local, &domain, None).unwrap()))
}

async fn opened<S: AsyncRead + AsyncWrite + Unpin>(stream: S, config: Config) -> Session<S> {
    let setup = setup(config);
    let deadline = setup.clock.now() + Duration::from_secs(3600);
    let mut session = Session::new(stream, peer(), &setup, Hints::default(), deadline);
    session.greet().await;
    session
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn ask(&mut self, locals: &[&str]) -> TransactionReport {
        let deadline = self.clock.now() + Duration::from_secs(3600);
        self.transact(&transaction(locals), deadline, true).await
    }
}

fn stage_and_reason(ended: Option<&RecipientAnswer>) -> (Stage, NoReply) {
    match ended.expect("the session is over") {
        RecipientAnswer::NoReply { stage, reason } => (*stage, reason.clone()),
        other => panic!("{other:?}"),
    }
}

/// A server that reads one command line for each line of its script and then says it. A script
/// line is said before anything is read when it is the first one.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, script: &[&str]) -> (S, Vec<String>) {
    use tokio::io::AsyncBufReadExt;
    let mut stream = BufReader::new(stream);
    let mut heard = Vec::new();
    for (i, line) in script.iter().enumerate() {
        if i > 0 {
            let mut command = String::new();
            stream.read_line(&mut command).await.unwrap();
            heard.push(command.trim_end().to_owned());
        }
        stream.write_all(line.as_bytes()).await.unwrap();
    }
    stream.flush().await.unwrap();
    (stream.into_inner(), heard)
}

const BANNER: &str = "220 mx\r\n";
const EHLO: &str = "250-mx\r\n250 PIPELINING\r\n";
const OK: &str = "250 ok\r\n";

fn pair() -> (DuplexStream, DuplexStream) {
    duplex(64 * 1024)
}

#[tokio::test(start_paused = true)]
async fn a_session_carries_several_transactions_in_one_flight_each() {
    let (ours, theirs) = pair();
    let script = [BANNER, EHLO, OK, OK, "550 no\r\n", OK, OK, OK, OK, ""];
    let client = async {
        let mut session = opened(ours, Config::default()).await;
        let first = session.ask(&["a", "b"]).await;
        assert_eq!((first.answered(), first.ended), (2, None));
        let second = session.ask(&["c"]).await;
        assert_eq!((second.answered(), second.unanswered().len()), (1, 0));
        let counters = session.facts().counters;
        assert_eq!((counters.flights, counters.mail, counters.rcpt), (3, 2, 3));
        session.quit(Duration::ZERO).await;
    };
    let ((), (_, heard)) = tokio::join!(client, serve(theirs, &script));
    assert_eq!(
        heard,
        [
            "EHLO [192.0.2.1]",
            "MAIL FROM:<>",
            "RCPT TO:<a@example.com>",
            "RCPT TO:<b@example.com>",
            "RSET",
            "MAIL FROM:<>",
            "RCPT TO:<c@example.com>",
            "RSET",
            "QUIT",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn quit_waits_for_no_answer() {
    let (ours, theirs) = pair();
    let client = async {
        let session = opened(ours, Config::default()).await;
        let clock = session.clock;
        let before = clock.now();
        session.quit(Duration::ZERO).await;
        assert_eq!(clock.now(), before);
    };
    let ((), (mut theirs, _)) = tokio::join!(client, serve(theirs, &[BANNER, EHLO]));
    let mut rest = String::new();
    theirs.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "QUIT\r\n", "and then the connection is closed");
}

#[tokio::test(start_paused = true)]
async fn the_whole_banner_is_awaited_before_we_speak() {
    let (ours, mut theirs) = pair();
    let server = async {
        theirs.write_all(b"220-mx, wait for it\r\n").await.unwrap();
        let mut early = [0; 1];
        let spoke = tokio::time::timeout(Duration::from_secs(20), theirs.read(&mut early)).await;
        assert!(spoke.is_err(), "we talked too early");
        serve(theirs, &["220 now\r\n", OK]).await
    };
    let (session, _) = tokio::join!(opened(ours, Config::default()), server);
    assert_eq!(session.ended(), None);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_each_stage_after_its_limit() {
    let limits = Config::default().time_limits;
    let scripts: [(&[&str], Stage); 4] = [
        (&[], Stage::Banner),
        (&[BANNER], Stage::Ehlo),
        (&[BANNER, EHLO], Stage::Mail),
        (&[BANNER, EHLO, OK], Stage::Rcpt),
    ];
    for (script, stage) in scripts {
        let (ours, theirs) = pair();
        let client = async {
            let mut session = opened(ours, Config::default()).await;
            let report = session.ask(&["a"]).await;
            assert_eq!(report.unanswered(), [0]);
            (session.clock, stage_and_reason(report.ended.as_ref()))
        };
        let began = Clock::start().now();
        let ((clock, ended), _open) = tokio::join!(client, serve(theirs, script));
        assert_eq!(ended, (stage, NoReply::Timeout));
        let took = clock.now().duration_since(began).unwrap_or_default();
        let off = took.abs_diff(limits.at(stage));
        assert!(off < Duration::from_secs(1), "{stage:?} took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_comes_first() {
    let (ours, theirs) = pair();
    let client = async {
        let mut session = opened(ours, Config::default()).await;
        let began = session.clock.now();
        let deadline = began + Duration::from_millis(1500);
        let report = session.transact(&transaction(&["a"]), deadline, false).await;
        assert_eq!(stage_and_reason(report.ended.as_ref()), (Stage::Rcpt, NoReply::Timeout));
        let took = session.clock.now().duration_since(began).unwrap();
        assert!(took < Duration::from_millis(1600), "{took:?}");
    };
    let ((), _open) = tokio::join!(client, serve(theirs, &[BANNER, EHLO, OK]));
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_runs_out_of_time() {
    let (ours, mut theirs) = pair();
    let drip = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        while theirs.write_all(b"2").await.is_ok() {
            tick.tick().await;
        }
    };
    let client = async {
        let session = opened(ours, Config::default()).await;
        stage_and_reason(session.ended())
    };
    assert_eq!(tokio::join!(client, drip).0, (Stage::Banner, NoReply::Timeout));
}

#[tokio::test(start_paused = true)]
async fn floods_and_garbage_are_protocol_errors_at_once() {
    let floods: [&[u8]; 5] =
        [b"220-x\r\n", b"220-\r\n", b"x", b"\x16\x03\x01\x02\n", b"HTTP/1.1 400 Bad\r\n"];
    for piece in floods {
        let (ours, mut theirs) = pair();
        let block = piece.repeat(8192 / piece.len());
        let flood = async {
            let mut sent = 0;
            while theirs.write_all(&block).await.is_ok() {
                sent += block.len();
                assert!(sent < 1_000_000, "still being read after a megabyte");
            }
        };
        let client = async {
            let session = opened(ours, Config::default()).await;
            stage_and_reason(session.ended())
        };
        let ((stage, reason), ()) = tokio::join!(client, flood);
        assert_eq!(stage, Stage::Banner);
        assert!(matches!(reason, NoReply::Protocol(_)), "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_behind_an_answer_leaves_the_answer() {
    let (ours, theirs) = pair();
    let client = async {
        let mut session = opened(ours, Config::default()).await;
        let report = session.ask(&["a", "b", "c"]).await;
        assert_eq!((report.answered(), report.unanswered().as_slice()), (1, &[1, 2][..]));
        stage_and_reason(report.ended.as_ref())
    };
    let script = [BANNER, EHLO, OK, "550 no\r\n", "\0\0\0\r\n"];
    let ((stage, reason), _) = tokio::join!(client, serve(theirs, &script));
    assert_eq!(stage, Stage::Rcpt);
    assert!(matches!(reason, NoReply::Protocol(_)), "{reason:?}");
}

#[tokio::test(start_paused = true)]
async fn a_close_in_mid_reply_is_no_reply() {
    for (script, stage) in [
        (vec!["22"], Stage::Banner),
        (vec![BANNER, "250-mx\r\n250-PIPE"], Stage::Ehlo),
        (vec![BANNER, EHLO, OK, "550 no su"], Stage::Rcpt),
    ] {
        let (ours, theirs) = pair();
        let client = async {
            let mut session = opened(ours, Config::default()).await;
            let report = session.ask(&["a"]).await;
            assert_eq!(report.unanswered(), [0]);
            stage_and_reason(report.ended.as_ref())
        };
        let server = async { drop(serve(theirs, &script).await) };
        assert_eq!(tokio::join!(client, server).0, (stage, NoReply::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_before_its_command_is_never_taken_for_an_answer() {
    let plain = "250 mx\r\n";
    let scripts: [&[&str]; 3] = [
        &["220 mx\r\n250 mx\r\n250 ok\r\n"],
        &[BANNER, "250 mx\r\n250 ok\r\n550 5.1.1 no\r\n"],
        &[BANNER, plain, "250 ok\r\n550 5.1.1 no\r\n"],
    ];
    for script in scripts {
        let (ours, theirs) = pair();
        let client = async {
            let mut session = opened(ours, Config::default()).await;
            let report = session.ask(&["a"]).await;
            assert_eq!(report.unanswered(), [0], "{script:?}");
            stage_and_reason(report.ended.as_ref()).1
        };
        let (reason, _open) = tokio::join!(client, serve(theirs, script));
        assert!(matches!(reason, NoReply::Protocol(_)), "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_behind_the_last_one_takes_the_answers_back_unless_it_says_goodbye() {
    for (extra, goodbye) in [("250 and more\r\n", false), ("421 enough\r\n", true)] {
        let (ours, theirs) = pair();
        let client = async {
            let mut session = opened(ours, Config::default()).await;
            let report = session.ask(&["a"]).await;
            assert_eq!(report.answered(), usize::from(goodbye));
            report.ended.expect("the session is over")
        };
        let last = format!("{OK}{extra}");
        let script = [BANNER, EHLO, OK, OK, &last];
        let (ended, _open) = tokio::join!(client, serve(theirs, &script));
        assert_eq!(matches!(ended, RecipientAnswer::Replied { .. }), goodbye, "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watched_session_notices_goodbye_and_close() {
    for goodbye in [Some("421 idle for too long\r\n"), None] {
        let (ours, theirs) = pair();
        let server = async {
            let (mut theirs, _) = serve(theirs, &[BANNER, EHLO]).await;
            tokio::time::sleep(Duration::from_secs(7)).await;
            if let Some(goodbye) = goodbye {
                theirs.write_all(goodbye.as_bytes()).await.unwrap();
            }
        };
        let client = async {
            let mut session = opened(ours, Config::default()).await;
            let brief = tokio::time::timeout(Duration::from_secs(3), session.watch()).await;
            assert!(brief.is_err() && session.ended().is_none(), "nothing was said yet");
            session.watch().await;
            matches!(session.ended(), Some(RecipientAnswer::Replied { .. }))
        };
        assert_eq!(tokio::join!(client, server).0, goodbye.is_some());
    }
}

fn certificate() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.com".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

#[tokio::test]
async fn starttls_works_over_tcp_and_forgets_what_came_before() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        // An intruder's reply rides behind the 220 in the clear.
        let offer = "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n";
        let clear = [BANNER, offer, "220 go\r\n250-mx\r\n250 SMTPUTF8\r\n"];
        let (stream, _) = serve(stream, &clear).await;
        let tls = tokio_rustls::TlsAcceptor::from(certificate()).accept(stream).await.unwrap();
        serve(tls, &["", EHLO, OK, OK, OK, ""]).await.1
    };
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let config = Config { starttls: StartTlsMode::Opportunistic, ..Config::default() };
        let mut session = opened(stream, config).await;
        assert!(!session.facts().capabilities.smtputf8, "the intruder was believed");
        let report = session.ask(&["a"]).await;
        assert_eq!((report.answered(), report.ended), (1, None));
        let tls = session.facts().tls.clone().unwrap();
        assert_eq!(tls.version, TlsVersion::Tls13);
        assert!(matches!(tls.certificate, Certificate::NotVerified(_)), "{tls:?}");
        session.quit(Duration::ZERO).await;
    };
    let ((), heard) = tokio::join!(client, server);
    assert_eq!(
        heard,
        ["EHLO [192.0.2.1]", "MAIL FROM:<>", "RCPT TO:<a@example.com>", "RSET", "QUIT"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_silent_handshake_ends_the_session() {
    let offer = "250-mx\r\n250 STARTTLS\r\n";
    for garbage in [true, false] {
        let (ours, theirs) = pair();
        let server = async {
            let (mut theirs, _) = serve(theirs, &[BANNER, offer, "220 go\r\n"]).await;
            if garbage {
                let mut hello = [0; 16];
                theirs.read_exact(&mut hello).await.unwrap();
                theirs.write_all(b"500 what is this?\r\n").await.unwrap();
            }
            theirs
        };
        let client = async {
            let config = Config { starttls: StartTlsMode::Always, ..Config::default() };
            let session = opened(ours, config).await;
            let ended = stage_and_reason(session.ended());
            session.quit(Duration::ZERO).await;
            ended
        };
        let ((stage, reason), _open) = tokio::join!(client, server);
        assert_eq!(stage, Stage::StartTls);
        assert_eq!(matches!(reason, NoReply::TlsFailed(_)), garbage, "{reason:?}");
        assert_eq!(reason == NoReply::Timeout, !garbage, "{reason:?}");
    }
}
