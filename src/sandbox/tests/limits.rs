//! What servers do not endure: too many, too fast, too early.

use std::time::UNIX_EPOCH;

use super::ledger::Ledger;
use super::session::ServerSession;
use super::*;
use crate::clock::Clock;
use crate::sandbox::world::Served;

#[tokio::test]
async fn connections_at_the_same_time_are_limited_and_counted() {
    let sandbox = one("limits.parallel = 2").await;
    let first = Client::ready(&sandbox).await;
    let second = Client::ready(&sandbox).await;
    let mut third = Client::open(&sandbox, "mx.a.test").await;
    assert!(third.reply().await.starts_with("421 4.7.0"));
    assert!(third.is_closed().await);
    drop((first, second, third));
    // Once the server has seen the others go there is room again.
    let counts = || sandbox.counts().exchanger("mx.a.test");
    while counts().parallel > 0 {
        tokio::task::yield_now().await;
    }
    Client::ready(&sandbox).await;
    assert_eq!((counts().connections, counts().peak_parallel), (4, 3));
}

#[tokio::test]
async fn a_connection_that_was_seen_to_close_counts_no_more() {
    let sandbox = one("").await;
    for _ in 0..50 {
        let mut client = Client::ready(&sandbox).await;
        assert!(client.ask("QUIT").await.starts_with("221"));
        assert!(client.is_closed().await);
        // It still has its own end open.
        assert_eq!(sandbox.counts().exchanger("mx.a.test").parallel, 0);
    }
    assert_eq!(sandbox.counts().exchanger("mx.a.test").peak_parallel, 1);
}

#[tokio::test]
async fn connections_in_a_window_are_limited() {
    let sandbox = one("limits = { connections = 1, window = \"1h\" }").await;
    Client::ready(&sandbox).await;
    let mut second = Client::open(&sandbox, "mx.a.test").await;
    assert!(second.reply().await.starts_with("421 4.7.0"));
    assert_eq!(sandbox.counts().total().peak_connections_in_window, 2);
}

#[tokio::test]
async fn recipients_in_a_window_are_limited_over_all_sessions() {
    let sandbox = one("limits = { recipients = 1, window = \"1h\" }").await;
    assert_eq!(Client::ready(&sandbox).await.probe("jane@a.test").await, "250 2.1.5");
    assert_eq!(Client::ready(&sandbox).await.probe("jane@a.test").await, "450 4.7.1");
}

#[tokio::test]
async fn recipients_of_a_transaction_and_of_a_session_are_limited() {
    let limits = "limits = { recipients_per_transaction = 1, recipients_per_session = 3 }";
    let sandbox = one(limits).await;
    let mut client = Client::ready(&sandbox).await;
    let rcpt = "RCPT TO:<jane@a.test>";
    let replies =
        client.all(&["MAIL FROM:<>", rcpt, rcpt, "RSET", "MAIL FROM:<>", rcpt, rcpt]).await;
    let codes: Vec<_> = replies.iter().map(|r| &r[..9]).collect();
    assert_eq!(codes[1..3], ["250 2.1.5", "452 4.5.3"]);
    assert_eq!(codes[5..], ["250 2.1.5", "421 4.7.0"]);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_transaction_may_take_one_domain_only() {
    let sandbox = sandbox(
        "names.\"a.test\".mx = [\"10 mx.a.test\"]\nnames.\"b.test\".mx = [\"10 mx.a.test\"]\n\
         [exchangers.\"mx.a.test\"]\nothers = \"accept\"\nlimits.one_domain = true\n",
    )
    .await;
    let mut client = Client::ready(&sandbox).await;
    let replies = client.all(&[
        "MAIL FROM:<>",
        "RCPT TO:<x@a.test>",
        "RCPT TO:<y@b.test>",
        "RCPT TO:<z@a.test>",
    ]);
    let replies = replies.await;
    assert!(replies[2].starts_with("451 4.3.0"), "{replies:?}");
    assert!(replies[3].starts_with("250"), "{replies:?}");
    client.ask("RSET").await;
    assert_eq!(client.probe("y@b.test").await, "250 2.1.5");
}

#[tokio::test]
async fn errors_and_commands_of_a_session_are_limited() {
    for (limit, commands) in [("errors = 2", 2), ("commands = 3", 2)] {
        let sandbox = one(&format!("limits.{limit}")).await;
        let mut client = Client::ready(&sandbox).await;
        for _ in 0..commands {
            assert!(client.ask("RCPT TO:<x@a.test>").await.starts_with("503"), "{limit}");
        }
        assert!(client.ask("NOOP").await.starts_with("421 4.7.0"), "{limit}");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn greylisting_asks_newcomers_to_come_back() {
    let sandbox = one("greylist = { delay = \"1h\" }").await;
    let mut client = Client::ready(&sandbox).await;
    let replies =
        client.all(&["MAIL FROM:<>", "RCPT TO:<jane@a.test>", "RCPT TO:<x@a.test>"]).await;
    assert_eq!(replies[1], "450 4.2.0 <jane@a.test>: greylisted, come back in 3600 seconds");
    assert!(replies[2].starts_with("450"), "{replies:?}");
    let known = one("greylist = { delay = \"1h\", unknown_too = false }").await;
    assert_eq!(Client::ready(&known).await.probe("x@a.test").await, "550 5.1.1");
}

#[tokio::test]
async fn greylisting_lets_the_same_triplet_through_when_its_delay_is_over() {
    let sandbox = one("greylist = { delay = \"30ms\" }").await;
    let mut client = Client::ready(&sandbox).await;
    let clock = Clock::start();
    let first = clock.now();
    assert_eq!(client.probe("jane@a.test").await, "450 4.2.0");
    while client.probe("jane@a.test").await != "250 2.1.5" {}
    assert!(clock.now().duration_since(first).unwrap() >= Duration::from_millis(25));
    // Another sender is another triplet.
    let other = client.all(&["MAIL FROM:<a@b.test>", "RCPT TO:<jane@a.test>"]).await;
    assert!(other[1].starts_with("450"), "{other:?}");
}

#[test]
fn a_tarpit_delays_refusals_past_the_first_ones_and_no_acceptance() {
    let delay = Duration::from_secs(8);
    let exchanger = ExchangerSpec {
        recipients: [("jane".to_owned(), RecipientReply::Accept)].into(),
        refusal_delay: delay,
        refusal_delay_after: 1,
        ..ExchangerSpec::default()
    };
    let served = Served { all: true, ..Served::default() };
    let client = IpAddr::from([127, 0, 0, 1]);
    let mut session =
        ServerSession::new(exchanger.into(), "mx.a.test".into(), served.into(), client);
    let mut ledger = Ledger::new(Duration::from_secs(60));
    let mut say = |line| session.command(line, &mut ledger, UNIX_EPOCH).delay;
    assert_eq!(say("EHLO client.test") + say("MAIL FROM:<>"), Duration::ZERO);
    assert_eq!(say("RCPT TO:<x@a.test>"), Duration::ZERO);
    assert_eq!(say("RCPT TO:<y@a.test>"), delay);
    assert_eq!(say("RCPT TO:<jane@a.test>"), Duration::ZERO);
}

#[tokio::test]
async fn a_delayed_answer_delays_those_behind_it() {
    let sandbox = one("refusal_delay = \"20ms\"").await;
    let mut client = Client::ready(&sandbox).await;
    client.ask("MAIL FROM:<>").await;
    let clock = Clock::start();
    let start = clock.now();
    client.send("RCPT TO:<x@a.test>\r\nRCPT TO:<jane@a.test>\r\n").await;
    assert!(client.reply().await.starts_with("550"));
    assert!(client.reply().await.starts_with("250"));
    assert!(clock.now().duration_since(start).unwrap() >= Duration::from_millis(20));
}

#[tokio::test]
async fn counts_start_anew_when_asked() {
    let sandbox = one("").await;
    let client = Client::ready(&sandbox).await;
    sandbox.reset_counts();
    let counts = sandbox.counts().exchanger("mx.a.test");
    assert_eq!((counts.connections, counts.flights), (0, 0));
    assert_eq!((counts.parallel, counts.peak_parallel), (1, 1));
    drop(client);
}

#[tokio::test]
async fn a_sandbox_that_is_shut_down_closes_everything() {
    let sandbox = one("").await;
    let address = sandbox.exchanger("mx.a.test").unwrap();
    let mut client = Client::ready(&sandbox).await;
    timeout(TIME_LIMIT, sandbox.shutdown()).await.unwrap();
    assert!(client.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}
